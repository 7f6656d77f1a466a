//! From the section `streams` to the parts of a stream.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use intendant_broker::transport;
use intendant_client::endpoint::Endpoint;
use intendant_client::http::HttpClient;
use intendant_config::Environment;
use intendant_config::streams::{Repeats, Stream};
use intendant_port::stream::{Publisher, Subscription};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_rasa_format::suggest::did_you_mean;
use intendant_score::service::Service;
use intendant_serve::server::Server;
use intendant_store::books::{self, Books};
use intendant_store::queue::Queue;
use intendant_streams::remote::RemoteScorer;
use intendant_streams::score::Score;
use intendant_streams::source::Source;
use intendant_streams::source::broker::BrokerSource;
use intendant_streams::source::file::FileSource;
use intendant_streams::source::http::{self, HttpSource};
use intendant_streams::source::records::Format;
use intendant_talk::data::Source as Place;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use super::scorer::{AssistantScorer, predictor_scorer};
use crate::commands::models::platform;
use crate::commands::predictors;
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::{report, wiring};

/// Where models are.
const MODELS: &str = "models";
/// How long a message of the queue in a database stays with a consumer, unless `lease_seconds` says.
const LEASE: Duration = Duration::from_secs(30);
/// Time between looks at an address, unless `interval_seconds` says.
const INTERVAL: Duration = Duration::from_secs(60);
/// The longest name of a stream.
const NAME_CHARS_MAX: usize = 100;

const SOURCE_KEYS: [(&str, &[&str]); 3] = [
    (
        "http",
        &[
            "type",
            "url",
            "params",
            "headers",
            "basic_auth",
            "token",
            "token_name",
            "cafile",
            "items",
            "interval_seconds",
        ],
    ),
    ("file", &["type", "path", "format", "follow_seconds"]),
    ("broker", &["type", "transport", "topic"]),
];
const SQL_KEYS: [&str; 3] = ["type", "url", "lease_seconds"];

/// What answers in this process already.
#[derive(Default)]
pub struct Running {
    /// The project's predictors.
    pub predictors: Option<Arc<Service>>,
    /// The project's assistant.
    pub server: Option<Server>,
}

/// A stream as it is declared, with what its parts need.
pub struct Wire<'a> {
    /// Its name.
    pub name: String,
    /// What is declared.
    pub stream: Stream,
    /// Its books.
    pub books: Books,
    environment: &'a Environment,
}

/// All streams that are declared.
///
/// # Errors
/// When the settings cannot be used; what is wrong has been printed.
pub fn streams(environment: &Environment) -> Result<BTreeMap<String, Stream>, Failure> {
    let mut streams: BTreeMap<String, Stream> =
        platform(environment)?.section("streams").map_err(|finding| {
            report::print(&[finding]);
            Failure::new("", "the settings of streams cannot be used")
        })?;
    for spec in predictors::specs(environment)? {
        let Some(declared) = spec.stream else { continue };
        let file = format!("{}/{}.yml", predictors::FOLDER, spec.name);
        let mut stream: Stream = serde_json::from_value(Value::Object(declared))
            .map_err(|error| Failure::new("", format!("{file}: stream: {error}")))?;
        stream.score.predictor = Some(spec.name.clone());
        if streams.insert(spec.name.clone(), stream).is_some() {
            let message =
                format!("the stream `{}` is declared in intendant.yml and in {file}; remove one", spec.name);
            return Err(Failure::new("", message));
        }
    }
    let is_name = |name: &str| {
        let is_fit = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
        !name.is_empty() && name.len() <= NAME_CHARS_MAX && name.chars().all(is_fit)
    };
    match streams.keys().find(|name| !is_name(name)) {
        Some(name) => Err(Failure::new(
            "",
            format!("`{name}` is no name for a stream: letters, digits, `_`, `-` and `.` are"),
        )),
        None => Ok(streams),
    }
}

impl<'a> Wire<'a> {
    /// The stream of this name, with its books open.
    ///
    /// # Errors
    /// When there is none, or its database cannot be used.
    pub async fn open(name: &str, environment: &'a Environment) -> Result<Self, Failure> {
        let mut streams = streams(environment)?;
        let Some(stream) = streams.remove(name) else {
            let hint = did_you_mean(name, streams.keys().map(String::as_str));
            let hint = hint.unwrap_or_else(|| "declare it under `streams:` in intendant.yml".to_owned());
            return Err(Failure::new("", format!("there is no stream `{name}`; {hint}")));
        };
        Self::of(name.to_owned(), stream, environment).await
    }

    /// A stream as it is declared, with its books open.
    ///
    /// # Errors
    /// When its database cannot be used.
    pub async fn of(name: String, stream: Stream, environment: &'a Environment) -> Result<Self, Failure> {
        if stream.batch == 0 {
            return Err(Failure::new("", format!("streams.{name}.batch: at least one message at once")));
        }
        let books = Books::open(&stream.database).await.map_err(|error| Failure::of("", &error))?;
        Ok(Self { name, stream, books, environment })
    }

    /// The topic of the stream's messages.
    pub fn topic(&self) -> &str {
        self.stream.topic.as_deref().unwrap_or(&self.name)
    }

    /// How repeated keys are treated.
    pub fn repeats(&self) -> books::Repeats {
        match self.stream.repeats {
            Repeats::Skip => books::Repeats::Skip,
            Repeats::Update => books::Repeats::Update,
        }
    }

    /// Takes the stream's messages.
    ///
    /// # Errors
    /// When the transport's settings cannot be used.
    pub async fn subscription(&self) -> Result<Box<dyn Subscription>, Failure> {
        self.subscribe(&self.stream.transport, self.topic()).await
    }

    async fn subscribe(
        &self,
        transport: &Map<String, Value>,
        topic: &str,
    ) -> Result<Box<dyn Subscription>, Failure> {
        let Some(config) = broker(transport) else {
            return Ok(Box::new(self.queue(transport, topic).await?));
        };
        let environment = wiring::broker_environment(self.environment)?;
        transport::subscription(&config, &environment, (topic, self.stream.batch))
            .map_err(|error| self.failed("transport", &error))
    }

    /// Whether a transport is the queue in the stream's own database, to which rows are written in the
    /// same transaction as everything else.
    pub fn is_own_queue(&self, transport: &Map<String, Value>) -> bool {
        broker(transport).is_none() && !transport.contains_key("url")
    }

    /// Sends to a topic of a transport.
    ///
    /// # Errors
    /// When the transport's settings cannot be used.
    pub async fn publisher(
        &self,
        transport: &Map<String, Value>,
        topic: &str,
    ) -> Result<Box<dyn Publisher>, Failure> {
        let Some(config) = broker(transport) else {
            return Ok(Box::new(self.queue(transport, topic).await?));
        };
        let environment = wiring::broker_environment(self.environment)?;
        transport::publisher(&config, &environment, topic).map_err(|error| self.failed("transport", &error))
    }

    async fn queue(&self, transport: &Map<String, Value>, topic: &str) -> Result<Queue, Failure> {
        self.know(transport, "transport", &SQL_KEYS)?;
        let database = match transport.get("url").and_then(Value::as_str) {
            None => Arc::clone(self.books.database()),
            Some(url) => {
                let other = Books::open(url).await.map_err(|error| self.failed("transport", &error))?;
                Arc::clone(other.database())
            }
        };
        let lease = self.seconds(transport, "lease_seconds")?.unwrap_or(LEASE);
        Ok(Queue::new(database, topic, lease))
    }

    /// Where items come from.
    ///
    /// # Errors
    /// When the source's settings cannot be used.
    pub async fn source(&self) -> Result<Box<dyn Source>, Failure> {
        let settings = &self.stream.source;
        let text = |key: &str| settings.get(key).and_then(Value::as_str);
        let kind = text("type").unwrap_or_default();
        let Some((_, keys)) = SOURCE_KEYS.iter().find(|(known, _)| *known == kind) else {
            let message = format!(
                "streams.{}.source: the type `{kind}` is not known; use http, file or broker",
                self.name
            );
            return Err(Failure::new("", message));
        };
        self.know(settings, "source", keys)?;
        match kind {
            "http" => {
                let config = EndpointConfig::from_options(settings, Place::default());
                let endpoint = Endpoint::new(&config).map_err(|error| self.failed("source", &error))?;
                let client = HttpClient::new().and_then(|client| client.for_endpoint(&config));
                let client = client.map_err(|error| self.failed("source", &error))?;
                let interval = self.seconds(settings, "interval_seconds")?.unwrap_or(INTERVAL);
                let items = text("items").map(str::to_owned);
                Ok(Box::new(HttpSource::new(client, endpoint, http::Settings { interval, items })))
            }
            "file" => {
                let Some(path) = text("path") else {
                    return Err(Failure::new("", format!("streams.{}.source: it has no `path`", self.name)));
                };
                let format = match text("format") {
                    None => None,
                    Some("csv") => Some(Format::Csv),
                    Some("ndjson") => Some(Format::Ndjson),
                    Some(other) => {
                        let message = format!(
                            "streams.{}.source: the format `{other}` is not known; use csv or ndjson",
                            self.name
                        );
                        return Err(Failure::new("", message));
                    }
                };
                let follow = self.seconds(settings, "follow_seconds")?;
                Ok(Box::new(FileSource::new(Path::new(path), format, follow)))
            }
            _ => {
                let empty = Map::new();
                let transport = settings.get("transport").and_then(Value::as_object).unwrap_or(&empty);
                let Some(topic) = text("topic") else {
                    return Err(Failure::new("", format!("streams.{}.source: it has no `topic`", self.name)));
                };
                Ok(Box::new(BrokerSource::new(self.subscribe(transport, topic).await?)))
            }
        }
    }

    /// Whether anything is named that scores messages.
    pub fn is_scored(&self) -> bool {
        let score = &self.stream.score;
        score.assistant.is_some() || score.predictor.is_some() || score.url.is_some()
    }

    /// What scores messages: what runs in this process already, else a model of its own that is followed until `stop`.
    ///
    /// # Errors
    /// When nothing is named, or more than one, or it cannot be loaded.
    pub async fn scorer(&self, running: &Running, stop: &Stop) -> Result<Arc<dyn Score>, Failure> {
        let score = &self.stream.score;
        let wrong = |why: &str| Failure::new("", format!("streams.{}.score: {why}", self.name));
        match (&score.assistant, &score.predictor, &score.url) {
            (Some(path), None, None) => {
                let text = score.text.as_deref().ok_or_else(|| {
                    wrong("`text` says where in a message the text is that the assistant shall understand")
                })?;
                match &running.server {
                    Some(server) if path == Path::new(MODELS) => {
                        Ok(Arc::new(AssistantScorer::of(server.clone(), text)))
                    }
                    _ => Ok(Arc::new(AssistantScorer::load(path, text)?)),
                }
            }
            (None, Some(name), None) => {
                let place = format!("streams.{}.score.predictor", self.name);
                predictor_scorer((name, &place), (running.predictors.as_ref(), stop), self.environment).await
            }
            (None, None, Some(url)) => {
                let config = EndpointConfig {
                    url: Some(url.clone()),
                    headers: score.headers.clone(),
                    ..EndpointConfig::default()
                };
                let endpoint = Endpoint::new(&config).map_err(|error| self.failed("score", &error))?;
                let client = HttpClient::new().map_err(|error| self.failed("score", &error))?;
                Ok(Arc::new(RemoteScorer::new(client, endpoint, Handle::current())))
            }
            (None, None, None) => Err(wrong("it names nothing that scores messages")),
            _ => Err(wrong("only one of `assistant`, `predictor` and `url`")),
        }
    }

    fn know(&self, settings: &Map<String, Value>, of: &str, keys: &[&str]) -> Result<(), Failure> {
        let Some(unknown) = settings.keys().find(|key| !keys.contains(&key.as_str())) else { return Ok(()) };
        let hint = did_you_mean(unknown, keys.iter().copied());
        let hint = hint.unwrap_or_else(|| format!("there are {}", keys.join(", ")));
        Err(Failure::new("", format!("streams.{}.{of}: `{unknown}` is not known; {hint}", self.name)))
    }

    fn seconds(&self, settings: &Map<String, Value>, key: &str) -> Result<Option<Duration>, Failure> {
        let Some(value) = settings.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
        let seconds = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match seconds.filter(|seconds| !seconds.is_zero()) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(Failure::new(
                "",
                format!("streams.{}: {key} is a number of seconds above 0, not {value}", self.name),
            )),
        }
    }

    fn failed(&self, of: &str, error: &dyn std::error::Error) -> Failure {
        let failure = Failure::of("", error);
        Failure::new("", format!("streams.{}.{of}: {}", self.name, failure.message()))
    }
}

/// The settings of a broker, unless the transport is a database.
fn broker(transport: &Map<String, Value>) -> Option<EndpointConfig> {
    let kind = transport.get("type").and_then(Value::as_str).unwrap_or("sql");
    if kind == "sql" {
        return None;
    }
    let mut config = EndpointConfig::from_options(transport, Place::default());
    config.kind = Some(kind.to_owned());
    config.extra = transport.clone();
    Some(config)
}
