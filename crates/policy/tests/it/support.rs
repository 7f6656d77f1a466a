//! Small projects and conversations, written as text.

use intendant_component::diagnostic::Diagnostic;
use intendant_component::training::{Silent, TrainContext};
use intendant_policy::{Ensemble, Prediction};
use intendant_rasa_format::{Project, SourceFile};
use intendant_talk::event::{ActionExecuted, Event, EventKind, UserMessage};
use intendant_talk::message::{Entity, Intent, Parse};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::Value;

const CONTEXT: TrainContext = TrainContext { seed: 42, threads: 1, progress: &Silent };

/// Reads a project written as one document.
pub fn project(yaml: &str) -> Project {
    let file = SourceFile { path: "project.yml".to_owned(), bytes: yaml.as_bytes().to_vec() };
    Project::read_document(&file, &|_| None).0
}

/// Trains; glues no stories together.
pub fn train(project: &Project) -> Result<(Ensemble, Vec<Diagnostic>), Vec<Diagnostic>> {
    let specs = project.config.policies.clone().unwrap_or_else(intendant_policy::default_policies);
    intendant_policy::train(&specs, &project.domain, &project.stories, 0, &CONTEXT)
}

/// Decides after a conversation written as words: `listen`, `/intent@confidence{entity: value}`, `slot=value`,
/// `+loop`, `-loop`, `!action` (a rejection), and names of actions.
pub fn predict(project: &Project, conversation: &str) -> Prediction {
    decide(project, conversation.split_whitespace().map(event))
}

/// Decides after these events.
pub fn decide(project: &Project, events: impl IntoIterator<Item = EventKind>) -> Prediction {
    let (ensemble, _) = train(project).expect("trains");
    let specs = project.config.policies.clone().unwrap_or_else(intendant_policy::default_policies);
    let ensemble = Ensemble::load(&specs, &project.domain, ensemble.store()).expect("loads what it stored");
    let mut tracker = Tracker::for_domain("user", &project.domain);
    for kind in events {
        tracker.update(Event::new(Timestamp::default(), kind));
    }
    ensemble.predict(&tracker, &project.domain)
}

/// The action, the policy and the confidence of a decision, as one line.
pub fn line(project: &Project, prediction: &Prediction) -> String {
    let names = project.domain.action_names();
    let policy = prediction.policy.as_deref().unwrap_or("nobody");
    format!("{} {policy} {:.1}", names[prediction.action_index()], prediction.confidence())
}

fn event(word: &str) -> EventKind {
    if let Some(rest) = word.strip_prefix('/') {
        let (intent, entities) = rest.split_once('{').unwrap_or((rest, "}"));
        let entities = entities.trim_end_matches('}').split(',').filter_map(|pair| pair.split_once(':'));
        let entities = entities.map(|(name, value)| Entity {
            entity: name.to_owned(),
            value: value.into(),
            ..Entity::default()
        });
        let (intent, confidence) = intent.split_once('@').unwrap_or((intent, "1"));
        let intent = Intent::new(intent, confidence.parse().expect("a confidence is a number"));
        let parse = Parse { intent, entities: entities.collect(), ..Parse::default() };
        return EventKind::User(Box::new(UserMessage {
            text: Some(word.to_owned()),
            parse,
            ..UserMessage::default()
        }));
    }
    if let Some((name, value)) = word.split_once('=') {
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        return EventKind::Slot { name: name.to_owned(), value };
    }
    let rest = word.get(1..).unwrap_or_default().to_owned();
    match word.chars().next() {
        Some('+') => EventKind::ActiveLoop { name: Some(rest) },
        Some('-') => EventKind::ActiveLoop { name: None },
        Some('!') => EventKind::ActionExecutionRejected { name: rest, policy: None, confidence: None },
        Some('^') => EventKind::Action(ActionExecuted {
            name: Some(action(&rest)),
            hide_rule_turn: true,
            ..ActionExecuted::default()
        }),
        _ => EventKind::action(action(word)),
    }
}

fn action(word: &str) -> String {
    if word == "listen" { "action_listen".to_owned() } else { word.to_owned() }
}
