//! `tracing` of `endpoints.yml`: where spans go.

use std::path::Path;
use std::sync::Arc;

use intendant_client::endpoint::Endpoint;
use intendant_client::http::HttpClient;
use intendant_client::otlp::OtlpTracer;
use intendant_port::trace::Tracer;
use intendant_rasa_format::endpoints::EndpointConfig;
use serde_json::Value;

use crate::failure::Failure;

/// Where collectors listen for spans over HTTP, unless the endpoint says another path.
const OTLP_PATH: &str = "/v1/traces";
/// Where they listen for gRPC.
const GRPC_PORT: &str = ":4317";

/// Opens the way to the collector. Must be called within a runtime.
///
/// # Errors
/// When the settings name something that is not there.
pub fn tracer(
    config: Option<&EndpointConfig>,
    client: &HttpClient,
) -> Result<Option<Arc<dyn Tracer>>, Failure> {
    let Some(config) = config else { return Ok(None) };
    let wrong = |why: &str| {
        let source = &config.source;
        Failure::new("", format!("{}:{}: tracing: {why}", source.file, source.line))
    };
    match config.kind.as_deref() {
        Some("otlp") => {}
        Some("jaeger") => {
            let hint = "type `jaeger` is Jaeger's old agent; Jaeger itself takes OTLP: write \
                        `type: otlp` and `endpoint: HOST:4318`";
            return Err(wrong(hint));
        }
        Some(other) => return Err(wrong(&format!("type `{other}` is not known; the type is `otlp`"))),
        None => return Err(wrong("the type is missing; it is `otlp`")),
    }
    let text = |key: &str| config.extra.get(key).and_then(Value::as_str);
    let is_insecure = config.extra.get("insecure") == Some(&Value::Bool(true));
    let address = text("endpoint").or(config.url.as_deref());
    let address = address.ok_or_else(|| wrong("the collector's `endpoint` is missing"))?;
    if address.trim_end_matches('/').ends_with(GRPC_PORT) {
        tracing::warn!(
            endpoint = address,
            "port 4317 usually speaks gRPC; spans are sent over HTTP, which collectors take at port 4318"
        );
    }
    let endpoint =
        Endpoint::new(&EndpointConfig { url: Some(otlp_url(address, is_insecure)), ..config.clone() });
    let endpoint = endpoint.map_err(|error| wrong(&error.chain()))?;
    let client = match text("root_certificates").or(config.cafile.as_deref()) {
        Some(file) => HttpClient::trusting(Path::new(file)).map_err(|error| wrong(&error.chain()))?,
        None => client.clone(),
    };
    let service = text("service_name").unwrap_or("rasa");
    Ok(Some(Arc::new(OtlpTracer::start(client, endpoint, service))))
}

/// `host:port` as Rasa writes it, or a URL.
fn otlp_url(address: &str, is_insecure: bool) -> String {
    let scheme = if is_insecure { "http" } else { "https" };
    let url = if address.contains("://") { address.to_owned() } else { format!("{scheme}://{address}") };
    let has_path = url.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/').contains('/'));
    if has_path { url } else { format!("{}{OTLP_PATH}", url.trim_end_matches('/')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_urls() {
        let check = |address: &str, is_insecure: bool, expected: &str| {
            assert_eq!(otlp_url(address, is_insecure), expected, "{address}");
        };
        check("otel:4318", true, "http://otel:4318/v1/traces");
        check("otel:4318", false, "https://otel:4318/v1/traces");
        check("http://otel:4318/", false, "http://otel:4318/v1/traces");
        check("https://otel/custom/path", false, "https://otel/custom/path");
    }
}
