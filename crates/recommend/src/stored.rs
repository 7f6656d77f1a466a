//! A recommender as JSON and tensors, and back.

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_numeric::index::Index;
use intendant_numeric::sparse::Rows;
use serde_json::{Value, json};

use crate::catalogue::{COLUMNS, Catalogue};
use crate::content::Content;
use crate::factors::{Factors, Settings};
use crate::lists::Lists;
use crate::recommender::{Learnt, Popularity, Recommender};
use crate::texts::{Ids, Texts};
use crate::train::Method;

impl Recommender {
    /// The recommender as values for an archive; the same recommender gives the same values.
    pub fn store(&self) -> Stored {
        let mut stored = Stored::default();
        put_texts(&mut stored, "items", self.items.texts());
        put_texts(&mut stored, "users", self.users.texts());
        for (at, (_, column)) in self.catalogue.columns().iter().enumerate() {
            put_texts(&mut stored, &column_name(at), column);
        }
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
                let parts = factors.lists.parts();
                let is_divided = parts.is_some();
                if let Some((centres, own)) = parts {
                    put(&mut stored, "list_centres", TensorData::F32(centres.to_vec()));
                    put(&mut stored, "lists", TensorData::U32(own));
                }
                let Settings { factors, confidence, penalty, rounds } = factors.settings;
                json!({"kind": "factors", "factors": factors, "confidence": confidence, "penalty": penalty,
                    "rounds": rounds, "is_divided": is_divided})
            }
        };
        stored.state = json!({
            "method": self.method.name(),
            "learnt": learnt,
            "has_content": self.content.is_some(),
            "content_share": self.content_share,
            "liked_from": self.liked_from,
            "catalogue": self.catalogue.len(),
            "columns": self.catalogue.columns().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
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
        let (items, users) = (take_ids(&mut stored, "items")?, take_ids(&mut stored, "users")?);
        let count = number("catalogue")? as usize;
        fits("catalogue", count <= items.len())?;
        let catalogue = take_catalogue(&mut stored, &state["columns"], count)?;
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
            let lists = match state["is_divided"].as_bool() {
                Some(true) => {
                    let (centres, own) = (stored.take_f32("list_centres")?, stored.take_u32("lists")?);
                    let lists = Lists::of(centres, &own, (&factors, settings.factors));
                    lists.ok_or_else(|| Unreadable::new("`lists` do not fit the rest"))?
                }
                _ => Lists::one(&factors, settings.factors),
            };
            Ok(Learnt::Factors(Factors::of(settings, factors, lists)))
        }
        Some(kind) => Err(Unreadable::new(format!("`learnt.kind` is `{kind}`, which is not known"))),
    }
}

fn take_catalogue(stored: &mut Stored, names: &Value, count: usize) -> Result<Catalogue, Unreadable> {
    let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    fits("columns", names.starts_with(&COLUMNS))?;
    let mut columns = Vec::with_capacity(names.len());
    for (at, name) in names.into_iter().enumerate() {
        let column = take_texts(stored, &column_name(at))?;
        fits(name, column.len() == count)?;
        columns.push((name.to_owned(), column));
    }
    Ok(Catalogue::of(count, columns))
}

fn column_name(at: usize) -> String {
    format!("column{at}")
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
fn put_texts(stored: &mut Stored, name: &str, texts: &Texts) {
    let (all, lengths) = texts.parts();
    put(stored, &format!("{name}.bytes"), TensorData::U8(all.as_bytes().to_vec()));
    put(stored, &format!("{name}.lengths"), TensorData::U32(lengths));
}

fn take_texts(stored: &mut Stored, name: &str) -> Result<Texts, Unreadable> {
    let (bytes, lengths) =
        (stored.take_u8(&format!("{name}.bytes"))?, stored.take_u32(&format!("{name}.lengths"))?);
    Texts::from_parts(bytes, &lengths)
        .ok_or_else(|| Unreadable::new(format!("`{name}` is not UTF-8, or not as long as its lengths say")))
}

fn take_ids(stored: &mut Stored, name: &str) -> Result<Ids, Unreadable> {
    let texts = take_texts(stored, name)?;
    Ids::of(texts).ok_or_else(|| Unreadable::new(format!("`{name}` has an id twice")))
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
