//! Training as the commands see it: what is trained again, and what comes out.
#![allow(clippy::unwrap_used, missing_docs)]

mod known;
mod retraining;

use intendant_component::training::{Silent, TrainContext};
use intendant_rasa_format::{Project, SourceFile};
use intendant_train::plan::{self, Parts, Plan, Trained};
use intendant_train::recipe::Recipe;

pub const SEED: u64 = 42;

pub const PROJECT: &str = r#"
version: "3.1"
language: en
pipeline:
  - name: WhitespaceTokenizer
  - name: RegexFeaturizer
  - name: CountVectorsFeaturizer
  - name: DIETClassifier
    epochs: 10
  - name: EntitySynonymMapper
  - name: ResponseSelector
  - name: FallbackClassifier
    threshold: 0.3
policies:
  - name: MemoizationPolicy
  - name: RulePolicy
  - name: TEDPolicy
    max_history: 5
intents: [greet, bye, fly, faq]
entities: [city]
responses:
  utter_hi: [{text: hi}]
  utter_bye: [{text: see you}]
  utter_faq/hours: [{text: nine to five}]
  utter_faq/place: [{text: Main Street}]
nlu:
  - intent: greet
    examples: |
      - hello
      - hi there
      - good morning
  - intent: bye
    examples: |
      - bye
      - good bye
      - see you later
  - intent: fly
    examples: |
      - fly from [Bremen]{"entity": "city", "role": "from"} to [Kiel]{"entity": "city", "role": "to"}
      - a flight to [Ulm](city)
      - from [Jena]{"entity": "city", "role": "from"} by plane
  - intent: faq/hours
    examples: |
      - when do you open
      - opening hours
  - intent: faq/place
    examples: |
      - where are you
      - your address
  - regex: code
    examples: |
      - [A-Z]{3}
  - synonym: Bremen
    examples: |
      - HB
stories:
  - story: hello
    steps: [{intent: greet}, {action: utter_hi}]
  - story: flight
    steps: [{intent: fly}, {action: utter_bye}]
rules:
  - rule: farewell
    steps: [{intent: bye}, {action: utter_bye}]
"#;

pub fn recipe(yaml: &str) -> Recipe {
    let file = SourceFile { path: "project.yml".to_owned(), bytes: yaml.as_bytes().to_vec() };
    let (project, findings) = Project::read_document(&file, &|_| None);
    assert!(
        findings.iter().all(|finding| finding.severity < intendant_component::diagnostic::Severity::Error),
        "{findings:?}"
    );
    Recipe::new(project, 20)
}

pub fn train(recipe: &Recipe, plan: &Plan, known: Option<Parts>, threads: usize) -> Trained {
    let context = TrainContext { seed: SEED, threads, progress: &Silent };
    plan::train(recipe, plan, known, &context).unwrap()
}

/// Trains everything.
pub fn train_cold(yaml: &str, threads: usize) -> Trained {
    let recipe = recipe(yaml);
    let plan = plan::plan(&recipe, recipe.trainable().unwrap(), None);
    train(&recipe, &plan, None, threads)
}
