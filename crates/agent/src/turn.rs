//! One turn: a message and what is remembered go in; an answer, or a question to a webhook, comes out.

use std::collections::BTreeSet;

use intendant_numeric::random::Random;
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::assistant::Assistant;
use crate::fill::{self, Gaps};
use crate::lexicon::{Mention, SessionEntities, is_one_of};
use crate::matcher::{DEFAULT_MIN_CONFIDENCE, Guess, Matcher, chain};
use crate::render::{Scope, is_empty};
use crate::session::{ActiveContext, Filling, Session};
use crate::system::Moment;
use crate::values::{DEFAULT_LIFESPAN, Intent, Message, MessageKind, Parameter};
use crate::words::Words;

/// The longest message that is read, in characters; the rest is not looked at.
const MESSAGE_CHARS_MAX: usize = 2_000;
/// How many intents a webhook may start one after the other.
const HOPS_MAX: usize = 5;

/// A message with what comes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// What happened.
    pub input: Input,
    /// The language of the message.
    pub language: String,
    /// IANA name of the user's time zone; the agent's unless given.
    pub time_zone: Option<String>,
    /// Whether all contexts end before.
    pub resets_contexts: bool,
    /// Contexts that are set before.
    pub contexts: Vec<ActiveContext>,
    /// Entities of this session, set before.
    pub entities: Vec<SessionEntities>,
    /// Now, in milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// Chooses among variants.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Somebody wrote.
    Text(String),
    /// Something started an intent.
    Event {
        /// Its name.
        name: String,
        /// What it carries.
        parameters: Object,
    },
}

/// What comes out of a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The message or the event's name.
    pub query_text: String,
    /// The language of the message.
    pub language: String,
    /// The intent that was found.
    pub intent: Option<FoundIntent>,
    /// The intent's action.
    pub action: String,
    /// The intent's parameters; empty ones are there as well.
    pub parameters: Object,
    /// Whether no parameter has to be asked for any more.
    pub is_complete: bool,
    /// Whether the user did not want to be asked any more.
    pub cancels_filling: bool,
    /// What is said.
    pub text: String,
    /// What is said and shown, on every platform.
    pub messages: Vec<Said>,
    /// The contexts as they are now.
    pub contexts: Vec<ActiveContext>,
    /// How sure the intent is, from 0 to 1.
    pub confidence: f64,
    /// What the webhook sent along.
    pub payload: Option<Object>,
    /// Who made the answer, if a webhook did and said so.
    pub source: Option<String>,
    /// How asking the webhook went, if it was asked.
    pub webhook: Option<Result<(), String>>,
    /// How many intents a webhook has started in this turn.
    hops: usize,
}

/// The intent of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundIntent {
    /// Its id; its name for want of one.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it answers what nothing else does.
    pub is_fallback: bool,
    /// Whether the conversation ends with it.
    pub ends_interaction: bool,
}

/// Something said or shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A message of the agent with its references filled in.
    Own(Message),
    /// A message as a webhook sent it, in the form of the API.
    Sent(Value),
}

/// What a turn came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The answer.
    Done(Answer),
    /// The answer if the webhook, which is to be asked now, has nothing better.
    Ask(Answer),
}

/// What a webhook said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// What is said.
    pub text: Option<String>,
    /// What is said and shown, in the form of the API.
    pub messages: Vec<Value>,
    /// Who made it.
    pub source: Option<String>,
    /// Passed on to the client.
    pub payload: Option<Object>,
    /// Contexts to set, or to end with lifespan 0.
    pub contexts: Vec<ActiveContext>,
    /// Entities of the session from now on.
    pub entities: Vec<SessionEntities>,
    /// An event that starts another intent instead: name and parameters.
    pub event: Option<(String, Object)>,
}

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

    /// The intent that a message means.
    fn find(&self, words: &Words<'_>, mentions: &[Mention]) -> Option<Guess> {
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
    fn eligible(&self) -> impl Iterator<Item = usize> {
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
    fn most_specific(&self, intents: impl Iterator<Item = usize>) -> Option<usize> {
        let rank = |at: &usize| {
            let intent = &self.assistant.agent.intents[*at];
            (intent.input_contexts.len(), intent.effective_priority(), std::cmp::Reverse(*at))
        };
        intents.max_by_key(rank)
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
        let query_text = match &self.query.input {
            Input::Text(text) => text.clone(),
            Input::Event { name, .. } => name.clone(),
        };
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

    /// Asks for a parameter.
    fn ask(&mut self, intent: &Intent, parameter: &Parameter, filling: Filling, known: &Object) -> Step {
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
        let hook = &self.assistant.agent.settings.webhook;
        let is_asked = intent.uses_webhook_for_slot_filling && hook.is_available && !hook.url.is_empty();
        if is_asked { Step::Ask(answer) } else { Step::Done(answer) }
    }

    /// The user answers a question for a parameter.
    fn fill_on(&mut self, at: usize, mut filling: Filling, words: &Words<'_>, mentions: &[Mention]) -> Step {
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
        let hook = &self.assistant.agent.settings.webhook;
        let is_asked = intent.uses_webhook && hook.is_available && !hook.url.is_empty();
        if is_asked { Step::Ask(answer) } else { Step::Done(answer) }
    }

    fn with_scope<T>(&self, intent: &Intent, known: &Object, run: impl FnOnce(&Scope<'_>) -> T) -> T {
        let names: Vec<&str> = intent.parameters().iter().map(|parameter| parameter.name.as_str()).collect();
        let contexts: Vec<&ActiveContext> = self.session.contexts.iter().chain(&self.before).collect();
        let context_names: &BTreeSet<String> = &self.assistant.context_names;
        run(&Scope { parameters: known, names: &names, contexts: &contexts, context_names })
    }

    /// The messages of an intent in the message's language.
    fn messages(&mut self, intent: &Intent, known: &Object) -> Vec<Said> {
        let own = self.assistant.agent.settings.own_language().to_lowercase();
        let all = intent.response().map_or(&[][..], |response| &response.messages);
        let mine = in_language(all, &self.query.language, &own, |message| message.language.as_deref());
        let mut said = Vec::with_capacity(mine.len());
        for message in mine {
            let texts: Vec<String> = self.with_scope(intent, known, |scope| {
                message.texts.iter().filter_map(|text| scope.text(text)).collect()
            });
            if message.kind() == MessageKind::Text && texts.is_empty() && !message.texts.is_empty() {
                continue;
            }
            let chosen = texts.get(self.random.below(texts.len())).cloned();
            let body = self.with_scope(intent, known, |scope| {
                message.body.iter().map(|(name, value)| (name.clone(), scope.deep(value))).collect()
            });
            said.push(Said::Own(Message { texts: chosen.into_iter().collect(), body, ..message.clone() }));
        }
        said
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

/// The first required parameter that is not known.
fn missing<'a>(intent: &'a Intent, known: &Object) -> Option<&'a Parameter> {
    let is_missing =
        |parameter: &&Parameter| parameter.is_required && known.get(&parameter.name).is_none_or(is_empty);
    intent.parameters().iter().find(is_missing)
}

/// Those in the language, its root, or the agent's own: the first of them that has any.
fn in_language<'a, T>(
    items: &'a [T],
    language: &str,
    own: &str,
    language_of: impl Fn(&T) -> Option<&str>,
) -> Vec<&'a T> {
    let mut wanted = chain(language);
    wanted.push(own.to_owned());
    wanted.extend(own.split_once('-').map(|(root, _)| root.to_owned()));
    for language in wanted {
        let is_written_in = |item: &&T| {
            let written = language_of(*item).filter(|written| !written.is_empty()).unwrap_or(own);
            written.eq_ignore_ascii_case(&language)
        };
        let mine: Vec<&T> = items.iter().filter(is_written_in).collect();
        if !mine.is_empty() {
            return mine;
        }
    }
    Vec::new()
}

fn text_message(text: &str) -> Message {
    Message { kind: Some(json!(0)), texts: vec![text.to_owned()], ..Message::default() }
}

/// The first text that is for no platform in particular.
fn first_text(messages: &[Said]) -> String {
    let texts = messages.iter().filter_map(|said| match said {
        Said::Own(message) if message.platform.as_deref().is_none_or(str::is_empty) => {
            (message.kind() == MessageKind::Text).then(|| message.texts.first().cloned())?
        }
        Said::Own(_) => None,
        Said::Sent(message) => {
            let platform = message.get("platform").and_then(Value::as_str).unwrap_or("");
            let text = message.pointer("/text/text/0").and_then(Value::as_str);
            text.filter(|_| matches!(platform, "" | "PLATFORM_UNSPECIFIED")).map(str::to_owned)
        }
    });
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}
