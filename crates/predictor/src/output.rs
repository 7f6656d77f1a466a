//! Predictions as tables: what `intendant predict` writes.

use intendant_component::predictor::{Class, Item, Prediction, Predictor, Reasons};
use intendant_table::{Column, Table};

use crate::Failed;
use crate::spec::{Kind, Spec};

/// Columns that predictions are written to.
const OWN: [&str; 4] = ["probability", "label", "prediction", "reasons"];

/// The probability that is told of a class: that of the positive one, else of the predicted one.
pub fn probability(predictor: &dyn Predictor, class: &Class) -> f64 {
    let told = predictor.positive().unwrap_or(class.label);
    class.probabilities.get(told).copied().unwrap_or(f64::NAN)
}

/// Predictions beside what names their rows.
///
/// # Errors
/// When a column that names rows is missing.
pub fn table(
    spec: &Spec,
    predictor: &dyn Predictor,
    input: &Table,
    (predictions, reasons): (&[Prediction], Option<&[Reasons]>),
) -> Result<Table, Failed> {
    if spec.kind == Kind::Recommender {
        return recommended(spec, input, predictions);
    }
    let mut output = Table::default();
    let put = |output: &mut Table, name: &str, column: Column| {
        output.push(name.to_owned(), column).map_err(|error| Failed::new(error.to_string()))
    };
    match &spec.key {
        Some(key) => put(&mut output, key, crate::files::column(input, key)?.clone())?,
        None => {
            for (name, column) in input.iter().filter(|(name, _)| !OWN.contains(name)) {
                put(&mut output, name, column.clone())?;
            }
        }
    }
    let is_number = predictor.classes().is_empty();
    if is_number {
        let numbers = predictions.iter().map(|prediction| match prediction {
            Prediction::Number(number) => *number,
            _ => f64::NAN,
        });
        put(&mut output, "prediction", Column::Number(numbers.collect()))?;
    } else {
        let classes: Vec<Option<&Class>> =
            predictions.iter().map(|prediction| told(spec, prediction)).collect();
        let probabilities =
            classes.iter().map(|class| class.map_or(f64::NAN, |class| probability(predictor, class)));
        put(&mut output, "probability", Column::Number(probabilities.collect()))?;
        let labels =
            classes.iter().map(|class| class.and_then(|class| predictor.classes().get(class.label).cloned()));
        put(&mut output, "label", Column::Text(labels.collect()))?;
    }
    if let Some(reasons) = reasons {
        let written = reasons.iter().map(|reasons| Some(reasons_text(reasons)));
        put(&mut output, "reasons", Column::Text(written.collect()))?;
    }
    Ok(output)
}

/// The class that a row is about: of the entity where one is asked about, else of the whole.
pub fn told<'a>(spec: &Spec, prediction: &'a Prediction) -> Option<&'a Class> {
    match prediction {
        Prediction::Class(class) => Some(class),
        Prediction::Polarity { document, opinions } => match opinions.first() {
            Some(opinion) if spec.entity.is_some() => opinion.class.as_ref().or(Some(document)),
            _ => Some(document),
        },
        Prediction::Number(_) | Prediction::Items { .. } => None,
    }
}

fn reasons_text(reasons: &Reasons) -> String {
    let parts: Vec<String> =
        reasons.contributions.iter().map(|(name, weight)| format!("{name} {weight:+.4}")).collect();
    parts.join(", ")
}

/// User, rank, item and how it was found.
type Line<'a> = (Option<String>, usize, &'a Item, &'a str);

fn recommended(spec: &Spec, input: &Table, predictions: &[Prediction]) -> Result<Table, Failed> {
    let user_name = spec.user.as_deref().unwrap_or("user");
    let item_name = spec.item.as_deref().unwrap_or("item");
    let users = input.column(user_name);
    let mut rows: Vec<Line<'_>> = Vec::new();
    for (row, prediction) in predictions.iter().enumerate() {
        let Prediction::Items { mode, items } = prediction else { continue };
        let user = users.and_then(|users| users.value(row).to_text()).map(std::borrow::Cow::into_owned);
        rows.extend(
            items.iter().enumerate().map(|(rank, item)| (user.clone(), rank + 1, item, mode.as_str())),
        );
    }
    let texts = |get: &dyn Fn(&Line<'_>) -> Option<String>| Column::Text(rows.iter().map(get).collect());
    let numbers = |get: &dyn Fn(&Line<'_>) -> f64| Column::Number(rows.iter().map(get).collect());
    let columns = vec![
        (user_name.to_owned(), texts(&|row| row.0.clone())),
        (item_name.to_owned(), texts(&|row| Some(row.2.id.clone()))),
        ("rank".to_owned(), numbers(&|row| row.1 as f64)),
        ("score".to_owned(), numbers(&|row| row.2.score)),
        ("mode".to_owned(), texts(&|row| Some(row.3.to_owned()))),
        ("reason".to_owned(), texts(&|row| row.2.reason.clone())),
    ];
    Table::new(columns).map_err(|error| Failed::new(error.to_string()))
}
