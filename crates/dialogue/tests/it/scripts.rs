//! Scripted conversations, one per behaviour.

use crate::script::check;

#[test]
fn a_failed_action_is_owned_up_to_where_the_domain_has_words_for_it() {
    const LOOK: &str = "
policies: [{name: RulePolicy}]
intents: [ask]
actions: [action_look]
responses:
  utter_after: [{text: anything else?}]
rules:
  - {rule: look, steps: [{intent: ask}, {action: action_look}, {action: utter_after}]}
";
    check(LOOK, "> /ask\n! action_look = fail\n< anything else?");
    let with_words =
        LOOK.replace("responses:", "responses:\n  utter_action_failed: [{text: I cannot look that up now.}]");
    check(&with_words, "> /ask\n! action_look = fail\n< I cannot look that up now.\n< anything else?");
    check(&with_words, "> /ask\n! action_look\n< anything else?");
}

/// A form for ordering tea, a rule that interrupts it, and a fallback.
const TEA: &str = r#"
recipe: default.v1
language: en
assistant_id: tea
pipeline: []
policies:
  - name: MemoizationPolicy
  - name: RulePolicy
intents: [greet, order, inform, stop, hours, yes, no, mumble]
entities:
  - tea
  - cups
  - city:
      roles: [from, to]
slots:
  tea:
    type: text
    mappings:
      - type: from_entity
        entity: tea
  cups:
    type: float
    max_value: 10
    mappings:
      - type: from_entity
        entity: cups
  sugar:
    type: bool
    mappings:
      - type: from_intent
        intent: yes
        value: true
        conditions: [{active_loop: tea_form, requested_slot: sugar}]
      - type: from_intent
        intent: no
        value: false
        conditions: [{active_loop: tea_form, requested_slot: sugar}]
  how:
    type: text
    influence_conversation: false
    mappings:
      - type: from_trigger_intent
        intent: order
        value: ordered
        conditions: [{active_loop: tea_form}]
  home:
    type: text
    influence_conversation: false
    mappings:
      - type: from_entity
        entity: city
        role: from
forms:
  tea_form:
    ignored_intents: [hours]
    required_slots: [tea, cups, sugar]
responses:
  utter_greet: [{text: "Hello"}]
  utter_ask_tea: [{text: "Which tea?"}]
  utter_ask_cups: [{text: "How many cups?"}]
  utter_ask_sugar: [{text: "With sugar?"}]
  utter_done: [{text: "{cups} cups of {tea}, sugar: {sugar}. {{ok}}"}]
  utter_hours: [{text: "Nine to five"}]
  utter_stopped: [{text: "Stopped"}]
  utter_default: [{text: "Pardon?"}]
  utter_back: [{text: "Back we go"}]
actions: [action_brew, ACTIONS]
rules:
  - rule: greet
    steps: [{intent: greet}, {action: utter_greet}]
  - rule: start
    steps: [{intent: order}, {action: tea_form}, {active_loop: tea_form}]
  - rule: end
    condition: [{active_loop: tea_form}]
    steps:
      - action: tea_form
      - active_loop: null
      - action: utter_done
      - action: action_brew
  - rule: hours
    steps: [{intent: hours}, {action: utter_hours}]
  - rule: stop
    condition: [{active_loop: tea_form}]
    steps:
      - intent: stop
      - action: action_deactivate_loop
      - active_loop: null
      - action: utter_stopped
"#;

fn tea(actions: &str) -> String {
    TEA.replace("ACTIONS", actions)
}

#[test]
fn a_form_asks_until_all_is_known() {
    check(
        &tea("action_other"),
        r#"
        > /greet
        < Hello
        > /order
        < Which tea?
        = how ordered
        = requested_slot tea
        > /inform{"tea": "oolong"}
        < How many cups?
        > /inform{"cups": 2}
        < With sugar?
        > /no
        ! action_brew = {"responses": [{"text": "Brewing", "image": "x.png"}]}
        < 2 cups of oolong, sugar: False. {ok}
        < Brewing image="x.png"
        = sugar False
        = requested_slot None
        "#,
    );
}

#[test]
fn a_form_takes_what_it_is_told_at_once() {
    check(
        &tea("action_other"),
        r#"
        > /order{"tea": "mint", "cups": 3}
        < With sugar?
        > /yes
        ! action_brew = fail
        < 3 cups of mint, sugar: True. {ok}
        > /greet
        < Hello
        "#,
    );
}

#[test]
fn a_form_gives_the_floor_to_a_rule_and_asks_again() {
    check(
        &tea("action_other"),
        r#"
        > /order
        < Which tea?
        > /hours
        < Nine to five
        < Which tea?
        > /stop
        < Stopped
        = requested_slot None
        > /inform{"tea": "mint"}
        < Pardon?
        "#,
    );
}

#[test]
fn validation_may_refuse_and_choose() {
    check(
        &tea("validate_tea_form"),
        r#"
        > /order{"tea": "soap"}
        ! validate_tea_form = {"events": [{"event": "slot", "name": "tea", "value": null}], "responses": [{"text": "Not soap"}]}
        < Not soap
        < Which tea?
        > /inform{"tea": "mint"}
        ! validate_tea_form = {"events": [{"event": "slot", "name": "tea", "value": "Mint"}, {"event": "slot", "name": "requested_slot", "value": "sugar"}]}
        < With sugar?
        = tea Mint
        = requested_slot sugar
        > /yes
        ! validate_tea_form = {"events": [{"event": "slot", "name": "requested_slot", "value": null}]}
        ! action_brew = {}
        < None cups of Mint, sugar: True. {ok}
        "#,
    );
}

#[test]
fn a_rejected_action_is_not_tried_again() {
    check(
        &tea("validate_tea_form"),
        r#"
        > /order
        ! validate_tea_form = {}
        < Which tea?
        > /mumble
        ! validate_tea_form = reject
        < Pardon?
        > /inform{"tea": "mint"}
        ! validate_tea_form = {}
        < How many cups?
        "#,
    );
}

#[test]
fn slots_are_validated_once_per_message() {
    check(
        &tea("action_validate_slot_mappings"),
        r#"
        > /greet{"city#from": "Rome", "tea": "mint"}
        ! action_validate_slot_mappings = {"events": [{"event": "slot", "name": "home", "value": "ROME"}, {"event": "pause"}]}
        < Hello
        = home ROME
        = tea mint
        > /greet{"city": "Oslo"}
        ! action_validate_slot_mappings = fail
        < Hello
        = home ROME
        "#,
    );
}

#[test]
fn default_actions_answer_their_intents() {
    check(
        &tea("action_other"),
        r#"
        > /order{"tea": "mint"}
        < How many cups?
        > /restart
        = tea None
        = requested_slot None
        > /greet
        < Hello
        > /order
        < Which tea?
        > /back
        < Back we go
        = requested_slot None
        > /mumble
        < Pardon?
        "#,
    );
}

#[test]
fn actions_may_force_what_follows() {
    check(
        &tea("action_other"),
        r#"
        > /order{"tea": "mint", "cups": 1}
        < With sugar?
        > /yes
        ! action_brew = {"events": [{"event": "followup", "name": "action_listen"}, {"event": "slot", "name": "tea", "value": "black"}]}
        < 1 cups of mint, sugar: True. {ok}
        = tea black
        > /greet
        < Hello
        "#,
    );
}

/// The first `/restart` only ends the turn that the pause cut off, as in Rasa.
#[test]
fn actions_may_silence_the_bot_until_it_restarts() {
    check(
        &tea("action_other"),
        r#"
        > /order{"tea": "mint", "cups": 1}
        < With sugar?
        > /yes
        ! action_brew = {"events": [{"event": "pause"}], "responses": [{"response": "utter_done", "cups": 7, "buttons": [{"title": "a", "payload": "/a"}]}]}
        < 1 cups of mint, sugar: True. {ok}
        < 7 cups of mint, sugar: True. {ok} buttons=[{"title":"a","payload":"/a"}]
        > /greet
        > /restart
        > /restart
        > /greet
        < Hello
        "#,
    );
}

#[test]
fn a_conversation_that_never_listens_is_stopped() {
    let endless = tea("action_other").replace(
        "      - action: action_brew\n",
        "      - action: action_brew\n    wait_for_user_input: false\n",
    ) + "  - rule: again\n    steps: [{action: action_brew}, {action: action_brew}]\n    wait_for_user_input: false\n";
    check(
        &endless,
        r#"
        > /order{"tea": "mint", "cups": 1}
        < With sugar?
        > /yes
        ! action_brew
        ! action_brew
        ! action_brew
        ! action_brew
        ! action_brew
        ! action_brew
        ! action_brew
        ! action_brew
        < 1 cups of mint, sugar: True. {ok}
        > /greet
        "#,
    );
}
