//! `RegexEntityExtractor`: entities found by regular expressions and lookup tables.

use std::collections::BTreeSet;

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};
use crate::patterns::{self, NamedPattern, Selection};

const NAME: &str = "RegexEntityExtractor";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: NAME,
    kind: ComponentKind::EntityExtractor,
    requires: &[],
    options: &OPTIONS,
    about: "Finds every match of the regular expressions and lookup tables that are named like an entity which \
            is annotated somewhere in the training data.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 4] = [
    option("case_sensitive", OptionKind::Flag, "false", "matches case as written"),
    option("use_lookup_tables", OptionKind::Flag, "true", "uses lookup tables"),
    option("use_regexes", OptionKind::Flag, "true", "uses regular expressions"),
    option("use_word_boundaries", OptionKind::Flag, "true", "lookup entries match whole words only"),
];

struct RegexEntities {
    patterns: Vec<NamedPattern>,
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let annotated: BTreeSet<&str> = training
        .data
        .examples
        .iter()
        .flat_map(|example| &example.entities)
        .map(|entity| entity.entity.as_str())
        .collect();
    let selection = Selection {
        use_regexes: options.flag("use_regexes"),
        use_lookup_tables: options.flag("use_lookup_tables"),
        use_word_boundaries: options.flag("use_word_boundaries"),
        is_case_sensitive: options.flag("case_sensitive"),
        accepts: &|name| annotated.contains(name),
    };
    let patterns = patterns::collect(training.data, &selection, training.diagnostics);
    if patterns.is_empty() {
        let message =
            format!("`{NAME}` finds nothing: no regex or lookup table is named like an annotated entity");
        training.diagnostics.push(
            Diagnostic::warning(options.source.clone(), message)
                .with_hint("name them after the entity, and annotate that entity in at least one example"),
        );
    }
    Ok(Box::new(RegexEntities { patterns }))
}

fn load(options: &Options, _: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let patterns = patterns::load(&stored.state["patterns"], options.flag("case_sensitive"))?;
    Ok(Box::new(RegexEntities { patterns }))
}

impl Annotator for RegexEntities {
    fn annotate(&self, message: &mut Message<'_>) {
        for pattern in &self.patterns {
            for (start, end) in pattern.pattern.find_all(message.text) {
                message.parse.entities.push(Entity {
                    entity: pattern.name.clone(),
                    value: Value::from(message.text.get(start..end).unwrap_or_default()),
                    start_chars: Some(message.offsets.chars(start)),
                    end_chars: Some(message.offsets.chars(end)),
                    extractor: Some(NAME.to_owned()),
                    ..Entity::default()
                });
            }
        }
    }

    fn store(&self) -> Stored {
        Stored { state: json!({"patterns": patterns::store(&self.patterns)}), ..Stored::default() }
    }
}
