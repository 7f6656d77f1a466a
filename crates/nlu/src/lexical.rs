//! `LexicalSyntacticFeaturizer`: shapes of tokens for taggers.
//!
//! Taggers read these features off the tokens themselves, so nothing is computed here; the
//! configured windows are checked and used by them.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, closest, option};

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "LexicalSyntacticFeaturizer",
    kind: ComponentKind::SparseFeaturizer,
    requires: &[ComponentKind::Tokenizer],
    options: &OPTIONS,
    about: "Gives taggers the shape of each token and its neighbours. Taggers always see at least the default \
            shapes; `pos` features need a language model and are refused.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 2] = [
    option(
        "features",
        OptionKind::List,
        r#"[["low","title","upper"],["BOS","EOS","low","upper","title","digit"],["low","title","upper"]]"#,
        "features by position in a window around the token",
    ),
    option("alias", OptionKind::Text, "null", "name by which `featurizers` options refer to it"),
];

/// Features that tokens can have.
pub(crate) const FEATURES: [&str; 15] = [
    "low",
    "title",
    "upper",
    "digit",
    "bias",
    "pattern",
    "BOS",
    "EOS",
    "prefix5",
    "prefix2",
    "suffix5",
    "suffix3",
    "suffix2",
    "suffix1",
    "text_dense_features",
];

struct Lexical;

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    check_windows(options, "LexicalSyntacticFeaturizer", training.diagnostics);
    Ok(Box::new(Lexical))
}

fn load(_: &Options, _: Slot, _: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    Ok(Box::new(Lexical))
}

impl Annotator for Lexical {
    fn annotate(&self, _: &mut Message<'_>) {}
}

/// The feature names of each window position; unknown ones are reported.
pub(crate) fn check_windows(
    options: &Options,
    component: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<String>> {
    let mut windows = Vec::new();
    for position in options.value("features").as_array().map_or(&[][..], Vec::as_slice) {
        let Some(names) = position.as_array() else {
            let message = format!("option `features` of `{component}` must be a list of lists");
            diagnostics.push(Diagnostic::error(options.source.clone(), message));
            return windows;
        };
        let names: Vec<String> = names.iter().filter_map(|name| name.as_str()).map(str::to_owned).collect();
        for name in names.iter().filter(|name| !FEATURES.contains(&name.as_str())) {
            let message = format!("`{component}` has no feature `{name}`");
            let diagnostic = Diagnostic::error(options.source.clone(), message);
            diagnostics.push(match (name.as_str(), closest(name, FEATURES.into_iter())) {
                ("pos" | "pos2", _) => diagnostic
                    .with_hint("remove it: word classes need a language model, which is not built in"),
                (_, Some(meant)) => diagnostic.with_hint(format!("did you mean `{meant}`?")),
                (_, None) => diagnostic.with_hint(format!("features are {}", FEATURES.join(", "))),
            });
        }
        windows.push(names);
    }
    windows
}
