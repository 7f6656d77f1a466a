//! A recommender as JSON and tensors, and back.

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_numeric::index::Index;
use intendant_numeric::sparse::Rows;
use serde_json::{Map, Value, json};

use crate::content::{Content, Item};
use crate::factors::{Factors, Settings};
use crate::ratings::Ids;
use crate::recommender::{Learnt, Popularity, Recommender};
use crate::train::Method;

impl Recommender {
    /// The recommender as values for an archive; the same recommender gives the same values.
    pub fn store(&self) -> Stored {
        let mut stored = Stored::default();
        put_texts(&mut stored, "items", self.items.names().iter().map(String::as_str));
        put_texts(&mut stored, "users", self.users.names().iter().map(String::as_str));
        let column = |stored: &mut Stored, name: &str, field: fn(&Item) -> &str| {
            put_texts(stored, name, self.catalogue.iter().map(field));
        };
        column(&mut stored, "titles", |item| &item.title);
        column(&mut stored, "authors", |item| &item.author);
        column(&mut stored, "genres", |item| &item.genre);
        column(&mut stored, "publishers", |item| &item.publisher);
        let fields: Vec<String> = self.catalogue.iter().map(|item| fields_to_json(&item.fields)).collect();
        put_texts(&mut stored, "fields", fields.iter().map(String::as_str));
        put_rows(&mut stored, "histories", &self.histories);
        put(&mut stored, "popularity_counts", TensorData::U32(self.popularity.counts.clone()));
        put(&mut stored, "popularity_scores", TensorData::F32(self.popularity.scores.clone()));
        if let Some(content) = &self.content {
            put(&mut stored, "terms", TensorData::U64(content.terms.keys().to_vec()));
            put(&mut stored, "term_weights", TensorData::F32(content.weights.clone()));
            put_rows(&mut stored, "contents", &content.vectors);
        }
        let learnt = match &self.learnt {
            Learnt::Nothing => Value::Null,
            Learnt::Weights(weights) => {
                put_rows(&mut stored, "weights", weights);
                json!({"kind": "weights"})
            }
            Learnt::Factors(factors) => {
                put(&mut stored, "factors", TensorData::F32(factors.items.clone()));
                let Settings { factors, confidence, penalty, rounds } = factors.settings;
                json!({"kind": "factors", "factors": factors, "confidence": confidence, "penalty": penalty,
                    "rounds": rounds})
            }
        };
        stored.state = json!({
            "method": self.method.name(),
            "learnt": learnt,
            "has_content": self.content.is_some(),
            "content_share": self.content_share,
            "liked_from": self.liked_from,
            "catalogue": self.catalogue.len(),
        });
        stored
    }

    /// Reads what [`Recommender::store`] gave.
    ///
    /// # Errors
    /// When parts are missing or do not fit each other.
    pub fn load(mut stored: Stored) -> Result<Self, Unreadable> {
        let state = std::mem::take(&mut stored.state);
        let number =
            |key: &str| state[key].as_f64().ok_or_else(|| Unreadable::new(format!("`{key}` is no number")));
        let method = state["method"].as_str().and_then(Method::from_name);
        let items: Ids = take_texts(&mut stored, "items")?.into_iter().collect();
        let users: Ids = take_texts(&mut stored, "users")?.into_iter().collect();
        let catalogue = take_catalogue(&mut stored, &items, number("catalogue")? as usize)?;
        let histories = take_rows(&mut stored, "histories", (users.len(), items.len()))?;
        let (counts, scores) = (stored.take_u32("popularity_counts")?, stored.take_f32("popularity_scores")?);
        fits("popularity", counts.len() == items.len() && scores.len() == items.len())?;
        let content = match state["has_content"].as_bool() {
            Some(true) => {
                let terms = Index::from_keys(&stored.take_u64("terms")?);
                let weights = stored.take_f32("term_weights")?;
                fits("terms", weights.len() == terms.len())?;
                let vectors = take_rows(&mut stored, "contents", (catalogue.len(), terms.len()))?;
                Some(Content::of(terms, weights, vectors))
            }
            _ => None,
        };
        Ok(Self {
            method: method.ok_or_else(|| Unreadable::new("`method` is not known"))?,
            learnt: take_learnt(&mut stored, &state["learnt"], items.len())?,
            content,
            content_share: number("content_share")? as f32,
            liked_from: number("liked_from")? as f32,
            popularity: Popularity::of(counts, scores),
            items,
            catalogue,
            users,
            histories,
        })
    }
}

fn take_learnt(stored: &mut Stored, state: &Value, items: usize) -> Result<Learnt, Unreadable> {
    let number = |key: &str| {
        state[key].as_f64().ok_or_else(|| Unreadable::new(format!("`learnt.{key}` is no number")))
    };
    match state["kind"].as_str() {
        None => Ok(Learnt::Nothing),
        Some("weights") => Ok(Learnt::Weights(take_rows(stored, "weights", (items, items))?)),
        Some("factors") => {
            let settings = Settings {
                factors: number("factors")? as usize,
                confidence: number("confidence")? as f32,
                penalty: number("penalty")? as f32,
                rounds: number("rounds")? as usize,
            };
            let factors = stored.take_f32("factors")?;
            fits("factors", settings.factors > 0 && factors.len() == items * settings.factors)?;
            Ok(Learnt::Factors(Factors::of(settings, factors)))
        }
        Some(kind) => Err(Unreadable::new(format!("`learnt.kind` is `{kind}`, which is not known"))),
    }
}

fn take_catalogue(stored: &mut Stored, items: &Ids, count: usize) -> Result<Vec<Item>, Unreadable> {
    fits("catalogue", count <= items.len())?;
    let mut columns = Vec::new();
    for name in ["titles", "authors", "genres", "publishers", "fields"] {
        let column = take_texts(stored, name)?;
        fits(name, column.len() == count)?;
        columns.push(column.into_iter());
    }
    let mut catalogue = Vec::with_capacity(count);
    for id in &items.names()[..count] {
        let mut next = columns.iter_mut().map(|column| column.next().unwrap_or_default());
        let mut take = || next.next().unwrap_or_default();
        let (title, author, genre, publisher, fields) = (take(), take(), take(), take(), take());
        let fields = fields_from_json(&fields);
        catalogue.push(Item { id: id.clone(), title, author, genre, publisher, fields, ..Item::default() });
    }
    Ok(catalogue)
}

fn fields_to_json(fields: &[(String, String)]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let object: Map<String, Value> =
        fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    Value::Object(object).to_string()
}

fn fields_from_json(text: &str) -> Vec<(String, String)> {
    let object: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    object.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}

fn fits(part: &str, is_sound: bool) -> Result<(), Unreadable> {
    match is_sound {
        true => Ok(()),
        false => Err(Unreadable::new(format!("`{part}` does not fit the rest"))),
    }
}

fn put(stored: &mut Stored, name: &str, data: TensorData) {
    stored.tensors.insert(name.to_owned(), Tensor::flat(data));
}

/// Texts as their bytes and their lengths.
fn put_texts<'a>(stored: &mut Stored, name: &str, texts: impl Iterator<Item = &'a str>) {
    let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
    for text in texts {
        bytes.extend_from_slice(text.as_bytes());
        lengths.push(text.len() as u32);
    }
    put(stored, &format!("{name}.bytes"), TensorData::U8(bytes));
    put(stored, &format!("{name}.lengths"), TensorData::U32(lengths));
}

fn take_texts(stored: &mut Stored, name: &str) -> Result<Vec<String>, Unreadable> {
    let bytes = stored.take_u8(&format!("{name}.bytes"))?;
    let mut rest = &bytes[..];
    let mut texts = Vec::new();
    for length in stored.take_u32(&format!("{name}.lengths"))? {
        let Some((text, others)) = rest.split_at_checked(length as usize) else {
            return Err(Unreadable::new(format!("`{name}` is shorter than its lengths say")));
        };
        let text = std::str::from_utf8(text);
        texts.push(text.map_err(|_| Unreadable::new(format!("`{name}` is not UTF-8")))?.to_owned());
        rest = others;
    }
    Ok(texts)
}

fn put_rows(stored: &mut Stored, name: &str, rows: &Rows) {
    let (starts, columns, values) = rows.parts();
    let lengths = starts.windows(2).map(|pair| (pair[1] - pair[0]) as u32).collect();
    put(stored, &format!("{name}.lengths"), TensorData::U32(lengths));
    put(stored, &format!("{name}.columns"), TensorData::U32(columns.to_vec()));
    put(stored, &format!("{name}.values"), TensorData::F32(values.to_vec()));
}

fn take_rows(stored: &mut Stored, name: &str, (count, width): (usize, usize)) -> Result<Rows, Unreadable> {
    let mut starts = vec![0usize];
    let mut end = 0;
    for length in stored.take_u32(&format!("{name}.lengths"))? {
        end += length as usize;
        starts.push(end);
    }
    let (columns, values) =
        (stored.take_u32(&format!("{name}.columns"))?, stored.take_f32(&format!("{name}.values"))?);
    let is_sound = starts.len() == count + 1 && columns.iter().all(|column| (*column as usize) < width);
    let rows = if is_sound { Rows::from_parts(starts, columns, values) } else { None };
    rows.ok_or_else(|| Unreadable::new(format!("`{name}` does not fit the rest")))
}
