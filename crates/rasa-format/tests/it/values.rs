//! What files become.

use intendant_rasa_format::{Files, Project, SourceFile, credentials, endpoints, yaml};
use intendant_talk::domain::{MappingCondition, MappingKind, SlotKind};
use intendant_talk::event::EventKind;
use intendant_talk::story::{StepKind, StoryKind};
use serde_json::{Value, json};

fn environment(name: &str) -> Option<String> {
    (name == "HOST").then(|| "example.com".to_owned())
}

fn read(domain: &[&str], data: &[&str]) -> Project {
    let named = |kind: &str, texts: &[&str]| -> Vec<SourceFile> {
        texts
            .iter()
            .enumerate()
            .map(|(idx, text)| SourceFile::new(format!("{kind}{idx}.yml"), *text))
            .collect()
    };
    let (domain, data) = (named("domain", domain), named("data", data));
    let (project, findings) =
        Project::read(Files { config: None, domain: &domain, data: &data }, &environment);
    let said: Vec<String> = findings
        .iter()
        .filter(|finding| !finding.message.contains("format version"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(said, [""; 0]);
    project
}

#[test]
fn yaml_is_read_as_rasa_reads_it() {
    let cases = [
        ("a: yes", json!({"a": "yes"})),
        ("a: 012\nb: 0o12\nc: 1_000\nd: 1e3", json!({"a": 12, "b": 10, "c": 1000, "d": 1000.0})),
        ("a: 2020-01-01\nb: 12:30:45", json!({"a": "2020-01-01", "b": "12:30:45"})),
        ("", json!({})),
        ("# only a comment", json!({})),
        ("null: 1\ntrue: 2\n3: x", json!({"null": 1, "true": 2, "3": "x"})),
        ("a: caf\\u00e9 \\ud83d\\ude00", json!({"a": "café 😀"})),
        (
            "a: http://${HOST}:${HOST}/\nb: \"${HOST}\"\nc: $HOST",
            json!({"a": "http://example.com:example.com/", "b": "${HOST}", "c": "$HOST"}),
        ),
        (
            "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: *x",
            json!({"x": {"a": 1, "b": 2}, "y": {"b": 3, "a": 1}, "z": {"a": 1, "b": 2}}),
        ),
        ("a: |\n  one\n  two\nb: >-\n  one\n  two", json!({"a": "one\ntwo\n", "b": "one two"})),
        ("a: !!str 1\nb: !!int \"2\"\nc: !!float 3", json!({"a": "1", "b": 2, "c": 3.0})),
        ("\u{feff}a: 1", json!({"a": 1})),
        ("---\na: 1\n...\n", json!({"a": 1})),
    ];
    for (text, expected) in cases {
        let mut findings = Vec::new();
        let node = yaml::parse(&SourceFile::new("a.yml", text), &environment, &mut findings).unwrap();
        assert_eq!(findings, [], "{text}");
        assert_eq!(node.to_json(), expected, "{text}");
    }
}

#[test]
fn examples_know_their_place() {
    let project = read(
        &["responses: {utter_faq/hours: [{text: nine}]}"],
        &[
            "version: \"3.1\"\nnlu:\n# a comment\n- intent: go\n  metadata: {m: 1}\n  examples: |\n    - to [Ulm](city)\n\n    -   tab\there \n- intent: faq/hours\n  examples:\n  - text: |\n      when?\n    metadata: x\n  - text: '  now '\n- regex: zip\n  examples: |\n    - \\d{5}\n- regex: age\n  examples: |\n    - \\d+\n- lookup: city\n  examples: |\n    - Ulm\n- lookup: city\n  examples: |\n    - Bonn\n- synonym: New York\n  examples: |\n    - NY\n",
        ],
    );
    let places: Vec<(&str, Option<&str>, usize, usize)> = project
        .nlu
        .examples
        .iter()
        .map(|example| {
            (example.text.as_str(), example.intent.as_deref(), example.source.line, example.source.column)
        })
        .collect();
    let expected = [
        ("to Ulm", Some("go"), 7, 7),
        ("tab\there", Some("go"), 9, 9),
        ("when?", Some("faq"), 13, 7),
        ("now", Some("faq"), 15, 11),
    ];
    assert_eq!(places, expected);
    assert_eq!(project.nlu.examples[0].intent_metadata, Some(json!({"m": 1})));
    assert_eq!(project.nlu.examples[2].metadata, Some(json!("x")));
    assert_eq!(project.nlu.examples[2].intent_response_key.as_deref(), Some("faq/hours"));
    let patterns: Vec<&str> = project.nlu.regexes.iter().map(|regex| regex.name.as_str()).collect();
    assert_eq!(patterns, ["age", "zip"]);
    assert_eq!(project.nlu.lookups.len(), 1);
    assert_eq!(project.nlu.lookups[0].elements, ["Ulm", "Bonn"]);
    assert_eq!(project.nlu.synonyms["NY"], "New York");
}

#[test]
fn files_of_language_data_are_put_together() {
    let file = "nlu:\n- intent: go\n  examples: |\n    - hi\n    - hi\n    - [Ulm](city)\n- lookup: city\n  examples: |\n    - Ulm\nresponses:\n  utter_a:\n  - text: one\n";
    let other = "nlu:\n- intent: go\n  examples: |\n    - hi\n    - Ulm\nresponses:\n  utter_a:\n  - text: two\n- x\n";
    let other = other.trim_end_matches("- x\n");
    let project = read(&["intents: [go]\nresponses:\n  utter_a:\n  - text: zero\n"], &[file, file, other]);
    let texts: Vec<&str> = project.nlu.examples.iter().map(|example| example.text.as_str()).collect();
    assert_eq!(texts, ["hi", "Ulm", "Ulm"], "an annotated example is another one than a plain one");
    assert_eq!(project.nlu.lookups.len(), 2);
    assert_eq!(project.domain.dict["responses"], json!({"utter_a": [{"text": "two"}]}));
}

#[test]
fn intents_use_the_entities_they_say() {
    let domain = "intents:\n- all\n- none: {use_entities: []}\n- no: {use_entities: false}\n- some: {use_entities: [city, quiet]}\n- without: {ignore_entities: [city]}\n- loud: {ignore_entities: []}\nentities:\n- name\n- quiet: {influence_conversation: false}\n- city: {roles: [from], groups: [g]}\n";
    let domain = read(&[domain], &[]).domain;
    let cases: [(&str, &[&str]); 7] = [
        ("all", &["city", "city#from", "city#g", "name"]),
        ("none", &[]),
        ("no", &[]),
        ("some", &["city", "city#from", "city#g"]),
        ("without", &["name"]),
        ("loud", &["city", "city#from", "city#g", "name"]),
        ("nlu_fallback", &["city", "city#from", "city#g", "name"]),
    ];
    for (intent, expected) in cases {
        assert_eq!(domain.intent(intent).unwrap().used_entities, expected, "{intent}");
    }
    assert_eq!(domain.intents.len(), 6 + 5);
    assert_eq!(domain.dict["intents"][4], json!({"some": {"use_entities": ["city", "quiet"]}}));
}

#[test]
fn slots_are_typed() {
    let domain = "slots:\n  size:\n    type: categorical\n    values: [Small, 1.0, true, null]\n    initial_value: small\n    mappings:\n    - type: from_entity\n      entity: size\n      role: r\n      intent: a\n      not_intent: [b, c]\n      conditions:\n      - active_loop: f\n        requested_slot: size\n      - active_loop: null\n    - type: from_intent\n      value: [1]\n    - type: custom\n      action: action_x\n  weight:\n    type: float\n    max_value: 10\n    influence_conversation: false\n    mappings: []\n  thing: {type: any, mappings: []}\nforms:\n  f: {required_slots: [size], ignored_intents: chat}\n  g:\nactions: [action_query_knowledge_base, {action_d: {send_domain: true}}, validate_f]\n";
    let (project, _) = Project::read_document(&SourceFile::new("all.yml", domain), &environment);
    let domain = project.domain;
    let size = domain.slot("size").unwrap();
    let values = ["small", "1.0", "true"].map(str::to_owned).to_vec();
    assert_eq!(size.kind, SlotKind::Categorical { values });
    assert_eq!(size.initial_value, json!("small"));
    let mapping = &size.mappings[0];
    assert_eq!(
        mapping.kind,
        MappingKind::FromEntity { entity: "size".to_owned(), role: Some("r".to_owned()), group: None }
    );
    assert_eq!((mapping.intents.len(), mapping.not_intents.len()), (1, 2));
    let requested =
        MappingCondition { active_loop: Some("f".to_owned()), requested_slot: Some("size".to_owned()) };
    let idle = MappingCondition { active_loop: None, requested_slot: None };
    assert_eq!(mapping.conditions, [requested, idle]);
    assert_eq!(size.mappings[1].kind, MappingKind::FromIntent { value: json!([1]) });
    assert_eq!(size.mappings[2].kind, MappingKind::Custom { action: Some("action_x".to_owned()) });
    let weight = domain.slot("weight").unwrap();
    assert_eq!(
        (&weight.kind, weight.influence_conversation),
        (&SlotKind::Float { min: 0.0, max: 10.0 }, false)
    );
    assert!(!domain.slot("thing").unwrap().influence_conversation);
    let automatic: Vec<&str> =
        domain.slots.iter().filter(|slot| slot.is_automatic).map(|slot| slot.name.as_str()).collect();
    let expected = [
        "requested_slot",
        "knowledge_base_listed_objects",
        "knowledge_base_last_object",
        "knowledge_base_last_object_type",
        "session_started_metadata",
    ];
    assert_eq!(automatic, expected);
    assert_eq!(domain.actions_with_domain, ["action_d", "validate_f"]);
    assert_eq!(domain.forms[0].ignored_intents, ["chat"]);
    assert_eq!(domain.forms[1].required_slots, [""; 0]);
}

#[test]
fn of_several_domains_the_first_wins() {
    let first = "version: \"3.1\"\nintents: [b]\nactions: [action_a]\nresponses: {utter_x: [{text: one}]}\nforms: {f: {required_slots: []}}\nsession_config: {session_expiration_time: 60, carry_over_slots_to_new_session: true}\n";
    let second = "version: \"3.1\"\nintents: [c, b: {use_entities: []}]\nactions: [f, action_b]\nresponses: {utter_y: [{text: two}]}\nsession_config: {session_expiration_time: 5, carry_over_slots_to_new_session: false}\nconfig: {store_entities_as_slots: false}\n";
    let second = second.replace("[c, b: {use_entities: []}]", "[c]");
    let domain = read(&[first, &second], &[]).domain;
    assert_eq!(domain.user_actions, ["action_b", "action_a"]);
    assert_eq!(domain.session.expiration_minutes, 5.0);
    assert!(domain.store_entities_as_slots);
    assert_eq!(domain.dict["intents"], json!(["b", "c"]));
    let responses: Vec<&str> = domain.responses.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(responses, ["utter_y", "utter_x"]);
}

#[test]
fn retrieval_intents_and_end_to_end_turns_complete_the_domain() {
    let data = "nlu:\n- intent: faq/a\n  examples: |\n    - why\n- intent: chat/b\n  examples: |\n    - how\nresponses:\n  utter_faq/a: [{text: so}]\n  utter_chat/b: [{text: thus}]\nstories:\n- story: s\n  steps:\n  - user: hi [Bo](name)\n  - bot: second\n  - user: bye\n    intent: bye\n  - bot: first\n  - bot: second\n";
    let project = read(&["intents: [bye, faq]\nentities: [name]\n"], &[data]);
    let domain = &project.domain;
    assert!(domain.intent("faq").unwrap().is_retrieval_intent);
    assert!(domain.intent("chat").unwrap().is_retrieval_intent);
    assert!(!domain.intent("bye").unwrap().is_retrieval_intent);
    assert_eq!(domain.user_actions, ["utter_chat", "utter_faq"]);
    assert_eq!(domain.end_to_end_actions, ["first", "second"]);
    assert_eq!(domain.dict["e2e_actions"], json!(["first", "second"]));
    let texts: Vec<(&str, Option<&str>)> =
        project.end_to_end.iter().map(|example| (example.text.as_str(), example.intent.as_deref())).collect();
    assert_eq!(texts, [("first", None), ("hi Bo", None), ("second", None), ("bye", Some("bye"))]);
}

#[test]
fn stories_are_read_with_every_step() {
    let data = "stories:\n- story: s\n  steps:\n  - checkpoint: c\n    slot_was_set: [{p: 2}]\n  - intent: a\n    entities: [x, {y: 1, role: r, group: null}]\n  - user: '/a{\"x\": [\"1\", \"2\"]}'\n    intent: a\n  - or:\n    - slot_was_set: [{p: 1}, q]\n  - or:\n    - intent: a\n  - action: pause\n  - action: utter_x\n  - active_loop: null\nrules:\n- rule: r\n  conversation_start: true\n  wait_for_user_input: false\n  condition: [{active_loop: f}, {slot_was_set: [{p: null}]}]\n  steps:\n  - action: utter_x\n";
    let domain = "intents: [a]\nslots: {p: {type: any, mappings: []}, q: {type: text, mappings: []}}\nresponses: {utter_x: [{text: x}]}\nforms: {f: }\n";
    let project = read(&[domain], &[data]);
    let [story, rule] = project.stories.as_slice() else { panic!("{:?}", project.stories) };
    let all: Vec<&StepKind> = story.steps.iter().map(|step| &step.kind).collect();
    let (first_step, kinds) = all.split_first().unwrap();
    let StepKind::User(first) = kinds[0] else { panic!() };
    assert_eq!(first.entities[0].value, json!(""));
    assert_eq!((&first.entities[1].value, first.entities[1].role.as_deref()), (&json!(1), Some("r")));
    let StepKind::User(second) = kinds[1] else { panic!() };
    assert_eq!(second.entities.len(), 2);
    assert_eq!((second.entities[0].start_chars, second.entities[0].end_chars), (Some(2), Some(19)));
    let StepKind::Or(alternatives) = kinds[2] else { panic!() };
    assert_eq!(alternatives.len(), 2);
    assert!(matches!(kinds[3], StepKind::User(_)), "a single alternative is no alternative");
    assert_eq!(kinds[4], &StepKind::Event(EventKind::Pause));
    assert_eq!(kinds[5], &StepKind::Action("utter_x".to_owned()));
    let conditions = vec![("p".to_owned(), json!(2))];
    assert_eq!(*first_step, &StepKind::Checkpoint { name: "c".to_owned(), conditions });
    assert_eq!(kinds[6], &StepKind::ActiveLoop(None));
    assert_eq!(story.steps[7].source.line, 16);
    assert_eq!(rule.kind, StoryKind::Rule { conversation_start: true, wait_for_user_input: false });
    assert_eq!(rule.condition.len(), 2);
}

#[test]
fn one_document_can_be_a_project() {
    let text = "recipe: default.v1\nassistant_id: x\nlanguage: de\npipeline: [{name: A, b: 1}]\npolicies:\nintents: [hi]\nresponses: {utter_hi: [{text: hi}]}\nnlu:\n- intent: hi\n  examples: |\n    - hallo\nrules:\n- rule: r\n  steps: [{intent: hi}, {action: utter_hi}]\n";
    let (project, findings) = Project::read_document(&SourceFile::new("all.yml", text), &environment);
    assert!(!intendant_rasa_format::project::has_errors(&findings), "{findings:?}");
    assert_eq!(project.config.language.as_deref(), Some("de"));
    let spec = &project.config.pipeline.as_ref().unwrap()[0];
    assert_eq!((spec.name.as_str(), &spec.options["b"], spec.source.line), ("A", &json!(1), 4));
    assert_eq!(project.config.policies, None);
    assert_eq!((project.nlu.examples.len(), project.stories.len()), (1, 1));
    let keys: Vec<&String> = project.domain.dict.keys().collect();
    assert_eq!(keys, ["intents", "responses", "session_config", "version"]);
    assert!(project.has_domain());
}

#[test]
fn endpoints_and_credentials_are_read() {
    let text = "action_endpoint:\n  url: http://${HOST}/w\n  token: 12\n  basic_auth: {username: u, password: p}\n  headers: {X: y}\ntracker_store:\n  type: SQL\n  db: a.db\nlock_store:\n  store_type: redis\nnlg:\n";
    let mut findings = Vec::new();
    let endpoints = endpoints::read(&SourceFile::new("endpoints.yml", text), &environment, &mut findings);
    let action = endpoints.action_endpoint.unwrap();
    assert_eq!(action.url.as_deref(), Some("http://example.com/w"));
    assert_eq!((action.token.as_deref(), action.token_name.as_str()), (Some("12"), "token"));
    assert_eq!(action.basic_auth.unwrap().password, "p");
    assert_eq!(action.headers["X"], json!("y"));
    let store = endpoints.tracker_store.unwrap();
    assert_eq!((store.kind.as_deref(), &store.extra["db"]), (Some("SQL"), &json!("a.db")));
    assert_eq!(endpoints.lock_store.unwrap().kind.as_deref(), Some("redis"));
    assert_eq!(endpoints.nlg, None);

    let text = "rest:\ncallback:\n  url: x\nmy.Channel: {a: 1}\n";
    let channels = credentials::read(&SourceFile::new("credentials.yml", text), &environment, &mut findings);
    let names: Vec<(&str, Value)> =
        channels.iter().map(|channel| (channel.name.as_str(), json!(channel.options))).collect();
    assert_eq!(
        names,
        [("rest", json!({})), ("callback", json!({"url": "x"})), ("my.Channel", json!({"a": 1}))]
    );
    assert_eq!(findings, []);
}

#[test]
fn bytes_that_are_no_text_are_located() {
    let file = SourceFile::new("data.yml", b"nlu:\n- intent: gr\xfc\xdfen\n".as_slice());
    let (_, findings) = Project::read(Files { data: &[file], ..Files::default() }, &environment);
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "data.yml:2:13: error: file is not valid UTF-8: byte 0xfc at offset 17 does not belong there\n  help: save the file with the encoding UTF-8"
        ]
    );
}
