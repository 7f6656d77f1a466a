//! Columns: values of one kind.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::Moment;

/// What kind of values a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Numbers; counts and codes that are numbers too.
    Number,
    /// Yes or no.
    Boolean,
    /// Dates, with or without a time of day.
    Date,
    /// One of few names.
    Category,
    /// Free text.
    Text,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Number, Self::Boolean, Self::Date, Self::Category, Self::Text];

    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Category => "category",
            Self::Text => "text",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Values of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// `NaN` is missing.
    Number(Vec<f64>),
    /// `None` is missing.
    Boolean(Vec<Option<bool>>),
    /// `None` is missing.
    Date(Vec<Option<Moment>>),
    /// Names with a code per row.
    Category(Categories),
    /// `None` is missing.
    Text(Vec<Option<String>>),
}

/// Names, each stored once, and which of them each row has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Categories {
    names: Vec<String>,
    codes: Vec<u32>,
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Value<'a> {
    Missing,
    Number(f64),
    Boolean(bool),
    Date(Moment),
    Text(&'a str),
}

impl Categories {
    /// The code of a missing value.
    pub const MISSING: u32 = u32::MAX;

    /// Names in order of their first appearance.
    pub fn of<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let mut seen: HashMap<&str, u32> = HashMap::new();
        let mut categories = Self::default();
        for value in values {
            let code = match value {
                None => Self::MISSING,
                Some(name) => *seen.entry(name).or_insert_with(|| {
                    categories.names.push(name.to_owned());
                    categories.names.len() as u32 - 1
                }),
            };
            categories.codes.push(code);
        }
        categories
    }

    /// The names; codes point into them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The code of each row, [`Categories::MISSING`] where there is none.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The name of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.names.get(self.codes[row] as usize).map(String::as_str)
    }

    /// How many rows have each name, in the order of [`Categories::names`].
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.names.len()];
        for code in &self.codes {
            if let Some(count) = counts.get_mut(*code as usize) {
                *count += 1;
            }
        }
        counts
    }
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Number(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::Date(values) => values.len(),
            Self::Category(categories) => categories.codes.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kind of its values.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Number,
            Self::Boolean(_) => Kind::Boolean,
            Self::Date(_) => Kind::Date,
            Self::Category(_) => Kind::Category,
            Self::Text(_) => Kind::Text,
        }
    }

    /// A column of missing values.
    pub fn missing(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Number => Self::Number(vec![f64::NAN; rows]),
            Kind::Boolean => Self::Boolean(vec![None; rows]),
            Kind::Date => Self::Date(vec![None; rows]),
            Kind::Category => Self::Category(Categories::of(std::iter::repeat_n(None, rows))),
            Kind::Text => Self::Text(vec![None; rows]),
        }
    }

    /// One cell.
    ///
    /// # Panics
    /// When `row` is not below the length.
    pub fn value(&self, row: usize) -> Value<'_> {
        match self {
            Self::Number(values) if values[row].is_nan() => Value::Missing,
            Self::Number(values) => Value::Number(values[row]),
            Self::Boolean(values) => values[row].map_or(Value::Missing, Value::Boolean),
            Self::Date(values) => values[row].map_or(Value::Missing, Value::Date),
            Self::Category(categories) => categories.get(row).map_or(Value::Missing, Value::Text),
            Self::Text(values) => values[row].as_deref().map_or(Value::Missing, Value::Text),
        }
    }

    /// All cells in order.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        (0..self.len()).map(|row| self.value(row))
    }

    /// How many values are missing.
    pub fn missing_count(&self) -> usize {
        self.values().filter(|value| *value == Value::Missing).count()
    }

    /// The values of these rows, in their order.
    ///
    /// # Panics
    /// When an index is not below the length.
    pub fn take(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|row| values[*row].clone()).collect()
        }
        match self {
            Self::Number(values) => Self::Number(pick(values, rows)),
            Self::Boolean(values) => Self::Boolean(pick(values, rows)),
            Self::Date(values) => Self::Date(pick(values, rows)),
            Self::Category(categories) => Self::Category(Categories {
                names: categories.names.clone(),
                codes: pick(&categories.codes, rows),
            }),
            Self::Text(values) => Self::Text(pick(values, rows)),
        }
    }

    /// The same values as another kind, and the rows whose value cannot be one, which become missing.
    ///
    /// A number is never made of a word; words for yes and no are `true`, `yes`, `y`, `1` and their opposites
    /// in any case.
    pub fn cast(&self, kind: Kind) -> (Self, Vec<usize>) {
        if self.kind() == kind {
            return (self.clone(), Vec::new());
        }
        let mut failed = Vec::new();
        let mut check = |row: usize, value: Value<'_>, is_missing: bool| {
            if is_missing && value != Value::Missing {
                failed.push(row);
            }
        };
        let cells = self.values().enumerate();
        let column = match kind {
            Kind::Number => Self::Number(
                cells
                    .map(|(row, value)| {
                        let number = value.as_number();
                        check(row, value, number.is_none());
                        number.unwrap_or(f64::NAN)
                    })
                    .collect(),
            ),
            Kind::Boolean => Self::Boolean(
                cells
                    .map(|(row, value)| {
                        let boolean = value.as_boolean();
                        check(row, value, boolean.is_none());
                        boolean
                    })
                    .collect(),
            ),
            Kind::Date => Self::Date(
                cells
                    .map(|(row, value)| {
                        let date = value.as_date();
                        check(row, value, date.is_none());
                        date
                    })
                    .collect(),
            ),
            Kind::Category => {
                let texts: Vec<Option<Cow<'_, str>>> = self.values().map(Value::to_text).collect();
                Self::Category(Categories::of(texts.iter().map(Option::as_deref)))
            }
            Kind::Text => {
                Self::Text(self.values().map(|value| value.to_text().map(Cow::into_owned)).collect())
            }
        };
        (column, failed)
    }
}

impl<'a> Value<'a> {
    /// The number this is or is written as.
    pub fn as_number(self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Boolean(boolean) => Some(f64::from(u8::from(boolean))),
            Self::Date(moment) => Some(moment.days()),
            Self::Text(text) => crate::infer::number(text, '.'),
            Self::Missing => None,
        }
    }

    /// The truth value this is or is written as.
    pub fn as_boolean(self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(boolean),
            Self::Number(0.0) => Some(false),
            Self::Number(1.0) => Some(true),
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "y" | "1" => Some(true),
                "false" | "no" | "n" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// The date this is or is written as.
    pub fn as_date(self) -> Option<Moment> {
        match self {
            Self::Date(moment) => Some(moment),
            Self::Text(text) => Moment::parse(text),
            _ => None,
        }
    }

    /// As it stands in a file; `None` when missing.
    pub fn to_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Missing => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Boolean(boolean) => Some(Cow::Borrowed(if boolean { "true" } else { "false" })),
            Self::Date(moment) => Some(Cow::Owned(moment.to_string())),
            Self::Number(number) => Some(Cow::Owned(if number.abs() < 1e16 {
                format!("{number}")
            } else {
                format!("{number:e}")
            })),
        }
    }
}
