//! `RegexFeaturizer`: which regexes and lookup tables match, and where.

use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_numeric::random::hash_bytes;
use serde_json::json;

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::{Message, PatternHit, Vector};
use crate::options::{OptionInfo, OptionKind, Options, option};
use crate::patterns::{self, NamedPattern, Selection};

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "RegexFeaturizer",
    kind: ComponentKind::SparseFeaturizer,
    requires: &[ComponentKind::Tokenizer],
    options: &OPTIONS,
    about: "Marks tokens and messages in which regular expressions or lookup tables of the training data match.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 6] = [
    option("case_sensitive", OptionKind::Flag, "true", "matches case as written"),
    option("use_lookup_tables", OptionKind::Flag, "true", "uses lookup tables"),
    option("use_regexes", OptionKind::Flag, "true", "uses regular expressions"),
    option("use_word_boundaries", OptionKind::Flag, "true", "lookup entries match whole words only"),
    option("number_additional_patterns", OptionKind::Number, "null", "accepted, no effect"),
    option("alias", OptionKind::Text, "null", "name by which `featurizers` options refer to it"),
];

struct RegexFeaturizer {
    position: usize,
    patterns: Vec<NamedPattern>,
    names: Vec<u64>,
}

impl RegexFeaturizer {
    fn new(position: usize, patterns: Vec<NamedPattern>) -> Self {
        let names = patterns.iter().map(|pattern| hash_bytes(0, pattern.name.as_bytes())).collect();
        Self { position, patterns, names }
    }
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let selection = Selection {
        use_regexes: options.flag("use_regexes"),
        use_lookup_tables: options.flag("use_lookup_tables"),
        use_word_boundaries: options.flag("use_word_boundaries"),
        is_case_sensitive: options.flag("case_sensitive"),
        accepts: &|_| true,
    };
    let patterns = patterns::collect(training.data, &selection, training.diagnostics);
    Ok(Box::new(RegexFeaturizer::new(training.slot.position, patterns)))
}

fn load(options: &Options, slot: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let patterns = patterns::load(&stored.state["patterns"], options.flag("case_sensitive"))?;
    Ok(Box::new(RegexFeaturizer::new(slot.position, patterns)))
}

impl Annotator for RegexFeaturizer {
    fn annotate(&self, message: &mut Message<'_>) {
        let mut items = Vec::new();
        for (column, pattern) in self.patterns.iter().enumerate() {
            let found = pattern.pattern.find_all(message.text);
            let overlaps = |token: &intendant_text::Token| {
                found.iter().any(|(start, end)| *start < token.end_bytes && token.start_bytes < *end)
            };
            if message.wants_vectors && message.tokens.iter().any(overlaps) {
                items.push((column as u32, 1.0));
            }
            message.patterns.extend(found.into_iter().map(|(start_bytes, end_bytes)| PatternHit {
                pattern: column as u32,
                name: self.names[column],
                start_bytes,
                end_bytes,
            }));
        }
        if message.wants_vectors {
            message.vectors.push(Vector { origin: self.position, items });
        }
    }

    fn store(&self) -> Stored {
        Stored { state: json!({"patterns": patterns::store(&self.patterns)}), ..Stored::default() }
    }
}
