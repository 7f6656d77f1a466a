//! The conversation itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use intendant_dialogue::Mind;
use intendant_evaluate::story_graph::{self, Options};
use intendant_policy::Prediction;
use intendant_port::BoxFuture;
use intendant_port::outlet::Outlet;
use intendant_port::store::Scope;
use intendant_rasa_format::nlu::annotation;
use intendant_rasa_format::write::annotated_text;
use intendant_serve::server::{Execute, Incoming, Posted, Server};
use intendant_talk::domain::{DEFAULT_ACTIONS, DEFAULT_INTENTS, REQUESTED_SLOT, python_text};
use intendant_talk::event::{Event, EventKind};
use intendant_talk::message::{Entity, Intent, Object, Parse};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::Value;

use super::ask::{Answer, Ask, Unanswered, Word};
use super::graph_page::GraphPage;
use crate::failure::Failure;
use crate::terminal::say;

const LISTEN: &str = "action_listen";
const UNLIKELY_INTENT: &str = "action_unlikely_intent";
const NEW_INTENT: &str = "<create new intent>";
const NEW_ACTION: &str = "<create new action>";

/// A session.
pub struct Session<'a> {
    /// Who answers.
    pub ask: &'a mut dyn Ask,
    /// Runs actions and holds the conversation.
    pub server: Server,
    /// The model's domain and policies.
    pub mind: Arc<Mind>,
    /// The conversation's id.
    pub sender_id: String,
    /// Messages are intents only.
    pub is_core_only: bool,
    /// Where the graph is shown.
    pub graph: Option<GraphPage>,
    /// The project's stories, for the graph.
    pub stories: Vec<Vec<Arc<Event>>>,
    /// An example per intent, for the graph.
    pub examples: BTreeMap<String, String>,
    /// Conversations that are over.
    pub finished: Vec<Vec<Arc<Event>>>,
    /// Responses that were made up.
    pub responses: Vec<(String, String)>,
    /// The events before each step.
    pub past: Vec<Vec<Arc<Event>>>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What was learnt shall be written.
    Save,
    /// It shall not.
    Quit,
    /// Nobody answered any more.
    End,
}

/// What the policies say about the next action.
struct Decision {
    prediction: Prediction,
    active_loop: Option<String>,
    is_rejected: bool,
    is_listening: bool,
    requested_slot: Value,
}

fn failed(error: &intendant_serve::error::Error) -> Unanswered {
    Unanswered::Failure(Failure::of("", error))
}

/// # Steps
impl Session<'_> {
    /// Goes on until somebody ends it.
    ///
    /// # Errors
    /// When the terminal or the server fails.
    pub async fn run(&mut self) -> Result<Ending, Failure> {
        loop {
            let unanswered = match self.step().await {
                Ok(()) => continue,
                Err(unanswered) => unanswered,
            };
            let word = match unanswered {
                Unanswered::End => return Ok(Ending::End),
                Unanswered::Failure(failure) => return Err(failure),
                Unanswered::Word(Word::Menu) => match self.menu() {
                    Ok(word) => word,
                    Err(Unanswered::Failure(failure)) => return Err(failure),
                    Err(Unanswered::End) => return Ok(Ending::End),
                    Err(Unanswered::Word(word)) => Some(word),
                },
                Unanswered::Word(word) => Some(word),
            };
            match word {
                Some(Word::Save) => return Ok(Ending::Save),
                Some(Word::Quit) => return Ok(Ending::Quit),
                Some(word) => match self.obey(word).await {
                    Ok(()) | Err(Unanswered::Word(_)) => {}
                    Err(Unanswered::End) => return Ok(Ending::End),
                    Err(Unanswered::Failure(failure)) => return Err(failure),
                },
                None => {}
            }
        }
    }

    fn menu(&mut self) -> Answer<Option<Word>> {
        let items = [
            ("Continue", None),
            ("Undo the last step", Some(Word::Undo)),
            ("Fork: go back to before a message", Some(Word::Fork)),
            ("Begin a new conversation", Some(Word::Restart)),
            ("Show the conversation", Some(Word::History)),
            ("Save and quit", Some(Word::Save)),
            ("Quit without saving", Some(Word::Quit)),
        ];
        let names: Vec<String> = items.iter().map(|(name, _)| (*name).to_owned()).collect();
        Ok(items[self.ask.choose("What now?", &names)?].1)
    }

    async fn obey(&mut self, word: Word) -> Answer<()> {
        match word {
            Word::Undo => match self.past.pop() {
                Some(events) => {
                    self.put_back(events).await?;
                    say!("The last step is undone.");
                }
                None => say!("There is nothing to undo."),
            },
            Word::Restart => self.restart().await?,
            Word::Fork => self.fork().await?,
            Word::History => show_history(&self.tracker().await?),
            Word::Menu | Word::Save | Word::Quit => {}
        }
        self.draw(None).await
    }

    async fn step(&mut self) -> Answer<()> {
        if self.tracker().await?.applied_events().len() == 0 {
            // Starts a session, as the first message would; also where a fallback took that back.
            self.decide().await?;
            self.draw(None).await?;
        }
        if is_waiting(&self.tracker().await?) { self.hear().await } else { self.act().await }
    }

    /// The user's turn.
    async fn hear(&mut self) -> Answer<()> {
        let text = self.ask.text("Your input ->", "")?.trim().to_owned();
        match text.as_str() {
            "" => return Ok(()),
            "/stop" => return Err(Unanswered::Word(Word::Menu)),
            "/restart" => return Err(Unanswered::Word(Word::Restart)),
            _ => {}
        }
        if self.is_core_only && !text.starts_with('/') {
            say!("Without understanding a message is an intent, such as /greet.");
            return Ok(());
        }
        let parse = self.server.parse(&text).await.map_err(|error| failed(&error))?;
        let parse = self.confirmed(&text, parse)?;
        self.put_aside().await?;
        let incoming = Incoming {
            text,
            sender_id: self.sender_id.clone(),
            input_channel: Some("interactive".to_owned()),
            metadata: Object::new(),
            parse: Some(parse),
        };
        let logged = self.server.log(incoming, Arc::new(Voice), |_| ()).await;
        logged.map_err(|error| failed(&error))?;
        self.draw(None).await
    }

    /// The bot's turn: one action.
    async fn act(&mut self) -> Answer<()> {
        let decision = self.decide().await?;
        let proposed =
            self.mind.actions().get(decision.prediction.action_index()).cloned().unwrap_or_default();
        self.draw(Some(&proposed)).await?;
        let question = if proposed == UNLIKELY_INTENT {
            format!("The bot wants to run '{proposed}': it did not expect this message here. Correct?")
        } else {
            let confidence = decision.prediction.confidence();
            let policy = decision.prediction.policy.as_deref().unwrap_or("no policy");
            format!("The bot wants to run '{proposed}' ({confidence:.2}, {policy}), correct?")
        };
        let is_right = self.ask.confirm(&question)?;
        // An unexpected message that is expected after all is no action to be replaced.
        let action = if is_right || proposed == UNLIKELY_INTENT {
            proposed
        } else {
            self.choose_action(&decision.prediction)?
        };
        self.put_aside().await?;
        self.tell_form(&action, &decision).await?;
        let (policy, confidence) = match is_right {
            true => (decision.prediction.policy.clone(), Some(decision.prediction.confidence())),
            false => (None, None),
        };
        self.execute(Execute { name: action, policy, confidence }).await?;
        self.draw(None).await
    }

    async fn execute(&mut self, execute: Execute) -> Answer<()> {
        let before = self.tracker().await?.latest_event_time().unwrap_or_default();
        let is_known = self.mind.actions().contains(&execute.name);
        if !is_known {
            let response = self.responses.iter().find(|(name, _)| *name == execute.name);
            match response {
                Some((_, text)) => say!("Bot: {text}"),
                None => {
                    say!("'{}' is new and does not run in this session; it is put on record.", execute.name)
                }
            }
            return self.append(EventKind::action(execute.name)).await;
        }
        let name = execute.name.clone();
        let pick: intendant_serve::turn::PickOutlet = Box::new(|_| Arc::new(Voice));
        let run = self.server.execute(self.sender_id.clone(), execute, pick, |_| ()).await;
        run.map_err(|error| failed(&error))?;
        let tracker = self.tracker().await?;
        let ran = |event: &Arc<Event>| {
            matches!(&event.kind, EventKind::Action(action) if action.name.as_ref() == Some(&name))
                || matches!(event.kind, EventKind::ActionExecutionRejected { .. } | EventKind::Restart)
        };
        let new = tracker.events().iter().filter(|event| event.timestamp > before);
        if !new.clone().any(ran) {
            say!("'{name}' could not be run; it is put on record without its events.");
            self.append(EventKind::action(name)).await?;
        }
        for event in new {
            if let EventKind::Slot { name, value } = &event.kind {
                say!("     slot {name} = {}", python_text(value));
            }
        }
        Ok(())
    }

    /// A form that is passed over, or asked again, learns of it.
    async fn tell_form(&mut self, action: &str, decision: &Decision) -> Answer<()> {
        let Some(form) = &decision.active_loop else { return Ok(()) };
        if action != form && action != LISTEN && action != UNLIKELY_INTENT {
            let (policy, confidence) = (None, None);
            return self
                .append(EventKind::ActionExecutionRejected { name: form.clone(), policy, confidence })
                .await;
        }
        if action == form && decision.is_rejected && decision.is_listening {
            let slot = python_text(&decision.requested_slot);
            let question = format!("Should '{form}' validate the user's input to fill the slot '{slot}'?");
            let is_interrupted = !self.ask.confirm(&question)?;
            return self.append(EventKind::LoopInterrupted { is_interrupted }).await;
        }
        Ok(())
    }
}

/// # Questions
impl Session<'_> {
    /// What is understood, confirmed or corrected.
    fn confirmed(&mut self, text: &str, parse: Parse) -> Answer<Parse> {
        let intent = parse.intent.name.clone();
        let is_known = intent
            .as_deref()
            .is_some_and(|name| self.mind.domain.intent(name).is_some() || DEFAULT_INTENTS.contains(&name));
        if text.starts_with('/') {
            if is_known {
                return Ok(parse);
            }
        } else if let Some(intent) = &intent {
            let confidence = parse.intent.confidence.unwrap_or(0.0);
            let question = if parse.entities.is_empty() {
                format!("'{text}' means '{intent}' ({confidence:.2}) and has no entities, correct?")
            } else {
                let annotated = annotated_text(text, &parse.entities);
                format!("'{annotated}' means '{intent}' ({confidence:.2}), all entities as they should be?")
            };
            if self.ask.confirm(&question)? {
                return Ok(parse);
            }
        }
        let intent = self.choose_intent(&parse)?;
        let entities = if text.starts_with('/') { parse.entities.clone() } else { self.mark(text, &parse)? };
        Ok(Parse { intent, entities, ..parse })
    }

    fn choose_intent(&mut self, parse: &Parse) -> Answer<Intent> {
        let mut ranked: Vec<(String, f64)> = Vec::new();
        for intent in parse.intent_ranking.iter().flatten().chain([&parse.intent]) {
            if let Some(name) = &intent.name
                && !ranked.iter().any(|(known, _)| known == name)
            {
                ranked.push((name.clone(), intent.confidence.unwrap_or(0.0)));
            }
        }
        for intent in &self.mind.domain.intents {
            if !ranked.iter().any(|(known, _)| *known == intent.name) {
                ranked.push((intent.name.clone(), 0.0));
            }
        }
        ranked.sort_by(|left, right| right.1.total_cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        let shown = ranked.iter().map(|(name, confidence)| format!("{confidence:.2} {name}"));
        let items: Vec<String> = shown.chain([NEW_INTENT.to_owned()]).collect();
        let chosen = self.ask.choose("What is the intent?", &items)?;
        let name = match ranked.get(chosen) {
            Some((name, _)) => name.clone(),
            None => self.name("The new intent's name:")?,
        };
        Ok(Intent::new(name, 1.0))
    }

    /// The entities as marked by hand; those that were found already stay as they were found.
    fn mark(&mut self, text: &str, parse: &Parse) -> Answer<Vec<Entity>> {
        loop {
            let shown = annotated_text(text, &parse.entities);
            let marked = self.ask.text("Mark entities as [value](type):", &shown)?;
            let read = annotation::parse(&marked);
            if let Some(mistake) = read.mistakes.first() {
                say!("This cannot be read: {}", mistake.message);
                continue;
            }
            if read.text.trim() != text {
                say!("Please change only the marks; the message is '{text}'.");
                continue;
            }
            let found = |entity: &Entity| {
                parse.entities.iter().find(|known| {
                    (known.start_chars, known.end_chars) == (entity.start_chars, entity.end_chars)
                        && (&known.entity, &known.role, &known.group)
                            == (&entity.entity, &entity.role, &entity.group)
                        && known.value == entity.value
                })
            };
            return Ok(read.entities.iter().map(|entity| found(entity).unwrap_or(entity).clone()).collect());
        }
    }

    fn choose_action(&mut self, prediction: &Prediction) -> Answer<String> {
        let actions = self.mind.actions().iter().zip(&prediction.probabilities);
        let mut ranked: Vec<(&String, f64)> = actions
            .filter(|(name, _)| !["...", UNLIKELY_INTENT].contains(&name.as_str()))
            .map(|(name, probability)| (name, *probability))
            .collect();
        // The project's own actions come before those that every domain has.
        let is_default = |name: &str| name != LISTEN && DEFAULT_ACTIONS.contains(&name);
        ranked.sort_by(|left, right| {
            right.1.total_cmp(&left.1).then_with(|| is_default(left.0).cmp(&is_default(right.0)))
        });
        let mut names: Vec<String> = ranked.iter().map(|(name, _)| (*name).clone()).collect();
        let mut items: Vec<String> =
            ranked.iter().map(|(name, probability)| format!("{probability:.2} {name}")).collect();
        for (name, _) in &self.responses {
            names.push(name.clone());
            items.push(format!("0.00 {name}"));
        }
        items.push(NEW_ACTION.to_owned());
        let chosen = self.ask.choose("What should the bot do next?", &items)?;
        if let Some(name) = names.into_iter().nth(chosen) {
            return Ok(name);
        }
        let name = self.name("The new action's name:")?;
        if name.starts_with("utter_") && !self.mind.actions().contains(&name) {
            let text = self.ask.text(&format!("What '{name}' says:"), "")?;
            self.responses.push((name.clone(), text));
        }
        Ok(name)
    }

    /// A name that can stand in the project's files.
    fn name(&mut self, question: &str) -> Answer<String> {
        loop {
            let name = self.ask.text(question, "")?;
            let is_name = |c: char| c.is_alphanumeric() || "_-.+/".contains(c);
            if !name.is_empty() && name.chars().all(is_name) && !name.starts_with('/') {
                return Ok(name);
            }
            say!("A name has letters, digits, `_` and `-`, and no spaces.");
        }
    }

    async fn fork(&mut self) -> Answer<()> {
        let tracker = self.tracker().await?;
        let mut points: Vec<(usize, String)> = Vec::new();
        for (idx, event) in tracker.events().iter().enumerate() {
            if let EventKind::User(message) = &event.kind {
                points.push((idx, message.text.clone().unwrap_or_default()));
            }
        }
        points.reverse();
        if points.is_empty() {
            say!("There is no message to go back to.");
            return Ok(());
        }
        let items: Vec<String> = points.iter().map(|(_, text)| text.clone()).collect();
        let chosen = self.ask.choose("Go back to before which message?", &items)?;
        let events = tracker.events().to_vec();
        let kept = events[..points[chosen].0].to_vec();
        // The way that is left is a story of its own.
        self.finished.push(events);
        self.past.clear();
        self.put_back(kept).await
    }

    async fn restart(&mut self) -> Answer<()> {
        let events = self.tracker().await?.events().to_vec();
        self.finished.push(events);
        self.past.clear();
        self.put_back(Vec::new()).await?;
        say!("A new conversation begins.");
        Ok(())
    }
}

/// # The conversation on the server
impl Session<'_> {
    /// All conversations, the current one last.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn conversations(&self) -> Result<Vec<Vec<Arc<Event>>>, Failure> {
        let current = self.tracker().await.map_err(|unanswered| match unanswered {
            Unanswered::Failure(failure) => failure,
            _ => Failure::new("", "the conversation cannot be read"),
        })?;
        let mut all = self.finished.clone();
        all.push(current.events().to_vec());
        Ok(all)
    }

    async fn tracker(&self) -> Answer<Tracker> {
        let stored = self.server.stored(&self.sender_id, Scope::AllSessions).await;
        let empty = || Tracker::new(self.sender_id.clone(), Arc::clone(&self.mind.slots));
        Ok(stored.map_err(|error| failed(&error))?.unwrap_or_else(empty))
    }

    async fn put_aside(&mut self) -> Answer<()> {
        let events = self.tracker().await?.events().to_vec();
        self.past.push(events);
        Ok(())
    }

    async fn put_back(&mut self, events: Vec<Arc<Event>>) -> Answer<()> {
        let events = events.iter().map(|event| Event::clone(event)).collect();
        let replaced = self.server.replace_events(&self.sender_id, events).await;
        replaced.map(drop).map_err(|error| failed(&error))
    }

    async fn append(&mut self, kind: EventKind) -> Answer<()> {
        let timestamp = self.tracker().await?.latest_event_time().unwrap_or_default();
        let timestamp = Timestamp::from_micros(timestamp.micros + 1);
        let posted = Posted { events: vec![Event::new(timestamp, kind)], side_effects: false };
        let pick: intendant_serve::turn::PickOutlet = Box::new(|_| Arc::new(Voice));
        let appended = self.server.append_events(self.sender_id.clone(), posted, pick, |_| ()).await;
        appended.map_err(|error| failed(&error))
    }

    async fn decide(&self) -> Answer<Decision> {
        let look =
            |tracker: &Tracker, prediction: Option<Prediction>, _: &intendant_serve::assistant::Assistant| {
                Some(Decision {
                    prediction: prediction?,
                    active_loop: tracker.active_loop_name().map(str::to_owned),
                    is_rejected: tracker.active_loop().is_some_and(|active| active.rejected),
                    is_listening: tracker.latest_action_name() == Some(LISTEN),
                    requested_slot: tracker.slot_value(REQUESTED_SLOT).cloned().unwrap_or_default(),
                })
            };
        let decision =
            self.server.predict(self.sender_id.clone(), look).await.map_err(|error| failed(&error))?;
        decision
            .ok_or_else(|| Unanswered::Failure(Failure::new("", "this model has no policies to decide with")))
    }

    /// Redraws the graph, with an action that is only proposed yet.
    async fn draw(&self, proposed: Option<&str>) -> Answer<()> {
        let Some(graph) = &self.graph else { return Ok(()) };
        let mut events = self.tracker().await?.events().to_vec();
        if let Some(action) = proposed {
            events.push(Arc::new(Event::new(Timestamp::default(), EventKind::action(action))));
        }
        let others = self.stories.iter().chain(&self.finished);
        let stories: Vec<&[Arc<Event>]> = others.map(Vec::as_slice).collect();
        let example = |intent: &str| self.examples.get(intent).cloned();
        let options = Options { max_history: story_graph::MAX_HISTORY_DEFAULT, example: &example };
        graph.show(story_graph::around(&events, &stories, &options).svg());
        Ok(())
    }
}

/// Whether it is the user's turn.
fn is_waiting(tracker: &Tracker) -> bool {
    let last = tracker.applied_events().rev().find_map(|event| match &event.kind {
        EventKind::User(_) => Some(false),
        EventKind::Action(action) => Some(action.name.as_deref() == Some(LISTEN)),
        _ => None,
    });
    last.unwrap_or(false)
}

fn show_history(tracker: &Tracker) {
    for event in tracker.applied_events() {
        match &event.kind {
            EventKind::User(message) => {
                let text = message.text.as_deref().unwrap_or_default();
                let marked = annotated_text(text, &message.parse.entities);
                say!("You: {marked}    ({})", message.parse.intent_name());
            }
            EventKind::Bot(message) => say!("Bot: {}", message.text.as_deref().unwrap_or("(no text)")),
            EventKind::Action(action) => {
                if let Some(name) = action.name.as_deref().filter(|name| *name != LISTEN) {
                    say!("     action {name}");
                }
            }
            EventKind::Slot { name, value } => say!("     slot {name} = {}", python_text(value)),
            EventKind::ActiveLoop { name } => say!("     loop {}", name.as_deref().unwrap_or("none")),
            _ => {}
        }
    }
    let set = tracker.slot_values().filter(|(_, value)| !value.is_null());
    let slots: Vec<String> =
        set.map(|(slot, value)| format!("{} = {}", slot.name, python_text(value))).collect();
    if !slots.is_empty() {
        say!("Slots: {}", slots.join(", "));
    }
}

/// Prints what the bot says.
struct Voice;

impl Outlet for Voice {
    fn name(&self) -> &str {
        "interactive"
    }

    fn send<'a>(
        &'a self,
        _recipient_id: &'a str,
        message: &'a Object,
    ) -> BoxFuture<'a, intendant_port::error::Result<()>> {
        if let Some(text) = message.get("text").and_then(Value::as_str) {
            say!("Bot: {text}");
        }
        for (key, label) in [("image", "Image"), ("attachment", "Attachment"), ("custom", "Custom")] {
            match message.get(key) {
                None | Some(Value::Null) => {}
                Some(value) => say!("     {label}: {}", python_text(value)),
            }
        }
        for key in ["buttons", "quick_replies"] {
            for choice in message.get(key).and_then(Value::as_array).into_iter().flatten() {
                let text = |key: &str| choice.get(key).and_then(Value::as_str).unwrap_or_default();
                say!("     [{}] {}", text("title"), text("payload"));
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }
}
