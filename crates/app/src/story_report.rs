//! What played stories amount to: figures, and the stories themselves with what went wrong.

use intendant_dialogue::Mind;
use intendant_dialogue::story_test::{PlayedAction, PlayedStep, PlayedStory, PlayedUser, TextEntities, play};
use intendant_evaluate::classification::Report;
use intendant_evaluate::entities::{self, EntityEvaluation, EntityOutcome};
use intendant_evaluate::picture::{self, Picture};
use intendant_policy::Conversation;
use intendant_rasa_format::write::{Form, annotated_text, stories_yaml_with_comments};
use intendant_talk::data::Source;
use intendant_talk::domain::python_text;
use intendant_talk::event::EventKind;
use intendant_talk::message::{Entity, Object, Parse};
use intendant_talk::story::{SlotAssignment, Step, StepKind, Story, StoryKind, UserStep};
use intendant_text::whitespace::tokenize;
use serde_json::{Value, json};

/// Policies whose decisions mean that the situation was in the training data.
const REMEMBERING: [&str; 3] = ["MemoizationPolicy", "AugmentedMemoizationPolicy", "RulePolicy"];
/// The policy that finds entities; files are named after it.
pub const TEXT_POLICY: &str = "TEDPolicy";
/// Written where one side has a label and the other has none.
const NOTHING: &str = "None";

/// Played stories with their figures.
pub struct StoryReport {
    /// In file order.
    pub stories: Vec<PlayedStory>,
    end_to_end: bool,
}

impl StoryReport {
    /// Plays stories; with `understand` messages are parsed as well.
    pub fn of(mind: &Mind, stories: &[Conversation], understand: Option<&dyn Fn(&str) -> Parse>) -> Self {
        let end_to_end = understand.is_some();
        Self { stories: stories.iter().map(|story| play(mind, story, understand)).collect(), end_to_end }
    }

    /// Stories in which everything went as expected.
    pub fn correct(&self) -> usize {
        self.stories.iter().filter(|story| story.is_correct()).count()
    }

    /// Correct stories in which an intent surprised the policies.
    pub fn with_warnings(&self) -> usize {
        self.stories.iter().filter(|story| story.is_correct() && story.has_warning()).count()
    }

    fn steps(&self) -> impl Iterator<Item = &PlayedStep> {
        self.stories.iter().flat_map(|story| &story.steps)
    }

    fn actions(&self) -> impl Iterator<Item = &PlayedAction> {
        self.steps().filter_map(|step| match step {
            PlayedStep::Action(action) => Some(&**action),
            _ => None,
        })
    }

    /// Pairs of expected and predicted actions.
    pub fn action_pairs(&self) -> Vec<(&str, &str)> {
        self.actions().map(|action| (action.expected.as_str(), action.predicted.as_str())).collect()
    }

    /// Pairs of expected and predicted intents, entities and actions.
    fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for step in self.steps() {
            match step {
                PlayedStep::Action(action) => pairs.push((action.expected.clone(), action.predicted.clone())),
                PlayedStep::User(user) => user_pairs(user, &mut pairs),
                PlayedStep::Event(_) => {}
            }
        }
        pairs
    }

    fn report(&self) -> Report {
        let pairs = self.pairs();
        Report::of(&borrowed(&pairs), None)
    }

    fn report_json(&self) -> Object {
        let mut report = self.report().to_json();
        for (_, entry) in report.iter_mut() {
            if let Value::Object(entry) = entry {
                entry.shift_remove("confused_with");
            }
        }
        report
    }

    /// `story_report.json`.
    pub fn story_report(&self) -> Value {
        if self.stories.is_empty() {
            return json!({});
        }
        let mut report = self.report_json();
        let (correct, total) = (self.correct(), self.stories.len());
        report.insert(
            "conversation_accuracy".to_owned(),
            json!({
                "accuracy": correct as f64 / total as f64,
                "correct": correct,
                "with_warnings": self.with_warnings(),
                "total": total,
            }),
        );
        Value::Object(report)
    }

    /// The answer of `POST /model/test/stories`.
    pub fn summary(&self) -> Value {
        let actions = Report::of(&self.action_pairs(), None);
        let listed: Vec<Value> = self
            .actions()
            .map(|action| {
                json!({
                    "action": action.expected,
                    "predicted": action.predicted,
                    "policy": action.policy,
                    "confidence": action.confidence,
                })
            })
            .collect();
        let remembered = self
            .actions()
            .filter(|action| action.policy.as_deref().is_some_and(|policy| REMEMBERING.contains(&policy)))
            .count();
        json!({
            "report": self.report_json(),
            "precision": actions.weighted.precision,
            "f1": actions.weighted.f1,
            "accuracy": actions.accuracy,
            "actions": listed,
            "in_training_data_fraction": remembered as f64 / self.actions().count().max(1) as f64,
            "is_end_to_end_evaluation": self.end_to_end,
        })
    }

    /// How well policies find the entities of texts that stories tell without an intent, token by token; `None` when
    /// there are none.
    pub fn entities(&self) -> Option<EntityEvaluation> {
        let texts = self.actions().filter_map(|action| action.entities.as_ref());
        let outcomes: Vec<EntityOutcome> = texts.map(entity_outcome).collect();
        if outcomes.is_empty() {
            return None;
        }
        entities::evaluate(&outcomes, &[TEXT_POLICY.to_owned()]).remove(TEXT_POLICY)
    }

    /// The confusion matrix of actions.
    pub fn picture(&self) -> Picture {
        picture::confusion_matrix(&self.action_pairs(), "actions: expected (rows) and predicted (columns)")
    }

    /// The stories that `wanted` picks as YAML, with comments on what went wrong.
    pub fn yaml(&self, wanted: impl Fn(&PlayedStory) -> bool, nothing: &str) -> String {
        yaml_of(self.stories.iter().filter(|story| wanted(story)), nothing)
    }

    /// The correct stories in which an intent surprised the policies, the greatest surprise first.
    pub fn warnings_yaml(&self) -> String {
        let mut warned: Vec<&PlayedStory> =
            self.stories.iter().filter(|story| story.is_correct() && story.has_warning()).collect();
        warned.sort_by(|one, other| other.severity().total_cmp(&one.severity()));
        yaml_of(warned.into_iter(), "None of the test stories had warnings - all good!")
    }
}

fn yaml_of<'a>(stories: impl Iterator<Item = &'a PlayedStory>, nothing: &str) -> String {
    let picked: Vec<(Story, Vec<Option<String>>)> = stories.map(written).collect();
    if picked.is_empty() {
        return format!("# {nothing}\n");
    }
    let (stories, comments): (Vec<Story>, Vec<Vec<Option<String>>>) = picked.into_iter().unzip();
    let comment = |story: usize, step: usize| -> Option<String> { comments.get(story)?.get(step)?.clone() };
    stories_yaml_with_comments(&stories, Form::Test, &comment)
}

fn entity_outcome(told: &TextEntities) -> EntityOutcome {
    EntityOutcome {
        text: told.text.clone(),
        tokens: tokenize(&told.text).iter().map(|token| (token.start_chars, token.end_chars)).collect(),
        targets: told.expected.clone(),
        predicted: told.found.clone(),
    }
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(expected, predicted)| (expected.as_str(), predicted.as_str())).collect()
}

fn user_pairs(user: &PlayedUser, pairs: &mut Vec<(String, String)>) {
    let Some(understood) = &user.understood else {
        return;
    };
    pairs.push((user.expected_intent.clone(), understood.intent.clone()));
    let is_same = |left: &Entity, right: &Entity| {
        left.start_chars == right.start_chars
            && left.end_chars == right.end_chars
            && left.entity == right.entity
            && python_text(&left.value) == python_text(&right.value)
    };
    let expected = &user.message.parse.entities;
    for entity in expected {
        let is_found = understood.entities.iter().any(|found| is_same(entity, found));
        let predicted = if is_found { entity.entity.clone() } else { NOTHING.to_owned() };
        pairs.push((entity.entity.clone(), predicted));
    }
    for found in &understood.entities {
        if !expected.iter().any(|entity| is_same(entity, found)) {
            pairs.push((NOTHING.to_owned(), found.entity.clone()));
        }
    }
}

/// A played story as it was expected, and a comment for every step that went otherwise.
fn written(story: &PlayedStory) -> (Story, Vec<Option<String>>) {
    let mut steps = Vec::new();
    let mut comments = Vec::new();
    for step in &story.steps {
        let (kind, comment) = match step {
            PlayedStep::Action(action) => (action_step(action), action_comment(action)),
            PlayedStep::User(user) => (StepKind::User(user_step(user)), user_comment(user)),
            PlayedStep::Event(event) => match &event.kind {
                EventKind::Slot { name, value } => {
                    let assignment = SlotAssignment { slot: name.clone(), value: Some(value.clone()) };
                    (StepKind::SlotWasSet(vec![assignment]), None)
                }
                EventKind::ActiveLoop { name } => (StepKind::ActiveLoop(name.clone()), None),
                _ => continue,
            },
        };
        steps.push(Step { kind, source: Source::default() });
        comments.push(comment);
    }
    let story = Story {
        name: format!("{} ({})", story.name, story.source.file),
        kind: StoryKind::Story,
        condition: Vec::new(),
        steps,
        is_test: true,
        source: Source::default(),
    };
    (story, comments)
}

fn action_step(action: &PlayedAction) -> StepKind {
    if action.is_text {
        StepKind::Bot(action.expected.clone())
    } else {
        StepKind::Action(action.expected.clone())
    }
}

fn action_comment(action: &PlayedAction) -> Option<String> {
    let warning = action.unlikely_intent.is_some();
    match (action.expected == action.predicted, warning) {
        (true, false) => None,
        (true, true) => Some("predicted: action_unlikely_intent".to_owned()),
        (false, false) => Some(format!("predicted: {}", action.predicted)),
        (false, true) => Some(format!("predicted: {} after action_unlikely_intent", action.predicted)),
    }
}

fn user_step(user: &PlayedUser) -> UserStep {
    let intent = user.message.parse.intent.name.clone();
    UserStep {
        full_retrieval_intent: user.expected_intent.contains('/').then(|| user.expected_intent.clone()),
        intent,
        text: user.message.text.clone(),
        entities: user.message.parse.entities.clone(),
    }
}

fn user_comment(user: &PlayedUser) -> Option<String> {
    let understood = user.understood.as_ref()?;
    if user.has_right_intent() && user.has_right_entities() {
        return None;
    }
    let text = user.message.text.as_deref().unwrap_or_default().trim();
    Some(format!("predicted: {}: {}", understood.intent, annotated_text(text, &understood.entities)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_surprise_comes_first() {
        let story = |name: &str, severity: Option<f64>| {
            let action = PlayedAction {
                expected: "utter_greet".to_owned(),
                is_text: false,
                predicted: "utter_greet".to_owned(),
                policy: None,
                confidence: 1.0,
                unlikely_intent: severity
                    .map(|severity| Some(json!({"query_intent": {"severity": severity}}))),
                entities: None,
            };
            let steps = vec![PlayedStep::Action(Box::new(action))];
            PlayedStory { name: name.to_owned(), source: Source::default(), steps }
        };
        let stories = vec![
            story("calm", None),
            story("small", Some(0.1)),
            story("great", Some(0.4)),
            story("same", Some(0.1)),
        ];
        let yaml = StoryReport { stories, end_to_end: false }.warnings_yaml();
        let named = yaml.lines().filter_map(|line| line.strip_prefix("- story: "));
        let named: Vec<&str> = named.filter_map(|name| name.split(' ').next()).collect();
        assert_eq!(named, ["great", "small", "same"]);
    }
}
