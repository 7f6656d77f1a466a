//! One turn: a message and what is remembered go in; an answer, or a question to a webhook, comes out.

mod asking;
mod choice;
mod saying;

use std::collections::BTreeSet;

use intendant_numeric::random::Random;
use intendant_port::upstream::Input;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::assistant::Assistant;
use crate::exchange::{Answer, FoundIntent, Query, Reply, Said, Step};
use crate::fill::{self, Gaps};
use crate::lexicon::SessionEntities;
use crate::matcher::Matcher;
use crate::render::{Scope, is_empty};
use crate::session::{ActiveContext, Filling, Session};
use crate::system::Moment;
use crate::values::{DEFAULT_LIFESPAN, Intent};
use crate::words::Words;
use asking::missing;
use saying::{first_text, text_message};

/// The longest message that is read, in characters; the rest is not looked at.
const MESSAGE_CHARS_MAX: usize = 2_000;
/// How many intents a webhook may start one after the other.
const HOPS_MAX: usize = 5;

/// A turn in hand.
struct Turn<'a> {
    assistant: &'a Assistant,
    matcher: &'a Matcher,
    query: &'a Query,
    session: &'a mut Session,
    /// Contexts that were active when the message came, and the event's own.
    before: Vec<ActiveContext>,
    random: Random,
    hops: usize,
}

impl Assistant {
    /// Begins a turn.
    pub fn begin(&self, session: &mut Session, query: &Query) -> Step {
        if query.resets_contexts {
            (session.contexts, session.filling) = (Vec::new(), None);
        }
        session.expire(query.now_ms);
        for context in &query.contexts {
            session.set(context.clone(), query.now_ms);
        }
        for entities in &query.entities {
            put_entities(session, entities.clone());
        }
        let before = session.contexts.clone();
        session.age();
        self.turn(session, query, (before, 0), |turn| match &query.input {
            Input::Text(text) => turn.hear(text),
            Input::Event { name, parameters } => turn.start(name, parameters),
        })
    }

    /// Goes on with what the webhook said, or why it said nothing.
    pub fn resume(
        &self,
        session: &mut Session,
        query: &Query,
        asked: Answer,
        outcome: Result<Reply, String>,
    ) -> Step {
        let mut answer = asked;
        let reply = match outcome {
            Ok(reply) => reply,
            Err(why) => {
                answer.webhook = Some(Err(why));
                return Step::Done(answer);
            }
        };
        for context in reply.contexts {
            session.set(context, query.now_ms);
        }
        for entities in reply.entities {
            put_entities(session, entities);
        }
        if let Some((name, parameters)) = reply.event.filter(|_| answer.hops < HOPS_MAX) {
            session.filling = None;
            let before = session.contexts.clone();
            let step =
                self.turn(session, query, (before, answer.hops + 1), |turn| turn.start(&name, &parameters));
            return match step {
                Step::Done(done) if done.intent.is_none() => Step::Done(answer),
                step => step,
            };
        }
        if !reply.messages.is_empty() {
            answer.messages = reply.messages.into_iter().map(Said::Sent).collect();
            answer.text = reply.text.clone().unwrap_or_else(|| first_text(&answer.messages));
        } else if let Some(text) = &reply.text {
            answer.messages = vec![Said::Own(text_message(text))];
        }
        if let Some(text) = reply.text {
            answer.text = text;
        }
        (answer.payload, answer.source) = (reply.payload, reply.source);
        let internal = answer.contexts.iter().filter(|context| is_internal(&context.name));
        answer.contexts = session.contexts.iter().chain(internal).cloned().collect();
        answer.webhook = Some(Ok(()));
        Step::Done(answer)
    }

    fn turn(
        &self,
        session: &mut Session,
        query: &Query,
        (before, hops): (Vec<ActiveContext>, usize),
        run: impl FnOnce(&mut Turn<'_>) -> Step,
    ) -> Step {
        let Some(matcher) = self.matcher(&query.language) else {
            return Step::Done(Answer::default());
        };
        let random = Random::new(query.seed.wrapping_add(hops as u64));
        run(&mut Turn { assistant: self, matcher, query, session, before, random, hops })
    }
}

impl Turn<'_> {
    fn moment(&self) -> Moment {
        let settings = &self.assistant.agent.settings;
        let names = [self.query.time_zone.as_deref(), settings.time_zone.as_deref()];
        let zone = names.into_iter().flatten().find_map(intendant_entities::Zone::named);
        Moment { now_ms: self.query.now_ms, zone: zone.unwrap_or_else(intendant_entities::Zone::utc) }
    }

    fn hear(&mut self, text: &str) -> Step {
        let text: String = text.chars().take(MESSAGE_CHARS_MAX).collect();
        let words = Words::of(&text);
        let mentions = self.matcher.lexicon.find(&words, &self.moment(), &self.session.entities);
        if let Some(filling) = self.session.filling.take()
            && let Some(at) =
                self.assistant.agent.intents.iter().position(|intent| intent.name == filling.intent)
        {
            return self.fill_on(at, filling, &words, &mentions);
        }
        match self.find(&words, &mentions) {
            Some(guess) => {
                let intent = &self.assistant.agent.intents[guess.intent];
                let gaps = Gaps {
                    matcher: self.matcher,
                    intent_at: guess.intent,
                    words: &words,
                    mentions: &mentions,
                };
                let known =
                    if intent.is_fallback { Object::new() } else { gaps.fill(intent, &guess.captures) };
                self.follow(guess.intent, known, guess.score)
            }
            None => self.nothing(),
        }
    }

    /// Starts the intent of an event.
    fn start(&mut self, event: &str, parameters: &Object) -> Step {
        let agent = &self.assistant.agent;
        let has_event =
            |at: &usize| agent.intents[*at].events.iter().any(|known| known.name.eq_ignore_ascii_case(event));
        let starters: Vec<usize> = self.eligible().filter(has_event).collect();
        let proper = starters.iter().copied().filter(|at| !agent.intents[*at].is_fallback);
        let found = self.most_specific(proper).or_else(|| self.most_specific(starters.iter().copied()));
        self.session.filling = None;
        let own = ActiveContext {
            name: event.to_lowercase(),
            lifespan: 1,
            parameters: parameters.clone(),
            ends_ms: 0,
        };
        self.before.insert(0, own);
        match found {
            Some(intent) => self.follow(intent, Object::new(), 1.0),
            None => self.nothing(),
        }
    }

    fn nothing(&self) -> Step {
        Step::Done(Answer { is_complete: true, contexts: self.session.contexts.clone(), ..self.blank() })
    }

    fn blank(&self) -> Answer {
        let query_text = self.query.input.text().to_owned();
        Answer { query_text, language: self.query.language.clone(), hops: self.hops, ..Answer::default() }
    }

    fn answer(&self, intent: &Intent, parameters: &Object, confidence: f64) -> Answer {
        let names = intent.parameters().iter().map(|parameter| {
            let empty = if parameter.is_list { json!([]) } else { json!("") };
            let value = parameters.get(&parameter.name).filter(|value| !is_empty(value)).cloned();
            (parameter.name.clone(), value.unwrap_or(empty))
        });
        Answer {
            intent: Some(FoundIntent {
                id: intent.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| intent.name.clone()),
                name: intent.name.clone(),
                is_fallback: intent.is_fallback,
                ends_interaction: intent.ends_interaction,
            }),
            action: intent.response().and_then(|response| response.action.clone()).unwrap_or_default(),
            parameters: names.filter(|(name, _)| !name.is_empty()).collect(),
            confidence,
            ..self.blank()
        }
    }

    /// An intent was found with some of its parameters.
    fn follow(&mut self, at: usize, found: Object, confidence: f64) -> Step {
        let intent = &self.assistant.agent.intents[at];
        let known = self.settle(intent, &found);
        match missing(intent, &known) {
            None => self.complete(intent, known, confidence),
            Some(parameter) => {
                let filling = Filling {
                    intent: intent.name.clone(),
                    asked: parameter.name.clone(),
                    known: found,
                    contexts: self.before.clone(),
                };
                self.ask(intent, parameter, filling, &known)
            }
        }
    }

    /// What the parameters are, given what was found in messages.
    fn settle(&self, intent: &Intent, found: &Object) -> Object {
        let contexts: Vec<&ActiveContext> = self.before.iter().collect();
        let names: Vec<&str> =
            found.keys().map(String::as_str).filter(|name| !name.ends_with(".original")).collect();
        let all: Vec<&str> = names
            .into_iter()
            .chain(intent.parameters().iter().map(|parameter| parameter.name.as_str()))
            .collect();
        let scope = Scope {
            parameters: found,
            names: &all,
            contexts: &contexts,
            context_names: &self.assistant.context_names,
        };
        fill::settle(intent, &scope)
    }

    /// Everything is known: contexts begin and end, and the answer is made.
    fn complete(&mut self, intent: &Intent, known: Object, confidence: f64) -> Step {
        let mut answer = self.answer(intent, &known, confidence);
        answer.is_complete = true;
        if let Some(response) = intent.response() {
            if response.resets_contexts {
                self.session.contexts.clear();
            }
            for output in response.output_contexts.iter().filter(|output| !output.name.is_empty()) {
                let name = output.name.to_lowercase();
                let old = self.before.iter().find(|context| context.name == name);
                let mut parameters = old.map(|context| context.parameters.clone()).unwrap_or_default();
                parameters.extend(
                    output.rest.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default(),
                );
                for (name, value) in &known {
                    if !is_empty(value) || !parameters.contains_key(name) {
                        parameters.insert(name.clone(), value.clone());
                    }
                }
                let lifespan = output.lifespan.unwrap_or(DEFAULT_LIFESPAN);
                self.session.set(ActiveContext { name, lifespan, parameters, ends_ms: 0 }, self.query.now_ms);
            }
        }
        answer.messages = self.messages(intent, &known);
        answer.text = first_text(&answer.messages);
        answer.contexts = self.session.contexts.clone();
        self.step(intent.uses_webhook, answer)
    }

    /// The answer, or the question to a webhook that wants to know of it.
    fn step(&self, wants_webhook: bool, answer: Answer) -> Step {
        let is_asked = wants_webhook && self.assistant.agent.settings.webhook.is_available;
        if is_asked { Step::Ask(answer) } else { Step::Done(answer) }
    }

    fn with_scope<T>(&self, intent: &Intent, known: &Object, run: impl FnOnce(&Scope<'_>) -> T) -> T {
        let names: Vec<&str> = intent.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
        let contexts: Vec<&ActiveContext> = self.session.contexts.iter().chain(&self.before).collect();
        let context_names: &BTreeSet<String> = &self.assistant.context_names;
        run(&Scope { parameters: known, names: &names, contexts: &contexts, context_names })
    }
}

fn put_entities(session: &mut Session, entities: SessionEntities) {
    session.entities.retain(|other| !other.name.eq_ignore_ascii_case(&entities.name));
    session.entities.push(entities);
}

/// Whether a context is of the asking for parameters.
fn is_internal(name: &str) -> bool {
    name.ends_with("_dialog_context") || name.contains("_dialog_params_")
}
