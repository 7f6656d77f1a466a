//! The registry by hand: versions, tags, gates, on a real project.

use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{binary, intendant, succeed, trained_starter};

fn read_json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let text = succeed(sandbox.path(), arguments);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

fn refused(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let output = intendant(sandbox.path(), arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Trains another model of the same project.
fn train_again(sandbox: &Sandbox, name: &str) {
    let domain = std::fs::read_to_string(sandbox.at("domain.yml")).unwrap();
    let domain = domain.replacen("intents:\n", &format!("intents:\n  - {name}\n"), 1);
    std::fs::write(sandbox.at("domain.yml"), domain).unwrap();
    succeed(sandbox.path(), &["train", "--fixed-model-name", name, "--skip-validation"]);
}

const QUESTIONS: &str =
    "version: \"3.1\"\nnlu:\n- intent: greet\n  examples: |\n    - hello\n    - hi there\n";

#[test]
fn a_model_becomes_a_version_and_takes_a_tag() {
    let sandbox = trained_starter();
    train_again(&sandbox, "second");
    let listed = read_json(&sandbox, &["models", "list", "--json"]);
    let references: Vec<String> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|version| format!("{}:{}", version["name"].as_str().unwrap(), version["version"]))
        .collect();
    assert_eq!(references.len(), 2, "{listed}");
    assert!(references.contains(&"starter:1".to_owned()), "{references:?}");
    assert_eq!(listed[0]["file"], "second.tar.gz", "newest first");
    assert!(listed[0]["training_seconds"].as_f64().unwrap() > 0.0);
    for part in ["domain", "config", "data"] {
        assert!(listed[0]["fingerprints"][part].is_string(), "{part}: {}", listed[0]);
    }

    let second = listed[0]["digest"].as_str().unwrap().to_owned();
    let first = listed[1]["digest"].as_str().unwrap().to_owned();
    succeed(sandbox.path(), &["models", "tag", &first, "production", "--reason", "the first"]);
    let told = succeed(sandbox.path(), &["models", "tag", "second.tar.gz", "production"]);
    assert!(told.contains("production is now starter:"), "{told}");
    let shown = read_json(&sandbox, &["models", "show", "production", "--json"]);
    assert_eq!(shown["digest"], second.as_str());
    assert_eq!(shown["tags"], json!(["production"]));
    let told = succeed(sandbox.path(), &["models", "list"]);
    assert!(told.contains("production"), "{told}");

    let told = succeed(sandbox.path(), &["models", "rollback", "production"]);
    assert!(told.contains("production is back on"), "{told}");
    // The second was trained from parts of the first; people add what they know.
    succeed(sandbox.path(), &["models", "note", "second", "with the questions of May"]);
    let shown = read_json(&sandbox, &["models", "show", "second", "--json"]);
    assert_eq!((&shown["parent"], &shown["notes"]), (&json!(first), &json!("with the questions of May")));
    let told = succeed(sandbox.path(), &["models", "show", "second"]);
    assert!(told.lines().any(|line| line.starts_with("began from ") && line.contains(" starter:")), "{told}");
    assert_eq!(read_json(&sandbox, &["models", "show", "production", "--json"])["digest"], first.as_str());
    let history = read_json(&sandbox, &["models", "history", "production", "--json"]);
    assert_eq!(history.as_array().unwrap().len(), 3);
    assert_eq!(history[0]["reason"], "the first");
    assert_eq!(history[2]["is_rollback"], true);

    let differences = read_json(&sandbox, &["models", "diff", &first, &second, "--json"]);
    let what: Vec<&str> = differences["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["what"].as_str().unwrap())
        .collect();
    assert!(what.contains(&"fingerprint domain") && what.contains(&"digest"), "{what:?}");
    assert!(!what.contains(&"made by"), "{what:?}");
    assert!(refused(&sandbox, &["models", "show", "third"]).contains("2 models are known"));
}

#[test]
fn a_gate_decides_who_takes_a_tag() {
    let sandbox = trained_starter();
    sandbox.write("questions.yml", QUESTIONS).unwrap();
    let gates = |bar: &str| {
        format!(
            "gates:\n  production:\n  - {{metric: intent_accuracy, dataset: questions.yml, {bar}}}\n  \
             - {{metric: story_success, dataset: tests, at_least: 1.0}}\n"
        )
    };
    sandbox.write("intendant.yml", &gates("at_least: 1.0, slice: nobody")).unwrap();
    let told = refused(&sandbox, &["models", "tag", "latest", "production"]);
    assert!(told.contains("FAILED  intent_accuracy[nobody] on questions.yml  not measured"), "{told}");
    assert!(told.contains("may not take the tag `production`: 1 of 2 gates not passed"), "{told}");
    assert_eq!(read_json(&sandbox, &["models", "tag", "--json"]), json!([]));

    sandbox.write("intendant.yml", &gates("at_least: 1.0")).unwrap();
    let told = succeed(sandbox.path(), &["models", "tag", "latest", "production"]);
    assert!(
        told.contains("passed  intent_accuracy on questions.yml  1.0000  required: at least 1"),
        "{told}"
    );
    // The figures are on record; other data under the same name is measured anew.
    let shown = read_json(&sandbox, &["models", "show", "production", "--json"]);
    assert_eq!(shown["metrics"]["questions.yml"]["values"]["intent_accuracy"], 1.0);
    assert_eq!(shown["metrics"]["tests"]["values"]["story_success"], 1.0);
    sandbox.write("questions.yml", &QUESTIONS.replace("greet", "goodbye")).unwrap();
    let told = refused(&sandbox, &["models", "tag", "latest", "production"]);
    assert!(told.contains("0.0000"), "{told}");

    sandbox.write("intendant.yml", &gates("")).unwrap();
    assert!(refused(&sandbox, &["models", "tag", "latest", "production"]).contains("asks for nothing"));
    sandbox.write("intendant.yml", "gates:\n  production:\n  - {metrik: f1}\n").unwrap();
    let told = refused(&sandbox, &["models", "tag", "latest", "production"]);
    assert!(told.contains("intendant.yml:3:6: error: gates.production[0].metrik: unknown field"), "{told}");
}

#[test]
fn what_is_damaged_is_found_and_what_nothing_needs_goes() {
    let sandbox = trained_starter();
    for name in ["a", "b", "c"] {
        train_again(&sandbox, name);
    }
    succeed(sandbox.path(), &["models", "tag", "a.tar.gz", "staging"]);
    let told = succeed(sandbox.path(), &["models", "gc", "--keep", "1", "--dry-run"]);
    assert!(told.contains("2 archives"), "{told}");
    assert!(sandbox.at("models/b.tar.gz").exists());
    succeed(sandbox.path(), &["models", "gc", "--keep", "1"]);
    assert!(!sandbox.at("models/b.tar.gz").exists());
    assert!(sandbox.at("models/a.tar.gz").exists() && sandbox.at("models/c.tar.gz").exists());
    // Rotation spares it too.
    succeed(sandbox.path(), &["models", "rotate", "--keep", "1"]);
    assert!(sandbox.at("models/a.tar.gz").exists());

    assert!(succeed(sandbox.path(), &["models", "verify"]).contains("sound: starter:"));
    let whole = std::fs::read(sandbox.at("models/a.tar.gz")).unwrap();
    std::fs::write(sandbox.at("models/a.tar.gz"), &whole[..whole.len() - 20]).unwrap();
    let told = refused(&sandbox, &["models", "verify"]);
    assert!(told.contains("DAMAGED: starter:2: not a complete .tar.gz"), "{told}");
    // Damaged, it takes no tag, and a tag does not go back to it.
    assert!(refused(&sandbox, &["models", "tag", "a.tar.gz", "production"]).contains("not a complete"));
    std::fs::write(sandbox.at("models/a.tar.gz"), whole).unwrap();
    for file in ["registry.db", "registry.db-wal", "registry.db-shm"] {
        let _ = std::fs::remove_file(sandbox.at("models/.intendant").join(file));
    }
    let told = succeed(sandbox.path(), &["models", "tag"]);
    assert!(told.contains("staging") && told.contains("starter:2"), "{told}");
}

#[test]
fn an_assistant_follows_a_tag() {
    let home = trained_starter();
    train_again(&home, "second");
    std::fs::write(home.at("intendant.yml"), "registry:\n  token: s3cret\n").unwrap();
    succeed(home.path(), &["models", "tag", "second.tar.gz", "production"]);
    let models = Server::start(binary(), home.path(), &["up", "."]).unwrap();
    let mut connection = models.connect().unwrap();
    let path = "/api/projects/default/models/tags/production";
    let mut get = |path: &str, headers: &[(&str, &str)]| connection.send("GET", path, headers, b"").unwrap();
    assert_eq!(get(path, &[]).status, 401);
    assert_eq!(get("/api/models/tags/staging?token=s3cret", &[]).status, 404);
    let answer = get("/api/models/tags/production", &[("Authorization", "Bearer s3cret")]);
    let archive = std::fs::read(home.at("models/second.tar.gz")).unwrap();
    assert_eq!((answer.status, answer.header("filename")), (200, Some("second.tar.gz")));
    assert!(answer.body == archive);
    let etag = answer.header("etag").unwrap().to_owned();
    let path = format!("{path}?token=s3cret");
    assert_eq!(get(&path, &[("If-None-Match", &etag)]).status, 304);
    let rest = get(&path, &[("Range", "bytes=1000-"), ("If-Range", &etag)]);
    assert_eq!(rest.status, 206);
    assert!(rest.body == archive[1000..]);
    assert_eq!(get(&path, &[("Range", "bytes=1000-"), ("If-Range", "\"other\"")]).status, 200);
    assert_eq!(get(&path, &[("Range", "bytes=99999999-")]).status, 416);

    // Another machine follows the tag, without a model of its own.
    let away = Sandbox::with(&[(
        "endpoints.yml",
        &format!(
            "models:\n  url: http://127.0.0.1:{}/api/models/tags/production\n  token: s3cret\n  \
             wait_time_between_pulls: 0.1\n",
            models.port
        ),
    )])
    .unwrap();
    let follower = Server::start(binary(), away.path(), &["run", "--enable-api"]).unwrap();
    let serves = |name: &str| {
        let status = follower.connect().unwrap().request("/status", None).unwrap().to_vec();
        String::from_utf8(status).unwrap().contains(name)
    };
    assert!(serves("second.tar.gz"));
    let listed = read_json(&home, &["models", "list", "--json"]);
    let first = listed.as_array().unwrap().iter().find(|version| version["version"] == 1).unwrap();
    let name = first["file"].as_str().unwrap();
    let other = if name == "second.tar.gz" { listed[1]["file"].as_str().unwrap() } else { name };
    succeed(home.path(), &["models", "tag", other, "production"]);
    let start = std::time::Instant::now();
    while !serves(other) {
        assert!(start.elapsed().as_secs() < 60, "the move was not followed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
