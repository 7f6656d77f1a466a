//! What is wrong with configurations, rules and stories.

use crate::support::{project, train};

const DOMAIN: &str = r#"
recipe: default.v1
language: en
assistant_id: test
pipeline: []
policies: [POLICIES]
intents: [greet, bye, order]
entities: [size]
slots:
  size:
    type: text
    mappings: [{type: from_entity, entity: size}]
forms:
  FORMS
responses:
  utter_greet: [{text: "Hello"}]
  utter_bye: [{text: "Bye"}]
  utter_done: [{text: "Done"}]
"#;

/// Trains and compares the findings, one per line.
fn check(policies: &str, forms: &str, stories: &str, expected: &[&str]) {
    let yaml = DOMAIN.replace("POLICIES", policies).replace("FORMS", forms) + stories;
    let found = match train(&project(&yaml)) {
        Ok((_, found)) | Err(found) => found,
    };
    let found: Vec<String> = found
        .iter()
        .map(|found| format!("{:?}: {}", found.severity, found.message.replace("project.yml:", "line ")))
        .collect();
    assert_eq!(found, expected);
}

const RULE: &str = "{name: RulePolicy}";
const NO_FORMS: &str = "{}";

fn rules(text: &str) -> String {
    format!("rules:\n{text}")
}

#[test]
fn unknown_policies_are_named_with_the_way_out() {
    check("{name: RulesPolicy}", NO_FORMS, "", &["Error: there is no policy `RulesPolicy`"]);
    check(
        "{name: mine.BestPolicy}",
        NO_FORMS,
        "",
        &["Error: policy `mine.BestPolicy` is Python code, which is not run here"],
    );
    check("{name: FormPolicy}", NO_FORMS, "", &["Error: there is no policy `FormPolicy`"]);
    check(
        "{name: rasa.core.policies.memoization.MemoizationPolicy, max_history: much}",
        NO_FORMS,
        "",
        &[
            "Error: option `max_history` of `rasa.core.policies.memoization.MemoizationPolicy` must be a whole number, found `\"much\"`",
        ],
    );
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let greet = rules("  - {rule: greet, steps: [{intent: greet}, {action: utter_greet}]}\n");
    check(
        "{name: MemoizationPolicy}",
        "order_form: {required_slots: [size]}",
        &greet,
        &["Error: the domain has forms (`order_form`) but there is no RulePolicy"],
    );
    check(
        "{name: RulePolicy, core_fallback_action_name: action_nowhere}",
        NO_FORMS,
        &greet,
        &["Error: the fallback action `action_nowhere` of RulePolicy is not in the domain"],
    );
    check(
        "{name: RulePolicy, priority: 3}, {name: MemoizationPolicy}",
        NO_FORMS,
        &greet,
        &["Warning: policies `RulePolicy`, `MemoizationPolicy` have the same priority 3"],
    );
    check(
        "{name: MemoizationPolicy}",
        NO_FORMS,
        &greet,
        &["Warning: there are rules but no policy that uses them"],
    );
}

#[test]
fn rules_that_contradict_are_named_with_their_places() {
    check(
        RULE,
        NO_FORMS,
        &rules(
            "  - rule: one\n    steps: [{intent: greet}, {action: utter_greet}]\n  - rule: two\n    steps: [{intent: greet}, {action: utter_bye}]\n",
        ),
        &[
            "Error: the prediction of the action `utter_greet` in rule `one` is contradicting with rule(s) `two` (line 22)",
            "Error: the prediction of the action `utter_bye` in rule `two` is contradicting with rule(s) `one` (line 20)",
        ],
    );
}

#[test]
fn stories_that_contradict_rules_are_named() {
    let text = rules("  - rule: one\n    steps: [{intent: greet}, {action: utter_greet}]\n")
        + "stories:\n  - story: other\n    steps: [{intent: greet}, {action: utter_bye}]\n";
    check(
        RULE,
        NO_FORMS,
        &text,
        &[
            "Error: the prediction of the action `utter_bye` in story `other` is contradicting with rule(s) `one` (line 20) which predicted action `utter_greet`",
        ],
    );
}

#[test]
fn rules_with_several_messages_or_missing_loops_are_refused() {
    check(
        RULE,
        NO_FORMS,
        &rules(
            "  - {rule: long, steps: [{intent: greet}, {action: utter_greet}, {intent: bye}, {action: utter_bye}]}\n",
        ),
        &["Error: rule `long` contains more than 1 user message"],
    );
    check(
        RULE,
        "order_form: {required_slots: [size]}",
        &rules(
            "  - {rule: start, steps: [{intent: order}, {action: order_form}, {active_loop: order_form}]}\n  - {rule: start again, steps: [{intent: greet}, {action: order_form}]}\n",
        ),
        &[
            "Error: incomplete rule: the form `order_form` in rule `start again` does not set the `active_loop` that it sets in other rules: `order_form`",
        ],
    );
}

#[test]
fn checkpoints_that_lead_nowhere_are_warned_about() {
    let story = "stories:\n  - {story: a, steps: [{intent: greet}, {action: utter_greet}, {checkpoint: lost}]}\n  - {story: b, steps: [{checkpoint: found}, {intent: bye}, {action: utter_bye}]}\n";
    check(
        "{name: MemoizationPolicy}",
        NO_FORMS,
        story,
        &[
            "Warning: `a` ends in checkpoint `lost`, which no story starts from",
            "Warning: `b` starts from checkpoint `found`, which no story ends in",
        ],
    );
}

#[test]
fn stories_that_go_on_differently_are_structure_conflicts() {
    let yaml = DOMAIN.replace("POLICIES", RULE).replace("FORMS", NO_FORMS)
        + "stories:\n  - {story: a, steps: [{intent: greet}, {action: utter_greet}]}\n  - {story: b, steps: [{intent: greet}, {action: utter_bye}]}\n  - {story: c, steps: [{intent: greet}, {action: utter_bye}, {intent: bye}]}\n";
    let project = project(&yaml);
    let found = intendant_policy::conflicts(&project.domain, &project.stories, None);
    let found: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(
        found,
        [
            "Story structure conflict after intent 'greet':\n  utter_greet predicted in 'a'\n  utter_bye predicted in 'b' and 'c'"
        ]
    );
}
