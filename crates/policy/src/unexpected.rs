//! UnexpecTEDIntentPolicy: notices an intent that no story expects here.
//!
//! Ours under Rasa's name: an intent is expected as far as the bot's turn before it resembles turns
//! after which stories have it ([`crate::neighbours`]). Its threshold is the similarity that
//! separates such turns from others in the stories, never above [`THRESHOLD_MAX`]: the policy
//! rather misses an unlikely intent than doubts a likely one.
//!
//! ```yaml
//! policies:
//!   - name: UnexpecTEDIntentPolicy
//!     tolerance: 0.1
//!     ignore_intents_list: [faq]
//! ```

use std::collections::BTreeMap;

use intendant_talk::domain::Domain;
use serde_json::{Value, json};

use crate::examples::for_learning;
use crate::neighbours::{Description, HISTORY_DEFAULT, Learning, Neighbours, Now, describe};
use crate::options::Reader;
use crate::prediction::Prediction;
use crate::state::State;
use crate::state::situation::Situation;
use crate::texts::TextFeatures;
use crate::trackers::TrainingTracker;

/// No intent is doubted in a situation this similar to one that expects it.
const THRESHOLD_MAX: f64 = 0.5;
/// Quantiles a tolerance of 0 to 1 chooses from.
const QUANTILES: usize = 20;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnexpectedOptions {
    pub max_history: Option<usize>,
    pub tolerance: f64,
    pub ranking_length: usize,
    pub ignored_intents: Vec<String>,
}

impl UnexpectedOptions {
    pub(crate) fn read(reader: &mut Reader) -> Self {
        Self {
            max_history: reader.max_history(),
            tolerance: reader.number("tolerance", 0.0).clamp(0.0, 1.0),
            ranking_length: reader.count("ranking_length").unwrap_or(10),
            ignored_intents: reader.texts("ignore_intents_list"),
        }
    }

    fn history(&self) -> usize {
        self.max_history.unwrap_or(HISTORY_DEFAULT)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unexpected {
    pub options: UnexpectedOptions,
    pub neighbours: Neighbours,
    /// Intents of the stories; labels index them.
    pub intents: Vec<String>,
    /// Per intent.
    pub thresholds: Vec<f64>,
}

impl Unexpected {
    pub(crate) fn train(options: UnexpectedOptions, domain: &Domain, trackers: &[TrainingTracker]) -> Self {
        let mut learning = Learning::default();
        let mut intents: BTreeMap<String, u32> = BTreeMap::new();
        let mut situations = Vec::new();
        for tracker in trackers.iter().filter(|tracker| !tracker.is_rule) {
            let seen = for_learning(domain, tracker);
            let is_end_to_end =
                seen.states.iter().filter_map(|state| state.user.as_ref()).any(|user| user.intent.is_none());
            if is_end_to_end {
                continue;
            }
            for (states, _) in seen.examples() {
                let Some(last) = states.last().filter(|state| state.follows_listen()) else { continue };
                let Some(intent) = last.user.as_ref().and_then(|user| user.intent.clone()) else { continue };
                let next = intents.len() as u32;
                let label = *intents.entry(intent).or_insert(next);
                let description = described(states, options.history());
                learning.learn(&description, label);
                situations.push((description, label));
            }
        }
        let mut names = vec![String::new(); intents.len()];
        for (name, label) in intents {
            names[label as usize] = name;
        }
        let neighbours = learning.finish();
        let thresholds = thresholds(&options, &neighbours, &situations, names.len());
        Self { options, neighbours, intents: names, thresholds }
    }

    pub(crate) fn states_needed(&self) -> usize {
        self.options.history() + 1
    }

    pub(crate) fn predict(&self, situation: &Situation, actions: &[String]) -> Prediction {
        let mut prediction = Prediction {
            probabilities: vec![0.0; actions.len()],
            policy: Some("UnexpecTEDIntentPolicy".to_owned()),
            ..Prediction::default()
        };
        // Only directly after the user spoke.
        let Some(name) = situation.now.intent_name().filter(|_| situation.now.is_listening()) else {
            return prediction;
        };
        let Some(idx) = self.intents.iter().position(|intent| intent == name) else { return prediction };
        let description = described(&situation.learned_states, self.options.history());
        let scores = self.neighbours.similarities(&description, self.intents.len());
        let is_top = scores.iter().all(|score| *score <= scores[idx]);
        let is_ignored = self.options.ignored_intents.iter().any(|ignored| ignored == name);
        if is_ignored || is_top || scores[idx] >= self.thresholds[idx] {
            return prediction;
        }
        if let Some(action) = actions.iter().position(|action| action == "action_unlikely_intent") {
            prediction.probabilities[action] = 1.0;
            prediction.action_metadata = Some(self.explain(idx, &scores));
        }
        prediction
    }

    fn explain(&self, idx: usize, scores: &[f64]) -> Value {
        let entry = |idx: usize| {
            json!({
                "name": self.intents[idx],
                "score": scores[idx],
                "threshold": self.thresholds[idx],
                "severity": self.thresholds[idx] - scores[idx],
            })
        };
        let mut ranked: Vec<usize> = (0..self.intents.len()).collect();
        ranked.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        if self.options.ranking_length > 0 {
            ranked.truncate(self.options.ranking_length);
        }
        json!({ "query_intent": entry(idx), "ranking": ranked.into_iter().map(entry).collect::<Vec<_>>() })
    }
}

/// Situations looked at per training; more would not move a quantile.
const SITUATIONS_MAX: usize = 400;

/// What came before the user spoke; texts instead of intents are not known here.
fn described(states: &[State], history: usize) -> Description {
    describe(states, (history, Now::BeforeUser), &|_| TextFeatures::new())
}

fn thresholds(
    options: &UnexpectedOptions,
    neighbours: &Neighbours,
    situations: &[(crate::neighbours::Description, u32)],
    intents_count: usize,
) -> Vec<f64> {
    let stride = situations.len().div_ceil(SITUATIONS_MAX).max(1);
    let mut unexpected: Vec<Vec<f64>> = vec![Vec::new(); intents_count];
    for (description, _) in situations.iter().step_by(stride) {
        let similarities = neighbours.similarities(description, intents_count);
        for (intent, similarity) in similarities.into_iter().enumerate() {
            // The very same situation expects it, so it is no example of the unexpected.
            if similarity < 1.0 - 1e-6 {
                unexpected[intent].push(similarity);
            }
        }
    }
    unexpected
        .into_iter()
        .map(|mut similarities| {
            similarities.sort_by(f64::total_cmp);
            let step = ((options.tolerance * QUANTILES as f64) as usize).min(QUANTILES - 1);
            let share = 1.0 - step as f64 / QUANTILES as f64;
            let position = ((similarities.len().saturating_sub(1)) as f64 * share) as usize;
            similarities.get(position).copied().unwrap_or(THRESHOLD_MAX).min(THRESHOLD_MAX)
        })
        .collect()
}
