//! Required parameters that a message lacks: the question for one, and what the user says to it.

use intendant_talk::message::Object;

use super::Turn;
use super::saying::{in_language, text_message};
use crate::exchange::{Said, Step};
use crate::fill::{self, Gaps};
use crate::lexicon::{Mention, is_one_of};
use crate::matcher::chain;
use crate::render::is_empty;
use crate::session::{ActiveContext, Filling};
use crate::values::{Intent, Parameter};
use crate::words::Words;

impl Turn<'_> {
    /// Asks for a parameter.
    pub(super) fn ask(
        &mut self,
        intent: &Intent,
        parameter: &Parameter,
        filling: Filling,
        known: &Object,
    ) -> Step {
        let own = self.assistant.agent.settings.own_language().to_lowercase();
        let texts =
            in_language(&parameter.prompts, &self.query.language, &own, |prompt| prompt.language.as_deref());
        let texts: Vec<String> =
            texts.into_iter().map(|prompt| prompt.text.clone()).filter(|text| !text.is_empty()).collect();
        let prompt = match texts.get(self.random.below(texts.len())) {
            Some(prompt) => self.with_scope(intent, known, |scope| scope.text_with_gaps(prompt)),
            None => format!("{}?", parameter.name),
        };
        let mut answer = self.answer(intent, known, 1.0);
        answer.messages = vec![Said::Own(text_message(&prompt))];
        answer.text = prompt;
        let id = intent.id.as_deref().filter(|id| !id.is_empty()).unwrap_or(&intent.name).to_lowercase();
        let internal =
            |name: String| ActiveContext { name, lifespan: 2, parameters: known.clone(), ends_ms: 0 };
        let asked = parameter.name.to_lowercase();
        answer.contexts = self.session.contexts.clone();
        answer.contexts.push(internal(format!("{id}_id_dialog_context")));
        answer.contexts.push(internal(format!("{}_dialog_params_{asked}", answer.action.to_lowercase())));
        self.session.filling = Some(filling);
        self.step(intent.uses_webhook_for_slot_filling, answer)
    }

    /// The user answers a question for a parameter.
    pub(super) fn fill_on(
        &mut self,
        at: usize,
        mut filling: Filling,
        words: &Words<'_>,
        mentions: &[Mention],
    ) -> Step {
        let intent = &self.assistant.agent.intents[at];
        let code = chain(&self.query.language).pop().unwrap_or_default();
        if is_one_of(words.raw, fill::cancel_words(&code)) {
            let mut answer = self.answer(intent, &filling.known, 1.0);
            answer.cancels_filling = true;
            answer.text = fill::cancelled(&code).to_owned();
            answer.messages = vec![Said::Own(text_message(&answer.text))];
            answer.contexts = self.session.contexts.clone();
            return Step::Done(answer);
        }
        // What was active at the question still is, for references.
        let old =
            filling.contexts.iter().filter(|old| !self.before.iter().any(|context| context.name == old.name));
        let old: Vec<ActiveContext> = old.cloned().collect();
        self.before.extend(old);
        let settled = self.settle(intent, &filling.known);
        let is_missing = |parameter: &&Parameter| settled.get(&parameter.name).is_none_or(is_empty);
        let open: Vec<&Parameter> = intent.parameters().iter().filter(is_missing).collect();
        let gaps = Gaps { matcher: self.matcher, intent_at: at, words, mentions };
        let found = gaps.fill_asked(&open, &filling.asked, &self.moment());
        filling.known.extend(found);
        let known = self.settle(intent, &filling.known);
        match missing(intent, &known) {
            None => self.complete(intent, known, 1.0),
            Some(parameter) => {
                filling.asked.clone_from(&parameter.name);
                self.ask(intent, parameter, filling, &known)
            }
        }
    }
}

/// The first required parameter that is not known.
pub(super) fn missing<'a>(intent: &'a Intent, known: &Object) -> Option<&'a Parameter> {
    let is_missing =
        |parameter: &&Parameter| parameter.is_required && known.get(&parameter.name).is_none_or(is_empty);
    intent.parameters().iter().find(is_missing)
}
