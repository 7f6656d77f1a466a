//! Training again: by hand, on every save, interrupted, and while a server answers.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fixtures::http::Connection;
use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::{archives, binary, succeed};

/// How long to wait for something that must happen. Generous: machines may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `look` finds something.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Versions that the domain of [`small_project`] knows.
const VERSIONS: usize = 6;

/// What was written last of a project: understanding and dialogue carry the same number. One file,
/// so that no reader finds half a version.
fn version(number: usize) -> String {
    format!(
        "version: \"3.1\"\nnlu:\n- intent: version_{number}\n  examples: |\n    - which version are you\n    - tell me \
         your version {number}\n- intent: other\n  examples: |\n    - something else\n    - good morning\nrules:\n- rule: \
         version\n  steps: [{{intent: version_{number}}}, {{action: utter_version_{number}}}]\n- rule: other\n  steps: \
         [{{intent: other}}, {{action: utter_other}}]\n"
    )
}

fn domain() -> String {
    let numbers = 0..VERSIONS;
    let intents: String = numbers.clone().map(|number| format!(", version_{number}")).collect();
    let responses: String =
        numbers.map(|number| format!("  utter_version_{number}: [{{text: version {number}}}]\n")).collect();
    format!(
        "version: \"3.1\"\nintents: [other{intents}]\nresponses:\n  utter_other: [{{text: other}}]\n{responses}"
    )
}

fn small_project() -> Sandbox {
    let config = "recipe: default.v1\nassistant_id: versions\nlanguage: en\n";
    let files = [("config.yml", config), ("domain.yml", &domain()), ("data/all.yml", &version(0))];
    Sandbox::with(&files).unwrap()
}

/// Asks over REST in a new conversation each time; the answer's text.
fn ask(connection: &mut Connection, sender: &str) -> String {
    let body = json!({"sender": sender, "message": "which version are you"}).to_string();
    let answer = connection.request("/webhooks/rest/webhook", Some(&body)).unwrap();
    let answer: Value = serde_json::from_slice(answer).unwrap();
    answer[0]["text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_running_server_takes_up_every_save_and_drops_nothing() {
    let sandbox = small_project();
    let server = Server::start(binary(), sandbox.path(), &["up"]).unwrap();
    let is_over = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|client| {
                let (server, is_over) = (&server, &is_over);
                scope.spawn(move || {
                    let mut connection = server.connect().unwrap();
                    let mut seen = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        seen.push(ask(&mut connection, &format!("{client}-{}", seen.len())));
                    }
                    seen
                })
            })
            .collect();
        let mut connection = server.connect().unwrap();
        let mut answers_with = |number: usize, note: &str| {
            let mut count = 0;
            wait_for(&format!("version {number} {note}"), || {
                count += 1;
                let answer = ask(&mut connection, &format!("main-{number}-{note}-{count}"));
                (answer == format!("version {number}")).then_some(())
            });
        };
        answers_with(0, "at first");
        for number in 1..VERSIONS - 1 {
            sandbox.write("data/all.yml", &version(number)).unwrap();
            answers_with(number, "written in place");
        }
        sandbox.write("data/all.yml", "version: \"3.1\"\nnlu:\n- intent: [broken\n").unwrap();
        let log = || fs::read_to_string(sandbox.at("server.log")).unwrap();
        wait_for("the diagnostics", || log().contains("data/all.yml:3").then_some(()));
        answers_with(VERSIONS - 2, "after a broken save");
        // Mended as editors do it: written beside and renamed.
        sandbox.write("data/all.yml.new", &version(VERSIONS - 1)).unwrap();
        fs::rename(sandbox.at("data/all.yml.new"), sandbox.at("data/all.yml")).unwrap();
        answers_with(VERSIONS - 1, "mended");
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    for answers in seen {
        // Understanding and rules of different versions would have no answer.
        let numbers: Vec<usize> =
            answers.iter().map(|answer| answer.strip_prefix("version ").unwrap().parse().unwrap()).collect();
        assert!(!numbers.is_empty() && numbers.is_sorted(), "{numbers:?}");
    }
    // Of the models made by saving only the last is kept.
    let models = archives(&sandbox.at("models")).len();
    assert!(models <= 2, "{models} models");
    assert_eq!(server.stop().unwrap().code(), Some(0));
}

/// A project that takes a while to train.
fn large_project() -> Sandbox {
    let sandbox = Sandbox::empty().unwrap();
    fixtures::made::write(sandbox.path(), &fixtures::made::sentences(6_000, 1)).unwrap();
    sandbox
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let log = fs::File::create(folder.join("train.log")).unwrap();
    Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn signal(process: &Child, name: &str) {
    Command::new("kill").args([name, &process.id().to_string()]).status().unwrap();
}

#[test]
fn an_interrupted_training_leaves_nothing() {
    let sandbox = large_project();
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        // The moment is a matter of luck: too early and the process simply dies, too late and it is
        // done. In every case there is a whole model or none.
        let mut millis = 150;
        loop {
            let mut training = start(sandbox.path(), &["train", "--force", "--fixed-model-name", "model"]);
            std::thread::sleep(Duration::from_millis(millis));
            signal(&training, name);
            let status = training.wait().unwrap();
            let files = || archives(&sandbox.at("models")).len();
            if status.code() == Some(code) {
                let log = fs::read_to_string(sandbox.at("train.log")).unwrap();
                assert!(log.contains("training was cancelled; nothing was written"), "{log}");
                assert_eq!(files(), 0);
                break;
            }
            match status.code() {
                Some(0) => {
                    assert_eq!(files(), 1);
                    fs::remove_dir_all(sandbox.at("models")).unwrap();
                    millis = millis / 2 + 1;
                }
                other => {
                    assert_eq!((other, files()), (None, 0));
                    millis += 100;
                }
            }
            assert!(millis < 20_000, "never caught while training");
        }
    }
}

#[test]
fn train_watch_trains_on_every_save_until_interrupted() {
    let sandbox = small_project();
    let mut training = start(sandbox.path(), &["train", "--watch"]);
    let log = || fs::read_to_string(sandbox.at("train.log")).unwrap();
    wait_for("the watch", || log().contains("Watching").then_some(()));
    let trained = || log().matches("is trained and saved at").count();
    sandbox.write("data/all.yml", &version(1)).unwrap();
    wait_for("a second model", || (trained() >= 2).then_some(()));
    // Only the responses: nothing has to be learnt.
    sandbox.write("domain.yml", &domain().replace("text: other", "text: another")).unwrap();
    wait_for("a third model", || {
        log().contains("every component was taken from models trained before").then_some(())
    });
    wait_for("a third model", || (trained() >= 3).then_some(()));
    signal(&training, "-INT");
    assert_eq!(training.wait().unwrap().code(), Some(130), "{}", log());
    assert_eq!(archives(&sandbox.at("models")).len(), 1);
}

#[test]
fn archives_do_not_depend_on_threads_or_on_models_before() {
    let sandbox = Sandbox::empty().unwrap();
    fixtures::made::write(sandbox.path(), &fixtures::made::sentences(900, 1)).unwrap();
    let train = |name: &str, more: &[&str]| {
        let fixed: &[&str] = &["train", "--fixed-model-name", name];
        succeed(sandbox.path(), &[fixed, more].concat());
        fs::read(sandbox.at(&format!("models/{name}.tar.gz"))).unwrap()
    };
    let one = train("one", &["--force", "--num-threads", "1"]);
    assert!(one == train("two", &["--force", "--num-threads", "2"]), "two threads");
    fixtures::made::write(sandbox.path(), &fixtures::made::sentences(910, 1)).unwrap();
    let more = train("more", &[]);
    assert!(more != one);
    assert!(more == train("more-cold", &["--force"]), "with and without models before");
    fixtures::made::write(sandbox.path(), &fixtures::made::sentences(900, 1)).unwrap();
    assert!(one == train("back", &[]), "back to the project before");
}
