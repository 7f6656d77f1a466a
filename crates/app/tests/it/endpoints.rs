//! What `endpoints.yml` names, asked by the running binary: action server, response generator, collector of spans.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fixtures::process::Server;
use fixtures::project::Sandbox;
use serde_json::{Value, json};

use crate::front::rcgen_pem;
use crate::serving::{say, texts};
use crate::stand_in::StandIn;
use crate::{binary, intendant, succeed};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const PROJECT: [(&str, &str); 4] = [
    (
        "config.yml",
        "recipe: default.v1\nlanguage: en\nassistant_id: test\npipeline: []\npolicies: [{name: RulePolicy}]\n",
    ),
    (
        "domain.yml",
        "version: \"3.1\"\nintents: [ask]\nactions: [action_look]\n\
         responses: {utter_found: [{text: found it}, {text: other, channel: slack, id: second}]}\n",
    ),
    ("data/nlu.yml", "version: \"3.1\"\nnlu: [{intent: ask, examples: \"- look\"}]\n"),
    (
        "data/rules.yml",
        "version: \"3.1\"\nrules: [{rule: look, steps: [{intent: ask}, {action: action_look}]}]\n",
    ),
];

fn trained() -> Sandbox {
    let sandbox = Sandbox::with(&PROJECT).unwrap();
    succeed(sandbox.path(), &["train"]);
    sandbox
}

/// Rasa X started servers so: their endpoints and credentials came from elsewhere.
#[test]
fn a_server_set_up_from_elsewhere_asks_others_in_one_trace() {
    let others = StandIn::start(&json!({
        "/config": [{"json": {
            "endpoints": "action_endpoint: {url: '{here}/webhook', token: secret, events_max: 2}\n\
                          nlg: {url: '{here}/nlg'}\n\
                          tracing: {type: otlp, endpoint: '{here}', service_name: bot}\n",
            "credentials": "rest:\n",
        }}],
        "/webhook": [{"json": {"events": [], "responses": [{"response": "utter_found", "where": "here"}]}}],
        "/nlg": [{"json": {"text": "generated"}}],
        "/v1/traces": [{"json": {}}],
    }));
    let sandbox = trained();
    let url = format!("http://127.0.0.1:{}/config?token=x", others.port);
    let arguments = ["x", "--production", "--config-endpoint", &url, "--auth-token", "t", "--no-prompt"];
    let server = Server::start(binary(), sandbox.path(), &arguments).unwrap();
    let mut connection = server.connect().unwrap();
    let body = json!({"sender": "anna", "message": "/ask"}).to_string();
    let headers = [("traceparent", CALLER), ("content-type", "application/json")];
    let answer = connection.send("POST", "/webhooks/rest/webhook", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.json().unwrap(), json!([{"recipient_id": "anna", "text": "generated"}]));
    // The HTTP API is there, for those who have the token.
    assert_eq!(connection.send("GET", "/status", &[], b"").unwrap().status, 401);
    assert_eq!(connection.send("GET", "/status?token=t", &[], b"").unwrap().status, 200);
    assert!(server.stop().unwrap().success());

    // Spans come when they come.
    let is_export = |call: &Value| call["call"] == "POST /v1/traces";
    let (exports, mut asked): (Vec<Value>, Vec<Value>) =
        others.until_quiet().into_iter().partition(is_export);
    let called: Vec<&str> = asked.iter().map(|call| call["call"].as_str().unwrap()).collect();
    assert_eq!(called, ["GET /config?token=x", "POST /webhook?token=secret", "POST /nlg"]);
    let generate = asked.pop().unwrap();
    for (key, expected) in [
        ("response", json!("utter_found")),
        ("arguments", json!({"where": "here"})),
        ("channel", json!({"name": "collector"})),
    ] {
        assert_eq!(generate["json"][key], expected, "{generate}");
    }
    assert_eq!(generate["json"]["tracker"]["sender_id"], "anna");
    let action = asked.pop().unwrap();
    assert_eq!(action["json"]["next_action"], "action_look");
    let types: Vec<&Value> =
        action["json"]["tracker"]["events"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
    assert_eq!(types, ["user", "user_featurization"]);
    let passed = [action["traceparent"].as_str().unwrap(), generate["traceparent"].as_str().unwrap()];
    check_trace(&exports, passed);
}

/// The spans are one tree below the caller's, and its leaves are what others were told to go on from.
fn check_trace(exports: &[Value], passed: [&str; 2]) {
    let of = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let resources: Vec<Value> = exports.iter().flat_map(|call| of(&call["json"], "resourceSpans")).collect();
    let scopes = resources.iter().flat_map(|resource| of(resource, "scopeSpans"));
    let spans: Vec<Value> = scopes.flat_map(|scope| of(&scope, "spans")).collect();
    let spans: Vec<&Value> =
        spans.iter().filter(|span| span["traceId"] == "0af7651916cd43dd8448eb211c80319c").collect();
    let names: HashMap<&str, &str> =
        spans.iter().map(|span| (span["spanId"].as_str().unwrap(), span["name"].as_str().unwrap())).collect();
    let told = |span: &Value| {
        let parent = span["parentSpanId"].as_str().unwrap();
        let parent = names.get(parent).copied().unwrap_or(parent);
        format!("{} in {parent}", span["name"].as_str().unwrap())
    };
    let mut found: Vec<String> = spans.iter().map(|span| told(span)).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "POST /webhooks/{channel}/webhook in b7ad6b7169203331",
            "action action_look in message",
            "message in POST /webhooks/{channel}/webhook",
            "response utter_found in message",
            "save in message",
            "understand in POST /webhooks/{channel}/webhook",
        ]
    );
    let parents = passed.map(|traceparent| names.get(traceparent.split('-').nth(2).unwrap()).copied());
    assert_eq!(parents, [Some("action action_look"), Some("response utter_found")]);
}

#[test]
fn an_action_that_takes_too_long_is_owned_up_to() {
    let sandbox = trained();
    let domain = PROJECT[1].1.replace("responses: {", "responses: {utter_action_failed: [{text: not now}], ");
    sandbox.write("domain.yml", &domain).unwrap();
    succeed(sandbox.path(), &["train"]);
    // Takes calls and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/webhook", silent.local_addr().unwrap());
    let endpoints =
        |timeouts: &str| format!("action_endpoint:\n  url: {url}\n  timeouts: {{action_look: {timeouts}}}\n");
    sandbox.write("endpoints.yml", &endpoints("0.2")).unwrap();
    let server = Server::start(binary(), sandbox.path(), &["run"]).unwrap();
    assert_eq!(texts(&say(&mut server.connect().unwrap(), "anna", "/ask")), ["not now"]);

    sandbox.write("endpoints.yml", &endpoints("soon")).unwrap();
    let output = intendant(sandbox.path(), &["run", "-p", "0"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected =
        "endpoints.yml:2: action_endpoint: timeouts.action_look must be a number of seconds above 0";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_configuration_without_its_parts_is_refused() {
    let others = StandIn::start(&json!({"/config": [{"json": {"endpoints": ""}}]}));
    let url = format!("http://127.0.0.1:{}/config", others.port);
    let folder = Sandbox::empty().unwrap();
    let output = intendant(folder.path(), &["x", "--production", "--config-endpoint", &url]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("has no text `credentials`"), "{told}");
}

/// An action server behind TLS that reads deflated requests and answers zipped.
const PYTHON: &str = r#"
import gzip, http.server, json, ssl, zlib
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["content-encoding"] == "deflate"
        call = json.loads(zlib.decompress(body))
        text = f"{call['next_action']} {self.path} {self.headers['x-key']}"
        answer = gzip.compress(json.dumps({"events": [], "responses": [{"text": text}]}).encode())
        self.send_response(200)
        for header in (("content-type", "application/json"), ("content-encoding", "gzip"), ("content-length", str(len(answer)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(answer)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("chain.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_action_server_may_stand_behind_tls_of_an_own_authority() {
    let Ok(python) = std::env::var("INTENDANT_TEST_RASA_SDK") else {
        eprintln!("skipped: INTENDANT_TEST_RASA_SDK does not name a Python");
        return;
    };
    let sandbox = trained();
    let (chain, key) = rcgen_pem();
    sandbox.write("chain.pem", &chain).unwrap();
    sandbox.write("key.pem", &key).unwrap();
    let mut command = Command::new(python);
    command.args(["-c", PYTHON]).current_dir(sandbox.path()).stdout(Stdio::piped());
    let mut actions = Running(command.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(actions.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let endpoints = |authority: &str| {
        format!(
            "action_endpoint:\n  url: https://localhost:{}/webhook\n  token: secret\n  headers: {{X-Key: k}}\n{authority}",
            port.trim()
        )
    };
    let compress = [("COMPRESS_ACTION_SERVER_REQUEST".to_owned(), "true".to_owned())];
    let hear = |authority: &str| {
        sandbox.write("endpoints.yml", &endpoints(authority)).unwrap();
        let server = Server::start_with(binary(), sandbox.path(), &["run"], &compress).unwrap();
        let messages = say(&mut server.connect().unwrap(), "anna", "/ask");
        texts(&messages).join(" | ")
    };
    assert_eq!(hear("  cafile: chain.pem\n"), "action_look /webhook?token=secret k");
    // An authority that nobody named is not trusted; the message is answered all the same, by nothing.
    assert_eq!(hear(""), "");
    let log = std::fs::read_to_string(sandbox.at("server.log")).unwrap();
    assert!(log.contains("certificate"), "{log}");
}
