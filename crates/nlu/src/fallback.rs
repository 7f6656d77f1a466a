//! `FallbackClassifier`: answers `nlu_fallback` when no intent is sure enough.

use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_talk::message::Intent;

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};

/// The intent it sets.
const FALLBACK_INTENT: &str = "nlu_fallback";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: "FallbackClassifier",
    kind: ComponentKind::Fallback,
    requires: &[],
    options: &OPTIONS,
    about: "Replaces the intent by `nlu_fallback` when the best confidence is below a threshold or the two best \
            are too close. Confidences are calibrated probabilities, so a threshold of 0.7 lets about those \
            answers through that are right seven times in ten or more often.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 2] = [
    option("threshold", OptionKind::Number, "0.3", "least confidence of the best intent"),
    option("ambiguity_threshold", OptionKind::Number, "0.1", "least lead over the second best"),
];

struct Fallback {
    threshold: f64,
    ambiguity_threshold: f64,
}

impl Fallback {
    fn new(options: &Options) -> Self {
        Self {
            threshold: options.number("threshold"),
            ambiguity_threshold: options.number("ambiguity_threshold"),
        }
    }
}

fn train(options: &Options, _: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    Ok(Box::new(Fallback::new(options)))
}

fn load(options: &Options, _: Slot, _: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    Ok(Box::new(Fallback::new(options)))
}

impl Annotator for Fallback {
    fn annotate(&self, message: &mut Message<'_>) {
        let parse = &mut message.parse;
        let sure = |intent: &Intent| intent.confidence.unwrap_or(0.0);
        let is_ambiguous = match parse.intent_ranking.as_deref() {
            Some([first, second, ..]) => sure(first) - sure(second) < self.ambiguity_threshold,
            _ => false,
        };
        if sure(&parse.intent) < self.threshold || is_ambiguous {
            parse.intent = Intent::new(FALLBACK_INTENT, self.threshold);
            // Behind a classifier that ranks nothing there is no ranking to join.
            if let Some(ranking) = &mut parse.intent_ranking {
                ranking.insert(0, parse.intent.clone());
            }
        }
    }
}
