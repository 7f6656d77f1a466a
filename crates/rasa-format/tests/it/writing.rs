//! What is written reads back as it was.

use std::sync::Arc;

use intendant_rasa_format::write::{Form, conversation_story, domain_yaml, nlu_yaml, stories_yaml};
use intendant_rasa_format::{Files, Project, SourceFile, domain, nlu, stories, wire};
use intendant_talk::data::Source;
use intendant_talk::story::{Step, StepKind, Story};
use serde_json::{Value, json};

fn read_stories(name: &str, text: &str) -> Vec<Story> {
    let mut findings = Vec::new();
    let stories = stories::read(&SourceFile::new(name, text), &|_| None, &mut findings);
    assert_eq!(findings, [], "{text}");
    stories
}

fn forget_steps(steps: &mut [Step]) {
    for step in steps {
        step.source = Source::default();
        if let StepKind::Or(steps) = &mut step.kind {
            forget_steps(steps);
        }
    }
}

fn without_sources(mut stories: Vec<Story>) -> Vec<Story> {
    for story in &mut stories {
        story.source = Source::default();
        forget_steps(&mut story.condition);
        forget_steps(&mut story.steps);
    }
    stories
}

#[test]
fn stories_survive_writing() {
    let text = r#"version: "3.1"
stories:
- story: "all: steps # of 'a' story"
  steps:
  - checkpoint: start
    slot_was_set:
    - size: 2
    - flag: "true"
  - intent: order
    entities:
    - food
    - city: Ulm
      role: from
  - slot_was_set:
    - size: null
    - tags: [a, "1", 1.5]
    - bare
  - or:
    - intent: yes
    - intent: "no"
  - action: restart
  - active_loop: booking
  - active_loop: null
  - user: |-
      to [Ulm]{"entity": "city", "role": "to"} in [two]{"entity": "n", "value": 2}
  - bot: |
      two
      lines
  - checkpoint: end
rules:
- rule: hello
  condition:
  - slot_was_set:
    - flag: true
  conversation_start: true
  steps:
  - intent: greet
  - action: utter_greet
  wait_for_user_input: false
"#;
    let read = without_sources(read_stories("stories.yml", text));
    let written = stories_yaml(&read, Form::Training);
    assert_eq!(without_sources(read_stories("stories.yml", &written)), read, "{written}");
}

#[test]
fn test_stories_survive_writing() {
    let text = "version: \"3.1\"\nstories:\n- story: t\n  steps:\n  - intent: faq/hours\n    user: |-\n      open on [Monday](day)?\n  - action: utter_faq\n";
    let read = without_sources(read_stories("test_a.yml", text));
    assert_eq!(stories_yaml(&read, Form::Test), text);
}

#[test]
fn conversations_become_test_stories() {
    let events = json!([
        {"event": "action", "name": "action_session_start"},
        {"event": "session_started"},
        {"event": "action", "name": "action_listen"},
        {"event": "user", "text": "hi Bo", "parse_data": {
            "intent": {"name": "greet", "confidence": 1.0},
            "entities": [{"entity": "name", "value": "Bo", "start": 3, "end": 5}]}},
        {"event": "user_featurization", "use_text_for_featurization": false},
        {"event": "slot", "name": "name", "value": "Bo"},
        {"event": "action", "name": "utter_greet"},
        {"event": "bot", "text": "Hello"},
        {"event": "active_loop", "name": null},
    ]);
    let events = wire::validate_events(&events, Default::default()).unwrap();
    let events: Vec<Arc<_>> = events.into_iter().map(Arc::new).collect();
    let story = conversation_story("id, story 1", &events);
    let expected = "version: \"3.1\"
stories:
- story: id, story 1
  steps:
  - intent: greet
    user: |-
      hi [Bo](name)
  - slot_was_set:
    - name: Bo
  - action: utter_greet
  - active_loop: null
";
    assert_eq!(stories_yaml(&[story], Form::Test), expected);
    let empty = conversation_story("x", &[]);
    assert_eq!(stories_yaml(&[empty], Form::Test), "version: \"3.1\"\nstories:\n- story: x\n  steps: []\n");
}

#[test]
fn language_data_survives_writing() {
    let text = r#"version: "3.1"
nlu:
- intent: order
  metadata:
    tone: rude
  examples: |
    - a [pizza](food) to [Ulm]{"entity": "city", "role": "to"}
    - [NY](city:New York)
    - [LA][{"entity": "city"}, {"entity": "letters", "value": "el ay"}]
- intent: faq/hours
  examples:
  - text: |
      when?
    metadata:
      source: web
- synonym: big
  examples: |
    - large
- regex: zip
  examples: |
    - \d{5}
- lookup: food
  examples: |
    - pizza
    - pasta
responses:
  utter_faq/hours:
  - text: |-
      nine
      to five
"#;
    let mut findings = Vec::new();
    let mut read = |text: &str| nlu::read(&SourceFile::new("nlu.yml", text), &|_| None, &mut findings);
    let first = read(text);
    let responses = first.responses.dict["responses"].as_object().unwrap();
    let written = nlu_yaml(&first.data, responses);
    let second = read(&written);
    assert_eq!(nlu_yaml(&second.data, responses), written);
    assert_eq!(second.data.synonyms, first.data.synonyms);
    let plain = |data: &nlu::LanguageData| -> Vec<_> {
        let examples = data.data.examples.iter();
        examples
            .map(|example| (example.text.clone(), example.entities.clone(), example.metadata.clone()))
            .collect()
    };
    assert_eq!(plain(&second), plain(&first));
    assert_eq!(findings, []);
    assert!(
        written.contains("    - a [pizza](food) to [Ulm]{\"entity\": \"city\", \"role\": \"to\"}\n"),
        "{written}"
    );
}

#[test]
fn texts_that_would_read_as_something_else_are_quoted() {
    let texts = [
        "",
        " ",
        "yes",
        "true",
        "True",
        "null",
        "~",
        "12",
        "0x1F",
        "1e3",
        ".5",
        "- a",
        "-",
        "---",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "'",
        "\"",
        "it's",
        "[a]",
        "{a}",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "`a",
        "|",
        ">",
        "? a",
        "${X}",
        "tab\there",
        "bell\u{7}",
        "line\nbreak",
        "line\n",
        "two\n\n",
        "\nstart",
        " lead\nx",
        "trail ",
        "é 😀",
        "\u{85}",
        "\u{feff}",
        "a\\nb",
        "<<",
        "=",
        "...",
        "a\r\nb",
        "x: |\n  y",
        "1_000",
        "2020-01-01",
        ",",
        "a, b",
    ];
    let domain_of =
        |text: &str| json!({"slots": {"a": {"type": "any", "mappings": [], "initial_value": text}}});
    for text in texts {
        let Value::Object(dict) = domain_of(text) else { unreachable!() };
        let domain = domain::from_dict(&domain::complete(dict));
        let written = domain_yaml(&domain);
        let mut findings = Vec::new();
        let file = SourceFile::new("domain.yml", written.as_str());
        let read = domain::read(&file, &|_| None, &mut findings).unwrap_or_default();
        assert_eq!(findings, [], "{written}");
        assert_eq!(read.dict["slots"]["a"]["initial_value"], json!(text), "{written}");
    }
}

#[test]
fn domains_survive_writing() {
    let text = r#"version: "3.1"
intents:
- greet
- rate: {use_entities: [n]}
entities:
- n
- city: {roles: [from, to]}
responses:
  utter_greet:
  - text: "Hi\nthere"
    condition: [{type: slot, name: vip, value: true}]
slots:
  vip: {type: bool, mappings: [{type: custom}]}
forms:
  f: {required_slots: [vip]}
"#;
    let file = SourceFile::new("domain.yml", text);
    let (project, findings) =
        Project::read(Files { domain: std::slice::from_ref(&file), ..Files::default() }, &|_| None);
    assert_eq!(findings, []);
    let written = SourceFile::new("domain.yml", domain_yaml(&project.domain));
    let (again, findings) =
        Project::read(Files { domain: std::slice::from_ref(&written), ..Files::default() }, &|_| None);
    assert_eq!(findings, []);
    assert_eq!(again.domain, project.domain);
}
