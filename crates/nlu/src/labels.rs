//! Messages with intents, as classifiers over configured vectors learn from them.

use std::collections::BTreeSet;

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::Unreadable;
use serde_json::Value;

use crate::component::Training;
use crate::message::Message;
use crate::options::Options;

/// The intents of a training, and the messages that have one.
pub(crate) struct Labelled {
    /// All intents, sorted.
    pub(crate) labels: Vec<String>,
    /// Positions of messages, each with the position of its intent.
    pub(crate) targets: Vec<(usize, u32)>,
}

impl Labelled {
    /// What can be learnt from the messages of which `is_usable` is true.
    pub(crate) fn of(training: &Training<'_>, is_usable: impl Fn(&Message<'_>) -> bool) -> Self {
        let usable = || {
            training.messages.iter().zip(training.examples).enumerate().filter_map(
                |(at, (message, example))| {
                    Some((at, example.intent.as_deref().filter(|_| is_usable(message))?))
                },
            )
        };
        let labels: BTreeSet<&str> = usable().map(|(_, intent)| intent).collect();
        let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
        let label = |intent: &str| labels.binary_search_by(|label| label.as_str().cmp(intent));
        let targets = usable().filter_map(|(at, intent)| Some((at, label(intent).ok()? as u32))).collect();
        Self { labels, targets }
    }

    /// Says that there is nothing to tell apart.
    pub(crate) fn too_few(options: &Options, component: &str) -> Diagnostic {
        let message = format!("`{component}` learns nothing: the examples have fewer than two intents");
        Diagnostic::warning(options.source.clone(), message)
    }

    /// The intents of a stored state.
    pub(crate) fn stored(state: &Value) -> Result<Vec<String>, Unreadable> {
        let labels = state["labels"].as_array().ok_or_else(|| Unreadable::new("`labels` is not a list"))?;
        Ok(labels.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}
