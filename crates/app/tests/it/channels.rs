//! Messaging providers: what they send us, and what they are sent.
//!
//! One file in `tests/channels` per provider: its credentials, the answers of a stand-in that
//! speaks its format, and exchanges: a request to the webhook, our reply, the calls that follow.
//! `UPDATE=1` writes the replies and calls anew.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fixtures::http::Answer;
use fixtures::process::Server;
use fixtures::project::Sandbox;
use hmac::{Hmac, Mac};
use intendant_port::web::form_encode;
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::Sha256;

use crate::stand_in::StandIn;
use crate::{binary, intendant, repository, succeed};

/// Where the stand-in is, in files.
const HERE: &str = "{here}";

fn project() -> Sandbox {
    let sandbox = Sandbox::copy_of(&repository().join("crates/app/tests/channels/project")).unwrap();
    succeed(sandbox.path(), &["train"]);
    sandbox
}

fn start(sandbox: &Sandbox, credentials: &Value) -> Server {
    // JSON is YAML.
    sandbox.write("credentials.yml", &credentials.to_string()).unwrap();
    Server::start(binary(), sandbox.path(), &["run", "--enable-api"]).unwrap()
}

fn file(channel: &str) -> PathBuf {
    repository().join(format!("crates/app/tests/channels/{channel}.json"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(key: &str, text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

fn sha1(key: &str, text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).unwrap();
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// The headers by which a provider proves who it is, if the case asks for them.
fn proof(kind: &str, request: &Value, body: &str, port: u16) -> Vec<(String, String)> {
    let header = |name: &str, value: String| (name.to_owned(), value);
    match kind {
        "telegram" => {
            vec![header("X-Telegram-Bot-Api-Secret-Token", hex(&sha256("1:token", "webhook")))]
        }
        "slack" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let digest = hex(&sha256("signing secret", &format!("v0:{now}:{body}")));
            vec![
                header("X-Slack-Request-Timestamp", now.to_string()),
                header("X-Slack-Signature", format!("v0={digest}")),
            ]
        }
        "facebook" => {
            vec![header("X-Hub-Signature-256", format!("sha256={}", hex(&sha256("app secret", body))))]
        }
        "facebook, older" => {
            vec![header("X-Hub-Signature", format!("sha1={}", hex(&sha1("app secret", body))))]
        }
        "twilio" => {
            let mut fields: Vec<(&str, &str)> = fields(request);
            fields.sort_unstable();
            let fields: String = fields.into_iter().flat_map(|(name, value)| [name, value]).collect();
            let url = format!("https://localhost:{port}/webhooks/twilio/webhook");
            let digest = sha1("auth token", &format!("{url}{fields}"));
            vec![
                header("X-Forwarded-Host", format!("localhost:{port}")),
                header("X-Twilio-Signature", STANDARD.encode(digest)),
            ]
        }
        "webex" => vec![header("X-Spark-Signature", hex(&sha1("webhook secret", body)))],
        "" => Vec::new(),
        token => vec![header("Authorization", format!("Bearer {}", signed_token(token)))],
    }
}

/// A token of Microsoft or Google, as the case describes it.
fn signed_token(claims: &str) -> String {
    let mut claims: Value = serde_json::from_str(claims).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    claims["exp"] = json!(now + 600);
    let key = std::fs::read(repository().join("crates/app/tests/channels/signing_key.pem")).unwrap();
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(&key).unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    header.kid = Some("test".to_owned());
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

fn fields(request: &Value) -> Vec<(&str, &str)> {
    let fields = request["form"].as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

fn ask(server: &Server, request: &Value) -> Answer {
    let (body, content_type) = if request.get("form").is_some() {
        (form_encode(&fields(request)), "application/x-www-form-urlencoded")
    } else if let Some(payload) = request.get("payload") {
        (form_encode(&[("payload", &payload.to_string())]), "application/x-www-form-urlencoded")
    } else {
        let body = request.get("json").map_or_else(String::new, Value::to_string);
        (body, "application/json")
    };
    let mut headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
    let kind = match &request["proof"] {
        Value::String(kind) => kind.clone(),
        Value::Null => String::new(),
        claims => claims.to_string(),
    };
    headers.extend(proof(&kind, request, &body, server.port));
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        headers.push((name.clone(), value.as_str().unwrap().to_owned()));
    }
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let (method, path) = request["to"].as_str().unwrap().split_once(' ').unwrap();
    server.connect().unwrap().send(method, path, &headers, body.as_bytes()).unwrap()
}

fn reply(answer: &Answer) -> Value {
    let mut reply = Map::new();
    reply.insert("status".to_owned(), json!(answer.status));
    if let Some(value) = answer.header("x-slack-no-retry") {
        reply.insert("x-slack-no-retry".to_owned(), json!(value));
    }
    let is_json = answer.header("content-type") == Some("application/json");
    match is_json {
        true => reply.insert("json".to_owned(), answer.json().unwrap()),
        false => reply.insert("text".to_owned(), json!(answer.text())),
    };
    Value::Object(reply)
}

fn replaced(value: &Value, from: &str, to: &str) -> Value {
    serde_json::from_str(&value.to_string().replace(from, to)).unwrap()
}

#[test]
fn providers_are_spoken_to_in_their_format() {
    let sandbox = project();
    let folder = repository().join("crates/app/tests/channels");
    let mut channels: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .collect();
    channels.sort();
    assert_eq!(channels.len(), intendant_channel::platform::ALL.len(), "one file for each provider");
    for channel in channels {
        let text = std::fs::read_to_string(file(&channel)).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        let found = run(&sandbox, &channel, &case);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file(&channel), format!("{}\n", serde_json::to_string_pretty(&found).unwrap()))
                .unwrap();
        }
    }
}

/// Runs a file's exchanges and returns it with the replies and calls that were found.
fn run(sandbox: &Sandbox, channel: &str, case: &Value) -> Value {
    let is_update = std::env::var_os("UPDATE").is_some();
    let stand_in = StandIn::start(&case["answers"]);
    let here = format!("http://127.0.0.1:{}", stand_in.port);
    let credentials = replaced(&case["credentials"], HERE, &here);
    let server = start(sandbox, &json!({channel: credentials}));
    let calls = |expected: &Value| {
        let found = match is_update {
            true => stand_in.until_quiet(),
            false => stand_in.calls(expected.as_array().map_or(0, Vec::len)),
        };
        replaced(&json!(found), &here, HERE)
    };
    let mut found = case.clone();
    let health = server.connect().unwrap().send("GET", &format!("/webhooks/{channel}/"), &[], b"").unwrap();
    assert_eq!(health.text(), "{\"status\":\"ok\"}", "{channel}");
    found["start"] = calls(&case["start"]);
    check(channel, "start", &found["start"], &case["start"], is_update);
    for (idx, exchange) in case["exchanges"].as_array().unwrap().iter().enumerate() {
        let name = exchange["name"].as_str().unwrap();
        let answer = reply(&ask(&server, &replaced(&exchange["request"], HERE, &here)));
        check(channel, name, &answer, &exchange["reply"], is_update);
        let calls = calls(&exchange["calls"]);
        check(channel, name, &calls, &exchange["calls"], is_update);
        found["exchanges"][idx]["reply"] = answer;
        found["exchanges"][idx]["calls"] = calls;
    }
    assert!(server.stop().unwrap().success());
    assert_eq!(stand_in.rest(), [] as [Value; 0], "{channel}: more calls than expected");
    found
}

fn check(channel: &str, name: &str, found: &Value, expected: &Value, is_update: bool) {
    if !is_update {
        assert_eq!(found, expected, "{channel}: {name}\nfound: {found:#}\nexpected: {expected:#}");
    }
}

#[test]
fn reminders_and_outside_events_reach_users() {
    let sandbox = project();
    let script = json!({"/bot1:token/getMe": [{"json": {"ok": true, "result": {"username": "test_bot"}}}]});
    let telegram = StandIn::start(&script);
    let mattermost = StandIn::start(&json!({}));
    let credentials = json!({
        "telegram": {
            "access_token": "1:token",
            "verify": "test_bot",
            "webhook_url": "https://bot.example/webhooks/telegram/webhook",
            "api_base": format!("http://127.0.0.1:{}", telegram.port),
        },
        "mattermost": {"url": format!("http://127.0.0.1:{}", mattermost.port), "token": "t"},
        "rest": null,
    });
    let server = start(&sandbox, &credentials);
    assert_eq!(telegram.calls(2).len(), 2);
    let post = |path: &str, body: &Value| {
        let answer = server.connect().unwrap().send("POST", path, &[], body.to_string().as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json().unwrap()
    };
    // Nobody has written by telegram yet, but the conversation's id says where to write.
    let tick = json!({"name": "EXTERNAL_tick"});
    post("/conversations/42/trigger_intent?output_channel=telegram", &tick);
    assert_eq!(telegram.calls(1)[0]["json"], json!({"chat_id": "42", "text": "Tick."}));
    // A reminder wakes the conversation where it took place last.
    let update = json!({
        "to": "POST /webhooks/telegram/webhook",
        "proof": "telegram",
        "json": {"update_id": 1, "message": {"chat": {"id": 42}, "text": "/hello"}},
    });
    assert_eq!(ask(&server, &update).status, 200);
    assert_eq!(telegram.calls(1).len(), 1);
    let reminder = json!({
        "event": "reminder",
        "timestamp": null,
        "intent": "EXTERNAL_tick",
        "entities": null,
        "date_time": "2020-01-01T00:00:00",
        "name": "soon",
        "kill_on_user_msg": false,
    });
    let mut soon = reminder;
    let due = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 1;
    soon["date_time"] = json!(jiff::Timestamp::from_second(i64::try_from(due).unwrap()).unwrap().to_string());
    let path = "/conversations/42/tracker/events?output_channel=latest&execute_side_effects=true";
    post(path, &soon);
    assert_eq!(telegram.calls(1)[0]["json"], json!({"chat_id": "42", "text": "Tick."}));
    // Mattermost writes into channels: without a message there is no way, with one there is.
    let path = "/conversations/anna/trigger_intent?output_channel=mattermost";
    assert_eq!(post(path, &tick)["messages"][0]["text"], "Tick.");
    let message = json!({
        "to": "POST /webhooks/mattermost/webhook",
        "json": {"trigger_word": "bot", "text": "bot /hello", "user_id": "anna", "channel_id": "c", "post_id": "p"},
    });
    assert_eq!(ask(&server, &message).status, 200);
    assert_eq!(mattermost.calls(1).len(), 1);
    post(path, &tick);
    assert_eq!(mattermost.calls(1)[0]["json"], json!({"message": "Tick.", "channel_id": "c"}));
    assert!(server.stop().unwrap().success());
}

#[test]
fn what_was_taken_is_answered_before_the_end() {
    let sandbox = project();
    // The first answer is slow to be taken, so the messages behind it wait when the end comes.
    let busy = json!({"status": 429, "headers": {"retry-after": "1"}, "json": {"ok": false}});
    let script = json!({
        "/bot1:token/getMe": [{"json": {"ok": true, "result": {"username": "test_bot"}}}],
        "/bot1:token/sendMessage": [busy, {}],
    });
    let telegram = StandIn::start(&script);
    let server = start(
        &sandbox,
        &json!({"telegram": {
            "access_token": "1:token",
            "verify": "test_bot",
            "webhook_url": "https://bot.example/webhooks/telegram/webhook",
            "api_base": format!("http://127.0.0.1:{}", telegram.port),
        }}),
    );
    for idx in 0..3 {
        let update = json!({
            "to": "POST /webhooks/telegram/webhook",
            "proof": "telegram",
            "json": {"update_id": idx, "message": {"chat": {"id": 7}, "text": format!("/echo{{\"number\": {idx}}}")}},
        });
        assert_eq!(ask(&server, &update).status, 200);
    }
    assert_eq!(telegram.calls(3).len(), 3);
    assert!(server.stop().unwrap().success());
    let texts: Vec<Value> = telegram.rest().iter().map(|call| call["json"]["text"].clone()).collect();
    assert_eq!(texts, ["Number 0.", "Number 1.", "Number 2."]);
}

#[test]
fn slack_is_reached_through_a_proxy() {
    let sandbox = project();
    // Asked for a tunnel, the stand-in agrees, and then stands in for what is behind it.
    let proxy = StandIn::start(&json!({}));
    let server = start(
        &sandbox,
        &json!({"slack": {
            "slack_token": "xoxb-1",
            "slack_signing_secret": "signing secret",
            "proxy": format!("http://anna:secret@127.0.0.1:{}", proxy.port),
            "api_base": "http://slack.invalid",
        }}),
    );
    let event = json!({"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "text": "/hello",
                       "ts": "2.5"});
    let message = json!({
        "to": "POST /webhooks/slack/webhook",
        "proof": "slack",
        "json": {"type": "event_callback", "event_id": "Ev1", "event": event},
    });
    assert_eq!(ask(&server, &message).status, 200);
    let calls = proxy.calls(2);
    assert_eq!(calls[0]["call"], "CONNECT slack.invalid:80");
    assert_eq!(calls[1]["call"], "POST /api/chat.postMessage");
    assert_eq!(calls[1]["json"]["channel"], "D1");
    assert!(server.stop().unwrap().success());
}

#[test]
fn unusable_credentials_name_the_way_out() {
    let sandbox = project();
    let check = |credentials: &str, expected: &str| {
        sandbox.write("credentials.yml", credentials).unwrap();
        let output = intendant(sandbox.path(), &["run", "-i", "127.0.0.1", "-p", "0"]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{credentials}: {message}");
        assert!(message.contains(expected), "{credentials}: {message}");
    };
    check("slack:\n  slack_token: x\n", "credentials.yml:1: slack: `slack_signing_secret` is missing");
    check(
        "rest:\ntelegramm:\n",
        "credentials.yml:2: telegramm: this channel is not known, did you mean `telegram`?",
    );
    check(
        "channels.custom.MyChannel:\n  a: 1\n",
        "a channel in Python cannot be loaded: let it run by itself",
    );
    check(
        "telegram:\n  access_token: a\n  verify: b\n  webhook_url: https://x.y\n  api_base: http://127.0.0.1:9\n",
        "credentials.yml:1: telegram: ",
    );
    check(
        "slack:\n  slack_token: a\n  slack_signing_secret: b\n  proxy: proxy:3128\n",
        "slack: the proxy's address must be http://host:port",
    );
    check("twilio_voice:\n  speech_timeout: soon\n", "`speech_timeout` must be a number of seconds or auto");
}
