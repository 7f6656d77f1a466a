//! Domains of Rasa 2 become domains of Rasa 3.

use intendant_rasa_format::migrate::{Given, migrate};
use intendant_rasa_format::{SourceFile, domain};

fn run(files: &[(&str, &str)], given: Given) -> (Vec<SourceFile>, Vec<String>) {
    let files: Vec<SourceFile> = files.iter().map(|(path, text)| SourceFile::new(*path, *text)).collect();
    let mut findings = Vec::new();
    let migrated = migrate(&files, given, &|_| None, &mut findings);
    (migrated, findings.iter().map(ToString::to_string).collect())
}

const OLD: &str = r#"version: "2.0"
intents:
- inform
- chat
entities:
- cuisine
- city
- role:
    roles: [a]
slots:
  cuisine:
    type: text
    auto_fill: false
  city:
    type: text
  note:
    type: text
    influence_conversation: false
  free:
    type: any
forms:
  booking:
    ignored_intents: chat
    required_slots:
      cuisine:
      - type: from_entity
        entity: cuisine
      note:
      - type: from_text
        not_intent: chat
  feedback:
    note:
    - type: from_text
      not_intent: chat
    size:
    - type: from_intent
      intent: inform
      value: 1
"#;

#[test]
fn mappings_move_from_forms_to_slots() {
    let (migrated, findings) = run(&[("domain.yml", OLD)], Given::File);
    let expected = r#"version: "3.1"
intents:
- inform
- chat
entities:
- cuisine
- city
- role:
    roles:
    - a
slots:
  cuisine:
    type: text
    mappings:
    - type: from_entity
      entity: cuisine
      conditions:
      - active_loop: booking
  city:
    type: text
    mappings:
    - type: from_entity
      entity: city
  note:
    type: text
    influence_conversation: false
    mappings:
    - type: from_text
      not_intent: chat
      conditions:
      - active_loop: booking
        requested_slot: note
      - active_loop: feedback
        requested_slot: note
  free:
    type: any
    mappings:
    - type: custom
  size:
    mappings:
    - type: from_intent
      intent: inform
      value: 1
      conditions:
      - active_loop: feedback
        requested_slot: size
forms:
  booking:
    required_slots:
    - cuisine
    - note
    ignored_intents: chat
  feedback:
    required_slots:
    - note
    - size
"#;
    assert_eq!(std::str::from_utf8(&migrated[0].bytes).unwrap(), expected);
    assert_eq!(
        findings,
        ["warning: the slot `free` has no mapping and got a custom one; check whether that is right"]
    );
    let mut findings = Vec::new();
    domain::read(&migrated[0], &|_| None, &mut findings);
    let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "only the slot that had no type in the old domain: {said:?}");
}

#[test]
fn folders_are_migrated_file_by_file() {
    let files = [
        ("d/slots.yml", "slots:\n  a: {type: text}\nentities: [a]\n"),
        ("d/forms.yml", "version: \"2.0\"\nforms:\n  f:\n    required_slots: {a: [{type: from_text}]}\n"),
        ("d/responses.yml", "responses:\n  utter_x:\n  - text: x\n"),
        ("d/readme.yml", "title: none\n"),
    ];
    let (migrated, findings) = run(&files, Given::Folder);
    assert_eq!(findings, [""; 0]);
    let paths: Vec<&str> = migrated.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["d/slots.yml", "d/forms.yml", "d/responses.yml"]);
    let text = |idx: usize| std::str::from_utf8(&migrated[idx].bytes).unwrap();
    assert!(text(0).contains("active_loop: f") && !text(0).contains("version"), "{}", text(0));
    assert!(
        text(1).starts_with("version: \"3.1\"\nforms:\n  f:\n    required_slots:\n    - a\n"),
        "{}",
        text(1)
    );
    assert!(text(2).contains("version: \"3.1\""), "{}", text(2));
}

#[test]
fn what_cannot_be_migrated_is_refused() {
    type Case<'a> = (&'a [(&'a str, &'a str)], Given, &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        (&[("a.yml", "x: 1\n")], Given::File, &["a.yml: error: this is not a domain file"]),
        (
            &[("a.yml", "version: \"3.1\"\nslots: {}\n")],
            Given::File,
            &[
                "a.yml:1:10: error: this file already has the format version 3.1\n  help: leave out the files that are migrated already",
            ],
        ),
        (&[("a.yml", "x: 1\n")], Given::Folder, &["error: the folder holds no domain file"]),
        (
            &[
                ("a.yml", "slots: {a: {type: text}}\n"),
                ("b.yml", "slots: {b: {type: text}}\nforms: {f: {}}\n"),
            ],
            Given::Folder,
            &["b.yml:1:1: error: `slots` is in this file and in a.yml\n  help: put them into one file"],
        ),
        (
            &[("a.yml", "slots: {a: {type: text}}\n")],
            Given::Folder,
            &["error: no file of the folder has `forms`"],
        ),
    ];
    for (files, given, expected) in cases {
        let (migrated, findings) = run(files, given);
        assert_eq!(findings, expected);
        assert_eq!(migrated, []);
    }
}
