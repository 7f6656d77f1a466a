//! What components need from outside the project's files.

use intendant_talk::data::ComponentSpec;

use crate::{jieba, language_model, registry};

/// What a component needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A [`crate::LanguageModel`] from a folder in the Hugging Face layout.
    LanguageModel {
        /// The folder as written; `None` when none was named.
        folder: Option<String>,
        /// A folder below which it is looked for first.
        below: Option<String>,
        /// The digest that the files must have.
        digest: Option<String>,
    },
    /// [`crate::Dictionaries`] from the text files of a folder.
    Dictionaries {
        /// The folder as written.
        folder: String,
    },
}

/// What a component needs from outside the project's files; most need nothing.
pub fn wanted(spec: &ComponentSpec) -> Option<Wanted> {
    let info = registry::find(spec).ok()?;
    let text = |option: &str| spec.options.get(option).and_then(|value| value.as_str()).map(str::to_owned);
    let folder = match info.name {
        name if name == language_model::INFO.name => text("model_weights"),
        name if name == language_model::SPACY.name => text("model"),
        name if name == jieba::INFO.name => {
            return text("dictionary_path").map(|folder| Wanted::Dictionaries { folder });
        }
        _ => return None,
    };
    Some(Wanted::LanguageModel { folder, below: text("cache_dir"), digest: text("model_digest") })
}
