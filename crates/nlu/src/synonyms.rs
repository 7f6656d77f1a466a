//! `EntitySynonymMapper`: one value for several ways to write it.

use std::collections::BTreeMap;

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_talk::data::Source;
use intendant_talk::domain::python_text;
use intendant_text::offsets::Offsets;
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::Message;
use crate::options::Options;

const NAME: &str = "EntitySynonymMapper";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: NAME,
    kind: ComponentKind::EntityMapper,
    requires: &[],
    options: &[],
    about: "Replaces entity values by their canonical form: synonyms of the training data and annotated values, \
            whatever their case.",
    train,
    load,
};

struct Synonyms {
    /// Lower-cased text to value.
    values: BTreeMap<String, String>,
}

fn train(_: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let mut values = BTreeMap::new();
    let mut add = |text: &str, value: &str, source: &Source| {
        let key = text.to_lowercase();
        let before = values.insert(key, value.to_owned());
        if let Some(before) = before.filter(|before| before != value) {
            let message =
                format!("`{text}` is a synonym of both `{before}` and `{value}`; `{value}` is used");
            training.diagnostics.push(Diagnostic::warning(source.clone(), message));
        }
    };
    for (text, value) in &training.data.synonyms {
        add(text, value, &Source::default());
    }
    for example in &training.data.examples {
        let offsets = Offsets::new(&example.text);
        for entity in &example.entities {
            let (Some(start), Some(end)) = (entity.start_chars, entity.end_chars) else { continue };
            let text = offsets.slice(start, end);
            let value = python_text(&entity.value);
            // A value that differs from the text only in case is the user's own spelling of it.
            if text.to_lowercase() != value.to_lowercase() {
                add(text, &value, &example.source);
            }
        }
    }
    let annotated = training.data.examples.iter().flat_map(|example| &example.entities);
    let canonical: Vec<String> =
        values.values().cloned().chain(annotated.map(|entity| python_text(&entity.value))).collect();
    for value in canonical {
        values.entry(value.to_lowercase()).or_insert(value);
    }
    Ok(Box::new(Synonyms { values }))
}

fn load(_: &Options, _: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let map = stored.state.get("synonyms").and_then(Value::as_object);
    let map = map.ok_or_else(|| Unreadable::new("`synonyms` is not a map"))?;
    let values = map.iter().filter_map(|(text, value)| Some((text.clone(), value.as_str()?.to_owned())));
    Ok(Box::new(Synonyms { values: values.collect() }))
}

impl Annotator for Synonyms {
    fn annotate(&self, message: &mut Message<'_>) {
        for entity in &mut message.parse.entities {
            let Some(value) = self.values.get(&python_text(&entity.value).to_lowercase()) else { continue };
            entity.value = Value::from(value.clone());
            match entity.extra.get_mut("processors") {
                Some(Value::Array(processors)) => processors.push(Value::from(NAME)),
                _ => {
                    entity.extra.insert("processors".to_owned(), json!([NAME]));
                }
            }
        }
    }

    fn store(&self) -> Stored {
        Stored { state: json!({"synonyms": self.values}), ..Stored::default() }
    }
}
