//! Reads the recorded projects and exchanges when they are there; skipped otherwise.

use std::path::{Path, PathBuf};

use intendant_rasa_format::wire::{Verbosity, event_from_json, event_to_json, tracker_state};
use intendant_rasa_format::{Files, Project, SourceFile};
use intendant_talk::time::Timestamp;
use intendant_talk::tracker::Tracker;
use serde_json::Value;

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("INTENDANT_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no folder {} (set INTENDANT_SHARED)", folder.display());
    None
}

fn file(folder: &Path, name: &str) -> SourceFile {
    SourceFile::new(name, std::fs::read(folder.join(name)).unwrap())
}

fn project(shared: &Path, name: &str) -> Project {
    let folder = shared.join("projects").join(name);
    let config = file(&folder, "config.yml");
    let domain = [file(&folder, "domain.yml")];
    let data = ["data/nlu.yml", "data/rules.yml", "data/stories.yml"].map(|name| file(&folder, name));
    let files = Files { config: Some(&config), domain: &domain, data: &data };
    let (project, findings) = Project::read(files, &|_| None);
    assert_eq!(findings, [], "{name}");
    project
}

fn golden_lines(shared: &Path, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(shared.join("goldens").join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sorts what the recording marks as unordered, and removes the mark.
fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(map) if map.contains_key("@unordered") => sorted(&ordered(&map["@unordered"])),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), ordered(value))).collect(),
        Value::Array(items) => items.iter().map(ordered).collect(),
        other => other.clone(),
    }
}

fn sorted(list: &Value) -> Value {
    let mut items = list.as_array().unwrap().clone();
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

fn check_domain(project: &Project, expected: &Value) {
    let mut found = Value::Object(project.domain.dict.clone());
    for key in ["intents", "entities", "actions"] {
        if let Some(list) = found.get_mut(key) {
            *list = sorted(list);
        }
    }
    let expected = ordered(expected);
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(found.get(key), Some(value), "{key}");
    }
    assert_eq!(found.as_object().unwrap().len(), expected.as_object().unwrap().len());
}

#[test]
fn domains_are_written_as_recorded() {
    let Some(shared) = shared() else { return };
    let formbot = project(&shared, "formbot");
    let lines = golden_lines(&shared, "formbot_dialogues.jsonl");
    check_domain(&formbot, &lines[0]["shared"]["domain"]);

    let moodbot = project(&shared, "moodbot");
    let lines = golden_lines(&shared, "moodbot_http_api.jsonl");
    let scenario = lines.iter().find(|line| line["scenario"] == "moodbot: domain").unwrap();
    check_domain(&moodbot, &scenario["steps"][0]["expect"]["json"]);
}

#[test]
fn projects_are_read_completely() {
    let Some(shared) = shared() else { return };
    let formbot = project(&shared, "formbot");
    assert_eq!(formbot.domain.slots.len(), 14 + 2);
    assert_eq!(formbot.nlu.examples.len(), 97);
    assert_eq!(formbot.stories.len(), 6 + 24);
    assert_eq!(formbot.config.pipeline.as_ref().unwrap().len(), 10);
    let moodbot = project(&shared, "moodbot");
    assert_eq!(moodbot.nlu.examples.len(), 68);
    assert_eq!((moodbot.config.pipeline, moodbot.config.policies), (None, None));
}

/// Replaces the marks of a recording by values of the right kind.
fn concrete(value: &Value) -> Value {
    match value {
        Value::String(mark) => match mark.as_str() {
            "@ts" | "@number" => 1000.5.into(),
            "@conf" => 0.5.into(),
            "@id" | "@str" | "@any" => "some".into(),
            "@list" => Value::Array(Vec::new()),
            "@dict" => Value::Object(Default::default()),
            _ => value.clone(),
        },
        Value::Object(map) if map.len() == 1 => match map.iter().next().unwrap() {
            (rule, Value::Array(options)) if rule == "@oneof" => concrete(&options[0]),
            (rule, list) if rule == "@unordered" || rule == "@contains" => concrete(list),
            (rule, _) if rule == "@ranking" => Value::Array(Vec::new()),
            (rule, _) if rule.starts_with('@') => "some".into(),
            (key, value) => Value::Object([(key.clone(), concrete(value))].into_iter().collect()),
        },
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), concrete(value))).collect(),
        Value::Array(items) => items.iter().map(concrete).collect(),
        // Numbers compare by value: 1 is 1.0.
        Value::Number(number) => number.as_f64().into(),
        other => other.clone(),
    }
}

fn for_each_state(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(map) => {
            if map.contains_key("latest_message") && map.get("events").is_some_and(Value::is_array) {
                visit(value);
            }
            map.values().for_each(|value| for_each_state(value, visit));
        }
        Value::Array(items) => items.iter().for_each(|value| for_each_state(value, visit)),
        _ => {}
    }
}

#[test]
fn recorded_events_survive_a_round_trip() {
    let Some(shared) = shared() else { return };
    let mut n_events = 0;
    let files = ["moodbot_http_api", "formbot_dialogues", "formbot_dialogues2", "formbot_inmemory", "auth"];
    for name in files {
        for line in golden_lines(&shared, &format!("{name}.jsonl")) {
            let expectations =
                line["steps"].as_array().into_iter().flatten().map(|step| concrete(&step["expect"]));
            for expectation in expectations {
                for_each_state(&expectation, &mut |state| {
                    for event in state["events"].as_array().unwrap() {
                        let read = event_from_json(event, Timestamp::default()).unwrap().unwrap();
                        let written = event_to_json(&read);
                        assert_eq!(concrete(&written), *event, "{name}");
                        n_events += 1;
                    }
                });
            }
        }
    }
    assert!(n_events > 1000, "{n_events}");
}

#[test]
fn recorded_states_follow_from_their_events() {
    let Some(shared) = shared() else { return };
    let mut n_states = 0;
    for (file, project_name) in
        [("formbot_dialogues2.jsonl", "formbot"), ("moodbot_http_api.jsonl", "moodbot")]
    {
        let domain = project(&shared, project_name).domain;
        for line in golden_lines(&shared, file) {
            let steps = line["steps"].as_array().into_iter().flatten();
            for step in steps.filter(|step| step["request"]["query"]["include_events"] == "ALL") {
                for_each_state(&concrete(&step["expect"]), &mut |state| {
                    let mut tracker = Tracker::for_domain(state["sender_id"].as_str().unwrap(), &domain);
                    for event in state["events"].as_array().unwrap() {
                        tracker.update(event_from_json(event, Timestamp::default()).unwrap().unwrap());
                    }
                    let found = concrete(&tracker_state(&tracker, Verbosity::All));
                    for (key, value) in state.as_object().unwrap() {
                        assert_eq!(found.get(key), Some(value), "{file} {} {key}", line["scenario"]);
                    }
                    n_states += 1;
                });
            }
        }
    }
    assert!(n_states > 20, "{n_states}");
}
