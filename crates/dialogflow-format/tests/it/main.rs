//! Exports in, values, exports out: every form, nothing lost, nothing that panics.
#![allow(clippy::unwrap_used)]

mod made;
mod talk;

use std::path::Path;

use intendant_dialogflow_format::{Difference, Files, diff, read, write, zip};
use intendant_numeric::random::Random;
use serde_json::{Value, json};

use made::{library, put};

#[test]
fn everything_is_counted() {
    let import = read(&library()).unwrap();
    let report = import.report.to_json();
    let expected = json!({
        "intents": 6, "phrases": {"de": 1, "en": 10, "en-gb": 1}, "entities": 2, "entries": {"en": 4},
        "contexts": 2, "parameters": 4, "messages": 9, "events": 2,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(report[name], *value, "{name}");
    }
    let dropped: Vec<&str> =
        report["dropped"].as_array().unwrap().iter().map(|d| d["what"].as_str().unwrap()).collect();
    let secrets = [
        "README.md",
        "agent.dev.json",
        "agent.json#/secondaryKey",
        "agent.json#/webhook/headers/Authorization",
        "agent.json#/webhook/password",
        "agent.json#/webhook/username",
    ];
    assert_eq!(dropped, secrets);
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let first = read(&library()).unwrap();
    let files = write(&first.agent);
    let archive = zip::write(&files).unwrap();
    for secret in ["placeholder-key", "placeholder-token", "placeholder-password", "placeholder-user"] {
        assert!(!files.values().any(|file| String::from_utf8_lossy(file).contains(secret)), "{secret}");
    }
    let second = read(&zip::read(&archive).unwrap()).unwrap();
    assert_eq!(second.agent, first.agent);
    assert!(second.report.dropped.is_empty());
    assert_eq!(write(&second.agent), files);
    assert!(files.keys().all(|name| !name.contains([':', '?', '*', '\\'])));
}

#[test]
fn top_folders_and_system_files_do_not_matter() {
    let mut files = Files::new();
    for (name, content) in library() {
        files.insert(format!("My Agent/{name}"), content);
    }
    files.insert("__MACOSX/My Agent/._agent.json".to_owned(), b"\0\x05\x16\x07".to_vec());
    files.insert("My Agent/intents/.DS_Store".to_owned(), b"\0".to_vec());
    files.insert("elsewhere/agent.json".to_owned(), b"{}".to_vec());
    let import = read(&files).unwrap();
    assert_eq!(import.agent, read(&library()).unwrap().agent);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let check = |change: &dyn Fn(&mut Files), expected: &str| {
        let mut files = library();
        change(&mut files);
        let findings = read(&files).unwrap_err();
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(shown.join("\n").contains(expected), "{shown:?}");
    };
    check(&|files| drop(files.remove("agent.json")), "there is no agent.json");
    check(
        &|files| put(files, "intents/Hours.json", "{\"name\": \n oops}"),
        "intents/Hours.json:2:2: error: this is not JSON",
    );
    check(&|files| put(files, "intents/Hours.json", "[]"), "is a list instead of an object");
    check(&|files| put(files, "intents/Hours_usersays_en.json", "{}"), "this is no list of phrases");
    check(
        &|files| put(files, "intents/Hours_usersays_en.json", "[1]"),
        "`/0` is a number instead of an object",
    );
}

#[test]
fn members_of_unexpected_types_are_kept() {
    let mut files = library();
    put(
        &mut files,
        "agent.json",
        r#"{"language": 5, "supportedLanguages": "de", "mlMinConfidence": "0.5", "webhook": null}"#,
    );
    put(
        &mut files,
        "intents/Hours.json",
        r#"{"name": "Hours", "priority": [1], "contexts": {"a": 1}, "responses": [{"affectedContexts": [{"name": "x", "lifespan": "3"}]}]}"#,
    );
    let import = read(&files).unwrap();
    assert_eq!(import.agent.settings.min_confidence, Some(0.5));
    assert_eq!(import.agent.settings.rest["language"], json!(5));
    assert!(
        import
            .report
            .warnings
            .iter()
            .any(|warning| warning.contains("`/priority` is a list instead of a whole number"))
    );
    let hours = import.agent.intents.iter().find(|intent| intent.name == "Hours").unwrap();
    assert_eq!(hours.responses[0].output_contexts[0].lifespan, Some(3));
    assert_eq!(hours.rest["contexts"], json!({"a": 1}));
    assert_eq!(read(&write(&import.agent)).unwrap().agent, import.agent);
}

#[test]
fn differences_are_named() {
    let old = read(&library()).unwrap().agent;
    let mut new = old.clone();
    assert!(diff(&old, &new).is_empty());
    let hours = new.intents.iter_mut().find(|intent| intent.name == "Hours").unwrap();
    hours.priority = Some(750_000);
    new.entities.pop();
    let differences = diff(&old, &new);
    assert!(differences.iter().any(|difference| matches!(difference, Difference::Removed(_))));
    let text: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert!(
        text.join("\n").contains("~ intents/Hours.json\n    /priority: 500000 became 750000"),
        "{text:?}"
    );
}

/// Values of any type in any place: reading may refuse, never panic, and what it takes it keeps.
#[test]
fn no_json_makes_it_panic_or_lose() {
    let mut random = Random::new(11);
    for _ in 0..400 {
        let mut files = library();
        let names: Vec<String> = files.keys().filter(|name| name.ends_with(".json")).cloned().collect();
        for _ in 0..1 + random.below(4) {
            let name = &names[random.below(names.len())];
            let bytes = &files[name];
            let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else { continue };
            mutate(&mut value, &mut random);
            files.insert(name.clone(), value.to_string().into_bytes());
        }
        if let Ok(import) = read(&files) {
            let again = read(&write(&import.agent)).expect("what was written is read");
            assert_eq!(again.agent, import.agent);
            assert!(again.report.dropped.is_empty());
            made::say_something(import.agent);
        }
    }
}

/// Bytes of any kind, too.
#[test]
fn no_bytes_make_it_panic() {
    let mut random = Random::new(5);
    let archive = zip::write(&library()).unwrap();
    for _ in 0..300 {
        let mut files = library();
        let names: Vec<String> = files.keys().cloned().collect();
        let bytes = files.get_mut(&names[random.below(names.len())]).unwrap();
        for _ in 0..1 + random.below(5) {
            if !bytes.is_empty() {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
        }
        let _ = read(&files);
        let mut damaged = archive.clone();
        for _ in 0..1 + random.below(8) {
            let at = random.below(damaged.len());
            damaged[at] = random.below(256) as u8;
        }
        if let Ok(files) = zip::read(&damaged) {
            let _ = read(&files);
        }
    }
}

fn mutate(value: &mut Value, random: &mut Random) {
    let others = [
        json!(null),
        json!(true),
        json!(-3),
        json!(1e300),
        json!("$x #y.z @sys.any:a"),
        json!([]),
        json!({}),
        json!([null, 7, "a", {"name": 4}]),
        json!({"name": [], "text": {}}),
        json!("\u{0}\u{202e}é"),
    ];
    match value {
        Value::Object(members) if !members.is_empty() && random.below(5) > 0 => {
            let at = random.below(members.len());
            if let Some((_, inner)) = members.iter_mut().nth(at) {
                mutate(inner, random);
            }
        }
        Value::Array(items) if !items.is_empty() && random.below(5) > 0 => {
            let at = random.below(items.len());
            mutate(&mut items[at], random);
        }
        other => *other = others[random.below(others.len())].clone(),
    }
}

/// Real agents, where the material beside the repository is at hand.
#[test]
fn real_agents_come_back_as_they_were() {
    let Some(shared) = std::env::var_os("INTENDANT_SHARED") else {
        println!("skipped: INTENDANT_SHARED does not name the material with agents");
        return;
    };
    let data = Path::new(&shared).join("data/dialogflow");
    let list: Value = serde_json::from_slice(&std::fs::read(data.join("agents.json")).unwrap()).unwrap();
    for entry in list["agents"].as_array().unwrap() {
        for path in entry["paths"].as_array().unwrap() {
            let path = data.join(path.as_str().unwrap());
            let files = if path.is_dir() {
                folder(&path)
            } else {
                zip::read(&std::fs::read(&path).unwrap()).unwrap()
            };
            let import = read(&files).unwrap();
            let again = read(&zip::read(&zip::write(&write(&import.agent)).unwrap()).unwrap()).unwrap();
            assert_eq!(again.agent, import.agent, "{}", path.display());
        }
    }
}

fn folder(root: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => open.push(path),
                path => {
                    let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                    files.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
    }
    files
}
