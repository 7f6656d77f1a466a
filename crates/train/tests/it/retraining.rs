use intendant_train::plan;

use crate::{PROJECT, recipe, train, train_cold};

/// Trains, changes the project, and tells what would be trained again. What comes out must be the
/// same as training from nothing, byte for byte.
fn check(replaced: &str, by: &str, expected: &[&str]) {
    let before = train_cold(PROJECT, 1);
    assert!(PROJECT.contains(replaced), "{replaced}");
    let changed = PROJECT.replacen(replaced, by, 1);
    let recipe = recipe(&changed);
    let plan = plan::plan(&recipe, recipe.trainable().unwrap(), Some(std::slice::from_ref(&before.metadata)));
    let trained: Vec<&str> = plan.trained().map(|part| part.name.as_str()).collect();
    assert_eq!(trained, expected, "{by}");
    assert_eq!(plan.is_up_to_date, changed == PROJECT, "{by}");
    let known = intendant_bundle::read(&before.archive).unwrap().components;
    let nodes: Vec<&str> =
        plan.parts.iter().filter(|part| part.known_in.is_some()).map(|part| part.node.as_str()).collect();
    let known = known.into_iter().filter(|(node, _)| nodes.contains(&node.as_str())).collect();
    let again = train(&recipe, &plan, Some(known), 1);
    assert!(again.archive == train_cold(&changed, 1).archive, "{by}: not the same as training from nothing");
}

#[test]
fn only_what_changed_is_trained_again() {
    let learners = ["CountVectorsFeaturizer", "DIETClassifier", "EntitySynonymMapper", "ResponseSelector"];
    let policies = ["MemoizationPolicy", "RulePolicy", "TEDPolicy"];
    check("hello", "hello", &[]);
    check("- hello\n", "- hello\n      - howdy\n", &learners);
    check("[Ulm](city)", "Ulm", &["DIETClassifier", "EntitySynonymMapper"]);
    check("- HB", "- HB\n      - the Hanse", &["DIETClassifier", "EntitySynonymMapper"]);
    check("{3}", "{4}", &["RegexFeaturizer", "CountVectorsFeaturizer", "DIETClassifier", "ResponseSelector"]);
    check("story: hello\n    steps: [{intent: greet}", "story: hello\n    steps: [{intent: fly}", &policies);
    check("{text: hi}", "{text: good day}", &[]);
    check("nine to five", "ten to six", &["ResponseSelector"]);
    check("threshold: 0.3", "threshold: 0.4", &["FallbackClassifier"]);
    check("epochs: 10", "epochs: 20", &[]);
    check("max_history: 5", "max_history: 4", &["TEDPolicy"]);
    check("intents: [greet", "intents: [other, greet", &policies);
}

#[test]
fn threads_change_no_byte() {
    assert!(train_cold(PROJECT, 1).archive == train_cold(PROJECT, 2).archive);
}
