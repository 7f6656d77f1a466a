//! Reads projects, trains them, and drives turns to their end.

use std::path::Path;
use std::sync::Arc;

use intendant_component::training::{Silent, TrainContext};
use intendant_dialogue::{Answer, Effect, Input, Mind, Question, Settings, Step, Turn};
use intendant_rasa_format::{Files, Project, SourceFile};
use intendant_talk::event::Event;
use intendant_talk::message::Object;
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;

/// Reads the named files of a project's folder.
pub fn read_project(folder: &Path) -> Project {
    let file = |name: &str| SourceFile {
        path: name.to_owned(),
        bytes: std::fs::read(folder.join(name)).expect("the file is readable"),
    };
    let config = file("config.yml");
    let domain = [file("domain.yml")];
    let data = [file("data/nlu.yml"), file("data/rules.yml"), file("data/stories.yml")];
    let files = Files { config: Some(&config), domain: &domain, data: &data };
    Project::read(files, &|_| None).0
}

/// Trains a project's policies.
pub fn mind(project: &Project, model_id: &str) -> Mind {
    let specs = project.config.policies.clone().unwrap_or_else(intendant_policy::default_policies);
    let context = TrainContext { seed: 42, threads: 1, progress: &Silent };
    let (domain, stories) = (&project.domain, &project.stories);
    let (ensemble, _) = intendant_policy::train(&specs, domain, stories, 50, &context).expect("trains");
    let nodes = ensemble.store();
    let ensemble = intendant_policy::Ensemble::load(&specs, domain, nodes).expect("loads what it stored");
    let assistant_id = project.config.assistant_id.clone();
    Mind::new(Arc::new(domain.clone()), Some(ensemble), model_id, assistant_id)
}

/// What a turn did.
#[derive(Default)]
pub struct Done {
    pub appended: Vec<Arc<Event>>,
    pub sent: Vec<Object>,
    pub logged: Vec<String>,
}

/// Drives a turn; `answer` answers its questions.
pub fn drive(
    mind: &Arc<Mind>,
    tracker: Tracker,
    input: Input,
    clock: &mut i64,
    answer: &mut dyn FnMut(Question) -> Answer,
) -> (Tracker, Done) {
    let mut turn = Turn::start(Arc::clone(mind), tracker, input, Settings::new(7));
    let mut done = Done::default();
    let mut next = None;
    loop {
        *clock += 1_000;
        match turn.step(next.take(), Timestamp::from_micros(*clock)) {
            Step::Effect(Effect::Append(event)) => done.appended.push(event),
            Step::Effect(Effect::Send(message)) => done.sent.push(message.content()),
            Step::Effect(Effect::Log { level, message }) => done.logged.push(format!("{level:?}: {message}")),
            Step::Effect(_) => {}
            Step::Ask(question) => next = Some(answer(*question)),
            Step::Done(tracker) => return (*tracker, done),
        }
    }
}
