//! The API against its own description, by schemathesis.

use std::process::Command;

use fixtures::process::Server;
use fixtures::project::Sandbox;

use crate::{archives, binary, repository, trained_starter};

/// Cases per operation beyond those that the description itself suggests.
const CASES: &str = "5";

/// Checks a server with every check that schemathesis has.
fn check(sandbox: &Sandbox, server_flags: &[&str], settings: &str) {
    let Ok(program) = std::env::var("INTENDANT_TEST_SCHEMATHESIS") else {
        eprintln!("skipped: INTENDANT_TEST_SCHEMATHESIS does not name schemathesis' program `st`");
        return;
    };
    let files = repository().join("crates/app/tests/openapi");
    std::fs::copy(files.join("hooks.py"), sandbox.at("hooks.py")).unwrap();
    let common = std::fs::read_to_string(files.join("schemathesis.toml")).unwrap();
    sandbox.write("schemathesis.toml", &(common + settings)).unwrap();
    let model = archives(&sandbox.at("models")).remove(0);
    let flags = [&["run", "--enable-api"], server_flags].concat();
    let server = Server::start(binary(), sandbox.path(), &flags).unwrap();
    let hello = br#"{"sender": "known", "message": "hi"}"#;
    let answer = server.connect().unwrap().send("POST", "/webhooks/rest/webhook", &[], hello).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let output = Command::new(program)
        .args(["--config-file", "schemathesis.toml", "run", "--no-color", "--seed", "1", "-n", CASES])
        .arg(format!("http://127.0.0.1:{}/openapi.json", server.port))
        .current_dir(sandbox.path())
        .env("INTENDANT_MODEL", model)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_api_is_as_it_is_described() {
    check(&trained_starter(), &[], "");
}

#[test]
fn the_guarded_api_is_as_it_is_described() {
    let settings = "\n[auth.openapi.token]\napi_key = \"secret\"\n";
    check(&trained_starter(), &["--auth-token", "secret"], settings);
}
