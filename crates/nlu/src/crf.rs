//! `CRFEntityExtractor`: entities by conditional random fields over configured features.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_numeric::chain::Penalty;
use serde_json::json;

use crate::component::{Annotator, ComponentInfo, ComponentKind, Slot, Training};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};
use crate::spans::CommaRule;
use crate::tagger::{self, Corpus, Tagger};
use crate::token_features::Extraction;
use crate::{diet, lexical};

const NAME: &str = "CRFEntityExtractor";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: NAME,
    kind: ComponentKind::EntityExtractor,
    requires: &[ComponentKind::Tokenizer],
    options: &OPTIONS,
    about: "Finds entities, roles and groups by conditional random fields over named features of a window of \
            tokens. Trained once; the weights are stored, nothing is trained again when a model is loaded.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 7] = [
    option(
        "features",
        OptionKind::List,
        r#"[["low","title","upper"],["low","bias","prefix5","prefix2","suffix5","suffix3","suffix2","upper","title","digit","pattern"],["low","title","upper"]]"#,
        "features by position in a window around the token; an odd number of lists",
    ),
    option("max_iterations", OptionKind::Number, "50", "walks over the data"),
    option(
        "split_entities_by_comma",
        OptionKind::Any,
        "true",
        "commas end entities; a flag, or a flag per entity",
    ),
    option(
        "BILOU_flag",
        OptionKind::Flag,
        "true",
        "tags tell where entities begin, so that neighbours of one kind stay apart",
    ),
    option("L1_c", OptionKind::Number, "0.1", "how much the sizes of weights count; makes most of them 0"),
    option("L2_c", OptionKind::Number, "0.1", "how much the squares of weights count; keeps them small"),
    option("featurizers", OptionKind::List, "[]", "accepted; entities are found by words, not by vectors"),
];

struct Crf {
    tagger: Option<Tagger>,
}

fn extraction(options: &Options, diagnostics: &mut Vec<Diagnostic>) -> Extraction {
    Extraction::Windows(lexical::check_windows(options, NAME, diagnostics))
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let extraction = extraction(options, training.diagnostics);
    if let Extraction::Windows(windows) = &extraction
        && windows.len() % 2 == 0
    {
        let message =
            format!("option `features` of `{NAME}` needs an odd number of lists, found {}", windows.len());
        training.diagnostics.push(
            Diagnostic::error(options.source.clone(), message).with_hint(
                "the middle list is for the token itself, the others for those before and after it",
            ),
        );
        return Ok(Box::new(Crf { tagger: None }));
    }
    diet::warn_misaligned(training, NAME);
    let settings = tagger::Settings {
        phase: "entities (CRF)",
        seed: training.context.seed,
        epochs: Some(options.count("max_iterations").clamp(1, 1000)),
        extraction,
        commas: CommaRule::of(options.value("split_entities_by_comma")),
        marks_starts: options.flag("BILOU_flag"),
        penalty: Penalty::Elastic {
            l1: options.number("L1_c").max(0.0) as f32,
            l2: options.number("L2_c").max(0.0) as f32,
        },
    };
    let corpus = Corpus { messages: training.messages, examples: training.examples, hints: &[] };
    Ok(Box::new(Crf { tagger: Tagger::train(&corpus, settings, training.context)? }))
}

fn load(options: &Options, _: Slot, mut stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let state = std::mem::take(&mut stored.state);
    let parts =
        (extraction(options, &mut Vec::new()), CommaRule::of(options.value("split_entities_by_comma")));
    Ok(Box::new(Crf { tagger: Tagger::load_from(&state["tagger"], &mut stored, parts)? }))
}

impl Annotator for Crf {
    fn annotate(&self, message: &mut Message<'_>) {
        if let Some(tagger) = &self.tagger {
            let entities = tagger.tag(message, None, NAME);
            message.parse.entities.extend(entities);
        }
    }

    fn store(&self) -> Stored {
        let mut stored = Stored::default();
        let tagger = self.tagger.as_ref().map(|tagger| tagger.store_into(&mut stored));
        stored.state = json!({ "tagger": tagger });
        stored
    }
}
