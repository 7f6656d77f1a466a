//! The HTTP client that everything here shares.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::endpoints::EndpointConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::endpoint::Endpoint;
use crate::reach::{Reach, Resolver};
use crate::way::{Connector, Way};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// What we can decompress, as browsers and Rasa ask for it.
const ACCEPTED_ENCODINGS: HeaderValue = HeaderValue::from_static("gzip, deflate");
/// Larger compressed answers are decompressed where that delays nobody else.
const INLINE_BYTES_MAX: usize = 16 * 1024;
/// The largest answer that is read, compressed or not.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An answer's body that has not been read yet.
pub type Stream = BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Sends requests; cheap to clone, all clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<Way>, Full<Bytes>>,
    reach: Reach,
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

impl Outgoing {
    /// The same request as part of a trace.
    pub fn traced(mut self, traceparent: Option<&str>) -> Self {
        if let Some(value) = traceparent.and_then(|text| HeaderValue::from_str(text).ok()) {
            self.headers.insert("traceparent", value);
        }
        self
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
    /// A client that trusts the system's certificate authorities.
    pub fn new() -> Result<Self> {
        Self::reaching(Reach::Everywhere)
    }

    /// The same for requests to some hosts only.
    pub fn reaching(reach: Reach) -> Result<Self> {
        Self::by(Way::Straight(connector(&reach)), reach, system_roots())
    }

    /// A client that trusts the system's certificate authorities and reaches every server through the
    /// HTTP proxy at this address.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn through(proxy: &str) -> Result<Self> {
        let reach = Reach::Everywhere;
        Self::by(Way::through(proxy, connector(&reach))?, reach, system_roots())
    }

    /// A client that trusts only the authorities of a PEM file, as `cafile` of an endpoint asks.
    ///
    /// # Errors
    /// When the file cannot be read or holds no certificate.
    pub fn trusting(cafile: &Path) -> Result<Self> {
        let shown = cafile.display();
        let unusable = |why: String| Error::new(Kind::Unsupported, format!("cafile {shown}: {why}"));
        let found = CertificateDer::pem_file_iter(cafile)
            .map_err(|error| unusable("cannot be read".to_owned()).because(error))?;
        let mut roots = RootCertStore::empty();
        for certificate in found {
            let certificate =
                certificate.map_err(|error| unusable("is not PEM".to_owned()).because(error))?;
            roots.add(certificate).map_err(|error| unusable("cannot be used".to_owned()).because(error))?;
        }
        if roots.is_empty() {
            return Err(unusable("holds no certificate".to_owned()));
        }
        let reach = Reach::Everywhere;
        Self::by(Way::Straight(connector(&reach)), reach, roots)
    }

    /// This client, or another one when the endpoint names a `cafile`.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn for_endpoint(&self, config: &EndpointConfig) -> Result<Self> {
        match &config.cafile {
            Some(cafile) => Self::trusting(Path::new(cafile)),
            None => Ok(self.clone()),
        }
    }

    fn by(way: Way, reach: Reach, roots: RootCertStore) -> Result<Self> {
        let tls = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls_config(roots)?);
        let connector = tls.https_or_http().enable_http1().wrap_connector(way);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, reach })
    }

    /// Sends a request as it stands, and gives the answer as it comes, without a time limit: for protocols
    /// that sign what they send.
    ///
    /// # Errors
    /// When no answer begins.
    pub async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Stream>> {
        self.reach.permit(request.uri())?;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let response = self.client.request(request).await.map_err(|error| {
            let what = if error.is_connect() { "cannot connect to" } else { "no answer from" };
            Error::new(Kind::Unavailable, format!("{what} {host}")).because(error)
        })?;
        Ok(response.map(|body| BoxBody::new(body.map_err(Into::into))))
    }

    /// Sends one request and reads the whole answer.
    pub async fn send(&self, endpoint: &Endpoint, outgoing: Outgoing) -> Result<Answer> {
        self.fetch(endpoint, outgoing, ANSWER_BYTES_MAX).await
    }

    /// Sends one request and gives the answer as soon as it begins. There is no time limit.
    ///
    /// # Errors
    /// When it cannot be sent, or nothing comes back.
    pub async fn open(
        &self,
        endpoint: &Endpoint,
        outgoing: Outgoing,
        encodings: HeaderValue,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(outgoing.body));
        *request.method_mut() = outgoing.method;
        *request.uri_mut() = endpoint.uri()?;
        self.reach.permit(request.uri())?;
        *request.headers_mut() = outgoing.headers;
        for (name, value) in endpoint.headers() {
            request.headers_mut().insert(name, value.clone());
        }
        request.headers_mut().entry(header::ACCEPT_ENCODING).or_insert(encodings);
        self.client.request(request).await.map_err(|error| {
            let what = if error.is_connect() { "cannot connect to" } else { "no answer from" };
            Error::new(Kind::Unavailable, format!("{what} {}", endpoint.url())).because(error)
        })
    }

    /// Sends one request and reads an answer of up to so many bytes.
    pub async fn fetch(
        &self,
        endpoint: &Endpoint,
        outgoing: Outgoing,
        answer_bytes_max: usize,
    ) -> Result<Answer> {
        let url = endpoint.url();
        let limit = outgoing.timeout;
        let exchange = async {
            let (parts, body) = self.open(endpoint, outgoing, ACCEPTED_ENCODINGS).await?.into_parts();
            let body = Limited::new(body, answer_bytes_max).collect().await.map_err(|error| {
                Error::new(Kind::Unavailable, format!("the answer of {url} broke off")).because(error)
            })?;
            let body = decoded(&parts.headers, body.to_bytes()).await.map_err(|error| {
                Error::new(Kind::Invalid, format!("the answer of {url} cannot be decompressed"))
                    .because(error)
            })?;
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| {
            Err(Error::new(Kind::Timeout, format!("no answer from {url} within {} s", limit.as_secs())))
        })
    }
}

fn connector(reach: &Reach) -> Connector {
    let mut http = Connector::new_with_resolver(Resolver::new(reach.clone()));
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    http
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A machine without certificates can still speak plain HTTP; HTTPS then fails by itself.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The body without its `Content-Encoding`; one that we did not ask for stays as it is.
pub(crate) async fn decoded(headers: &HeaderMap, body: Bytes) -> io::Result<Bytes> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let decode: fn(&[u8]) -> io::Result<Vec<u8>> = match encoding.map(str::trim) {
        _ if body.is_empty() => return Ok(body),
        Some(name) if name.eq_ignore_ascii_case("gzip") => |body| read_limited(MultiGzDecoder::new(body)),
        // What is called deflate is meant to be zlib, but some send it bare.
        Some(name) if name.eq_ignore_ascii_case("deflate") => |body| match body {
            [first, ..] if first & 0x0f == 8 => read_limited(ZlibDecoder::new(body)),
            _ => read_limited(DeflateDecoder::new(body)),
        },
        _ => return Ok(body),
    };
    if body.len() <= INLINE_BYTES_MAX {
        return decode(&body).map(Bytes::from);
    }
    let decoding = tokio::task::spawn_blocking(move || decode(&body));
    decoding.await.unwrap_or_else(|error| Err(io::Error::other(error))).map(Bytes::from)
}

fn read_limited(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    decoder.take(ANSWER_BYTES_MAX as u64 + 1).read_to_end(&mut decoded)?;
    match decoded.len() > ANSWER_BYTES_MAX {
        true => Err(io::Error::other(format!("it is larger than {ANSWER_BYTES_MAX} bytes"))),
        false => Ok(decoded),
    }
}

fn tls_config(roots: RootCertStore) -> Result<rustls::ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Unsupported, "cannot set up TLS").because(error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    #[tokio::test]
    async fn compressed_answers_are_read() {
        let text: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(&text).unwrap();
        let cases = [
            ("gzip", gzip.finish().unwrap()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
            ("identity", text.clone()),
        ];
        for (name, body) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
            let found = decoded(&headers, body.into()).await.unwrap();
            assert!(found == text, "{name}");
            let broken = decoded(&headers, Bytes::from_static(b"\x78broken")).await;
            assert_eq!(broken.is_err(), name != "identity", "{name}");
            assert!(decoded(&headers, Bytes::new()).await.unwrap().is_empty());
        }
    }

    #[test]
    fn an_authority_that_cannot_be_read_is_named() {
        let error = HttpClient::trusting(Path::new("/nowhere/ca.pem")).err().unwrap();
        assert!(error.chain().starts_with("cafile /nowhere/ca.pem: cannot be read: "), "{}", error.chain());
    }
}
