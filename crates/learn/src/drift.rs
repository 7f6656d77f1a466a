//! Whether what is asked now still looks like what was learnt from.
//!
//! A [`Reference`] is taken from the training rows and kept with the model; a [`Window`] counts what is asked; the
//! two are compared by population stability, missing rate and shift of the scores. Both are counts only, so that
//! windows of several servers can be added up.

use std::collections::HashMap;

use intendant_table::{Column, Kind, Table, Value};
use serde_json::{Value as Json, json};

/// Stability index above which a field has changed somewhat, and much.
pub const SOME_SHIFT: f64 = 0.1;
/// See [`SOME_SHIFT`].
pub const MUCH_SHIFT: f64 = 0.25;

/// Parts of equal size a number's values are cut into.
const PARTS: usize = 10;

/// Names of a category that are told apart.
const NAMES_MAX: usize = 30;

/// Added to every share, so that an empty part does not make the index infinite.
const SHARE_MIN: f64 = 1e-4;

/// What the training rows looked like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reference {
    fields: Vec<Profile>,
}

/// One field, or the score, in parts.
#[derive(Clone, Debug, PartialEq)]
struct Profile {
    name: String,
    parts: Parts,
    /// Rows by part; the last part is "another name" for categories.
    counts: Vec<f64>,
    missing: f64,
    /// Of numbers.
    mean: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Parts {
    /// Between neighbouring parts.
    Cuts(Vec<f64>),
    Names(Vec<String>),
}

/// Counts of what is asked since it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    rows: f64,
    /// By field: counts by part, missing, sum of numbers.
    fields: Vec<(Vec<f64>, f64, f64)>,
}

/// How one field, or the score, has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// The field's name; [`SCORE`] for the score.
    pub name: String,
    /// Population stability index: below 0.1 little, above 0.25 much.
    pub stability: f64,
    /// Share of missing values in training and now.
    pub missing: (f64, f64),
    /// Mean of numbers in training and now.
    pub mean: (Option<f64>, Option<f64>),
    /// Names or ranges with their shares in training and now.
    pub parts: Vec<(String, f64, f64)>,
}

/// The name of the score among fields.
pub const SCORE: &str = "(score)";

impl Reference {
    /// Taken from training rows and the scores that the model gave to rows it had not seen.
    pub fn of(table: &Table, scores: &[f64]) -> Self {
        let mut fields: Vec<Profile> = table
            .iter()
            .filter(|(_, column)| column.kind() != Kind::Text)
            .map(|(name, column)| Profile::of(name, column))
            .collect();
        fields.push(Profile::of(SCORE, &Column::Number(scores.to_vec())));
        Self { fields }
    }

    /// An empty window to count in.
    pub fn window(&self) -> Window {
        let fields = self.fields.iter().map(|field| (vec![0.0; field.counts.len()], 0.0, 0.0)).collect();
        Window { rows: 0.0, fields }
    }

    /// How what was counted differs from training; the score comes last. Empty before anything was counted.
    pub fn compare(&self, window: &Window) -> Vec<Shift> {
        if window.rows == 0.0 {
            return Vec::new();
        }
        self.fields.iter().zip(&window.fields).map(|(field, now)| field.compare(now)).collect()
    }

    /// As JSON, for the model's state.
    pub fn to_json(&self) -> Json {
        let fields = self.fields.iter().map(|field| {
            let (cuts, names) = match &field.parts {
                Parts::Cuts(cuts) => (Some(cuts), None),
                Parts::Names(names) => (None, Some(names)),
            };
            json!({
                "name": field.name, "cuts": cuts, "names": names,
                "counts": field.counts, "missing": field.missing, "mean": field.mean,
            })
        });
        Json::Array(fields.collect())
    }

    /// Reads what [`Reference::to_json`] wrote; `None` when it is something else.
    pub fn from_json(json: &Json) -> Option<Self> {
        let numbers = |json: &Json| json.as_array()?.iter().map(Json::as_f64).collect::<Option<Vec<f64>>>();
        let field = |json: &Json| {
            let parts = match numbers(&json["cuts"]) {
                Some(cuts) => Parts::Cuts(cuts),
                None => {
                    let names = json["names"].as_array()?.iter();
                    Parts::Names(names.map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?)
                }
            };
            let counts = numbers(&json["counts"])?;
            (counts.len() == parts.count()).then_some(())?;
            Some(Profile {
                name: json["name"].as_str()?.to_owned(),
                parts,
                counts,
                missing: json["missing"].as_f64()?,
                mean: json["mean"].as_f64(),
            })
        };
        Some(Self { fields: json.as_array()?.iter().map(field).collect::<Option<_>>()? })
    }
}

impl Window {
    /// Counts rows that were asked about and the scores they were given.
    pub fn observe(&mut self, reference: &Reference, table: &Table, scores: &[f64]) {
        self.rows += table.rows() as f64;
        let score = Column::Number(scores.to_vec());
        for (field, counts) in reference.fields.iter().zip(&mut self.fields) {
            let column = if field.name == SCORE { Some(&score) } else { table.column(&field.name) };
            match column {
                Some(column) => field.count(column, counts),
                None => counts.1 += table.rows() as f64,
            }
        }
    }

    /// Adds what another window of the same reference counted.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        for (own, other) in self.fields.iter_mut().zip(&other.fields) {
            own.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own += other);
            own.1 += other.1;
            own.2 += other.2;
        }
    }

    /// Rows counted.
    pub fn rows(&self) -> u64 {
        self.rows as u64
    }
}

impl Shift {
    /// What the index means: `stable`, `shifted` or `much shifted`.
    pub fn verdict(&self) -> &'static str {
        match self.stability {
            value if value > MUCH_SHIFT => "much shifted",
            value if value > SOME_SHIFT => "shifted",
            _ => "stable",
        }
    }
}

impl Parts {
    fn count(&self) -> usize {
        match self {
            Self::Cuts(cuts) => cuts.len() + 1,
            Self::Names(names) => names.len() + 1,
        }
    }

    fn label(&self, part: usize) -> String {
        match self {
            Self::Names(names) => names.get(part).cloned().unwrap_or_else(|| "(other)".to_owned()),
            Self::Cuts(cuts) => match (part.checked_sub(1).and_then(|at| cuts.get(at)), cuts.get(part)) {
                (None, None) => "any".to_owned(),
                (None, Some(most)) => format!("to {most}"),
                (Some(least), None) => format!("over {least}"),
                (Some(least), Some(most)) => format!("{least} to {most}"),
            },
        }
    }
}

impl Profile {
    fn of(name: &str, column: &Column) -> Self {
        let parts = match column {
            Column::Category(categories) => {
                let counts = categories.counts();
                let mut order: Vec<usize> = (0..counts.len()).filter(|code| counts[*code] > 0).collect();
                order.sort_by_key(|code| (std::cmp::Reverse(counts[*code]), *code));
                order.truncate(NAMES_MAX);
                Parts::Names(order.into_iter().map(|code| categories.names()[code].clone()).collect())
            }
            other => {
                let mut known: Vec<f64> = other.values().filter_map(Value::as_number).collect();
                known.sort_by(f64::total_cmp);
                let mut cuts: Vec<f64> = Vec::new();
                for part in 1..PARTS {
                    let Some(cut) = known.get(known.len() * part / PARTS) else { continue };
                    // A value that fills several parts gets one.
                    if *cut > known[0] && cuts.last().is_none_or(|last| last < cut) {
                        cuts.push(*cut);
                    }
                }
                Parts::Cuts(cuts)
            }
        };
        let mut profile =
            Self { name: name.to_owned(), counts: vec![0.0; parts.count()], parts, missing: 0.0, mean: None };
        let mut counted = (profile.counts.clone(), 0.0, 0.0);
        profile.count(column, &mut counted);
        profile.mean = profile.mean_of(&counted);
        (profile.counts, profile.missing) = (counted.0, counted.1);
        profile
    }

    fn count(&self, column: &Column, into: &mut (Vec<f64>, f64, f64)) {
        match &self.parts {
            Parts::Names(names) => {
                let index: HashMap<&str, usize> =
                    names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
                for value in column.values() {
                    match value.to_text() {
                        None => into.1 += 1.0,
                        Some(name) => into.0[index.get(name.as_ref()).copied().unwrap_or(names.len())] += 1.0,
                    }
                }
            }
            Parts::Cuts(cuts) => {
                for value in column.values() {
                    match value.as_number() {
                        None => into.1 += 1.0,
                        Some(number) => {
                            into.0[cuts.partition_point(|cut| *cut <= number)] += 1.0;
                            into.2 += number;
                        }
                    }
                }
            }
        }
    }

    fn mean_of(&self, counted: &(Vec<f64>, f64, f64)) -> Option<f64> {
        let known: f64 = counted.0.iter().sum();
        (matches!(self.parts, Parts::Cuts(_)) && known > 0.0).then(|| counted.2 / known)
    }

    fn compare(&self, now: &(Vec<f64>, f64, f64)) -> Shift {
        let shares = |counts: &[f64], missing: f64| {
            let total = (counts.iter().sum::<f64>() + missing).max(1.0);
            let shares: Vec<f64> = counts.iter().map(|count| count / total).collect();
            (shares, missing / total)
        };
        let (then_shares, then_missing) = shares(&self.counts, self.missing);
        let (now_shares, now_missing) = shares(&now.0, now.1);
        let pairs = then_shares.iter().zip(&now_shares);
        let index = |then: f64, now: f64| {
            let (then, now) = (then.max(SHARE_MIN), now.max(SHARE_MIN));
            (now - then) * (now / then).ln()
        };
        let stability = pairs.clone().map(|(then, now)| index(*then, *now)).sum::<f64>()
            + index(then_missing, now_missing);
        let part = |(at, (then, now)): (usize, (&f64, &f64))| (self.parts.label(at), *then, *now);
        Shift {
            name: self.name.clone(),
            stability,
            missing: (then_missing, now_missing),
            mean: (self.mean, self.mean_of(now)),
            parts: pairs.enumerate().map(part).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use intendant_table::csv;

    use super::*;

    fn table(shift: f64, land: &str) -> Table {
        let mut text = String::from("age,land\n");
        for row in 0..400 {
            let age =
                if row % 40 == 0 { String::new() } else { format!("{}", 20.0 + f64::from(row % 50) + shift) };
            text += &format!("{age},{}\n", if row % 3 == 0 { land } else { "F" });
        }
        csv::read(text.as_bytes(), &csv::Options::default()).unwrap().table
    }

    #[test]
    fn shifts_are_told_by_field() {
        let scores: Vec<f64> = (0..400).map(|row| f64::from(row) / 400.0).collect();
        let reference = Reference::of(&table(0.0, "D"), &scores);
        assert_eq!(Reference::from_json(&reference.to_json()), Some(reference.clone()));
        assert_eq!(Reference::from_json(&json!([{"name": "x"}])), None);
        let verdicts = |table: &Table, scores: &[f64]| {
            // Two halves counted apart are the whole.
            let (mut window, mut second) = (reference.window(), reference.window());
            let rows: Vec<usize> = (0..table.rows()).collect();
            window.observe(&reference, &table.take(&rows[..100]), &scores[..100]);
            second.observe(&reference, &table.take(&rows[100..]), &scores[100..]);
            window.merge(&second);
            assert_eq!(window.rows(), 400);
            let shifts = reference.compare(&window);
            shifts.iter().map(|shift| format!("{} {}", shift.name, shift.verdict())).collect::<Vec<_>>()
        };
        assert!(reference.compare(&reference.window()).is_empty());
        assert_eq!(verdicts(&table(0.0, "D"), &scores), ["age stable", "land stable", "(score) stable"]);
        let low: Vec<f64> = scores.iter().map(|score| score * 0.5).collect();
        assert_eq!(
            verdicts(&table(30.0, "New"), &low),
            ["age much shifted", "land much shifted", "(score) much shifted"]
        );
        let (without, _) = table(0.0, "D").split_off("age");
        assert_eq!(verdicts(&without, &scores)[0], "age much shifted");
    }
}
