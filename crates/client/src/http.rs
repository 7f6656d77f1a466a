//! The HTTP client that everything here shares.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use intendant_port::error::{Error, Kind, Result};

use crate::endpoint::Endpoint;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Sends requests; cheap to clone, all clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A request without its address.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Headers besides those of the endpoint.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The time limit from begin to end.
    pub timeout: Duration,
}

impl Outgoing {
    /// A `GET`.
    pub fn get(timeout: Duration) -> Self {
        Self { method: Method::GET, headers: HeaderMap::new(), body: Bytes::new(), timeout }
    }

    /// A `POST` of JSON.
    pub fn json(body: Vec<u8>, timeout: Duration) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { method: Method::POST, headers, body: body.into(), timeout }
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Whether the answer says that it is JSON.
    pub fn is_json(&self) -> bool {
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json")
    }
}

impl HttpClient {
    /// A client that trusts the system's certificates.
    pub fn new() -> Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls_config()?);
        let connector = tls.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client })
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&self, endpoint: &Endpoint, outgoing: Outgoing) -> Result<Answer> {
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = endpoint.uri()?;
        *request.headers_mut() = outgoing.headers;
        for (name, value) in endpoint.headers() {
            request.headers_mut().insert(name, value.clone());
        }
        let url = endpoint.url();
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| {
                let what = if error.is_connect() { "cannot connect to" } else { "no answer from" };
                Error::new(Kind::Unavailable, format!("{what} {url}")).because(error)
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
                Error::new(Kind::Unavailable, format!("the answer of {url} broke off")).because(error)
            })?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        let limit = outgoing.timeout;
        tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
            Err(Error::new(Kind::Timeout, format!("no answer from {url} within {} s", limit.as_secs())))
        })
    }
}

fn tls_config() -> Result<rustls::ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Unsupported, "cannot set up TLS").because(error))?;
    let mut roots = rustls::RootCertStore::empty();
    // A machine without certificates can still speak plain HTTP; HTTPS then fails by itself.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
