//! Who decides what, where.

use intendant_talk::event::{EventKind, UserMessage};
use intendant_talk::message::Entity;

use crate::support::{decide, line, predict, project};

const SHOP: &str = r#"
recipe: default.v1
language: en
assistant_id: test
pipeline: []
policies: [POLICIES]
intents: [greet, bye, order, inform, chat, yes]
entities: [size]
slots:
  size:
    type: categorical
    values: [small, large]
    mappings: [{type: from_entity, entity: size}]
  vip:
    type: bool
    initial_value: false
    mappings: [{type: custom}]
forms:
  order_form: {required_slots: [size]}
responses:
  utter_greet: [{text: "Hello"}]
  utter_vip: [{text: "Hello, dear"}]
  utter_bye: [{text: "Bye"}]
  utter_chat: [{text: "Nice"}]
  utter_more: [{text: "More?"}]
  utter_done: [{text: "Done"}]
rules:
  - rule: greet at start
    conversation_start: true
    steps: [{intent: greet}, {action: utter_greet}]
  - rule: vip
    condition: [{slot_was_set: [{vip: true}]}]
    steps: [{intent: greet}, {action: utter_vip}]
  - rule: chat
    steps: [{intent: chat}, {action: utter_chat}]
  - rule: start
    steps: [{intent: order}, {action: order_form}, {active_loop: order_form}]
  - rule: end
    condition: [{active_loop: order_form}]
    steps: [{action: order_form}, {active_loop: null}, {action: utter_done}]
stories:
  - story: bye
    steps:
      - intent: bye
      - action: utter_bye
      - or: [{intent: yes}, {intent: inform}]
      - action: utter_more
      - checkpoint: more
  - story: more
    steps:
      - checkpoint: more
      - intent: bye
      - action: utter_done
  - story: interrupted
    steps:
      - intent: order
      - action: order_form
      - active_loop: order_form
      - intent: inform
      - action: utter_more
      - intent: yes
      - action: order_form
"#;

const ALL: &str = "{name: MemoizationPolicy}, {name: RulePolicy}, {name: TEDPolicy}";

fn check(policies: &str, cases: &[(&str, &str)]) {
    let project = project(&SHOP.replace("POLICIES", policies));
    let found: Vec<(&str, String)> = cases
        .iter()
        .map(|(conversation, _)| (*conversation, line(&project, &predict(&project, conversation))))
        .collect();
    let expected: Vec<(&str, String)> =
        cases.iter().map(|(conversation, line)| (*conversation, (*line).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn rules_decide_by_situation() {
    check(
        ALL,
        &[
            ("listen /greet", "utter_greet RulePolicy 1.0"),
            ("listen /greet utter_greet", "action_listen RulePolicy 1.0"),
            ("listen /chat utter_chat listen /greet vip=true", "utter_vip RulePolicy 1.0"),
            ("listen /chat utter_chat listen /greet", "action_default_fallback RulePolicy 0.3"),
            ("listen /restart", "action_restart RulePolicy 1.0"),
            ("listen /chat{size:small}", "utter_chat RulePolicy 1.0"),
        ],
    );
}

#[test]
fn forms_keep_the_floor_until_they_reject() {
    check(
        ALL,
        &[
            ("listen /order", "order_form RulePolicy 1.0"),
            ("listen /order order_form +order_form", "action_listen RulePolicy 1.0"),
            ("listen /order order_form +order_form listen /inform", "order_form RulePolicy 1.0"),
            ("listen /order order_form +order_form listen /chat", "order_form RulePolicy 1.0"),
            ("listen /order order_form +order_form listen /chat !order_form", "utter_chat RulePolicy 1.0"),
            // After the interjection a rule would listen; the form goes on instead.
            (
                "listen /order order_form +order_form listen /chat !order_form utter_chat",
                "order_form RulePolicy 1.0",
            ),
            ("listen /order order_form +order_form listen /inform order_form -", "utter_done RulePolicy 1.0"),
        ],
    );
}

/// Also when a form took the message in, so that it is no longer in force.
#[test]
fn confidence_may_be_that_of_the_latest_message() {
    check(
        "{name: RulePolicy, use_nlu_confidence_as_score: true}",
        &[
            ("listen /order@0.6", "order_form RulePolicy 0.6"),
            (
                "listen /order@0.6 order_form +order_form listen /inform@0.8 order_form -",
                "utter_done RulePolicy 0.8",
            ),
        ],
    );
}

#[test]
fn stories_are_remembered_with_checkpoints_and_alternatives() {
    check(
        ALL,
        &[
            ("listen /bye", "utter_bye MemoizationPolicy 1.0"),
            ("listen /bye utter_bye listen /yes", "utter_more MemoizationPolicy 1.0"),
            ("listen /bye utter_bye listen /inform", "utter_more MemoizationPolicy 1.0"),
            (
                "listen /bye utter_bye listen /inform utter_more listen /bye",
                "utter_done MemoizationPolicy 1.0",
            ),
            // Turns that only rules know do not exist for stories.
            ("listen /chat ^utter_chat ^listen /bye", "utter_bye MemoizationPolicy 1.0"),
            // What has one answer in stories has it elsewhere too; what has several is doubted.
            ("listen /chat utter_chat listen /inform", "utter_more TEDPolicy 0.4"),
            ("listen /chat utter_chat listen /bye", "action_default_fallback RulePolicy 0.3"),
        ],
    );
}

#[test]
fn forgetting_the_beginning_finds_a_known_story() {
    check(
        "{name: AugmentedMemoizationPolicy, max_history: 4}, {name: RulePolicy}",
        &[
            ("listen /chat utter_chat listen /bye", "utter_bye AugmentedMemoizationPolicy 1.0"),
            (
                "listen /inform utter_done listen /bye utter_bye listen /yes",
                "utter_more AugmentedMemoizationPolicy 1.0",
            ),
        ],
    );
}

#[test]
fn a_form_that_comes_back_does_not_validate() {
    let project = project(&SHOP.replace("POLICIES", ALL));
    let back =
        "listen /order order_form +order_form listen /inform !order_form utter_more listen /yes !order_form";
    let prediction = predict(&project, back);
    let names: Vec<&str> = prediction.events.iter().map(|event| event.type_name()).collect();
    assert_eq!(names, ["loop_interrupted", "user_featurization"]);
}

#[test]
fn priorities_break_ties_and_order_breaks_the_rest() {
    check(
        "{name: MemoizationPolicy, priority: 9}, {name: RulePolicy}",
        &[("listen /bye", "utter_bye MemoizationPolicy 1.0"), ("", "action_listen MemoizationPolicy 1.0")],
    );
    check("{name: RulePolicy}, {name: MemoizationPolicy}", &[("", "action_listen RulePolicy 1.0")]);
    check(
        "{name: RulePolicy, enable_fallback_prediction: false}, {name: MemoizationPolicy}",
        &[("listen /yes", "action_listen RulePolicy 0.0")],
    );
}

#[test]
fn a_text_that_decides_brings_its_entities() {
    let project = project(
        "entities: [city, {place: {roles: [from, to]}}]
actions: [utter_home, utter_trip, utter_bye]
policies: [{name: TEDPolicy}]
stories:
- {story: a, steps: [{user: 'I live in [Berlin](city)'}, {action: utter_home}]}
- {story: b, steps: [{user: 'my home is in [New York](city)'}, {action: utter_home}]}
- {story: c, steps: [{user: 'I live in [Ulm](city) now'}, {action: utter_home}]}
- {story: d, steps: [{user: 'a train from [Bonn]{\"entity\": \"place\", \"role\": \"from\"} to \
         [Kiel]{\"entity\": \"place\", \"role\": \"to\"}'}, {action: utter_trip}]}
- {story: e, steps: [{user: 'a train from [Rome]{\"entity\": \"place\", \"role\": \"from\"} to \
         [Bern]{\"entity\": \"place\", \"role\": \"to\"}'}, {action: utter_trip}]}
- {story: f, steps: [{user: 'see you later'}, {action: utter_bye}]}
",
    );
    let check = |said: &str, action: &str, expected: &[&str]| {
        let message = UserMessage { text: Some(said.to_owned()), ..UserMessage::default() };
        let prediction =
            decide(&project, [EventKind::action("action_listen"), EventKind::User(Box::new(message))]);
        assert!(prediction.is_end_to_end, "{said}");
        assert_eq!(project.domain.action_names()[prediction.action_index()], action, "{said}");
        let found = prediction.events.iter().find_map(|event| match event {
            EventKind::Entities { entities } => Some(entities.as_slice()),
            _ => None,
        });
        let shown = |entity: &Entity| {
            let (start, end) = (entity.start_chars.unwrap(), entity.end_chars.unwrap());
            let role = entity.role.as_deref().unwrap_or("-");
            format!("{} {role} {} {start}..{end}", entity.entity, entity.value.as_str().unwrap())
        };
        let found: Vec<String> = found.unwrap_or_default().iter().map(shown).collect();
        assert_eq!(found, expected, "{said}");
    };
    check("I live in Paris", "utter_home", &["city - Paris 10..15"]);
    check("my home is in New York", "utter_home", &["city - New York 14..22"]);
    check("a train from Kiel to Zürich", "utter_trip", &["place from Kiel 13..17", "place to Zürich 21..27"]);
    check("see you later", "utter_bye", &[]);
}
