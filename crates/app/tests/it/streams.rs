//! Streams as their users meet them. That every message is scored once, whoever dies, is tested with
//! all transports in the crate `streams`; here with the whole binary.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fixtures::process::{Server, free_port};
use fixtures::project::Sandbox;
use intendant_store::books::Books;
use serde_json::{Value, json};

use crate::{binary, intendant, succeed, trained_starter};

/// How long something may take that happens by itself.
const DEADLINE: Duration = Duration::from_secs(600);

/// A role of a stream as a process; killed when dropped.
struct Process(Child);

impl Process {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_remove("LOG_LEVEL");
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Process {
    /// Without warning, as a power cut would.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    log.lines().rev().take(30).collect::<Vec<_>>().join("\n")
}

fn until(folder: &Path, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not happen: {what}; {}", log(folder));
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Messages with their keys; some come twice, some are no messages at all.
fn messages(count: usize) -> (String, usize) {
    let (mut lines, mut broken) = (String::new(), 0);
    for number in 0..count {
        let text = ["hello", "good bye", "I feel very sad", "are you a bot?"][number % 4];
        let line = json!({"uri": format!("nyt://article/{number}"), "headline": format!("{text} {number}")});
        lines.push_str(&format!("{line}\n"));
        if number % 40 == 0 {
            lines.push_str(&format!("{line}\n"));
        }
        if number % 500 == 7 {
            lines.push_str(&format!("{{broken {number}\n"));
            broken += 1;
        }
    }
    (lines, broken)
}

fn declare(sandbox: &Sandbox, database: &str, transport: &Value) {
    let settings = json!({"streams": {"articles": {
        "key": "uri", "batch": 50, "database": database, "transport": transport,
        "source": {"type": "file", "path": "articles.ndjson"},
        "score": {"assistant": "models", "text": "headline"},
        // What is sent on is sent in the same transaction: once for each key.
        "output": {"topic": "scored", "transport": {"type": "sql"}},
    }}});
    // JSON is YAML.
    sandbox.write("intendant.yml", &settings.to_string()).unwrap();
}

#[test]
fn every_message_is_scored_once_whoever_dies() {
    let (count, kills) = (1_000, 4);
    let sandbox = trained_starter();
    let folder = sandbox.path();
    let database = sandbox.at("streams.db").display().to_string();
    declare(&sandbox, &database, &json!({"lease_seconds": 1}));
    let (lines, broken) = messages(count);
    sandbox.write("articles.ndjson", &lines).unwrap();

    // The producer dies too.
    for round in 0..3_u64 {
        let producer = Process::start(folder, &["stream", "produce", "articles"]);
        std::thread::sleep(Duration::from_millis(60 + 40 * round));
        drop(producer);
    }
    let mut producer = Process::start(folder, &["stream", "produce", "articles"]);

    let runtime = runtime();
    let books = runtime.block_on(Books::open(&database)).unwrap();
    let scored = || runtime.block_on(books.tally("articles")).map_or(0, |tally| tally.scored as usize);
    for kill in 1..=kills {
        let consumer = Process::start(folder, &["stream", "consume", "articles"]);
        let goal = (count * kill / (kills + 1)).max(scored() + 1).min(count);
        until(folder, &format!("{goal} messages are scored"), || scored() >= goal);
        drop(consumer);
    }
    let consumer = Process::start(folder, &["stream", "consume", "articles"]);
    until(folder, "everything is scored", || scored() >= count);
    until(folder, "the producer ends", || producer.0.try_wait().unwrap().is_some());
    let dead = || runtime.block_on(books.tally("articles")).unwrap().dead as usize;
    until(folder, "broken messages are dead letters", || dead() >= broken);
    drop(consumer);
    succeed(folder, &["stream", "consume", "articles", "--once"]);

    assert_eq!((scored(), dead()), (count, broken));
    let number = |statement: &str| runtime.block_on(books.database().number(statement)).unwrap() as usize;
    assert_eq!(number("SELECT COUNT(DISTINCT message_key) FROM stream_scored"), count);
    assert_eq!(number("SELECT COUNT(*) FROM stream_queue WHERE topic = 'scored'"), count, "sent on");
    let sent = number("SELECT COUNT(DISTINCT message_key) FROM stream_queue WHERE topic = 'scored'");
    assert_eq!(sent, count, "keys sent on");
    let right =
        "SELECT COUNT(*) FROM stream_scored WHERE output LIKE '%\"intent\"%' AND model LIKE '%.tar.gz'";
    assert_eq!(number(right), count);
    assert_eq!(number("SELECT COUNT(*) FROM stream_queue WHERE topic <> 'scored'"), 0, "left in the queue");
}

#[test]
fn a_consumer_tells_how_it_is_and_takes_messages_by_hand() {
    let sandbox = trained_starter();
    let settings = json!({"streams": {"articles": {
        "key": "uri", "score": {"assistant": "models", "text": "headline"}, "test_hook": true,
    }}});
    sandbox.write("intendant.yml", &settings.to_string()).unwrap();
    let port = free_port().unwrap();
    let _consumer =
        Process::start(sandbox.path(), &["stream", "consume", "articles", "--port", &port.to_string()]);
    let ask = |method: &str, path: &str, body: &str| {
        let mut connection = fixtures::http::Connection::open(port).ok()?;
        connection.send(method, path, &[], body.as_bytes()).ok()
    };
    until(sandbox.path(), "it is ready", || {
        ask("GET", "/readyz", "").is_some_and(|answer| answer.status == 200)
    });
    assert_eq!(ask("GET", "/health", "").unwrap().json().unwrap(), json!({"status": "healthy"}));
    let give = |body: &Value| {
        let answer = ask("POST", "/consumer/messages", &body.to_string()).unwrap();
        (answer.status, answer.json().unwrap())
    };
    let (status, answer) = give(&json!({"uri": "a", "headline": "hello"}));
    assert_eq!((status, &answer["scored"][0]["key"]), (200, &json!("a")));
    assert_eq!(answer["scored"][0]["output"]["intent"]["name"], "greet");
    let (_, answer) = give(&json!([{"uri": "a", "headline": "hello"}, {"uri": "b"}]));
    assert_eq!((&answer["scored"], &answer["repeated"]), (&json!([]), &json!(["a"])));
    assert_eq!(answer["dead"][0]["reason"], "the message has no `headline`");
    assert_eq!(give(&json!("x")).0, 422);
    let metrics = ask("GET", "/metrics", "").unwrap().text();
    let done = r#"intendant_stream_messages_total{stream="articles",role="consumer",outcome="done"} 1"#;
    assert!(metrics.contains(done), "{metrics}");
}

#[test]
fn a_source_is_polled_with_patience_and_dead_letters_live_again() {
    let served = stand_in();
    let sandbox = trained_starter();
    let stream = |text: &str| {
        let settings = json!({"streams": {"wire": {
            "key": "uri", "score": {"assistant": "models", "text": text},
            "source": {"type": "http", "url": format!("http://127.0.0.1:{}/wire", served.0), "items": "results",
                       "interval_seconds": 0.05},
        }}});
        sandbox.write("intendant.yml", &settings.to_string()).unwrap();
    };
    stream("titel");
    let producer = Process::start(sandbox.path(), &["stream", "produce", "wire"]);
    // 429 with Retry-After, the first items, 304 for their tag, broken JSON, one more item.
    let asked = || served.1.lock().unwrap().clone();
    until(sandbox.path(), "the source is asked", || asked().len() >= 6);
    drop(producer);
    let tags: Vec<Option<String>> = asked().into_iter().take(6).collect();
    let tag = |text: &str| Some(text.to_owned());
    assert_eq!(tags, [None, None, tag("\"1\""), tag("\"1\""), tag("\"1\""), tag("\"2\"")]);
    let text = succeed(sandbox.path(), &["stream", "consume", "wire", "--once"]);
    assert!(text.contains("0 scored, 0 known before, 3 dead."), "{text}");
    let listed = succeed(sandbox.path(), &["stream", "dead", "list", "wire"]);
    assert_eq!(listed.matches("the message has no `titel`").count(), 3, "{listed}");
    let id = listed.split(' ').next().unwrap();
    let shown = succeed(sandbox.path(), &["stream", "dead", "show", "wire", id]);
    assert!(shown.contains("reason: the message has no `titel`") && shown.contains("\"title\""), "{shown}");
    assert_eq!(intendant(sandbox.path(), &["stream", "dead", "show", "wire", "zz"]).status.code(), Some(1));
    stream("title");
    let text = succeed(sandbox.path(), &["stream", "dead", "drop", "wire", id]);
    assert!(text.contains("1 removed."), "{text}");
    let text = succeed(sandbox.path(), &["stream", "dead", "replay", "wire", "--all"]);
    assert!(text.contains("2 given to the consumer once more."), "{text}");
    let text = succeed(sandbox.path(), &["stream", "consume", "wire", "--once"]);
    assert!(text.contains("2 scored, 0 known before, 0 dead."), "{text}");
    let listed = succeed(sandbox.path(), &["stream", "list", "--json"]);
    assert!(listed.contains(r#"[{"name":"wire","transport":"sql","scored":2,"dead":0}]"#), "{listed}");
}

type Asked = std::sync::Arc<std::sync::Mutex<Vec<Option<String>>>>;

/// A source that is difficult: its port, and the `If-None-Match` of each request.
fn stand_in() -> (u16, Asked) {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Asked::default();
    let seen = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut tag, mut line) = (None, String::new());
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("if-none-match: ") {
                    tag = Some(value.trim().to_owned());
                }
                line.clear();
            }
            let count = {
                let mut seen = seen.lock().unwrap();
                seen.push(tag);
                seen.len()
            };
            let item = |uri: &str| json!({"uri": uri, "title": "hello"});
            let (head, body) = match count {
                1 => ("429 Too Many Requests\r\nRetry-After: 1", String::new()),
                2 => (
                    "200 OK\r\nETag: \"1\"",
                    json!({"results": [item("a"), item("b"), item("a")]}).to_string(),
                ),
                3 => ("304 Not Modified", String::new()),
                4 => ("200 OK\r\nETag: \"x\"", "{\"results\": [".to_owned()),
                5 => ("200 OK\r\nETag: \"2\"", json!({"results": [item("b"), item("c")]}).to_string()),
                _ => ("304 Not Modified", String::new()),
            };
            let answer = format!(
                "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = reader.read_to_end(&mut Vec::new());
        }
    });
    (port, asked)
}

#[test]
fn mistakes_in_the_settings_are_named() {
    let sandbox = trained_starter();
    let check = |settings: Value, arguments: &[&str], expected: &str| {
        sandbox.write("intendant.yml", &json!({"streams": settings}).to_string()).unwrap();
        let output = intendant(sandbox.path(), arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(expected), "{expected}: {text}");
    };
    let consume = ["stream", "consume", "articles"];
    check(json!({"article": {}}), &consume, "there is no stream `articles`; did you mean `article`?");
    check(json!({"articles": {}}), &consume, "streams.articles.score: it names nothing that scores messages");
    check(json!({"articles": {"scor": {}}}), &consume, "unknown field `scor`");
    check(
        json!({"articles": {"score": {"assistant": "models", "text": "t"}, "transport": {"type": "pigeon"}}}),
        &consume,
        "streams.articles.transport: the transport `pigeon` is not known; use rabbitmq, kafka or sql",
    );
    let produce = ["stream", "produce", "articles"];
    check(json!({"articles": {}}), &produce, "streams.articles.source: the type `` is not known");
    check(
        json!({"articles": {"source": {"type": "file", "pfad": "x"}}}),
        &produce,
        "streams.articles.source: `pfad` is not known; ",
    );
    check(json!({"a b": {}}), &consume, "`a b` is no name for a stream");
}

/// Headlines with labels to learn from, and the declaration of a predictor whose stream brings more of them.
fn judging(stream: &Value) -> Sandbox {
    let sandbox = Sandbox::empty().unwrap();
    let mut rows = "headline,label\n".to_owned();
    for number in 0..20 {
        let (good, bad) = (["hello", "well done"][number % 2], ["very sad", "good bye"][number % 2]);
        rows.push_str(&format!("{good} number {number},positive\n{bad} number {number},negative\n"));
    }
    sandbox.write("data.csv", &rows).unwrap();
    let spec =
        json!({"kind": "text", "data": "data.csv", "text": "headline", "target": "label", "stream": stream});
    // JSON is YAML.
    sandbox.write("predictors/tone.yml", &spec.to_string()).unwrap();
    sandbox
}

#[test]
fn a_predictor_scores_its_stream_beside_the_server_once_whoever_dies() {
    let (count, kills) = (1_000, 4);
    let sandbox = judging(&json!({
        "key": "uri", "batch": 50, "database": "streams.db", "transport": {"lease_seconds": 1}, "test_hook": true,
        "source": {"type": "file", "path": "articles.ndjson"},
    }));
    let (lines, broken) = messages(count);
    sandbox.write("articles.ndjson", &lines).unwrap();
    let folder = sandbox.path();
    succeed(folder, &["train", "tone", "--quiet"]);
    let runtime = runtime();
    let books = runtime.block_on(Books::open(&sandbox.at("streams.db").display().to_string())).unwrap();
    let scored = || runtime.block_on(books.tally("tone")).map_or(0, |tally| tally.scored as usize);
    for kill in 1..=kills {
        let server = Server::start(binary(), folder, &["up"]).unwrap();
        let goal = (count * kill / (kills + 1)).max(scored() + 1).min(count);
        until(folder, &format!("{goal} messages are scored"), || scored() >= goal);
        server.kill().unwrap();
    }
    let server = Server::start(binary(), folder, &["up"]).unwrap();
    until(folder, "all are scored", || scored() == count);
    until(folder, "broken ones are put aside", || {
        runtime.block_on(books.tally("tone")).unwrap().dead as usize == broken
    });
    let mut connection = server.connect().unwrap();
    let mut ask =
        |method: &str, path: &str, body: &str| connection.send(method, path, &[], body.as_bytes()).unwrap();
    // The last of them may have done it all before it died.
    until(folder, "producer and consumer are at work", || {
        let told = ask("GET", "/readyz", "").json().unwrap();
        let at_work = |at: usize, role: &str| {
            let stream = &told["streams"][at];
            stream["role"] == role && stream["ready"] == true
        };
        at_work(0, "producer") && at_work(1, "consumer")
    });
    let metrics = ask("GET", "/metrics", "").text();
    for role in ["producer", "consumer"] {
        let ready = format!("intendant_stream_ready{{stream=\"tone\",role=\"{role}\"}}");
        assert!(metrics.contains(&ready), "{metrics}");
    }
    assert_eq!(ask("GET", "/streams", "").json().unwrap().as_array().unwrap().len(), 2);
    let given = json!([{"uri": "new", "headline": "hello"}, {"uri": "nyt://article/1", "headline": "x"}, {"uri": "z"}]);
    let answer = ask("POST", "/streams/tone/messages", &given.to_string()).json().unwrap();
    assert_eq!(answer["scored"][0]["output"]["label"], "positive", "{answer}");
    assert_eq!(answer["repeated"], json!(["nyt://article/1"]));
    assert!(answer["dead"][0]["reason"].as_str().unwrap().contains("headline"), "{answer}");
    assert_eq!(ask("POST", "/streams/other/messages", "{}").status, 404);
    let number = |statement: &str| runtime.block_on(books.database().number(statement)).unwrap() as usize;
    // What the dead had scored and not acknowledged comes back, and is known.
    until(folder, "nothing waits", || number("SELECT COUNT(*) FROM stream_queue") == 0);
    assert!(server.stop().unwrap().success());
    assert_eq!(number("SELECT COUNT(DISTINCT message_key) FROM stream_scored"), count + 1);
    assert_eq!(number("SELECT COUNT(*) FROM stream_scored WHERE model = 'tone:1'"), count + 1);
}

#[test]
fn a_predictor_scores_a_declared_stream_in_a_process_of_its_own() {
    let sandbox = judging(&json!({"key": "uri"}));
    let stream = |score: Value| {
        let settings = json!({"streams": {"wire": {
            "key": "uri", "source": {"type": "file", "path": "wire.csv"}, "score": score,
        }}});
        sandbox.write("intendant.yml", &settings.to_string()).unwrap();
    };
    stream(json!({"predictor": "tone"}));
    sandbox.write("wire.csv", "uri,headline\na,hello\nb,very sad\n").unwrap();
    let folder = sandbox.path();
    let fail = |arguments: &[&str]| {
        let output = intendant(folder, arguments);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let untrained = fail(&["stream", "consume", "wire"]);
    assert!(
        untrained.contains("no version of `tone` can be used: train it with `intendant train tone`"),
        "{untrained}"
    );
    succeed(folder, &["train", "tone", "--quiet"]);
    assert!(succeed(folder, &["stream", "produce", "wire"]).contains("2 sent, 0 known before."));
    assert!(
        succeed(folder, &["stream", "consume", "wire", "--once"])
            .contains("2 scored, 0 known before, 0 dead.")
    );
    let listed = succeed(folder, &["stream", "list"]);
    assert!(listed.contains("tone ") && listed.contains("wire "), "{listed}");
    stream(json!({"predictor": "ton"}));
    assert!(
        fail(&["stream", "consume", "wire"]).contains("there is no predictor `ton`; did you mean `tone`?")
    );
    stream(json!({"predictor": "tone", "url": "http://localhost:1"}));
    assert!(fail(&["stream", "consume", "wire"]).contains("only one of `assistant`, `predictor` and `url`"));
    sandbox.write("intendant.yml", &json!({"streams": {"tone": {}}}).to_string()).unwrap();
    assert!(
        fail(&["stream", "list"]).contains("`tone` is declared in intendant.yml and in predictors/tone.yml")
    );
}
