//! A knowledge base, forms and slot validation of the real `rasa-sdk`.

use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::serving::{ActionServer, say, texts};
use crate::{binary, succeed};

const CONFIG: &str = "recipe: default.v1
assistant_id: guide
language: en
pipeline:
  - name: WhitespaceTokenizer
  - name: KeywordIntentClassifier
policies:
  - name: RulePolicy
";

const DOMAIN: &str = "version: '3.1'
intents: [ask, order, inform]
entities: [object_type, mention, attribute, cuisine, cups]
actions: [action_query_knowledge_base, action_validate_slot_mappings, validate_order_form]
slots:
  object_type:
    type: any
    mappings: [{type: from_entity, entity: object_type}]
  mention:
    type: any
    mappings: [{type: from_entity, entity: mention}]
  attribute:
    type: any
    mappings: [{type: from_entity, entity: attribute}]
  cuisine:
    type: any
    mappings: [{type: from_entity, entity: cuisine}]
  cups:
    type: any
    influence_conversation: false
    mappings: [{type: from_entity, entity: cups}]
  shout:
    type: text
    influence_conversation: false
    mappings: [{type: custom}]
  size:
    type: text
    influence_conversation: false
    mappings: [{type: from_text, conditions: [{active_loop: order_form, requested_slot: size}]}]
forms:
  order_form:
    required_slots: [cups]
responses:
  utter_ask_rephrase: [{text: 'Pardon?'}]
  utter_ask_cups: [{text: 'How many cups?'}]
  utter_ask_size: [{text: 'Which size?'}]
  utter_ordered: [{text: '{cups} cups, {size}, {shout}'}]
session_config:
  session_expiration_time: 60
  carry_over_slots_to_new_session: true
";

const RULES: &str = "version: '3.1'
rules:
  - rule: ask
    steps: [{intent: ask}, {action: action_query_knowledge_base}]
  - rule: order
    steps: [{intent: order}, {action: order_form}, {active_loop: order_form}]
  - rule: ordered
    condition: [{active_loop: order_form}]
    steps: [{action: order_form}, {active_loop: null}, {action: utter_ordered}]
";

const NLU: &str = "version: '3.1'
nlu:
  - intent: ask
    examples: |
      - what is there
      - tell me
  - intent: order
    examples: |
      - order
      - i order
";

const DATA: &str = r#"{"restaurant": [
  {"id": 0, "name": "Donath", "cuisine": "Italian", "wifi": false},
  {"id": 1, "name": "Berlin Burrito", "cuisine": "Mexican", "wifi": true},
  {"id": 2, "name": "I due forni", "cuisine": "Italian", "wifi": true}
]}"#;

const ACTIONS: &str = r#"
from rasa_sdk.forms import FormValidationAction, ValidationAction
from rasa_sdk.knowledge_base.actions import ActionQueryKnowledgeBase
from rasa_sdk.knowledge_base.storage import InMemoryKnowledgeBase


class Unshuffled(InMemoryKnowledgeBase):
    async def get_objects(self, object_type, attributes, limit=5):
        objects = self.data[object_type]
        for wanted in attributes:
            objects = [o for o in objects if str(o[wanted["name"]]) == str(wanted["value"])]
        return objects[:limit]


class Ask(ActionQueryKnowledgeBase):
    def __init__(self):
        super().__init__(Unshuffled("knowledge.json"))


class Slots(ValidationAction):
    async def extract_shout(self, dispatcher, tracker, domain):
        return {"shout": (tracker.latest_message.get("text") or "").upper()[:6]}


class Order(FormValidationAction):
    def name(self):
        return "validate_order_form"

    async def required_slots(self, domain_slots, dispatcher, tracker, domain):
        return domain_slots + (["size"] if tracker.get_slot("cups") == 1 else [])

    def validate_cups(self, value, dispatcher, tracker, domain):
        if value > 9:
            dispatcher.utter_message(text="Too many.")
            return {"cups": None}
        return {"cups": value}
"#;

#[test]
fn a_real_action_server_knows_lists_and_asks() {
    let Ok(python) = std::env::var("INTENDANT_TEST_RASA_SDK") else {
        eprintln!("skipped: INTENDANT_TEST_RASA_SDK does not name a Python with rasa-sdk");
        return;
    };
    let sandbox = Sandbox::empty().unwrap();
    let files = [
        ("config.yml", CONFIG),
        ("domain.yml", DOMAIN),
        ("data/rules.yml", RULES),
        ("data/nlu.yml", NLU),
        ("knowledge.json", DATA),
        ("actions.py", ACTIONS),
    ];
    for (path, content) in files {
        sandbox.write(path, content).unwrap();
    }
    let actions = ActionServer::start(&python, &sandbox);
    sandbox.write("endpoints.yml", &actions.endpoints()).unwrap();
    // A slot that only the action server asks for is none that the domain's form requires.
    succeed(sandbox.path(), &["train", "--skip-validation"]);
    let server = Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap();
    let mut connection = server.connect().unwrap();
    let mut hear = |message: &str| texts(&say(&mut connection, "a", message)).join(" | ");
    let found = "Found the following objects of type 'restaurant':";
    assert_eq!(
        hear(r#"/ask{"object_type": "restaurant"}"#),
        format!("{found} | 1: Donath | 2: Berlin Burrito | 3: I due forni")
    );
    assert_eq!(
        hear(r#"/ask{"mention": "2", "attribute": "cuisine"}"#),
        "'Berlin Burrito' has the value 'Mexican' for attribute 'cuisine'."
    );
    assert_eq!(
        hear(r#"/ask{"object_type": "restaurant", "cuisine": "Italian"}"#),
        format!("{found} | 1: Donath | 2: I due forni")
    );
    assert_eq!(
        hear(r#"/ask{"mention": "LAST", "attribute": "wifi"}"#),
        "'I due forni' has the value 'True' for attribute 'wifi'."
    );
    assert_eq!(hear(r#"/ask{"attribute": "wifi"}"#), "Pardon?");
    // The form wants more when the action server says so.
    assert_eq!(hear("order"), "How many cups?");
    assert_eq!(hear(r#"/inform{"cups": 12}"#), "Too many. | How many cups?");
    assert_eq!(hear(r#"/inform{"cups": 1}"#), "Which size?");
    assert_eq!(hear("small"), "1 cups, small, SMALL");
    assert_eq!(hear(r#"/order{"cups": 2}"#), "2 cups, small, /ORDER");
    let tracker = connection.send("GET", "/conversations/a/tracker", &[], b"").unwrap().json().unwrap();
    let listed: Vec<&Value> = ["knowledge_base_listed_objects", "knowledge_base_last_object_type"]
        .iter()
        .map(|slot| &tracker["slots"][slot])
        .collect();
    assert_eq!(listed, [&json!([0, 2]), &json!("restaurant")]);
}
