//! What a model would have done with a message that another one answered.
//!
//! It sees the conversation as it was before the message. Nothing it does reaches anybody: custom actions
//! are not called again but answered with what they told the model in use, and where it wants one that
//! was not called the comparison ends there.

use std::sync::Arc;

use intendant_dialogue::{Answer, Effect, Input, Message, Question, Settings, Step, Turn};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::message::Parse;
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;

use crate::assistant::Assistant;
use crate::clock::TurnClock;
use crate::server::Server;
use crate::trial::Trial;

/// So many comparisons may run at a time; more would take the time of those who wait for answers.
pub(crate) const COMPARISONS_MAX: usize = 2;

/// What may differ.
pub(crate) const KINDS: [&str; 3] = ["intent", "entities", "actions"];

/// One message that two models handle differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// When.
    pub at: Timestamp,
    /// Whose message.
    pub sender_id: String,
    /// What was written.
    pub text: String,
    /// What differs: `intent`, `entities`, `actions`.
    pub what: Vec<&'static str>,
    /// What the model in use did.
    pub current: Handling,
    /// What the other one would have done.
    pub shadow: Handling,
}

/// What a model made of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handling {
    /// The intent.
    pub intent: String,
    /// Entities as `type=value` with role and group, in order of their places.
    pub entities: Vec<String>,
    /// Actions in order.
    pub actions: Vec<String>,
}

/// What a turn leaves for a trial.
#[derive(Default)]
pub(crate) struct Notes {
    /// The conversation before the message.
    pub(crate) before: Option<Tracker>,
    /// What custom actions and response generators answered, in order, by name.
    pub(crate) answers: Vec<(String, Answer)>,
    /// What was done.
    pub(crate) actions: Vec<String>,
    /// Something did not work.
    pub(crate) failed: bool,
    /// The model did not know what to say.
    pub(crate) fell_back: bool,
}

impl Notes {
    pub(crate) fn saw(&mut self, event: &Event) {
        match &event.kind {
            EventKind::User(message) if message.parse.intent.name.as_deref() == Some("nlu_fallback") => {
                self.fell_back = true;
            }
            EventKind::Action(action) => {
                let name = action.name.clone().unwrap_or_default();
                self.fell_back |= name == "action_default_fallback";
                self.actions.push(name);
            }
            _ => {}
        }
    }
}

/// A message to be handled once more.
pub(crate) struct Rehearsal {
    pub(crate) trial: Arc<Trial>,
    pub(crate) sender_id: String,
    /// As it was understood by the model in use.
    pub(crate) message: Message,
    /// Whether the other model has to understand it for itself.
    pub(crate) understands: bool,
    pub(crate) notes: Notes,
    pub(crate) settings: Settings,
}

impl Rehearsal {
    /// Handles the message once more and notes what differs.
    pub(crate) async fn run(mut self, server: &Server) {
        let candidate = Arc::clone(&self.trial.candidate);
        let text = self.message.text.clone().unwrap_or_default();
        let current = handling(&self.message.parse, std::mem::take(&mut self.notes.actions));
        if self.understands {
            self.message.parse = candidate.understanding.understand(&text).await;
        }
        let parse = self.message.parse.clone();
        let Some(tracker) = self.notes.before.take() else { return };
        let (actions, is_whole) = self.play(server, &candidate, tracker);
        let shadow = handling(&parse, actions);
        let mut what = Vec::new();
        if current.intent != shadow.intent {
            what.push("intent");
        }
        if current.entities != shadow.entities {
            what.push("entities");
        }
        let is_same = match is_whole {
            true => current.actions == shadow.actions,
            false => false,
        };
        if !is_same {
            what.push("actions");
        }
        let metrics = server.metrics();
        if what.is_empty() {
            metrics.shadow_comparisons.add(&["none"]);
            return self.trial.compared(None);
        }
        for kind in &what {
            metrics.shadow_comparisons.add(&[kind]);
        }
        tracing::info!(
            sender_id = self.sender_id,
            model = candidate.model_file,
            differs = what.join(", "),
            intent = current.intent,
            shadow_intent = shadow.intent,
            actions = current.actions.join(", "),
            shadow_actions = shadow.actions.join(", "),
            "the shadow would have answered differently"
        );
        let at = server.outside().clock.now();
        let sender_id = std::mem::take(&mut self.sender_id);
        self.trial.compared(Some(Difference { at, sender_id, text, what, current, shadow }));
    }

    // The actions taken, and whether that is all of them.
    fn play(&mut self, server: &Server, candidate: &Assistant, tracker: Tracker) -> (Vec<String>, bool) {
        let mut clock = TurnClock::new(&*server.outside().clock);
        let tracker = tracker.with_slots(Arc::clone(&candidate.mind.slots));
        let input = Input::Message(std::mem::take(&mut self.message));
        let mut turn = Turn::start(Arc::clone(&candidate.mind), tracker, input, self.settings.clone());
        let mut notes = Notes::default();
        let mut answer = None;
        loop {
            match turn.step(answer.take(), clock.now()) {
                Step::Effect(Effect::Append(event)) => notes.saw(&event),
                Step::Effect(_) => {}
                Step::Ask(question) => match self.recorded(&question) {
                    Some(recorded) => answer = Some(recorded),
                    None => {
                        notes.actions.push(asked(&question).to_owned());
                        return (notes.actions, false);
                    }
                },
                Step::Done(_) => return (notes.actions, true),
            }
        }
    }

    // What was answered to the same question, once for each time that it was asked.
    fn recorded(&mut self, question: &Question) -> Option<Answer> {
        let name = asked(question);
        let at = self.notes.answers.iter().position(|(asked, _)| asked == name)?;
        Some(self.notes.answers.remove(at).1)
    }
}

/// What a question is about.
pub(crate) fn asked(question: &Question) -> &str {
    match question {
        Question::CallAction(call) => &call.name,
        Question::Generate(call) => &call.response,
    }
}

fn handling(parse: &Parse, actions: Vec<String>) -> Handling {
    let mut entities: Vec<_> = parse
        .entities
        .iter()
        .map(|entity| {
            let mut text = format!("{}={}", entity.entity, entity.value);
            for (what, label) in [("role", &entity.role), ("group", &entity.group)] {
                if let Some(label) = label {
                    text.push_str(&format!(" {what}={label}"));
                }
            }
            (entity.start_chars, text)
        })
        .collect();
    entities.sort();
    Handling {
        intent: parse.intent_name().to_owned(),
        entities: entities.into_iter().map(|(_, text)| text).collect(),
        actions,
    }
}
