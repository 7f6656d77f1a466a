//! Models on their way: to object stores and other servers and back, tags followed, models tried, rotation
//! beside a server.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::http::Connection;
use fixtures::object_store::{Line, S3};
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{binary, intendant, succeed, trained_starter};

/// How long something may take that is done in the background, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(120);

fn json_of(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let text = succeed(sandbox.path(), arguments);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

fn refused(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let output = intendant(sandbox.path(), arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Trains another model, whose answer to a greeting is this.
fn train_saying(sandbox: &Sandbox, name: &str, greeting: &str) {
    let domain = std::fs::read_to_string(sandbox.at("domain.yml")).unwrap();
    let mut lines: Vec<String> = domain.lines().map(str::to_owned).collect();
    let at = lines.iter().position(|line| line.trim() == "utter_greet:").unwrap();
    let text = lines[at + 1..].iter().position(|line| line.contains("text:")).unwrap() + at + 1;
    lines[text] = format!("    - text: \"{greeting}\"");
    std::fs::write(sandbox.at("domain.yml"), lines.join("\n") + "\n").unwrap();
    succeed(sandbox.path(), &["train", "--fixed-model-name", name, "--skip-validation", "--force"]);
}

fn greeting(server: &Server, sender: &str) -> String {
    let body = json!({"sender": sender, "message": "/greet"}).to_string();
    let mut connection = server.connect().unwrap();
    let answer = connection.request("/webhooks/rest/webhook", Some(&body)).unwrap();
    let answer: Value = serde_json::from_slice(answer).unwrap();
    answer[0]["text"].as_str().unwrap_or_default().to_owned()
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get(port: u16, path: &str) -> fixtures::http::Answer {
    Connection::open(port).unwrap().send("GET", path, &[], b"").unwrap()
}

#[test]
fn a_folder_serves_as_a_store() {
    let home = trained_starter();
    let store = Sandbox::empty().unwrap();
    let place = store.path().display().to_string();
    home.write("intendant.yml", &format!("registry:\n  remote: {place}\n")).unwrap();
    succeed(home.path(), &["models", "tag", "latest", "production"]);
    let told = succeed(home.path(), &["models", "push", "production"]);
    assert!(told.contains(&format!("is at {place} as ")), "{told}");
    let version = json_of(&home, &["models", "show", "production", "--json"]);
    let file = version["file"].as_str().unwrap();

    let away = Sandbox::empty().unwrap();
    let pulled = json_of(&away, &["models", "pull", file, &place, "--tag", "production", "--json"]);
    assert_eq!((&pulled["digest"], &pulled["trained_at"]), (&version["digest"], &version["trained_at"]));
    assert_eq!(json_of(&away, &["models", "show", "production", "--json"])["digest"], version["digest"]);
    succeed(away.path(), &["models", "verify"]);
    // What was changed on the way is not taken.
    let other = Sandbox::empty().unwrap();
    let mut bytes = std::fs::read(store.at(file)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(store.at(file), bytes).unwrap();
    let told = refused(&other, &["models", "pull", file, &place]);
    assert!(told.contains("the archive that came is not used"), "{told}");
    let told = refused(&other, &["models", "pull", "absent", &place]);
    assert!(told.contains("cannot read absent.tar.gz") && told.contains(file), "{told}");
    assert!(refused(&other, &["models", "pull", "absent"]).contains("registry: {remote"));
}

#[test]
fn archives_go_to_another_server_and_on_where_they_broke_off() {
    let (home, center) = (trained_starter(), trained_starter());
    train_saying(&home, "new", "good day");
    center.write("intendant.yml", "registry:\n  token: s3cret\n").unwrap();
    let server = Server::start(binary(), center.path(), &["up", "."]).unwrap();
    let url = format!("http://127.0.0.1:{}", server.port);
    assert!(refused(&home, &["models", "push", "new", &url]).contains("a valid token is needed"));

    // By hand: in pieces, one of them twice, then the wrong content.
    let archive = std::fs::read(home.at("models/new.tar.gz")).unwrap();
    let digest = json_of(&home, &["models", "show", "new", "--json"])["digest"].as_str().unwrap().to_owned();
    let path = format!("/api/models/uploads/{digest}?token=s3cret&filename=new.tar.gz");
    let total = archive.len();
    let put = |path: &str, from: usize, to: usize, bytes: &[u8]| {
        let range = format!("bytes {from}-{}/{total}", to - 1);
        let headers = [("Content-Range", range.as_str()), ("Content-Type", "application/gzip")];
        server.connect().unwrap().send("PUT", path, &headers, &bytes[from..to]).unwrap()
    };
    let first = put(&path, 0, 1000, &archive);
    assert_eq!((first.status, first.header("range")), (202, Some("bytes=0-999")));
    let again = put(&path, 0, 1000, &archive);
    assert_eq!((again.status, again.header("range")), (409, Some("bytes=0-999")));
    let progress = get(server.port, &path).json().unwrap();
    assert_eq!(progress, json!({"complete": false, "bytes": 1000}));
    let mut wrong = archive.clone();
    wrong[1500] ^= 1;
    let answer = put(&path, 1000, total, &wrong);
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(get(server.port, &path).json().unwrap()["bytes"], 0, "what is wrong does not stay");
    put(&path, 0, 1000, &archive);
    // The command goes on from there.
    let told = succeed(home.path(), &["models", "push", "new", &url, "--token", "s3cret"]);
    assert!(told.contains("as new.tar.gz"), "{told}");
    assert_eq!(std::fs::read(center.at("models/new.tar.gz")).unwrap(), archive);
    let known = json_of(&center, &["models", "show", &digest, "--json"]);
    assert!(known["training_seconds"].as_f64().is_some(), "its record came with it: {known}");
    succeed(home.path(), &["models", "push", "new", &url, "--token", "s3cret"]);

    // And down again, over a line that breaks.
    succeed(center.path(), &["models", "tag", "new", "production"]);
    let away = Sandbox::empty().unwrap();
    let line = Line::to(server.port).unwrap();
    line.cut_after_down((total * 2 / 3) as u64);
    let url = format!("http://127.0.0.1:{}", line.port);
    let pulled = json_of(&away, &["models", "pull", "production", &url, "--token", "s3cret", "--json"]);
    assert_eq!(pulled["digest"], digest.as_str());
    assert!(line.passed().1 < (total * 3 / 2) as u64 + 10_000, "{:?}", line.passed());
    assert!(std::fs::read(away.at("models/new.tar.gz")).unwrap() == archive);
}

/// Runs the binary with the variables of a store.
fn with_store(sandbox: &Sandbox, variables: &[(String, String)], arguments: &[&str]) -> String {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(sandbox.path()).stdin(Stdio::null()).env("NO_COLOR", "1");
    let output = command.envs(variables.iter().cloned()).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

#[test]
fn models_come_from_a_bucket_as_with_rasa() {
    let Some(s3) = S3::start().unwrap() else { return };
    let home = trained_starter();
    train_saying(&home, "new", "good day");
    let variables = S3::variables(s3.port, "models");
    with_store(&home, &variables, &["models", "push", "new", "aws"]);
    train_saying(&home, "newer", "good evening");
    with_store(&home, &variables, &["models", "push", "newer", "s3://models"]);
    // Keys and address in Amazon's files.
    let away = Sandbox::with(&[
        ("credentials.yml", "rest:\n"),
        (".aws/credentials", "[work]\naws_access_key_id = key\naws_secret_access_key = secret\n"),
        (".aws/config", &format!("[profile work]\nendpoint_url = http://127.0.0.1:{}\n", s3.port)),
    ])
    .unwrap();
    let home_of = [("HOME", away.path().display().to_string()), ("AWS_PROFILE", "work".to_owned())];
    let home_of = home_of.map(|(name, value)| (name.to_owned(), value));
    with_store(&away, &home_of, &["models", "pull", "new.tar.gz", "s3://models"]);
    assert!(away.at("models/new.tar.gz").is_file());

    let bare = Sandbox::with(&[("credentials.yml", "rest:\n")]).unwrap();
    let arguments = ["run", "--enable-api", "--remote-storage", "aws", "-m", "new"];
    let server = Server::start_with(binary(), bare.path(), &arguments, &variables).unwrap();
    assert_eq!(greeting(&server, "a"), "good day");
    let mut connection = server.connect().unwrap();
    let mut put =
        |body: Value| connection.send("PUT", "/model", &[], body.to_string().as_bytes()).unwrap().status;
    assert_eq!(put(json!({"model_file": "newer.tar.gz", "remote_storage": "aws"})), 204);
    assert_eq!(greeting(&server, "a"), "good evening");
    assert_eq!(put(json!({"model_file": "absent.tar.gz", "remote_storage": "aws"})), 400);
    assert_eq!(put(json!({"remote_storage": "aws"})), 400);
    assert_eq!(greeting(&server, "a"), "good evening");
}

#[test]
fn a_model_server_can_be_named_while_running() {
    let home = trained_starter();
    train_saying(&home, "new", "good day");
    succeed(home.path(), &["models", "tag", "new", "production"]);
    let models = Server::start(binary(), home.path(), &["up", "."]).unwrap();
    let away = Sandbox::with(&[("credentials.yml", "rest:\n")]).unwrap();
    let server = Server::start(binary(), away.path(), &["run", "--enable-api"]).unwrap();
    let url = format!("http://127.0.0.1:{}/api/models/tags/production", models.port);
    let put = |model_server: Value| {
        let body = json!({"model_server": model_server}).to_string();
        server.connect().unwrap().send("PUT", "/model", &[], body.as_bytes()).unwrap().status
    };
    assert_eq!(put(json!({"url": url, "wait_time_between_pulls": 0.05})), 204);
    assert_eq!(greeting(&server, "a"), "good day");
    train_saying(&home, "newer", "good evening");
    succeed(home.path(), &["models", "tag", "newer", "production"]);
    until("the move was not followed", || greeting(&server, "b") == "good evening");
    assert_eq!(put(json!({"url": format!("http://127.0.0.1:{}/nowhere", models.port)})), 400);
}

#[test]
fn a_model_that_is_pulled_goes_on_where_it_broke_off() {
    let home = trained_starter();
    train_saying(&home, "new", "good day");
    succeed(home.path(), &["models", "tag", "new", "production"]);
    let total = std::fs::metadata(home.at("models/new.tar.gz")).unwrap().len();
    let models = Server::start(binary(), home.path(), &["up", "."]).unwrap();
    let line = Line::to(models.port).unwrap();
    line.cut_after_down(total * 2 / 3);
    let endpoints = format!(
        "models:\n  url: http://127.0.0.1:{}/api/models/tags/production\n  wait_time_between_pulls: null\n",
        line.port
    );
    let away = Sandbox::with(&[("credentials.yml", "rest:\n"), ("endpoints.yml", &endpoints)]).unwrap();
    let server = Server::start(binary(), away.path(), &["run", "--enable-api"]).unwrap();
    assert_eq!(greeting(&server, "a"), "good day");
    let (_, down) = line.passed();
    assert!(down < total + 20_000, "{down} bytes came for {total}");
}

#[test]
fn what_is_tried_goes_on_after_a_crash() {
    let home = trained_starter();
    train_saying(&home, "other", "good evening");
    train_saying(&home, "used", "good day");
    let start = || {
        Server::start(binary(), home.path(), &["run", "--enable-api", "--credentials", "none.yml"]).unwrap()
    };
    let standing = |server: &Server| get(server.port, "/api/serving").json().unwrap();
    let greetings = |server: &Server| -> Vec<String> {
        (0..20).map(|at| greeting(server, &format!("user-{at}"))).collect()
    };
    let server = start();
    let url = format!("http://127.0.0.1:{}", server.port);
    succeed(home.path(), &["models", "serving", "canary", "other", "--percent", "50", "--url", &url]);
    let before = greetings(&server);
    let canaries = before.iter().filter(|text| *text == "good evening").count();
    assert!(canaries > 0 && canaries < 20, "{before:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    until("it is not on record", || {
        let kept = runtime.block_on(async {
            let catalog = intendant_registry::catalog::Catalog::open(&home.at("models"), None).await.unwrap();
            catalog.trial("default").await.unwrap().unwrap()
        });
        kept.seen["candidate"]["messages"] == canaries && kept.seen["current"]["messages"] == 20 - canaries
    });
    server.kill().unwrap();
    // The archive that is tried is in use, whoever cleans up.
    succeed(home.path(), &["models", "gc", "--keep", "1"]);
    assert!(home.at("models/other.tar.gz").exists());

    let server = start();
    let resumed = standing(&server);
    assert_eq!(resumed["trial"]["candidate"]["messages"], canaries, "{resumed}");
    assert_eq!(resumed["trial"]["percent"], 50.0);
    assert_eq!(greetings(&server), before, "everybody stays with a model");
    assert_eq!(standing(&server)["trial"]["candidate"]["messages"], canaries * 2);
    // What has ended does not come back.
    let url = format!("http://127.0.0.1:{}", server.port);
    succeed(home.path(), &["models", "serving", "end", "--url", &url]);
    server.kill().unwrap();
    let server = start();
    assert!(standing(&server)["trial"].is_null());
    assert!(server.stop().unwrap().success());

    // One that follows a tag stays out as well, until the tag moves.
    succeed(home.path(), &["models", "tag", "other", "candidate"]);
    home.write("intendant.yml", "serving: {poll_ms: 20, canary: {tag: candidate, percent: 100}}\n").unwrap();
    let server = start();
    until("the candidate is not tried", || greeting(&server, "a") == "good evening");
    let url = format!("http://127.0.0.1:{}", server.port);
    succeed(home.path(), &["models", "serving", "end", "--url", &url]);
    server.kill().unwrap();
    let server = start();
    assert_eq!(greeting(&server, "a"), "good day");
    train_saying(&home, "third", "good night");
    succeed(home.path(), &["models", "tag", "third", "candidate"]);
    until("the move was not followed", || greeting(&server, "a") == "good night");
}

/// Asks as Rasa 3.6 does: the first time with any word, then with the tag of what it has.
struct Poller {
    port: u16,
    fingerprint: String,
}

impl Poller {
    /// The name of a new model, with its content.
    fn poll(&mut self) -> Option<(String, Vec<u8>)> {
        let headers = [("If-None-Match", self.fingerprint.as_str())];
        let path = "/api/projects/default/models/tags/production?token=s3cret";
        let answer = Connection::open(self.port).unwrap().send("GET", path, &headers, b"").unwrap();
        match answer.status {
            204 | 304 | 404 => None,
            200 => {
                self.fingerprint = answer.header("etag").unwrap().to_owned();
                Some((answer.header("filename").unwrap().to_owned(), answer.body))
            }
            status => panic!("{status}: {}", answer.text()),
        }
    }
}

#[test]
fn who_polls_as_rasa_does_sees_a_move_at_the_next_poll() {
    let home = trained_starter();
    train_saying(&home, "new", "good day");
    train_saying(&home, "newer", "good evening");
    home.write("intendant.yml", "registry:\n  token: s3cret\n").unwrap();
    let server = Server::start(binary(), home.path(), &["up", "."]).unwrap();
    let mut poller = Poller { port: server.port, fingerprint: "0123456789abcdef".to_owned() };
    assert!(poller.poll().is_none(), "nothing has the tag yet");
    for name in ["new", "newer", "new"] {
        succeed(home.path(), &["models", "tag", name, "production"]);
        let (file, bytes) = poller.poll().expect("the first poll after the move brings it");
        assert_eq!(file, format!("{name}.tar.gz"));
        assert!(bytes == std::fs::read(home.at(&format!("models/{name}.tar.gz"))).unwrap());
        assert!(poller.poll().is_none() && poller.poll().is_none());
    }
    succeed(home.path(), &["models", "untag", "production"]);
    assert!(poller.poll().is_none());
}

#[test]
fn a_server_follows_tags_and_tries_models() {
    let home = trained_starter();
    train_saying(&home, "new", "good day");
    train_saying(&home, "newer", "good evening");
    succeed(home.path(), &["models", "tag", "new", "production"]);
    let settings = "serving:\n  tag: production\n  poll_ms: 20\n  keep_previous: true\n  \
                    canary: {tag: candidate, percent: 100}\n";
    home.write("intendant.yml", settings).unwrap();
    let server =
        Server::start(binary(), home.path(), &["run", "--enable-api", "--credentials", "none.yml"]).unwrap();
    let url = format!("http://127.0.0.1:{}", server.port);
    assert_eq!(greeting(&server, "a"), "good day", "not the newest one");
    succeed(home.path(), &["models", "tag", "newer", "production"]);
    until("the tag was not followed", || greeting(&server, "a") == "good evening");
    let told = succeed(home.path(), &["models", "serving", "rollback", "--url", &url]);
    assert!(told.contains("in use: new.tar.gz\nbefore: newer.tar.gz"), "{told}");
    assert_eq!(greeting(&server, "a"), "good day");

    // By a tag, then by hand.
    succeed(home.path(), &["models", "tag", "newer", "candidate"]);
    until("the candidate was not tried", || greeting(&server, "a") == "good evening");
    let told = succeed(home.path(), &["models", "serving", "--url", &url]);
    assert!(told.contains("in use: new.tar.gz") && told.contains("canary: newer.tar.gz, 100.0 %"), "{told}");
    succeed(home.path(), &["models", "untag", "candidate"]);
    until("the trial goes on", || greeting(&server, "a") == "good day");
    let shadow = ["models", "serving", "shadow", "newer", "--url", &url, "--json"];
    assert_eq!(json_of(&home, &shadow)["trial"]["role"], "shadow");
    assert_eq!(greeting(&server, "a"), "good day");
    let promoted = json_of(&home, &["models", "serving", "promote", "--url", &url, "--json"]);
    assert_eq!(promoted["model"]["model_file"], "newer.tar.gz");
    assert_eq!(greeting(&server, "a"), "good evening");

    // One that cannot be loaded is marked, and what is in use stays.
    std::fs::write(home.at("models/rasa.tar.gz"), rasa_archive()).unwrap();
    let told = refused(&home, &["models", "serving", "canary", "rasa.tar.gz", "--url", &url]);
    assert!(told.contains("cannot be loaded"), "{told}");
    succeed(home.path(), &["models", "tag", "rasa.tar.gz", "production"]);
    until("it is not told", || {
        let standing = json_of(&home, &["models", "serving", "--url", &url, "--json"]);
        standing["unloadable"][0]["model"] == "rasa.tar.gz"
    });
    assert_eq!(greeting(&server, "a"), "good evening");
    let shown = json_of(&home, &["models", "show", "rasa.tar.gz", "--json"]);
    assert!(shown["problem"].as_str().is_some(), "{shown}");
    assert!(
        refused(&home, &["models", "serving", "canary", "absent", "--url", &url]).contains("no model or tag")
    );
}

/// An archive that is complete and not ours to load.
fn rasa_archive() -> Vec<u8> {
    let metadata = br#"{"trained_at": "2023-01-01T00:00:00", "rasa_open_source_version": "3.6.21"}"#;
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_size(metadata.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "metadata.json", &metadata[..]).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

#[test]
fn rotation_runs_beside_a_server() {
    let home = trained_starter();
    for (name, text) in [("a", "one"), ("b", "two"), ("c", "three")] {
        train_saying(&home, name, text);
    }
    succeed(home.path(), &["models", "tag", "a", "staging"]);
    home.write(
        "intendant.yml",
        "rotation: {keep: 1, quiet_ms: 0, scan_ms: 20, metrics_file: rotation.prom}\n",
    )
    .unwrap();
    let server = Server::start(binary(), home.path(), &["up", "."]).unwrap();
    until("nothing was removed", || !home.at("models/b.tar.gz").exists());
    assert!(home.at("models/a.tar.gz").exists(), "a tagged model was removed");
    assert!(home.at("models/c.tar.gz").exists() && home.at("models/latest.tar.gz").exists());
    until("the metrics do not tell", || {
        let metrics = get(server.port, "/metrics").text();
        metrics.contains("\nintendant_rotation_published_total 1\n")
            && metrics.contains("# TYPE intendant_rotation_kept_models gauge")
            && !metrics.contains("\nintendant_rotation_removed_total 0\n")
    });
    until("the file of metrics does not tell", || {
        let text = std::fs::read_to_string(home.at("rotation.prom")).unwrap_or_default();
        text.contains("intendant_rotation_published_total 1")
    });
    let database = home.at("models/.intendant/registry.db");
    assert!(database.is_file());
    until("the database does not tell", || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let audits = runtime.block_on(async {
            let catalog = intendant_registry::catalog::Catalog::open(&home.at("models"), None).await.unwrap();
            catalog.audits("rotation").await.unwrap()
        });
        audits.iter().any(|audit| audit["published"] == "c.tar.gz" && audit["removed_bytes"].is_number())
    });
}
