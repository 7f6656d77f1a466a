//! TEDPolicy: what comes next where neither a rule nor a known story says it.
//!
//! The algorithm under this name is ours: the action of the most similar situations of the
//! stories ([`crate::neighbours`]), as a probability that is small unless something similar was
//! seen, so that the core fallback's threshold means something.
//!
//! Differs from Rasa: no neural network. Options of the network are accepted and have no effect.
//! Where a text decides, the entities that the stories' texts taught come with it ([`crate::texts`]).
//!
//! ```yaml
//! policies:
//!   - name: TEDPolicy
//!     max_history: 5
//! ```

use intendant_talk::domain::Domain;
use intendant_talk::event::EventKind;

use crate::examples::for_learning;
use crate::neighbours::{HISTORY_DEFAULT, Learning, Neighbours, Now, describe};
use crate::options::Reader;
use crate::prediction::Prediction;
use crate::state::UserInput;
use crate::state::situation::Situation;
use crate::texts::Texts;
use crate::trackers::TrainingTracker;

/// Similarity at which "none of these" is as likely as the action.
const DOUBT: f64 = 0.75;
/// How fast odds grow with similarity: low enough that two half-known answers doubt each other,
/// high enough that a hundred unlike ones do not matter.
const SHARPNESS: i32 = 4;

/// Options of Rasa's network, accepted without effect.
pub(crate) const NETWORK_OPTIONS: [&str; 49] = [
    "hidden_layers_sizes",
    "dense_dimension",
    "concat_dimension",
    "encoding_dimension",
    "transformer_size",
    "number_of_transformer_layers",
    "number_of_attention_heads",
    "use_key_relative_attention",
    "use_value_relative_attention",
    "max_relative_position",
    "unidirectional_encoder",
    "batch_size",
    "batch_strategy",
    "epochs",
    "random_seed",
    "learning_rate",
    "embedding_dimension",
    "number_of_negative_examples",
    "similarity_type",
    "loss_type",
    "ranking_length",
    "renormalize_confidences",
    "maximum_positive_similarity",
    "maximum_negative_similarity",
    "use_maximum_negative_similarity",
    "scale_loss",
    "regularization_constant",
    "negative_margin_scale",
    "drop_rate_dialogue",
    "drop_rate",
    "drop_rate_label",
    "drop_rate_attention",
    "connection_density",
    "use_sparse_input_dropout",
    "use_dense_input_dropout",
    "use_masked_language_model",
    "evaluate_every_number_of_epochs",
    "evaluate_on_number_of_examples",
    "tensorboard_log_directory",
    "tensorboard_log_level",
    "checkpoint_model",
    "featurizers",
    "constrain_similarities",
    "model_confidence",
    "BILOU_flag",
    "split_entities_by_comma",
    "use_gpu",
    "use_label_sentence_features",
    "ranking",
];

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TedOptions {
    pub max_history: Option<usize>,
    pub e2e_confidence_threshold: f64,
    pub entity_recognition: bool,
}

impl TedOptions {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        Self {
            max_history: reader.max_history(),
            e2e_confidence_threshold: reader.number("e2e_confidence_threshold", 0.5),
            entity_recognition: reader.flag("entity_recognition", true),
        }
    }

    fn history(&self) -> usize {
        self.max_history.unwrap_or(HISTORY_DEFAULT)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ted {
    pub options: TedOptions,
    pub neighbours: Neighbours,
    /// What the stories' texts taught, where some are told by texts instead of intents.
    pub texts: Option<Texts>,
}

impl Ted {
    pub(crate) fn train(options: TedOptions, domain: &Domain, trackers: &[TrainingTracker]) -> Self {
        let actions = domain.action_names();
        let mut learning = Learning::default();
        let (texts, read) = Texts::train(trackers, options.entity_recognition).unzip();
        let read = |text: &str| read.as_ref().and_then(|read| read.get(text).cloned()).unwrap_or_default();
        for tracker in trackers.iter().filter(|tracker| !tracker.is_rule) {
            let seen = for_learning(domain, tracker);
            for (states, action) in seen.examples() {
                if let Some(label) = actions.iter().position(|name| *name == action) {
                    let description = describe(states, (options.history(), Now::WithUser), &read);
                    learning.learn(&description, label as u32);
                }
            }
        }
        Self { options, neighbours: learning.finish(), texts }
    }

    pub(crate) fn states_needed(&self) -> usize {
        self.options.history()
    }

    pub(crate) fn predict(&self, situation: &Situation, actions_count: usize) -> Prediction {
        let mut prediction = Prediction {
            probabilities: vec![0.0; actions_count],
            policy: Some("TEDPolicy".to_owned()),
            ..Prediction::default()
        };
        if self.neighbours.is_empty() {
            return prediction;
        }
        let (by_intent, intent_similarity) = self.probabilities(situation, UserInput::Intent, actions_count);
        prediction.probabilities = by_intent;
        if self.texts.is_some() && situation.now.is_listening() {
            let (by_text, text_similarity) = self.probabilities(situation, UserInput::Text, actions_count);
            let confidence = by_text.iter().copied().fold(0.0, f64::max);
            if confidence > self.options.e2e_confidence_threshold && text_similarity > intent_similarity {
                prediction.probabilities = by_text;
                prediction.is_end_to_end = true;
                prediction.optional_events = self.entities(situation);
            }
        }
        prediction
    }

    fn entities(&self, situation: &Situation) -> Vec<EventKind> {
        let text = situation.now.user.and_then(|message| message.text.as_deref());
        let spans = self.texts.as_ref().and_then(|texts| texts.spans.as_ref());
        let (Some(spans), Some(text)) = (spans, text) else { return Vec::new() };
        let entities = spans.find(text);
        if entities.is_empty() { Vec::new() } else { vec![EventKind::Entities { entities }] }
    }

    fn probabilities(
        &self,
        situation: &Situation,
        input: UserInput,
        actions_count: usize,
    ) -> (Vec<f64>, f64) {
        let mut states = situation.learned_states.clone();
        if let Some(last) = states.last_mut() {
            if let (UserInput::Text, Some(user), Some(message)) = (input, &mut last.user, situation.now.user)
            {
                user.text.clone_from(&message.text);
            }
            last.choose_user_input(input);
        }
        let message = situation.now.user;
        let read = |text: &str| {
            let latest = message.filter(|message| message.text.as_deref() == Some(text));
            let by_pipeline = latest.map_or(&[][..], |message| &message.parse.entities);
            self.texts.as_ref().map(|texts| texts.read(text, by_pipeline)).unwrap_or_default()
        };
        let description = describe(&states, (self.options.history(), Now::WithUser), &read);
        let similarities = self.neighbours.similarities(&description, actions_count);
        let best = similarities.iter().copied().fold(0.0, f64::max);
        let powers: Vec<f64> =
            similarities.iter().map(|similarity| (similarity / DOUBT).powi(SHARPNESS)).collect();
        let total: f64 = 1.0 + powers.iter().sum::<f64>();
        (powers.into_iter().map(|power| power / total).collect(), best)
    }
}
