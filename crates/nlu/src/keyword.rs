//! `KeywordIntentClassifier`: training messages are keywords.

use std::collections::BTreeMap;

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_talk::message::Intent;
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};
use crate::patterns::Pattern;

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "KeywordIntentClassifier",
    kind: ComponentKind::IntentClassifier,
    requires: &[],
    options: &OPTIONS,
    about: "Answers, with full confidence, the intent of the first training message that occurs in the text.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 1] =
    [option("case_sensitive", OptionKind::Flag, "true", "matches case as written")];

struct Keywords {
    /// Keyword, intent, pattern; in the order of the training data.
    keywords: Vec<(String, String, Pattern)>,
}

fn pattern(keyword: &str, is_case_sensitive: bool) -> Option<Pattern> {
    let bounded = format!(r"\b{keyword}\b");
    let literal = || Pattern::new(&format!(r"\b{}\b", regex::escape(keyword)), is_case_sensitive);
    Pattern::new(&bounded, is_case_sensitive).or_else(|_| literal()).ok()
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let is_case_sensitive = options.flag("case_sensitive");
    let cased = |text: &str| if is_case_sensitive { text.to_owned() } else { text.to_lowercase() };
    let mut order: Vec<String> = Vec::new();
    let mut intents: BTreeMap<String, Option<String>> = BTreeMap::new();
    for example in training.examples {
        let Some(intent) = &example.intent else { continue };
        let keyword = cased(example.text.trim());
        match intents.get_mut(&keyword) {
            None => {
                order.push(keyword.clone());
                intents.insert(keyword, Some(intent.clone()));
            }
            Some(owner) if owner.as_ref() != Some(intent) => {
                let message = format!("keyword `{keyword}` belongs to several intents and is left out");
                training.diagnostics.push(Diagnostic::warning(example.source.clone(), message));
                *owner = None;
            }
            Some(_) => {}
        }
    }
    let mut keywords: Vec<(String, String, Pattern)> = order
        .into_iter()
        .filter_map(|keyword| {
            let intent = intents.remove(&keyword).flatten()?;
            let pattern = pattern(&keyword, is_case_sensitive)?;
            Some((keyword, intent, pattern))
        })
        .collect();
    let ambiguous: Vec<bool> = keywords
        .iter()
        .map(|(_, intent, pattern)| keywords.iter().any(|(k, i, _)| i != intent && pattern.is_match(k)))
        .collect();
    for ((keyword, _, _), _) in keywords.iter().zip(&ambiguous).filter(|(_, is_ambiguous)| **is_ambiguous) {
        let message = format!("keyword `{keyword}` is part of a keyword of another intent and is left out");
        training.diagnostics.push(Diagnostic::warning(options.source.clone(), message));
    }
    let mut flags = ambiguous.into_iter();
    keywords.retain(|_| !flags.next().unwrap_or(false));
    Ok(Box::new(Keywords { keywords }))
}

fn load(options: &Options, _: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let items = stored.state.get("keywords").and_then(Value::as_array);
    let items = items.ok_or_else(|| Unreadable::new("`keywords` is not a list"))?;
    let keywords = items.iter().filter_map(|item| {
        let (keyword, intent) = (item[0].as_str()?, item[1].as_str()?);
        Some((keyword.to_owned(), intent.to_owned(), pattern(keyword, options.flag("case_sensitive"))?))
    });
    Ok(Box::new(Keywords { keywords: keywords.collect() }))
}

impl Annotator for Keywords {
    fn annotate(&self, message: &mut Message<'_>) {
        let found = self.keywords.iter().find(|(_, _, pattern)| pattern.is_match(message.text));
        match found {
            Some((_, intent, _)) => message.parse.intent = Intent::new(intent, 1.0),
            None if message.parse.intent.name.is_none() => message.parse.intent = Intent::none(),
            None => {}
        }
    }

    fn store(&self) -> Stored {
        let keywords: Vec<Value> =
            self.keywords.iter().map(|(keyword, intent, _)| json!([keyword, intent])).collect();
        Stored { state: json!({"keywords": keywords}), ..Stored::default() }
    }
}
