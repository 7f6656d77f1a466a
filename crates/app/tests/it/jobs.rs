//! Jobs as their users meet them: submitted by hand, over HTTP and by schedule, done in `up` and by
//! workers, one of which is killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{archives, binary, intendant, succeed, trained_starter};

/// How long something may take that happens by itself.
const DEADLINE: Duration = Duration::from_secs(300);

/// A worker; killed when dropped.
struct Worker(Child);

impl Worker {
    fn start(folder: &Path) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = Command::new(binary());
        command.arg("worker").current_dir(folder).stdin(Stdio::null()).env_remove("LOG_LEVEL");
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Worker {
    /// Without warning, as a power cut would.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not happen: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn job(folder: &Path, id: &str) -> Value {
    serde_json::from_str(&succeed(folder, &["jobs", "show", id, "--json"])).unwrap()
}

#[test]
fn a_training_whose_worker_was_killed_is_done_once_more() {
    let sandbox = trained_starter();
    let folder = sandbox.path();
    sandbox.write("intendant.yml", "jobs:\n  lease_seconds: 1\n").unwrap();
    // Enough to learn that it takes a while.
    let mut data = "version: \"3.1\"\nnlu:\n".to_owned();
    for intent in 0..60 {
        data.push_str(&format!("- intent: made_{intent}\n  examples: |\n"));
        for example in 0..60 {
            let (one, two) = (example * 7 % 31, example * 3 % 17);
            data.push_str(&format!("    - topic{intent} asks word{one} of thing{two} number{example}\n"));
        }
    }
    sandbox.write("data/made.yml", &data).unwrap();
    let domain = std::fs::read_to_string(sandbox.at("domain.yml")).unwrap();
    let intents: String = (0..60).map(|intent| format!("  - made_{intent}\n")).collect();
    std::fs::write(
        sandbox.at("domain.yml"),
        domain.replacen("intents:\n", &format!("intents:\n{intents}"), 1),
    )
    .unwrap();
    let before = archives(&sandbox.at("models")).len();
    succeed(folder, &["jobs", "submit", "train", "--tag", "staging"]);
    let worker = Worker::start(folder);
    until("the training is under way", || job(folder, "1")["progress"]["phase"].is_string());
    drop(worker);
    assert_eq!(job(folder, "1")["state"], "running");
    let _worker = Worker::start(folder);
    until("the job ends", || job(folder, "1")["state"] != "running");
    let job = job(folder, "1");
    assert_eq!((&job["state"], &job["attempts"]), (&json!("done"), &json!(2)), "{job}");
    assert_eq!(
        (&job["outcome"]["status"], &job["outcome"]["tag"]["tagged"]),
        (&json!("trained"), &json!(true))
    );
    assert_eq!(archives(&sandbox.at("models")).len(), before + 1);
    let tags = succeed(folder, &["models", "tag"]);
    assert!(tags.contains("staging") && tags.contains(job["outcome"]["file"].as_str().unwrap()), "{tags}");
    let log = succeed(folder, &["jobs", "log", "1"]);
    assert!(log.contains("the worker before has died") && log.contains("staging is now"), "{log}");
}

#[test]
fn a_server_does_jobs_that_come_over_http_and_by_schedule() {
    let sandbox = trained_starter();
    let folder = sandbox.path();
    let settings = json!({
        "jobs": {"token": "s3cret", "schedules": {
            "often": {"cron": "* * * * * *", "zone": "Europe/Paris", "job": "train"},
        }},
        "gates": {"production": [{"metric": "intent_accuracy", "dataset": "data/nlu.yml", "at_least": 2.0}]},
    });
    sandbox.write("intendant.yml", &settings.to_string()).unwrap();
    let server = Server::start(binary(), folder, &["up"]).unwrap();
    let ask = |method: &str, path: &str, body: &str| {
        let headers = [("authorization", "Bearer s3cret")];
        let answer = server.connect().unwrap().send(method, path, &headers, body.as_bytes()).unwrap();
        (answer.status, answer.json().unwrap())
    };
    assert_eq!(server.connect().unwrap().send("GET", "/api/jobs", &[], b"").unwrap().status, 401);
    let check = |body: &str, expected: &str| {
        let (status, answer) = ask("POST", "/api/jobs", body);
        assert!(status == 400 && answer["message"].as_str().unwrap().contains(expected), "{answer}");
    };
    check("[]", "a job is a JSON object");
    check(r#"{"job": "paint"}"#, "`paint` is no job; there are train and evaluate");
    check(r#"{"job": "train", "options": {"tga": "x"}}"#, "`tga` is not known");
    check(r#"{"job": "train", "options": {"force": 1}}"#, "`force` is true or false, not 1");
    check(r#"{"job": "evaluate"}"#, "`dataset` says what to measure on");
    let options = json!({"force": true, "tag": "production", "measure": ["data/nlu.yml"]});
    let (status, job) = ask("POST", "/api/jobs", &json!({"job": "train", "options": options}).to_string());
    assert_eq!((status, &job["state"]), (201, &json!("queued")));
    let path = format!("/api/jobs/{}", job["id"]);
    until("the job ends", || {
        ["done", "failed"].contains(&ask("GET", &path, "").1["state"].as_str().unwrap())
    });
    let job = ask("GET", &path, "").1;
    assert_eq!(job["state"], "done", "{job}");
    // Measured, and kept from a tag whose gate it does not pass.
    assert!(job["outcome"]["metrics"]["data/nlu.yml"]["intent_accuracy"].as_f64().unwrap() > 0.5, "{job}");
    assert_eq!(job["outcome"]["tag"]["tagged"], false);
    let log = ask("GET", &format!("{path}/log"), "").1.to_string();
    assert!(log.contains("gate FAILED: ") && log.contains("does not take the tag production"), "{log}");
    assert_eq!(ask("GET", "/api/jobs/99999", "").0, 404);
    assert_eq!(ask("POST", &format!("{path}/cancel"), "").1["state"], "done");
    assert_eq!(ask("GET", "/api/jobs?state=gone", "").0, 400);
    until("a scheduled job is done", || {
        let done = ask("GET", "/api/jobs?state=done&limit=100", "").1;
        done.as_array().unwrap().iter().any(|job| job["origin"] == "schedule often")
    });
}

/// A predictor that learns whether `a` is large, and its rows.
fn predictor() -> (Sandbox, String) {
    let mut rows = "a,b,y\n".to_owned();
    for row in 0..200 {
        let (a, b) = (row * 37 % 100, row * 11 % 7);
        rows.push_str(&format!("{a},{b},{}\n", if a > 50 { "yes" } else { "no" }));
    }
    let tiny = "kind: tabular\ndata: {file: data.csv}\ntarget: y\npositive: \"yes\"\n\
                features: {a: number, b: number}\nsplit: 0.2\ngate: {roc_auc: 0.7}\n";
    let settings = json!({
        "jobs": {"lease_seconds": 1, "schedules": {
            "often": {"cron": "* * * * * *", "job": "train", "options": {"predictor": "tiny"}},
        }},
        "gates": {"tiny.production": [{"metric": "roc_auc", "dataset": "data.csv", "at_least": 0.9}]},
    });
    let sandbox =
        Sandbox::with(&[("predictors/tiny.yml", tiny), ("intendant.yml", &settings.to_string())]).unwrap();
    sandbox.write("data.csv", &rows).unwrap();
    (sandbox, rows)
}

#[test]
fn predictors_are_trained_measured_and_tagged_by_jobs() {
    let (sandbox, rows) = predictor();
    let folder = sandbox.path();
    let server = Server::start(binary(), folder, &["up"]).unwrap();
    let ask = |method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = server.connect().unwrap().send(method, path, &[], body.as_bytes()).unwrap();
        (answer.status, answer.json().unwrap())
    };
    let done = |wanted: Value| {
        let (status, submitted) = ask("POST", "/api/jobs", &wanted);
        assert_eq!(status, 201, "{submitted}");
        let id = submitted["id"].to_string();
        until("the job ends", || ["done", "failed"].contains(&job(folder, &id)["state"].as_str().unwrap()));
        let job = job(folder, &id);
        assert_eq!(job["state"], "done", "{job}");
        (job["outcome"].clone(), succeed(folder, &["jobs", "log", &id]))
    };
    sandbox.write("data.csv", &(rows.clone() + "99,1,yes\n")).unwrap();
    let options = json!({"predictor": "tiny", "tag": "tiny.production", "measure": ["data.csv"]});
    let (outcome, log) = done(json!({"job": "train", "options": options}));
    assert_eq!(outcome["tag"]["tagged"], true, "{outcome}");
    assert_eq!(outcome["model"], "tiny:2");
    assert!(outcome["metrics"]["data.csv"]["roc_auc"].as_f64().unwrap() > 0.9, "{outcome}");
    assert!(
        log.contains("gate passed: roc_auc on held-out") && log.contains("gate passed: roc_auc on data.csv")
    );
    until("it is served", || ask("GET", "/predictors", &Value::Null).1[0]["version"] == "2");
    let shown: Value =
        serde_json::from_str(&succeed(folder, &["models", "show", "tiny.production", "--json"])).unwrap();
    assert!(shown["training_seconds"].is_number() && shown["fingerprints"]["data"].is_string(), "{shown}");

    // One that fails a gate stays a version, and is not what is served.
    sandbox.write("data.csv", &(rows.clone() + "98,1,yes\n")).unwrap();
    let settings = std::fs::read_to_string(sandbox.at("intendant.yml")).unwrap();
    sandbox.write("intendant.yml", &settings.replace("\"at_least\":0.9", "\"at_least\":2.0")).unwrap();
    let (outcome, log) = done(json!({"job": "train", "options": options}));
    assert_eq!((&outcome["model"], &outcome["tag"]["tagged"]), (&json!("tiny:3"), &json!(false)));
    assert!(log.contains("tiny:3 does not take the tag tiny.production"), "{log}");

    succeed(folder, &["jobs", "submit", "train"]);
    until("it is refused", || {
        let jobs = succeed(folder, &["jobs", "list", "--state", "failed", "--json"]);
        jobs.contains("there is no assistant here; name a predictor: tiny")
    });
    let options = json!({"model": "tiny.production", "dataset": "data.csv"});
    let (outcome, _) = done(json!({"job": "evaluate", "options": options}));
    assert_eq!(outcome["model"], "tiny:2");
    assert!(outcome["metrics"]["roc_auc"].as_f64().unwrap() > 0.9, "{outcome}");
    until("a scheduled job is done", || {
        let done = ask("GET", "/api/jobs?state=done&limit=100", &Value::Null).1;
        done.as_array().unwrap().iter().any(|job| job["origin"] == "schedule often")
    });
    assert_eq!(ask("GET", "/api/models/tags/tiny.staging", &Value::Null).0, 404);
}

#[test]
fn the_training_of_a_predictor_is_cancelled_and_taken_up_again() {
    let (sandbox, rows) = predictor();
    let folder = sandbox.path();
    sandbox.write("intendant.yml", "jobs: {lease_seconds: 1}\n").unwrap();
    // The data is still being written, for as long as the test wants.
    let hold = || {
        std::fs::remove_file(sandbox.at("data.csv")).unwrap();
        let made = Command::new("mkfifo").arg(sandbox.at("data.csv")).status();
        made.is_ok_and(|status| status.success())
    };
    if !hold() {
        eprintln!("skipped: there is no mkfifo");
        return;
    }
    let running = |id: &str| until("it is under way", || job(folder, id)["state"] == "running");
    let worker = Worker::start(folder);
    let told = succeed(folder, &["jobs", "submit", "train", "tiny"]);
    assert!(told.contains("Job 1 waits for a worker."), "{told}");
    running("1");
    succeed(folder, &["jobs", "cancel", "1"]);
    until("the worker has seen it", || {
        // It is told at the next look, at the latest when the lease is renewed.
        std::thread::sleep(Duration::from_secs(1));
        true
    });
    std::fs::write(sandbox.at("data.csv"), &rows).unwrap();
    until("it ends", || job(folder, "1")["state"] != "running");
    assert_eq!(job(folder, "1")["state"], "cancelled");
    assert!(archives(&sandbox.at("models")).is_empty());

    succeed(folder, &["jobs", "submit", "train", "tiny", "--tag", "tiny.production"]);
    running("2");
    drop(worker);
    hold();
    std::fs::remove_file(sandbox.at("data.csv")).unwrap();
    std::fs::write(sandbox.at("data.csv"), &rows).unwrap();
    let _worker = Worker::start(folder);
    until("it ends", || job(folder, "2")["state"] != "running");
    let job = job(folder, "2");
    assert_eq!((&job["state"], &job["attempts"]), (&json!("done"), &json!(2)), "{job}");
    assert_eq!(job["outcome"]["tag"]["tagged"], true);
}

#[test]
fn jobs_by_hand() {
    let sandbox = trained_starter();
    let folder = sandbox.path();
    assert!(succeed(folder, &["jobs", "list"]).contains("No jobs."));
    let fails = |arguments: &[&str], expected: &str| {
        let output = intendant(folder, arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(expected), "{text}");
    };
    fails(&["jobs", "show", "7"], "there is no job 7; ");
    succeed(folder, &["jobs", "submit", "evaluate", "data/nlu.yml"]);
    succeed(folder, &["jobs", "submit", "evaluate", "nowhere"]);
    succeed(folder, &["jobs", "submit", "train"]);
    assert!(succeed(folder, &["jobs", "cancel", "3"]).contains("Job 3 is cancelled."));
    let _worker = Worker::start(folder);
    let text = succeed(folder, &["jobs", "log", "1", "--follow"]);
    assert!(text.contains("data/nlu.yml: intent_accuracy "), "{text}");
    let output = intendant(folder, &["jobs", "log", "2", "--follow"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(job(folder, "2")["outcome"].as_str().unwrap().contains("the dataset nowhere"));
    let output = intendant(folder, &["jobs", "submit", "train", "--wait"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("unchanged: models/"), "{text}");
    assert!(succeed(folder, &["jobs", "list", "--state", "cancelled"]).contains("train"));
    sandbox
        .write("intendant.yml", "jobs:\n  schedules:\n    nightly: {cron: 61 3 * * *, job: train}\n")
        .unwrap();
    fails(&["worker"], "jobs.schedules.nightly: `61 3 * * *` is no cron expression");
}
