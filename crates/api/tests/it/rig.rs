//! A server on a free port, and requests to it.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use intendant_api::auth::Auth;
use intendant_api::cors::Cors;
use intendant_api::listen::{self, Listener};
use intendant_api::registry::ModelServer;
use intendant_api::router::{Api, ApiSettings, router};
use intendant_api::serving::{self, Desk};
use intendant_api::tls::TlsSettings;
use intendant_api::trials::Trials;
use intendant_api::webhooks::{Channel, Channels};
use intendant_client::clock::SystemClock;
use intendant_client::endpoint::Endpoint;
use intendant_client::http::{Answer, HttpClient, Outgoing};
use intendant_component::training::{Silent, TrainContext};
use intendant_dialogue::Mind;
use intendant_nlu::parse_without_pipeline;
use intendant_policy as policy;
use intendant_port::BoxFuture;
use intendant_port::action::{ActionCall, ActionReply, ActionServer};
use intendant_port::deliver::{Courier, Parcel};
use intendant_port::error::Result;
use intendant_port::interpret::Interpreter;
use intendant_port::store::TrackerStore;
use intendant_port::trace::Tracer;
use intendant_rasa_format::project::Project;
use intendant_rasa_format::yaml::SourceFile;
use intendant_serve::assistant::Assistant;
use intendant_serve::server::{Outside, Server, Settings};
use intendant_serve::workshop::{
    IntentTest, TrainOptions, Trained, Workshop, WorkshopError, WorkshopErrorKind,
};
use intendant_store::lock::MemoryLocks;
use intendant_store::memory::MemoryStore;
use serde_json::Value;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

const ASSISTANT: &str = r#"
version: "3.1"
policies:
- name: RulePolicy
intents: [greet, slow, remind]
actions: [action_slow]
responses:
  utter_greet:
  - text: "hello\n\nthere"
  - text: "hello on callback"
    channel: callback
rules:
- rule: greet
  steps:
  - intent: greet
  - action: utter_greet
- rule: slow
  steps:
  - intent: slow
  - action: action_slow
"#;

/// An assistant that greets and runs a slow action.
pub fn assistant(model_file: &str) -> Assistant {
    made(ASSISTANT, model_file, "model-id")
}

/// Another version of it.
pub fn changed(from: &str, to: &str, model_file: &str) -> Arc<Assistant> {
    assert!(ASSISTANT.contains(from));
    Arc::new(made(&ASSISTANT.replace(from, to), model_file, model_file))
}

fn made(document: &str, model_file: &str, model_id: &str) -> Assistant {
    let (project, findings) = Project::read_document(&SourceFile::new("a.yml", document), &|_| None);
    assert!(
        findings.iter().all(|finding| finding.severity < intendant_component::diagnostic::Severity::Error)
    );
    let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
    let specs = [intendant_talk::data::ComponentSpec {
        name: "RulePolicy".to_owned(),
        ..intendant_talk::data::ComponentSpec::default()
    }];
    let (ensemble, _) = policy::train(&specs, &project.domain, &project.stories, 0, &context).unwrap();
    let domain = Arc::new(project.domain);
    let for_parsing = Arc::clone(&domain);
    Assistant {
        mind: Arc::new(Mind::new(domain, Some(ensemble), model_id, Some("test".to_owned()))),
        understanding: Arc::new(move |text: &str| parse_without_pipeline(text, &for_parsing)),
        model_file: model_file.to_owned(),
    }
}

/// An action server that answers when it is let.
pub struct Gate {
    /// One permit lets one action go on.
    pub permits: Semaphore,
    /// Told when an action begins.
    pub began: Notify,
    /// What each call said of its trace.
    pub traceparents: Mutex<Vec<Option<String>>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { permits: Semaphore::new(0), began: Notify::new(), traceparents: Mutex::default() }
    }
}

impl ActionServer for Gate {
    fn run<'a>(&'a self, call: ActionCall<'a>) -> BoxFuture<'a, Result<ActionReply>> {
        Box::pin(async move {
            self.traceparents.lock().unwrap().push(call.traceparent.map(str::to_owned));
            self.began.notify_one();
            self.permits.acquire().await.unwrap().forget();
            let message = serde_json::json!({"text": "done"}).as_object().cloned().unwrap();
            Ok(ActionReply::Done { events: Vec::new(), responses: vec![message] })
        })
    }
}

struct NoWorkshop;

fn not_here() -> WorkshopError {
    WorkshopError { kind: WorkshopErrorKind::Failed, message: "not here".to_owned() }
}

impl Workshop for NoWorkshop {
    fn load(&self, path: &str) -> std::result::Result<Assistant, WorkshopError> {
        match path {
            "good" => Ok(assistant("good")),
            _ => Err(WorkshopError { kind: WorkshopErrorKind::Unloadable, message: "damaged".to_owned() }),
        }
    }

    fn train(&self, yaml: &str, _: &TrainOptions) -> std::result::Result<Trained, WorkshopError> {
        match yaml {
            "train" => Ok(Trained { file_name: "x.tar.gz".to_owned(), path: None, bytes: b"bytes".to_vec() }),
            _ => Err(not_here()),
        }
    }

    fn test_stories(&self, _: &Assistant, _: &str, _: bool) -> std::result::Result<Value, WorkshopError> {
        Err(not_here())
    }

    fn test_intents(
        &self,
        _: Option<&Assistant>,
        _: &IntentTest,
    ) -> std::result::Result<Value, WorkshopError> {
        panic!("a bug in the workshop")
    }
}

/// What was delivered: URL, media type, body.
#[derive(Default)]
pub struct Deliveries {
    /// In order.
    pub done: Mutex<Vec<(String, String, String)>>,
    /// Told at every delivery.
    pub arrived: Notify,
}

impl Courier for Deliveries {
    fn deliver<'a>(&'a self, url: &'a str, parcel: Parcel) -> BoxFuture<'a, Result<()>> {
        let body = String::from_utf8(parcel.body).unwrap();
        self.done.lock().unwrap().push((url.to_owned(), parcel.content_type, body));
        self.arrived.notify_one();
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A server that listens, and what is around it.
pub struct Rig {
    pub server: Server,
    pub gate: Arc<Gate>,
    pub store: Arc<dyn TrackerStore>,
    pub deliveries: Arc<Deliveries>,
    pub address: std::net::SocketAddr,
    pub client: HttpClient,
    stop: Arc<Notify>,
    listening: JoinHandle<()>,
}

/// What differs between rigs.
pub struct Setup {
    pub with_model: bool,
    pub enable_api: bool,
    pub auth: Auth,
    pub origins: Vec<String>,
    pub body_bytes_max: usize,
    pub response_timeout: Duration,
    pub tls: Option<Arc<TlsSettings>>,
    pub interpreter: Option<Arc<dyn Interpreter>>,
    pub tracer: Option<Arc<dyn Tracer>>,
    pub models_token: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            with_model: true,
            enable_api: true,
            auth: Auth::default(),
            origins: Vec::new(),
            body_bytes_max: 100_000,
            response_timeout: Duration::from_secs(3600),
            tls: None,
            interpreter: None,
            tracer: None,
            models_token: None,
        }
    }
}

impl Rig {
    pub async fn start(setup: Setup) -> Self {
        let store: Arc<dyn TrackerStore> = Arc::new(MemoryStore::default());
        let gate = Arc::new(Gate::default());
        let deliveries = Arc::new(Deliveries::default());
        let outside = Outside {
            store: Arc::clone(&store),
            locks: Arc::new(MemoryLocks::default()),
            broker: None,
            actions: Some(Arc::clone(&gate) as Arc<dyn ActionServer>),
            generator: None,
            interpreter: setup.interpreter,
            tracer: setup.tracer,
            clock: Arc::new(SystemClock),
        };
        let server = Server::new(outside, Settings { predictions_max: 10, seed: Some(1) });
        if setup.with_model {
            server.put_model(Arc::new(assistant("m.tar.gz")));
        }
        let mut channels = Channels::default();
        channels.open("rest", Channel::Rest);
        let courier = Arc::clone(&deliveries) as Arc<dyn Courier>;
        let callback = intendant_channel::callback::Callback::new(courier, "http://bot");
        channels.open("callback", Channel::Callback(Arc::new(callback)));
        let models = ModelServer { folder: "models".into(), database: None, token: setup.models_token };
        let trials = Trials::new(server.clone(), Arc::new(NoWorkshop), models, "test".to_owned());
        let desk = Desk { trials: Arc::new(trials), auth: setup.auth.clone() };
        let api = Api {
            server: server.clone(),
            workshop: Arc::new(NoWorkshop),
            channels,
            courier: Arc::clone(&deliveries) as Arc<dyn Courier>,
            settings: ApiSettings {
                enable_api: setup.enable_api,
                auth: setup.auth,
                cors: Cors { origins: setup.origins },
                body_bytes_max: setup.body_bytes_max,
                response_timeout: setup.response_timeout,
            },
            trainings: AtomicUsize::new(0),
        };
        let tcp = listen::bind("127.0.0.1", 0).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let listener = Listener { tcp, tls: setup.tls };
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let routes = serving::router(desk).merge(router(api));
        let listening =
            tokio::spawn(listen::serve(listener, routes, async move { stopped.notified().await }));
        let client = HttpClient::new().unwrap();
        Self { server, gate, store, deliveries, address, client, stop, listening }
    }

    /// Sends a request; `headers` are name and value pairs.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let endpoint = Endpoint::bare(&format!("http://{}{path}", self.address)).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let body = body.as_bytes().to_vec().into();
        let outgoing = Outgoing { method, headers: map, body, timeout: Duration::from_secs(30) };
        self.client.send(&endpoint, outgoing).await.unwrap()
    }

    /// Sends JSON; the status and the answer as JSON.
    pub async fn json(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(method, path, &[("content-type", "application/json")], &body).await;
        let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status.as_u16(), json)
    }

    /// Says something over the REST channel; the texts of the answer.
    pub async fn say(&self, sender: &str, text: &str) -> Vec<String> {
        let body = serde_json::json!({"sender": sender, "message": text});
        let (status, answer) = self.json("POST", "/webhooks/rest/webhook", body).await;
        assert_eq!(status, 200, "{answer}");
        texts(&answer)
    }

    /// Asks the listener to end; the returned task ends with it.
    pub fn stop_listening(self) -> (Server, JoinHandle<()>) {
        self.stop.notify_one();
        (self.server, self.listening)
    }
}

/// The texts of a list of messages.
pub fn texts(messages: &Value) -> Vec<String> {
    let messages = messages.as_array().into_iter().flatten();
    messages.map(|message| message["text"].as_str().unwrap_or("?").to_owned()).collect()
}
