//! Names in `endpoints.yml` and `credentials.yml` to adapters, adapters to a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use intendant_api::auth::Jwt;
use intendant_api::sockets::Sockets;
use intendant_api::station::Station;
use intendant_api::webhooks::{Channel, Channels};
use intendant_broker::open::{self as open_broker, event_broker};
use intendant_channel::callback::Callback;
use intendant_channel::options::Fields;
use intendant_channel::platform::{self, Open, Reach};
use intendant_channel::socketio::hub::{self as socketio, Hub};
use intendant_channel::socketio::options::Options;
use intendant_client::action::{ActionOptions, WebhookActions};
use intendant_client::clock::SystemClock;
use intendant_client::courier::HttpCourier;
use intendant_client::endpoint::Endpoint;
use intendant_client::generate::WebhookGenerator;
use intendant_client::http::{HttpClient, Outgoing};
use intendant_client::interpret::WebhookInterpreter;
use intendant_client::web::HttpWeb;
use intendant_component::diagnostic::Diagnostic;
use intendant_config::Environment;
use intendant_port::action::ActionServer;
use intendant_port::generate::Generator;
use intendant_port::interpret::Interpreter;
use intendant_port::store::TrackerStore;
use intendant_rasa_format::credentials::{self, ChannelConfig};
use intendant_rasa_format::endpoints::{self, EndpointConfig, Endpoints};
use intendant_rasa_format::suggest::closest;
use intendant_rasa_format::yaml::{self, SourceFile};
use intendant_serve::server::{Outside, Server, Settings};
use intendant_store::open;
use intendant_store::sql_settings::SqlEnvironment;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::pulling::Pull;
use crate::stopping::Stop;
use crate::{project, report, tracing_endpoint};

/// The files looked for when none is named.
const DEFAULT_ENDPOINTS: &str = "endpoints.yml";
const DEFAULT_CREDENTIALS: &str = "credentials.yml";

/// The channels that are no messaging providers.
const OTHER_CHANNELS: [&str; 5] = ["rest", "cmdline", "callback", "rasa", socketio::NAME];

/// How long the server behind the `rasa` channel may take to tell its key.
const KEY_TIMEOUT: Duration = Duration::from_secs(5);

/// A server with what is wired to it.
pub struct Wiring {
    /// The server, without a model.
    pub server: Server,
    /// The client of everything that is sent out.
    pub client: HttpClient,
    /// The model server that is followed.
    pub pull: Option<Pull>,
    /// Asked when the server has to end.
    pub stop: Stop,
}

/// The runtime of commands that serve.
pub fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::new("", format!("cannot start worker threads: {error}")))
}

/// What `endpoints.yml` says, or the file named instead.
///
/// # Errors
/// When the file is not as it should be.
pub fn endpoints(path: Option<&Path>, environment: &Environment) -> Result<Endpoints, Failure> {
    read(path, DEFAULT_ENDPOINTS, environment, endpoints::read)
}

/// The tracker store alone.
///
/// # Errors
/// When the settings are not as they should be, or the store cannot be reached.
pub async fn tracker_store(
    path: Option<&Path>,
    environment: &Environment,
) -> Result<Arc<dyn TrackerStore>, Failure> {
    let endpoints = endpoints(path, environment)?;
    let of_brokers = broker_environment(environment)?;
    let opened = open::tracker_store(endpoints.tracker_store.as_ref(), &of_brokers.sql).await;
    opened.map_err(|error| outside(&error))
}

/// A server with the action server and response generator of `endpoints.yml`, whose conversations
/// stay in memory and reach no broker.
///
/// # Errors
/// When the file is not as it should be.
pub async fn rehearsal(
    path: Option<&Path>,
    request_timeout: Duration,
    environment: &Environment,
) -> Result<Wiring, Failure> {
    let rehearsed = endpoints(path, environment)?;
    let endpoints =
        Endpoints { action_endpoint: rehearsed.action_endpoint, nlg: rehearsed.nlg, ..Endpoints::default() };
    build(endpoints, request_timeout, environment).await
}

/// Builds a server from `endpoints.yml`.
///
/// # Errors
/// When the file is not as it should be, or something it names cannot be reached.
pub async fn server(
    path: Option<&Path>,
    request_timeout: Duration,
    environment: &Environment,
) -> Result<Wiring, Failure> {
    build(endpoints(path, environment)?, request_timeout, environment).await
}

async fn build(
    endpoints: Endpoints,
    request_timeout: Duration,
    environment: &Environment,
) -> Result<Wiring, Failure> {
    let client = HttpClient::new().map_err(|error| outside(&error))?;
    let pull = endpoints.models.as_ref().map(|config| Pull::new(config, &client)).transpose()?;
    let of_brokers = broker_environment(environment)?;
    let lifetime = environment.ticket_lifetime().map_err(|error| Failure::of("SettingError", &error))?;
    let outside = Outside {
        store: open::tracker_store(endpoints.tracker_store.as_ref(), &of_brokers.sql)
            .await
            .map_err(|error| outside(&error))?,
        locks: open::lock_store(endpoints.lock_store.as_ref(), &of_brokers.sql, lifetime)
            .await
            .map_err(|error| outside(&error))?,
        broker: event_broker(endpoints.event_broker.as_ref(), &of_brokers)
            .await
            .map_err(|error| outside(&error))?,
        actions: actions(endpoints.action_endpoint.as_ref(), &client, request_timeout, environment)?,
        generator: generator(endpoints.nlg.as_ref(), &client)?,
        interpreter: interpreter(endpoints.nlu.as_ref(), &client)?,
        tracer: tracing_endpoint::tracer(endpoints.tracing.as_ref(), &client)?,
        clock: Arc::new(SystemClock),
    };
    let predictions_max =
        environment.predictions_max().map_err(|error| Failure::of("SettingError", &error))?;
    let server = Server::new(outside, Settings { predictions_max, seed: None });
    Ok(Wiring { server, client, pull, stop: Stop::default() })
}

/// What the environment says about databases and brokers.
pub fn broker_environment(environment: &Environment) -> Result<open_broker::Environment, Failure> {
    let connections_max =
        environment.sql_connections_max().map_err(|error| Failure::of("SettingError", &error))?;
    Ok(open_broker::Environment {
        rasa_environment: environment.text("RASA_ENVIRONMENT"),
        rabbitmq_certificate: environment.text("RABBITMQ_SSL_CLIENT_CERTIFICATE"),
        rabbitmq_key: environment.text("RABBITMQ_SSL_CLIENT_KEY"),
        export_process_id: None,
        sql: SqlEnvironment { schema: environment.text("POSTGRESQL_SCHEMA"), connections_max },
    })
}

fn outside(error: &intendant_port::error::Error) -> Failure {
    Failure::of("", error)
}

fn actions(
    config: Option<&EndpointConfig>,
    client: &HttpClient,
    timeout: Duration,
    environment: &Environment,
) -> Result<Option<Arc<dyn ActionServer>>, Failure> {
    let Some(config) = config else {
        return Ok(None);
    };
    let endpoint = Endpoint::new(config).map_err(|error| outside(&error))?;
    let client = client.for_endpoint(config).map_err(|error| outside(&error))?;
    let options = action_options(config, timeout, environment)?;
    Ok(Some(Arc::new(WebhookActions::new(client, endpoint, options))))
}

fn action_options(
    config: &EndpointConfig,
    timeout: Duration,
    environment: &Environment,
) -> Result<ActionOptions, Failure> {
    let wrong = |key: &str, what: &str| {
        let source = &config.source;
        Failure::new("", format!("{}:{}: action_endpoint: {key} must be {what}", source.file, source.line))
    };
    let seconds = |value: &Value, key: &str| {
        let seconds = value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.filter(|time| !time.is_zero()).ok_or_else(|| wrong(key, "a number of seconds above 0"))
    };
    let extra = &config.extra;
    let mut timeouts = BTreeMap::new();
    for (name, value) in extra.get("timeouts").and_then(Value::as_object).into_iter().flatten() {
        timeouts.insert(name.clone(), seconds(value, &format!("timeouts.{name}"))?);
    }
    let events_max = match extra.get("events_max") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().ok_or_else(|| wrong("events_max", "a whole number"))? as usize),
    };
    Ok(ActionOptions {
        selective_domain: extra.get("enable_selective_domain") == Some(&Value::Bool(true)),
        compress: environment.compress_action_requests(),
        timeout: extra.get("timeout").map_or(Ok(timeout), |value| seconds(value, "timeout"))?,
        timeouts,
        events_max,
    })
}

fn generator(
    config: Option<&EndpointConfig>,
    client: &HttpClient,
) -> Result<Option<Arc<dyn Generator>>, Failure> {
    let Some(config) = config else {
        return Ok(None);
    };
    match config.kind.as_deref() {
        Some("response") => Ok(None),
        None | Some("callback") => {
            let endpoint = Endpoint::new(config).map_err(|error| outside(&error))?;
            let client = client.for_endpoint(config).map_err(|error| outside(&error))?;
            Ok(Some(Arc::new(WebhookGenerator::new(client, endpoint))))
        }
        Some(kind) => {
            let message = format!(
                "endpoints.yml: `nlg` of type `{kind}` is Python code; serve it over HTTP and give its `url`"
            );
            Err(Failure::new("", message))
        }
    }
}

fn interpreter(
    config: Option<&EndpointConfig>,
    client: &HttpClient,
) -> Result<Option<Arc<dyn Interpreter>>, Failure> {
    let Some(config) = config else {
        return Ok(None);
    };
    let client = client.for_endpoint(config).map_err(|error| outside(&error))?;
    let interpreter = WebhookInterpreter::new(client, config).map_err(|error| outside(&error))?;
    Ok(Some(Arc::new(interpreter)))
}

/// Opens the channels of `credentials.yml`, or only the one named by `--connector`.
///
/// # Errors
/// When the file is not as it should be, or names a channel that is not there.
pub async fn channels(
    path: Option<&Path>,
    connector: Option<&str>,
    client: &HttpClient,
    environment: &Environment,
) -> Result<Channels, Failure> {
    let configured: Vec<ChannelConfig> = read(path, DEFAULT_CREDENTIALS, environment, credentials::read)?;
    let mut channels = Channels::default();
    let chosen: Vec<ChannelConfig> = match connector {
        None if configured.is_empty() => {
            vec![ChannelConfig { name: "rest".to_owned(), ..ChannelConfig::default() }]
        }
        None => configured,
        Some(name) => {
            let found = configured.into_iter().find(|channel| channel.name == name);
            vec![found.unwrap_or_else(|| ChannelConfig { name: name.to_owned(), ..ChannelConfig::default() })]
        }
    };
    for channel in &chosen {
        match channel.name.as_str() {
            "rest" => channels.open("rest", Channel::Rest),
            // The console of Rasa is the REST channel with a client loop.
            "cmdline" => channels.open("rest", Channel::Rest),
            "callback" => channels.open("callback", callback(channel, client)?),
            "rasa" => channels.open("rasa", Channel::Rasa(signing_key(channel, client).await.map(Box::new))),
            socketio::NAME => channels.open(socketio::NAME, sockets(channel)?),
            name => match platform::ALL.iter().find(|(known, _)| *known == name) {
                Some(&(name, open)) => channels.open(name, station(channel, open, client).await?),
                None => return Err(unknown_channel(channel)),
            },
        }
    }
    Ok(channels)
}

/// The key that senders of the `rasa` channel sign with, as the server behind it tells. Without it
/// the channel is open and lets nobody in.
async fn signing_key(channel: &ChannelConfig, client: &HttpClient) -> Option<Jwt> {
    let url = channel.options.get("url").and_then(Value::as_str)?;
    let url = format!("{}/version", url.trim_end_matches('/'));
    let failed = |error: &dyn std::error::Error| {
        tracing::error!(url, error = Failure::of("", error).message(), "the rasa channel lets nobody in");
    };
    let endpoint = Endpoint::bare(&url).inspect_err(|error| failed(error)).ok()?;
    let answer = client.send(&endpoint, Outgoing::get(KEY_TIMEOUT)).await;
    let answer = answer.inspect_err(|error| failed(error)).ok()?;
    let version: Value = serde_json::from_slice(&answer.body).inspect_err(|error| failed(error)).ok()?;
    let first = &version["keys"][0];
    let (key, method) = (first["key"].as_str()?, first["alg"].as_str().unwrap_or("RS256"));
    Jwt::new(key, method).inspect_err(|error| failed(error)).ok()
}

fn callback(channel: &ChannelConfig, client: &HttpClient) -> Result<Channel, Failure> {
    let config = EndpointConfig::from_options(&channel.options, channel.source.clone());
    let url = config.url.clone().unwrap_or_default();
    let endpoint = Endpoint::new(&config).map_err(|error| outside(&error))?;
    let client = client.for_endpoint(&config).map_err(|error| outside(&error))?;
    let courier = Arc::new(HttpCourier::to(client, endpoint));
    Ok(Channel::Callback(Arc::new(Callback::new(courier, url))))
}

/// A messaging provider, ready to receive.
async fn station(channel: &ChannelConfig, open: Open, client: &HttpClient) -> Result<Channel, Failure> {
    let mut fields = Fields::new(&channel.options);
    let platform = open(&mut fields);
    let (problems, unknown) = fields.finish();
    if !problems.is_empty() {
        return Err(unusable(channel, &problems.join("; ")));
    }
    for option in unknown {
        tracing::warn!(channel = channel.name, option, "this option is not known and has no effect");
    }
    let client = match platform.proxy() {
        Some(proxy) => HttpClient::through(proxy).map_err(|error| unusable(channel, &error.chain()))?,
        None => client.clone(),
    };
    let reach = Reach { web: Arc::new(HttpWeb::new(client)), clock: Arc::new(SystemClock) };
    let station = Station::new(platform, reach);
    station.start().await.map_err(|error| unusable(channel, &error.chain()))?;
    Ok(Channel::Station(Arc::new(station)))
}

fn unknown_channel(channel: &ChannelConfig) -> Failure {
    let name = &channel.name;
    let why = match name.contains('.') {
        true => {
            "a channel in Python cannot be loaded: let it run by itself and talk to the `callback` or `rest` \
                 channel, as docs/channels.md shows"
                .to_owned()
        }
        false => {
            let known = OTHER_CHANNELS.iter().copied().chain(platform::ALL.iter().map(|(name, _)| *name));
            let known: Vec<&str> = known.collect();
            let hint = closest(name, known.iter().copied());
            let hint = hint.map_or_else(|| ".".to_owned(), |known| format!(", did you mean `{known}`?"));
            format!("this channel is not known{hint} There are {}", known.join(", "))
        }
    };
    unusable(channel, &why)
}

fn unusable(channel: &ChannelConfig, why: &dyn std::fmt::Display) -> Failure {
    let source = &channel.source;
    // A channel of --connector stands in no file.
    let place = match source.file.is_empty() {
        true => String::new(),
        false => format!("{}:{}: ", source.file, source.line),
    };
    Failure::new("", format!("{place}{}: {why}", channel.name))
}

fn sockets(channel: &ChannelConfig) -> Result<Channel, Failure> {
    let unusable = |why: &dyn std::fmt::Display| unusable(channel, why);
    let options = Options::read(&channel.options).map_err(|why| unusable(&why))?;
    for option in Options::unknown(&channel.options) {
        tracing::warn!(channel = channel.name, option, "this option is not known and has no effect");
    }
    let jwt = options.jwt_key.as_deref().map(|key| Jwt::new(key, &options.jwt_method));
    let jwt = jwt.transpose().map_err(|why| unusable(&why))?;
    Ok(Channel::Sockets(Arc::new(Sockets { hub: Arc::new(Hub::new(options)), jwt })))
}

/// Reads a file of settings; the default one may be absent, a named one is missed in the log.
fn read<T: Default>(
    path: Option<&Path>,
    default: &str,
    environment: &Environment,
    reader: fn(&SourceFile, yaml::Environment<'_>, &mut Vec<Diagnostic>) -> T,
) -> Result<T, Failure> {
    let is_named = path.is_some();
    let path = path.map_or_else(|| PathBuf::from(default), Path::to_owned);
    if !path.exists() {
        if is_named {
            tracing::error!(path = %path.display(), "this file does not exist; going on without it");
        }
        return Ok(T::default());
    }
    let file = project::source_file(&path)?;
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut findings = Vec::new();
    let read = reader(&file, &lookup, &mut findings);
    report::print(&findings);
    if project::has_errors(&findings) {
        return Err(Failure::new("", format!("{} cannot be used", path.display())));
    }
    Ok(read)
}
