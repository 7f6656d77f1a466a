//! Actions by name: the default ones, responses, forms, and custom ones on an action server.
//!
//! Source: `spec: dialogue.md §5`.

use intendant_policy::Prediction;
use intendant_talk::domain::{DEFAULT_ACTIONS, RULE_SNIPPET_ACTION};
use intendant_talk::event::{BotUtterance, Event, EventKind, UserMessage};
use intendant_talk::message::{Intent, Object};
use intendant_talk::tracker::Tracker;
use serde_json::{Value, json};

use crate::conversation::{Conversation, imagine};
use crate::turn::{ActionCall, ActionFailure, ActionReply, Answer, Question};

/// Why an action brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It refused; something else may be predicted.
    Rejected(String),
    /// It broke; the conversation goes on as if it had done nothing.
    Failed(String),
}

/// Events an action brings, or why it brings none.
pub(crate) type Outcome = Result<Vec<Event>, Refusal>;

/// The response for actions that failed; said where the domain has it.
const ACTION_FAILED: &str = "utter_action_failed";

/// What a name stands for.
enum Kind<'a> {
    Default(&'a str),
    Retrieval,
    Text,
    Response,
    Form,
    Custom,
}

impl Conversation {
    /// Runs an action as decided; it sees the conversation as if the decision were recorded.
    pub(crate) async fn run_action(&mut self, name: &str, prediction: &Prediction) -> Outcome {
        let is_shown = matches!(self.kind(name), Kind::Form | Kind::Custom);
        // What precedes an action's event matters to forms and action servers only; imagining it
        // copies the conversation.
        let kinds = if is_shown { prediction.events.as_slice() } else { &[] };
        let mut tracker = imagine(&self.tracker, kinds, self.line.now());
        if is_shown && prediction.policy.as_deref() == Some("followup_action") {
            // The event that forces the action is still the last one that the action sees.
            tracker.force_followup_action(name.to_owned());
        }
        match self.kind(name) {
            Kind::Form => self.run_form(name, &tracker).await,
            Kind::Default("action_two_stage_fallback") => self.run_two_stage_fallback(&tracker).await,
            _ => self.run_plain(name, &tracker).await,
        }
    }

    fn kind<'a>(&self, name: &'a str) -> Kind<'a> {
        let domain = &self.mind.domain;
        let is_user_action = domain.user_actions.iter().any(|action| action == name);
        let is_form = domain.form(name).is_some();
        // The marker in rules is no action; whoever runs it by name gets a custom one.
        let is_default = DEFAULT_ACTIONS.contains(&name) && name != RULE_SNIPPET_ACTION;
        if is_default && !is_user_action && !is_form {
            return Kind::Default(name);
        }
        if let Some(intent) = name.strip_prefix("utter_")
            && domain.intent(intent).is_some_and(|intent| intent.is_retrieval_intent)
        {
            return Kind::Retrieval;
        }
        match () {
            () if domain.end_to_end_actions.iter().any(|text| text == name) => Kind::Text,
            () if name.starts_with("utter_") => Kind::Response,
            () if is_form && !is_user_action => Kind::Form,
            () => Kind::Custom,
        }
    }

    /// Runs anything but a loop.
    pub(crate) async fn run_plain(&mut self, name: &str, tracker: &Tracker) -> Outcome {
        match self.kind(name) {
            Kind::Default(name) => self.run_default(name, tracker).await,
            Kind::Retrieval => self.run_retrieval(name, tracker).await,
            Kind::Text => Ok(vec![self.bot_event(Object::from_iter([("text".to_owned(), name.into())]))]),
            Kind::Response => self.respond_or_complain(name, tracker).await,
            Kind::Form | Kind::Custom => self.call(name, tracker.clone()).await,
        }
    }

    async fn run_default(&mut self, name: &str, tracker: &Tracker) -> Outcome {
        match name {
            "action_restart" => self.with_response("utter_restart", tracker, &[EventKind::Restart]).await,
            "action_default_fallback" => {
                self.with_response("utter_default", tracker, &[EventKind::Rewind]).await
            }
            "action_back" => {
                self.with_response("utter_back", tracker, &[EventKind::Rewind, EventKind::Rewind]).await
            }
            "action_default_ask_rephrase" => self.with_response("utter_ask_rephrase", tracker, &[]).await,
            "action_session_start" => Ok(self.session_start(tracker)),
            "action_deactivate_loop" => Ok(vec![
                self.event(EventKind::ActiveLoop { name: None }),
                self.event(EventKind::Slot {
                    name: intendant_talk::domain::REQUESTED_SLOT.to_owned(),
                    value: Value::Null,
                }),
            ]),
            "action_default_ask_affirmation" => Ok(vec![self.ask_affirmation(tracker)]),
            "action_revert_fallback_events" => Ok(self.revert_fallback(tracker)),
            "action_extract_slots" => Ok(self.extract_slots(tracker).await),
            _ => Ok(Vec::new()),
        }
    }

    /// Says a response if the domain has it, then changes the conversation.
    async fn with_response(&mut self, response: &str, tracker: &Tracker, then: &[EventKind]) -> Outcome {
        let said = self.respond(response, tracker, Object::new()).await?;
        let mut events: Vec<Event> = said.map(|message| self.bot_event(message)).into_iter().collect();
        events.extend(then.iter().map(|kind| self.event(kind.clone())));
        Ok(events)
    }

    pub(crate) async fn respond_or_complain(&mut self, response: &str, tracker: &Tracker) -> Outcome {
        match self.respond(response, tracker, Object::new()).await? {
            Some(message) => Ok(vec![self.bot_event(message)]),
            None => {
                let message = format!("couldn't create message for response `{response}`");
                self.log(crate::turn::Level::Error, message).await;
                Ok(Vec::new())
            }
        }
    }

    /// What the domain has to say when an action of the action server failed.
    pub(crate) async fn apologise(&mut self, name: &str) -> Vec<Event> {
        let is_outside = matches!(self.kind(name), Kind::Form | Kind::Custom);
        if !is_outside || self.mind.domain.response(ACTION_FAILED).is_none() {
            return Vec::new();
        }
        let tracker = self.tracker.clone();
        // When the one who words responses is away too, nothing is said.
        self.respond_or_complain(ACTION_FAILED, &tracker).await.unwrap_or_default()
    }

    async fn run_retrieval(&mut self, name: &str, tracker: &Tracker) -> Outcome {
        let selectors = tracker.latest_message().and_then(|message| message.parse.response_selector.as_ref());
        let Some(selectors) = selectors else {
            return Err(Refusal::Failed("the latest message has no response selection".to_owned()));
        };
        match selected_response(name, selectors) {
            Some(response) => self.respond_or_complain(&response, tracker).await,
            None => {
                let message = format!("couldn't create message for response action `{name}`");
                self.log(crate::turn::Level::Error, message).await;
                Ok(Vec::new())
            }
        }
    }

    fn session_start(&self, tracker: &Tracker) -> Vec<Event> {
        let mut events = vec![self.event(EventKind::SessionStarted)];
        if self.mind.domain.session.carry_over_slots {
            let slots = tracker.applied_events().filter(|event| matches!(event.kind, EventKind::Slot { .. }));
            events.extend(slots.map(|event| Event { timestamp: self.line.now(), ..(**event).clone() }));
        }
        events.push(self.event(EventKind::action("action_listen")));
        events
    }

    /// Asks whether the likeliest intent was meant.
    ///
    /// Differs from Rasa: never asks for `out_of_scope`, which is what the button "No" says anyway.
    pub(crate) fn ask_affirmation(&self, tracker: &Tracker) -> Event {
        let parse = tracker.latest_message().map(|message| &message.parse);
        let mut intent = parse.and_then(|parse| parse.intent.name.clone());
        if intent.as_deref() == Some("nlu_fallback")
            && let Some(ranking) = parse.and_then(|parse| parse.intent_ranking.as_ref())
        {
            let is_answer = |other: &&Intent| other.name.as_deref() != Some("out_of_scope");
            if let Some(next) = ranking.iter().skip(1).find(is_answer) {
                intent.clone_from(&next.name);
            }
        }
        let intent = intent.unwrap_or_else(|| "None".to_owned());
        let message = json!({
            "text": format!("Did you mean '{intent}'?"),
            "buttons": [
                {"title": "Yes", "payload": format!("/{intent}")},
                {"title": "No", "payload": "/out_of_scope"},
            ],
            "utter_action": "action_default_ask_affirmation",
        });
        self.bot_event(message.as_object().cloned().unwrap_or_default())
    }

    /// Undoes what a fallback of earlier versions left behind.
    fn revert_fallback(&self, tracker: &Tracker) -> Vec<Event> {
        let mut actions = tracker.applied_events().rev().filter_map(|event| match &event.kind {
            EventKind::Action(action) if action.name.as_deref() != Some("action_listen") => {
                Some(action.name.as_deref())
            }
            _ => None,
        });
        let (last, before) = (actions.next().flatten(), actions.next().flatten());
        let user = tracker.applied_events().rev().find_map(|event| match &event.kind {
            EventKind::User(message) => Some(((**event).clone(), message)),
            _ => None,
        });
        let Some((user, message)) = user else { return Vec::new() };
        let listen = EventKind::action("action_listen");
        let rephrased = [EventKind::Rewind, EventKind::Rewind, EventKind::Rewind, listen.clone()];
        let affirmed = [EventKind::Rewind, EventKind::Rewind, listen];
        let mut kinds: Vec<EventKind> = Vec::new();
        let mut user = user.clone();
        match (last, before) {
            (Some("action_default_ask_rephrase"), _) => kinds.extend(rephrased),
            (Some("action_default_ask_affirmation"), before) => {
                kinds.extend(affirmed);
                if before == Some("action_default_ask_rephrase") {
                    kinds.extend(rephrased);
                }
                user.kind = EventKind::User(Box::new(sure(message)));
            }
            _ => return Vec::new(),
        }
        let mut events: Vec<Event> = kinds.into_iter().map(|kind| self.event(kind)).collect();
        events.push(user);
        events
    }

    /// Asks the action server.
    pub(crate) async fn call(&mut self, name: &str, tracker: Tracker) -> Outcome {
        let domain = &self.mind.domain;
        let needs_domain = domain.actions_with_domain.iter().any(|action| action == name);
        let call = ActionCall { name: name.to_owned(), tracker: tracker.clone(), needs_domain };
        match self.line.ask(Question::CallAction(call)).await {
            Some(Answer::Action(Ok(reply))) => self.replied(reply, &tracker).await,
            Some(Answer::Action(Err(ActionFailure::Rejected(message)))) => Err(Refusal::Rejected(message)),
            Some(Answer::Action(Err(ActionFailure::Failed(message)))) => Err(Refusal::Failed(message)),
            _ => Err(Refusal::Failed(format!("nobody answered for the action `{name}`"))),
        }
    }

    /// Messages first, then events.
    async fn replied(&mut self, reply: ActionReply, tracker: &Tracker) -> Outcome {
        let mut events = Vec::with_capacity(reply.events.len() + reply.responses.len());
        for mut response in reply.responses {
            let mut draft = Object::new();
            if let Some(Value::String(name)) = response.shift_remove("response").filter(is_truthy) {
                let Some(generated) = self.respond(&name, tracker, response.clone()).await? else { continue };
                draft = generated;
            }
            if let Some(Value::Array(mut buttons)) = response.shift_remove("buttons")
                && !buttons.is_empty()
            {
                match draft.get_mut("buttons") {
                    Some(Value::Array(known)) => known.append(&mut buttons),
                    _ => drop(draft.insert("buttons".to_owned(), Value::Array(buttons))),
                }
            }
            draft.extend(response.into_iter().filter(|(_, value)| is_truthy(value)));
            events.push(self.bot_event(draft));
        }
        events.extend(reply.events);
        Ok(events)
    }

    /// The event of saying a message; what is not content becomes metadata.
    pub(crate) fn bot_event(&self, mut message: Object) -> Event {
        let text = match message.shift_remove("text") {
            Some(Value::String(text)) => Some(text),
            Some(Value::Null) | None => None,
            Some(other) => Some(intendant_talk::domain::python_text(&other)),
        };
        let image = message.shift_remove("image").unwrap_or(Value::Null);
        let mut data = Object::new();
        for key in ["elements", "quick_replies", "buttons", "attachment"] {
            data.insert(key.to_owned(), message.shift_remove(key).unwrap_or(Value::Null));
        }
        // Channels without images show them as attachments.
        if !data.get("attachment").is_some_and(is_truthy) {
            data.insert("attachment".to_owned(), image.clone());
        }
        data.insert("image".to_owned(), image);
        data.insert("custom".to_owned(), message.shift_remove("custom").unwrap_or(Value::Null));
        let mut event = self.event(EventKind::Bot(Box::new(BotUtterance { text, data })));
        event.metadata = message;
        event
    }
}

/// The full response name that a retrieval action says, from the response selectors' output.
pub(crate) fn selected_response(action: &str, selectors: &Object) -> Option<String> {
    let intent = action.strip_prefix("utter_").unwrap_or(action);
    let selected = selectors.get(intent).or_else(|| selectors.get("default"))?;
    selected.get("response")?.get("utter_action")?.as_str().map(str::to_owned)
}

/// The same message, its intent beyond doubt.
pub(crate) fn sure(message: &UserMessage) -> UserMessage {
    let mut sure = message.clone();
    sure.parse.intent.confidence = Some(1.0);
    sure
}

/// True as Python means it.
pub(crate) fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}
