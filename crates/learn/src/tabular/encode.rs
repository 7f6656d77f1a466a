//! From columns to inputs: the numbers and codes that every family of models learns from.
//!
//! A field gives one or more inputs: a number as it is, a date as day, month, weekday and hour, a category as code
//! and, when it has many names, as the mean of the target. `NaN` is missing throughout. The same inputs are made
//! for training and for a single row, by the same code.

use std::collections::HashMap;

use intendant_table::{Categories, Column, Field, Kind, Moment, Signature, Table};
use serde_json::{Value as Json, json};

use super::settings::{Feature, Impute, Outliers};

/// What is known of the fields and how inputs are made of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Encoder {
    pub signature: Signature,
    cleaning: Vec<Cleaning>,
    pub inputs: Vec<Input>,
}

/// One input of the models.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Input {
    /// Index of the field it is made of.
    pub field: usize,
    /// As explanations name it.
    pub name: String,
    pub source: Source,
}

/// How an input is made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// The number itself, cleaned.
    Number,
    /// A part of a date.
    Date(DatePart),
    /// Days from this field's date back to another's.
    DaysSince(usize),
    /// The code of a category; those after the last known name share one code.
    Code { names: Vec<String>, has_others: bool },
    /// The mean of the target among rows of the same name; by name.
    Mean { means: Vec<(String, f64)>, overall: f64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DatePart {
    Day,
    Month,
    Weekday,
    Hour,
}

/// What is done to a field's numbers before anything else.
#[derive(Clone, Debug, Default, PartialEq)]
struct Cleaning {
    least: Option<f64>,
    most: Option<f64>,
    clips: bool,
    missing: Vec<f64>,
    fill: Option<f64>,
}

/// The target as the encoder of means sees it.
pub(super) struct Targets<'a> {
    /// One column per class but the first, or the number to predict.
    pub columns: &'a [Vec<f64>],
    /// The part of cross-validation each row is in.
    pub folds: &'a [usize],
}

/// Names of a category that have a code of their own.
const NAMES_MAX: usize = 200;

/// Categories with more names are also learnt by the mean of the target.
const MEAN_NAMES_MIN: usize = 12;

/// How many rows of the overall mean are added to each name's.
const MEAN_PRIOR_ROWS: f64 = 20.0;

/// Classes for which means of the target are inputs.
const MEAN_CLASSES_MAX: usize = 6;

/// Dates whose distances to each other are inputs.
const DATES_MAX: usize = 4;

impl Encoder {
    /// Learns names, fills and means from the training table; gives the inputs of its rows too, column by column.
    ///
    /// Means for a training row come from other parts than its own, so that they do not tell its target.
    pub fn fit(table: &Table, features: &[Feature], targets: &Targets<'_>) -> (Self, Vec<Vec<f64>>) {
        let mut signature = Signature::of(table);
        for field in &mut signature.fields {
            // A row without a value can always be asked about.
            field.is_optional = true;
        }
        let cleaning = table.iter().map(|(name, column)| Cleaning::fit(column, features, name)).collect();
        let mut encoder = Self { signature, cleaning, inputs: Vec::new() };
        let dates: Vec<usize> =
            (0..table.columns().len()).filter(|idx| table.columns()[*idx].kind() == Kind::Date).collect();
        let mut fitted: Vec<(usize, Vec<f64>)> = Vec::new();
        for (field, (name, column)) in table.iter().enumerate() {
            let mut push = |name: String, source| {
                encoder.inputs.push(Input { field, name, source });
                encoder.inputs.len() - 1
            };
            match column {
                Column::Number(_) | Column::Boolean(_) => {
                    push(name.to_owned(), Source::Number);
                }
                Column::Date(moments) => {
                    push(name.to_owned(), Source::Date(DatePart::Day));
                    push(format!("{name} (month)"), Source::Date(DatePart::Month));
                    push(format!("{name} (weekday)"), Source::Date(DatePart::Weekday));
                    if moments.iter().flatten().any(|moment| moment.second_of_day() > 0) {
                        push(format!("{name} (hour)"), Source::Date(DatePart::Hour));
                    }
                    for other in dates.iter().take(DATES_MAX).filter(|other| **other < field) {
                        let label = format!("{name} (days since {})", table.names()[*other]);
                        push(label, Source::DaysSince(*other));
                    }
                }
                Column::Category(categories) => {
                    let order = by_count(categories);
                    let names: Vec<String> = order.iter().take(NAMES_MAX).cloned().collect();
                    push(name.to_owned(), Source::Code { names, has_others: order.len() > NAMES_MAX });
                    if order.len() >= MEAN_NAMES_MIN && targets.columns.len() <= MEAN_CLASSES_MAX {
                        for (class, target) in targets.columns.iter().enumerate() {
                            let suffix = if targets.columns.len() > 1 {
                                format!(" {}", class + 1)
                            } else {
                                String::new()
                            };
                            let (source, column) = means(categories, target, targets.folds);
                            fitted.push((push(format!("{name} (mean of target{suffix})"), source), column));
                        }
                    }
                }
                Column::Text(_) => {}
            }
        }
        let mut columns = encoder.encode(table);
        for (input, column) in fitted {
            columns[input] = column;
        }
        (encoder, columns)
    }

    /// The inputs of a table's rows, column by column; fields are looked up by name, absent ones are missing.
    pub fn encode(&self, table: &Table) -> Vec<Vec<f64>> {
        let fields: Vec<Column> = self
            .signature
            .fields
            .iter()
            .map(|field| match table.column(&field.name) {
                None => Column::missing(field.kind, table.rows()),
                Some(column) => column.cast(field.kind).0,
            })
            .collect();
        self.inputs.iter().map(|input| self.encode_input(input, &fields)).collect()
    }

    /// Whether an input holds codes without order.
    pub fn is_code(&self, input: usize) -> bool {
        matches!(self.inputs[input].source, Source::Code { .. })
    }

    /// Number of codes of an input of codes.
    pub fn codes(&self, input: usize) -> usize {
        match &self.inputs[input].source {
            Source::Code { names, has_others } => names.len() + usize::from(*has_others),
            _ => 0,
        }
    }

    fn encode_input(&self, input: &Input, fields: &[Column]) -> Vec<f64> {
        let column = &fields[input.field];
        match (&input.source, column) {
            (Source::Number, Column::Number(values)) => {
                let cleaning = &self.cleaning[input.field];
                values.iter().map(|value| cleaning.clean(*value)).collect()
            }
            (Source::Number, Column::Boolean(values)) => values
                .iter()
                .map(|value| value.map_or(f64::NAN, |value| f64::from(u8::from(value))))
                .collect(),
            (Source::Date(part), Column::Date(moments)) => {
                moments.iter().map(|moment| moment.map_or(f64::NAN, |moment| part.of(moment))).collect()
            }
            (Source::DaysSince(other), Column::Date(moments)) => {
                let Some(Column::Date(others)) = fields.get(*other) else {
                    return vec![f64::NAN; column.len()];
                };
                let days = |pair: (&Option<Moment>, &Option<Moment>)| match pair {
                    (Some(moment), Some(other)) => moment.days() - other.days(),
                    _ => f64::NAN,
                };
                moments.iter().zip(others).map(days).collect()
            }
            (Source::Code { names, has_others }, Column::Category(categories)) => {
                let other = if *has_others { names.len() as f64 } else { f64::NAN };
                by_name(categories, |name| {
                    names.iter().position(|known| known == name).map_or(other, |code| code as f64)
                })
            }
            (Source::Mean { means, overall }, Column::Category(categories)) => by_name(categories, |name| {
                means
                    .binary_search_by(|(known, _)| known.as_str().cmp(name))
                    .map_or(*overall, |at| means[at].1)
            }),
            _ => vec![f64::NAN; column.len()],
        }
    }

    /// As JSON, for the model's state.
    pub fn to_json(&self) -> Json {
        let inputs = self.inputs.iter().map(|input| {
            let source = match &input.source {
                Source::Number => json!({"number": null}),
                Source::Date(part) => json!({"date": part.name()}),
                Source::DaysSince(other) => json!({"days_since": other}),
                Source::Code { names, has_others } => json!({"code": names, "has_others": has_others}),
                Source::Mean { means, overall } => json!({"mean": means, "overall": overall}),
            };
            json!({"field": input.field, "name": input.name, "source": source})
        });
        let cleaning = self.cleaning.iter().map(|cleaning| {
            json!({
                "least": cleaning.least, "most": cleaning.most, "clips": cleaning.clips,
                "missing": cleaning.missing, "fill": cleaning.fill,
            })
        });
        json!({
            "signature": self.signature.to_json(),
            "cleaning": cleaning.collect::<Vec<_>>(),
            "inputs": inputs.collect::<Vec<_>>(),
        })
    }

    /// Reads what [`Encoder::to_json`] wrote; `None` when it is something else.
    pub fn from_json(json: &Json) -> Option<Self> {
        let signature = Signature::from_json(&json["signature"])?;
        let cleaning: Vec<Cleaning> =
            json["cleaning"].as_array()?.iter().map(Cleaning::from_json).collect::<Option<_>>()?;
        let inputs: Vec<Input> =
            json["inputs"].as_array()?.iter().map(Input::from_json).collect::<Option<_>>()?;
        let fields = signature.fields.len();
        let is_sound = cleaning.len() == fields
            && inputs.iter().all(|input| {
                input.field < fields && !matches!(input.source, Source::DaysSince(other) if other >= fields)
            });
        is_sound.then_some(Self { signature, cleaning, inputs })
    }

    /// The field an input is made of.
    pub fn field(&self, input: usize) -> &Field {
        &self.signature.fields[self.inputs[input].field]
    }
}

impl Input {
    fn from_json(json: &Json) -> Option<Self> {
        let source = &json["source"];
        let source = if let Some(names) = source["code"].as_array() {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?;
            Source::Code { names, has_others: source["has_others"].as_bool()? }
        } else if let Some(means) = source["mean"].as_array() {
            let mean = |pair: &Json| Some((pair[0].as_str()?.to_owned(), pair[1].as_f64()?));
            let means = means.iter().map(mean).collect::<Option<_>>()?;
            Source::Mean { means, overall: source["overall"].as_f64()? }
        } else if let Some(part) = source["date"].as_str() {
            Source::Date(DatePart::ALL.into_iter().find(|other| other.name() == part)?)
        } else if let Some(other) = source["days_since"].as_u64() {
            Source::DaysSince(usize::try_from(other).ok()?)
        } else {
            source.get("number").map(|_| Source::Number)?
        };
        let field = usize::try_from(json["field"].as_u64()?).ok()?;
        Some(Self { field, name: json["name"].as_str()?.to_owned(), source })
    }
}

impl DatePart {
    const ALL: [Self; 4] = [Self::Day, Self::Month, Self::Weekday, Self::Hour];

    fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Weekday => "weekday",
            Self::Hour => "hour",
        }
    }

    fn of(self, moment: Moment) -> f64 {
        match self {
            Self::Day => moment.days().floor(),
            Self::Month => f64::from(moment.date().1),
            Self::Weekday => f64::from(moment.weekday()),
            Self::Hour => f64::from(moment.second_of_day() / 3600),
        }
    }
}

impl Cleaning {
    fn fit(column: &Column, features: &[Feature], name: &str) -> Self {
        let (Column::Number(values), Some(feature)) =
            (column, features.iter().find(|feature| feature.name == name))
        else {
            return Self::default();
        };
        let mut cleaning = Self {
            least: feature.least,
            most: feature.most,
            clips: feature.outliers == Outliers::Clip,
            missing: feature.missing.clone(),
            fill: None,
        };
        let mut known: Vec<f64> =
            values.iter().map(|value| cleaning.clean(*value)).filter(|value| !value.is_nan()).collect();
        cleaning.fill = match feature.impute {
            Impute::Leave => None,
            Impute::Constant(number) => Some(number),
            Impute::Median => median(&mut known),
            Impute::Mean if known.is_empty() => None,
            Impute::Mean => Some(known.iter().sum::<f64>() / known.len() as f64),
        };
        cleaning
    }

    fn clean(&self, value: f64) -> f64 {
        let mut value = value;
        if self.missing.contains(&value) {
            value = f64::NAN;
        }
        if self.clips {
            // Comparisons with NaN are false, so that it stays.
            if self.least.is_some_and(|least| value < least) {
                value = self.least.unwrap_or(value);
            }
            if self.most.is_some_and(|most| value > most) {
                value = self.most.unwrap_or(value);
            }
        } else if self.least.is_some_and(|least| value < least) || self.most.is_some_and(|most| value > most)
        {
            value = f64::NAN;
        }
        if value.is_nan() { self.fill.unwrap_or(value) } else { value }
    }

    fn from_json(json: &Json) -> Option<Self> {
        let missing = json["missing"].as_array()?.iter().map(Json::as_f64).collect::<Option<_>>()?;
        Some(Self {
            least: json["least"].as_f64(),
            most: json["most"].as_f64(),
            clips: json["clips"].as_bool()?,
            missing,
            fill: json["fill"].as_f64(),
        })
    }
}

/// The median; the order of the values is lost.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

/// Names that occur, most frequent first, equally frequent ones by name.
fn by_count(categories: &Categories) -> Vec<String> {
    let counts = categories.counts();
    let mut order: Vec<usize> = (0..counts.len()).filter(|code| counts[*code] > 0).collect();
    let names = categories.names();
    order.sort_by(|left, right| {
        counts[*right].cmp(&counts[*left]).then_with(|| names[*left].cmp(&names[*right]))
    });
    order.into_iter().map(|code| names[code].clone()).collect()
}

fn by_name(categories: &Categories, value: impl Fn(&str) -> f64) -> Vec<f64> {
    let values: Vec<f64> = categories.names().iter().map(|name| value(name)).collect();
    let of = |code: &u32| values.get(*code as usize).copied().unwrap_or(f64::NAN);
    categories.codes().iter().map(of).collect()
}

/// Means of the target by name over all rows, and for each row over the rows of other folds.
fn means(categories: &Categories, target: &[f64], folds: &[usize]) -> (Source, Vec<f64>) {
    let parts = folds.iter().max().map_or(1, |most| most + 1);
    let names = categories.names().len();
    let mut sums = vec![(0.0, 0.0); names * parts];
    let mut all = vec![(0.0, 0.0); parts];
    for ((code, target), fold) in categories.codes().iter().zip(target).zip(folds) {
        all[*fold].0 += target;
        all[*fold].1 += 1.0;
        if let Some(sum) = sums.get_mut(*code as usize * parts + fold).filter(|_| (*code as usize) < names) {
            sum.0 += target;
            sum.1 += 1.0;
        }
    }
    let total = |sums: &[(f64, f64)], without: Option<usize>| {
        let kept = sums.iter().enumerate().filter(|(part, _)| Some(*part) != without);
        kept.fold((0.0, 0.0), |(total, count), (_, sum)| (total + sum.0, count + sum.1))
    };
    let mean = |name: usize, without: Option<usize>| {
        let (overall, rows) = total(&all, without);
        let overall = if rows > 0.0 { overall / rows } else { 0.0 };
        let (sum, count) = total(&sums[name * parts..(name + 1) * parts], without);
        (sum + overall * MEAN_PRIOR_ROWS) / (count + MEAN_PRIOR_ROWS)
    };
    let (sum, count) = total(&all, None);
    let overall = if count > 0.0 { sum / count } else { 0.0 };
    let held_out: HashMap<(usize, usize), f64> = (0..names)
        .flat_map(|name| (0..parts).map(move |part| (name, part)))
        .map(|(name, part)| ((name, part), mean(name, Some(part))))
        .collect();
    let of =
        |(code, fold): (&u32, &usize)| held_out.get(&(*code as usize, *fold)).copied().unwrap_or(f64::NAN);
    let column = categories.codes().iter().zip(folds).map(of).collect();
    let counts = categories.counts();
    let mut means: Vec<(String, f64)> = (0..names)
        .filter(|name| counts[*name] > 0)
        .map(|name| (categories.names()[name].clone(), mean(name, None)))
        .collect();
    means.sort_by(|left, right| left.0.cmp(&right.0));
    (Source::Mean { means, overall }, column)
}
