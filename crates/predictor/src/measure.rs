//! How good predictions are: one function for every kind, figures by name, slices as `metric[column=value]`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use intendant_component::predictor::{Class, Prediction, Predictor};
use intendant_table::Table;

use crate::spec::{Kind, Spec};
use crate::{Failed, files, output};

/// Figures by name.
pub type Figures = BTreeMap<String, f64>;

/// Recommendations that count.
const TOP: usize = 10;
/// Fewer rows than this say nothing about a slice.
const SLICE_ROWS_MIN: usize = 10;
/// Most values of a column that are told separately.
const SLICES_MAX: usize = 50;

/// Holds predictions for `rows` against what is in their target column.
///
/// # Errors
/// When the rows lack a column, or cannot be predicted.
pub fn measure(spec: &Spec, predictor: &dyn Predictor, rows: &Table) -> Result<Figures, Failed> {
    if spec.kind == Kind::Recommender {
        return recommendations(spec, predictor, rows);
    }
    let Some(target) = &spec.target else {
        return Err(Failed::new("`target` is missing: the column that predictions are held against"));
    };
    let predictions = predictor.predict(rows).map_err(|error| Failed::new(error.to_string()))?;
    let mut figures = Figures::new();
    if predictor.classes().is_empty() {
        let truth = files::numbers(rows, target)?;
        let pairs: Vec<(f64, f64)> = predictions
            .iter()
            .zip(truth)
            .filter_map(|(prediction, truth)| match prediction {
                Prediction::Number(number) if !truth.is_nan() => Some((*number, truth)),
                _ => None,
            })
            .collect();
        figures.extend(of_numbers(&pairs).into_iter().map(|(name, value)| (name.to_owned(), value)));
        return Ok(figures);
    }
    let truth = files::texts(rows, target)?;
    let judged: Vec<(usize, Judged)> = predictions
        .iter()
        .zip(&truth)
        .enumerate()
        .filter_map(|(row, (prediction, truth))| {
            let truth = predictor.classes().iter().position(|class| Some(class) == truth.as_ref())?;
            Some((row, Judged { truth, class: output::told(spec, prediction)?.clone() }))
        })
        .collect();
    if judged.is_empty() {
        let message =
            format!("no row has one of the classes {} in `{target}`", predictor.classes().join(", "));
        return Err(Failed::new(message));
    }
    let all: Vec<&Judged> = judged.iter().map(|(_, judged)| judged).collect();
    figures.extend(of_classes(&all, predictor).into_iter().map(|(name, value)| (name.to_owned(), value)));
    for slice in &spec.slices {
        let values = files::texts(rows, slice)?;
        let mut parts: BTreeMap<&str, Vec<&Judged>> = BTreeMap::new();
        for (row, judged) in &judged {
            parts.entry(values[*row].as_deref().unwrap_or("(missing)")).or_default().push(judged);
        }
        if parts.len() > SLICES_MAX {
            continue;
        }
        for (value, part) in parts.iter().filter(|(_, part)| part.len() >= SLICE_ROWS_MIN) {
            for (name, figure) in of_classes(part, predictor) {
                figures.insert(format!("{name}[{slice}={value}]"), figure);
            }
        }
    }
    Ok(figures)
}

struct Judged {
    truth: usize,
    class: Class,
}

fn of_numbers(pairs: &[(f64, f64)]) -> Vec<(&'static str, f64)> {
    let count = pairs.len().max(1) as f64;
    let mean = pairs.iter().map(|(_, truth)| truth).sum::<f64>() / count;
    let squares: f64 = pairs.iter().map(|(told, truth)| (told - truth).powi(2)).sum();
    let spread: f64 = pairs.iter().map(|(_, truth)| (truth - mean).powi(2)).sum();
    let absolute: f64 = pairs.iter().map(|(told, truth)| (told - truth).abs()).sum();
    vec![
        ("mae", absolute / count),
        ("r2", 1.0 - squares / spread.max(f64::MIN_POSITIVE)),
        ("rmse", (squares / count).sqrt()),
        ("rows", pairs.len() as f64),
    ]
}

fn of_classes(judged: &[&Judged], predictor: &dyn Predictor) -> Vec<(&'static str, f64)> {
    let count = judged.len() as f64;
    let right = judged.iter().filter(|judged| judged.truth == judged.class.label).count();
    let chance =
        |judged: &Judged, class: usize| judged.class.probabilities.get(class).copied().unwrap_or(0.0);
    let loss: f64 = judged.iter().map(|judged| -chance(judged, judged.truth).max(1e-15).ln()).sum();
    let scores = |class: usize| {
        let hits = judged.iter().filter(|judged| judged.truth == class && judged.class.label == class).count()
            as f64;
        let truth = judged.iter().filter(|judged| judged.truth == class).count() as f64;
        let told = judged.iter().filter(|judged| judged.class.label == class).count() as f64;
        let share = |whole: f64| if whole > 0.0 { hits / whole } else { 0.0 };
        let f1 = if truth + told > 0.0 { 2.0 * hits / (truth + told) } else { 0.0 };
        (share(told), share(truth), f1)
    };
    let there: BTreeSet<usize> = judged.iter().map(|judged| judged.truth).collect();
    let macro_f1 = there.iter().map(|class| scores(*class).2).sum::<f64>() / there.len().max(1) as f64;
    let mut figures = vec![
        ("accuracy", right as f64 / count),
        ("log_loss", loss / count),
        ("macro_f1", macro_f1),
        ("rows", count),
    ];
    if let Some(positive) = predictor.positive() {
        let (precision, recall, f1) = scores(positive);
        figures.extend([("f1", f1), ("precision", precision), ("recall", recall)]);
        let ranked: Vec<(f64, bool)> =
            judged.iter().map(|judged| (chance(judged, positive), judged.truth == positive)).collect();
        let brier =
            ranked.iter().map(|(chance, is)| (chance - f64::from(u8::from(*is))).powi(2)).sum::<f64>();
        figures.push(("brier", brier / count));
        figures.extend(ranking(ranked));
    }
    figures
}

/// Areas under the curves of rates and of precision; nothing when all rows are of one class.
fn ranking(mut ranked: Vec<(f64, bool)>) -> Vec<(&'static str, f64)> {
    let positives = ranked.iter().filter(|(_, is)| *is).count() as f64;
    let negatives = ranked.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return Vec::new();
    }
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    let (mut hits, mut seen, mut area, mut precision) = (0.0, 0.0, 0.0, 0.0);
    // Equal scores are one step: their order means nothing.
    for tied in ranked.chunk_by(|left, right| left.0 == right.0) {
        let of_them = tied.iter().filter(|(_, is)| *is).count() as f64;
        let others = tied.len() as f64 - of_them;
        area += others * (hits + of_them / 2.0);
        hits += of_them;
        seen += tied.len() as f64;
        precision += of_them * hits / seen;
    }
    vec![("pr_auc", precision / positives), ("roc_auc", area / (positives * negatives))]
}

fn recommendations(spec: &Spec, predictor: &dyn Predictor, rows: &Table) -> Result<Figures, Failed> {
    let (Some(user), Some(item)) = (&spec.user, &spec.item) else {
        return Err(Failed::new("without `user` and `item` recommendations cannot be measured"));
    };
    let (users, items) = (files::texts(rows, user)?, files::texts(rows, item)?);
    let ratings = spec.rating.as_ref().map(|rating| files::numbers(rows, rating)).transpose()?;
    let mut liked: HashMap<String, HashSet<String>> = HashMap::new();
    let mut order = Vec::new();
    for (row, (user, item)) in users.into_iter().zip(items).enumerate() {
        let is_liked = match (&ratings, spec.liked_from) {
            (Some(ratings), Some(from)) => ratings[row] >= from,
            _ => true,
        };
        if let (Some(user), Some(item), true) = (user, item, is_liked) {
            if !liked.contains_key(&user) {
                order.push(user.clone());
            }
            liked.entry(user).or_default().insert(item);
        }
    }
    let asked = Table::new(vec![(
        user.clone(),
        intendant_table::Column::Text(order.iter().cloned().map(Some).collect()),
    )]);
    let asked = asked.map_err(|error| Failed::new(error.to_string()))?;
    let told = predictor.predict(&asked).map_err(|error| Failed::new(error.to_string()))?;
    let (mut gain, mut recall) = (0.0, 0.0);
    for (user, prediction) in order.iter().zip(&told) {
        let Prediction::Items { items, .. } = prediction else { continue };
        let wanted = &liked[user];
        let discount = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
        let ideal: f64 = (0..wanted.len().min(TOP)).map(discount).sum();
        let hits: Vec<usize> = items
            .iter()
            .take(TOP)
            .enumerate()
            .filter(|(_, item)| wanted.contains(&item.id))
            .map(|(rank, _)| rank)
            .collect();
        gain += hits.iter().map(|rank| discount(*rank)).sum::<f64>() / ideal;
        recall += hits.len() as f64 / wanted.len() as f64;
    }
    let count = order.len().max(1) as f64;
    Ok(Figures::from([
        ("ndcg@10".to_owned(), gain / count),
        ("recall@10".to_owned(), recall / count),
        ("users".to_owned(), order.len() as f64),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_count_equal_scores_as_one_step() {
        let check = |ranked: &[(f64, bool)], roc_auc: f64, pr_auc: f64| {
            let figures = ranking(ranked.to_vec());
            assert!(
                (figures[0].1 - pr_auc).abs() < 1e-12 && (figures[1].1 - roc_auc).abs() < 1e-12,
                "{figures:?}"
            );
        };
        check(&[(0.9, true), (0.8, false), (0.7, true), (0.1, false)], 0.75, (1.0 + 2.0 / 3.0) / 2.0);
        check(&[(0.5, true), (0.5, false), (0.5, true), (0.5, false)], 0.5, 0.5);
        assert!(ranking(vec![(0.5, true)]).is_empty());
    }
}
