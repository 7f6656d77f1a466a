//! `endpoints.yml` (`spec: training-data.md §6`).

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::message::Object;
use serde_json::Value;

use crate::reader::Reader;
use crate::suggest::did_you_mean;
use crate::yaml::{self, Environment, Kind, Node, SourceFile};

const KEYS: [&str; 8] =
    ["action_endpoint", "models", "nlg", "nlu", "tracker_store", "lock_store", "event_broker", "tracing"];

/// What `endpoints.yml` says; `None` for what is not there.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Endpoints {
    pub action_endpoint: Option<EndpointConfig>,
    pub models: Option<EndpointConfig>,
    pub nlg: Option<EndpointConfig>,
    pub nlu: Option<EndpointConfig>,
    pub tracker_store: Option<EndpointConfig>,
    pub lock_store: Option<EndpointConfig>,
    pub event_broker: Option<EndpointConfig>,
    pub tracing: Option<EndpointConfig>,
}

/// One thing outside: a server, a store, a broker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EndpointConfig {
    /// Where it is.
    pub url: Option<String>,
    /// Query parameters of every request.
    pub params: Object,
    /// Headers of every request.
    pub headers: Object,
    /// User name and password.
    pub basic_auth: Option<BasicAuth>,
    /// Sent as the query parameter named [`EndpointConfig::token_name`].
    pub token: Option<String>,
    /// `token` unless written otherwise.
    pub token_name: String,
    /// Path of a certificate authority's file.
    pub cafile: Option<String>,
    /// `type`, or `store_type`: which implementation is meant.
    pub kind: Option<String>,
    /// All other keys.
    pub extra: Object,
    /// Where it stands.
    pub source: Source,
}

/// User name and password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BasicAuth {
    pub username: String,
    pub password: String,
}

/// Reads `endpoints.yml`.
pub fn read(file: &SourceFile, env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Endpoints {
    let mut endpoints = Endpoints::default();
    let Some(document) = yaml::parse(file, env, findings) else { return endpoints };
    let reader = &mut Reader { file: &file.path, findings };
    for entry in reader.map(&document, "the file") {
        let endpoint = match &entry.value.kind {
            Kind::Null => continue,
            Kind::Map(_) => Some(endpoint(&entry.value, &entry.key, reader)),
            _ => {
                reader.mismatch(&entry.value, &entry.key, "a map");
                continue;
            }
        };
        match entry.key.as_str() {
            "action_endpoint" => endpoints.action_endpoint = endpoint,
            "models" => endpoints.models = endpoint,
            "nlg" => endpoints.nlg = endpoint,
            "nlu" => endpoints.nlu = endpoint,
            "tracker_store" => endpoints.tracker_store = endpoint,
            "lock_store" => endpoints.lock_store = endpoint,
            "event_broker" => endpoints.event_broker = endpoint,
            "tracing" => endpoints.tracing = endpoint,
            unknown => {
                let message = format!("the endpoint `{unknown}` is not known and is ignored");
                match did_you_mean(unknown, KEYS) {
                    Some(hint) => reader.warning_with_hint(entry.mark, message, hint),
                    None => reader.warning(entry.mark, message),
                }
            }
        }
    }
    endpoints
}

impl EndpointConfig {
    /// An endpoint whose settings stand among a channel's options in `credentials.yml`.
    pub fn from_options(options: &Object, source: Source) -> Self {
        let text = |key: &str| options.get(key).filter(|value| !value.is_null()).map(value_text);
        let object = |key: &str| options.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let auth = options.get("basic_auth").and_then(Value::as_object);
        let field = |auth: &Object, key: &str| auth.get(key).map(value_text).unwrap_or_default();
        Self {
            url: text("url"),
            params: object("params"),
            headers: object("headers"),
            basic_auth: auth.map(|auth| BasicAuth {
                username: field(auth, "username"),
                password: field(auth, "password"),
            }),
            token: text("token"),
            token_name: text("token_name").unwrap_or_else(|| "token".to_owned()),
            cafile: text("cafile"),
            kind: None,
            extra: Object::new(),
            source,
        }
    }
}

fn endpoint(node: &Node, name: &str, reader: &mut Reader<'_>) -> EndpointConfig {
    let mut config = EndpointConfig {
        token_name: "token".to_owned(),
        source: reader.source(node.mark),
        ..EndpointConfig::default()
    };
    for entry in node.entries() {
        let value = &entry.value;
        let path = format!("{name}.{}", entry.key);
        match entry.key.as_str() {
            "url" | "token" | "token_name" | "cafile" | "type" | "store_type" if value.is_null() => {}
            "url" => config.url = reader.text(value, &path).map(str::to_owned),
            "token" => config.token = scalar_text(value),
            "token_name" => config.token_name = reader.text(value, &path).unwrap_or("token").to_owned(),
            "cafile" => config.cafile = reader.text(value, &path).map(str::to_owned),
            "type" | "store_type" => config.kind = reader.text(value, &path).map(str::to_owned),
            "params" => config.params = object(value, &path, reader),
            "headers" => config.headers = object(value, &path, reader),
            "basic_auth" => {
                let auth = object(value, &path, reader);
                let field = |key: &str| auth.get(key).map(value_text).unwrap_or_default();
                config.basic_auth =
                    Some(BasicAuth { username: field("username"), password: field("password") });
            }
            _ => {
                config.extra.insert(entry.key.clone(), value.to_json());
            }
        }
    }
    config
}

fn object(node: &Node, path: &str, reader: &mut Reader<'_>) -> Object {
    reader.map(node, path);
    node.to_object()
}

fn scalar_text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        _ => Some(value_text(&node.to_json())),
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
