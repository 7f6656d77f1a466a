//! Who may be named in texts: one list for all, or one per year.
//!
//! A file is JSON: a map of names to their other names, a map of years to such maps (or lists of names), or a list of
//! objects with a year and a list of persons with `name`, who go by their last name.

use std::collections::BTreeMap;

use intendant_polarity::{Entity, Gazetteer, mentions};
use intendant_text::Token;
use serde_json::{Map, Value, json};

use crate::Failed;

/// Entities with their other names.
#[derive(Debug)]
pub struct Names {
    /// Under 0 when they are the same for all years.
    years: BTreeMap<i64, Gazetteer>,
}

impl Names {
    /// The same entities for all texts.
    pub fn of(entities: &BTreeMap<String, Vec<String>>) -> Self {
        let entities = entities
            .iter()
            .map(|(canonical, aliases)| Entity { canonical: canonical.clone(), aliases: aliases.clone() });
        Self { years: BTreeMap::from([(0, Gazetteer::new(entities.collect()))]) }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is none of what it can be.
    pub fn read(file: &[u8]) -> Result<Self, Failed> {
        let value: Value = serde_json::from_slice(file)
            .map_err(|error| Failed::new(format!("the gazetteer is not JSON: {error}")))?;
        let shape = "the gazetteer must be a map of names to other names, a map of years to such maps, or a list of \
                     objects with a year and a list of persons";
        Self::parsed(&value).ok_or_else(|| Failed::new(shape))
    }

    /// Reads what [`Names::to_json`] wrote.
    pub fn from_json(value: &Value) -> Option<Self> {
        Self::parsed(value)
    }

    fn parsed(value: &Value) -> Option<Self> {
        let mut years = BTreeMap::new();
        match value {
            Value::Object(map) => {
                let by_year: Option<Vec<(i64, &Value)>> =
                    map.iter().map(|(year, names)| Some((year.parse().ok()?, names))).collect();
                match by_year.filter(|years| !years.is_empty()) {
                    Some(by_year) => {
                        for (year, names) in by_year {
                            years.insert(year, Gazetteer::new(entities(names)?));
                        }
                    }
                    None => drop(years.insert(0, Gazetteer::new(entities(value)?))),
                }
            }
            Value::Array(items) if items.iter().all(Value::is_object) => {
                for item in items.iter().filter_map(Value::as_object) {
                    let (year, persons) = election(item)?;
                    years.insert(year, Gazetteer::new(persons));
                }
            }
            Value::Array(_) => drop(years.insert(0, Gazetteer::new(entities(value)?))),
            _ => return None,
        }
        Some(Self { years })
    }

    /// As JSON: a map of years to maps of names to other names.
    pub fn to_json(&self) -> Value {
        let years = self.years.iter().map(|(year, gazetteer)| {
            let names: Map<String, Value> = gazetteer
                .entities()
                .iter()
                .map(|entity| (entity.canonical.clone(), json!(entity.aliases)))
                .collect();
            (year.to_string(), Value::Object(names))
        });
        Value::Object(years.collect())
    }

    /// Entities named in a text with their mentions. Of a list per year, all are told, with no mentions where they
    /// are not named; the year is that of the date, or the next one that there is, or the last.
    pub fn find(&self, text: &str, date: Option<&str>) -> Vec<(String, Vec<Token>)> {
        let year = date.and_then(|date| date.get(..4)?.parse::<i64>().ok());
        let next = year.and_then(|year| self.years.range(year..).next());
        let Some((year, gazetteer)) = next.or_else(|| self.years.last_key_value()) else { return Vec::new() };
        let found = gazetteer.find(text);
        let name = |entity: usize| gazetteer.entities()[entity].canonical.clone();
        if *year == 0 {
            return found.into_iter().map(|found| (name(found.entity), found.mentions)).collect();
        }
        let spans = |entity: usize| {
            found
                .iter()
                .find(|found| found.entity == entity)
                .map(|found| found.mentions.clone())
                .unwrap_or_default()
        };
        (0..gazetteer.entities().len()).map(|entity| (name(entity), spans(entity))).collect()
    }
}

/// Where a text names an entity.
pub fn spans(text: &str, entity: &str) -> Vec<Token> {
    mentions(text, entity)
}

fn entities(names: &Value) -> Option<Vec<Entity>> {
    match names {
        Value::Array(names) => names.iter().map(|name| Some(Entity::named(name.as_str()?))).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(canonical, aliases)| {
                let aliases = match aliases {
                    Value::Null => Vec::new(),
                    Value::Array(aliases) => aliases
                        .iter()
                        .map(|alias| alias.as_str().map(str::to_owned))
                        .collect::<Option<_>>()?,
                    _ => return None,
                };
                Some(Entity { canonical: canonical.clone(), aliases })
            })
            .collect(),
        _ => None,
    }
}

/// A year and its persons, whatever the keys are called: the year is what ends with `year`.
fn election(item: &Map<String, Value>) -> Option<(i64, Vec<Entity>)> {
    let (_, year) = item.iter().find(|(key, _)| key.ends_with("year"))?;
    let year = year.as_i64().or_else(|| year.as_str()?.parse().ok())?;
    let persons = item.values().find_map(Value::as_array)?;
    let persons = persons.iter().map(|person| {
        let name = person["name"].as_str().or_else(|| person.as_str())?;
        let last = name.split_whitespace().next_back()?;
        Some(Entity { canonical: last.to_owned(), aliases: vec![name.to_owned()] })
    });
    Some((year, persons.collect::<Option<_>>()?))
}
