//! Policies that are taken over instead of trained.

use intendant_component::stored::Stored;
use intendant_component::training::{Silent, TrainContext};
use intendant_policy::{Material, default_policies, nodes, train_again};
use serde_json::json;

use crate::support::project;

const PROJECT: &str = r#"
version: "3.1"
intents: [greet, bye, affirm]
slots:
  size: {type: text, influence_conversation: true, mappings: [{type: custom}]}
responses:
  utter_hi: [{text: hi}]
  utter_bye: [{text: bye}]
stories:
  - story: one
    steps: [{intent: greet}, {action: utter_hi}, {intent: affirm}, {action: utter_bye}]
  - story: two
    steps: [{intent: affirm}, {slot_was_set: [{size: big}]}, {action: utter_hi}]
rules:
  - rule: farewell
    steps: [{intent: bye}, {action: utter_bye}]
"#;

#[test]
fn policies_taken_over_give_the_same_as_training() {
    let project = project(PROJECT);
    let specs = default_policies();
    let material = Material { domain: &project.domain, stories: &project.stories, augmentation: 20 };
    let context = TrainContext { seed: 42, threads: 1, progress: &Silent };
    let stored = |known: Vec<(String, Stored)>| {
        train_again(&specs, &material, known, &context).expect("trains").0.store()
    };
    let cold = stored(Vec::new());
    let names: Vec<String> = cold.iter().map(|(node, _)| node.clone()).collect();
    assert_eq!(names, nodes(&specs));
    assert!(stored(cold.clone()) == cold, "all known");
    for missing in 0..cold.len() {
        let mut known = cold.clone();
        let (node, _) = known.remove(missing);
        assert!(stored(known.clone()) == cold, "without {node}");
        known.push((node.clone(), Stored { state: json!("damaged"), ..Stored::default() }));
        assert!(stored(known) == cold, "with {node} damaged");
    }
}
