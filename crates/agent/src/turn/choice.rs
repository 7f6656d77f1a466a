//! Which intent a message starts: who takes part, who is the surest, and what happens when none is.

use super::Turn;
use crate::lexicon::Mention;
use crate::matcher::{DEFAULT_MIN_CONFIDENCE, Guess};
use crate::values::Intent;
use crate::words::Words;

impl Turn<'_> {
    /// The intent that a message means.
    pub(super) fn find(&self, words: &Words<'_>, mentions: &[Mention]) -> Option<Guess> {
        let agent = &self.assistant.agent;
        let candidates: Vec<usize> = self.eligible().collect();
        let guesses = self.matcher.rank(agent, words, mentions, &candidates);
        let threshold = agent.settings.min_confidence.unwrap_or(DEFAULT_MIN_CONFIDENCE).clamp(0.0, 1.0);
        let best = guesses.into_iter().next().filter(|best| best.score >= threshold);
        if let Some(best) = best.filter(|best| !agent.intents[best.intent].is_fallback) {
            return Some(best);
        }
        let takes_anything = |at: &usize| !agent.intents[*at].is_fallback && self.matcher.takes_anything(*at);
        let anything = candidates.iter().copied().filter(takes_anything);
        let last = self.most_specific(anything).map(|intent| (intent, threshold));
        let last = last.filter(|_| words.len() > 0);
        let fallback = || self.most_specific(self.eligible().filter(|at| agent.intents[*at].is_fallback));
        let (intent, score) = last.or_else(|| fallback().map(|intent| (intent, 1.0)))?;
        Some(Guess { intent, score, captures: Vec::new() })
    }

    /// Intents that are on and whose input contexts are all active.
    pub(super) fn eligible(&self) -> impl Iterator<Item = usize> {
        let agent = &self.assistant.agent;
        let only_learning = agent.settings.classifier_mode.as_deref() == Some("use.instead");
        let is_active =
            |name: &String| self.before.iter().any(|context| context.name.eq_ignore_ascii_case(name));
        let is_eligible = move |intent: &Intent| {
            intent.is_on()
                && (intent.is_learned || intent.is_fallback || !only_learning)
                && intent.input_contexts.iter().all(is_active)
        };
        agent.intents.iter().enumerate().filter(move |(_, intent)| is_eligible(intent)).map(|(at, _)| at)
    }

    /// Of several intents the one with most input contexts, then the highest priority.
    pub(super) fn most_specific(&self, intents: impl Iterator<Item = usize>) -> Option<usize> {
        let rank = |at: &usize| {
            let intent = &self.assistant.agent.intents[*at];
            (intent.input_contexts.len(), intent.effective_priority(), std::cmp::Reverse(*at))
        };
        intents.max_by_key(rank)
    }
}
