//! Another Intendant's models: archives there and back in pieces, so that one that broke off goes on where
//! it stopped. Digests are SHA-256 of the whole archive, in hexadecimal.

use std::io::SeekFrom;
use std::path::Path;
use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::percent_encode;
use intendant_rasa_format::endpoints::EndpointConfig;
use serde_json::Value;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::download::{RESUMPTION_PAUSE, RESUMPTIONS_MAX, STALL_TIMEOUT, piece, rest};
use crate::endpoint::Endpoint;
use crate::http::{Answer, HttpClient, Outgoing, Stream};

/// Archives are sent in pieces of this size.
const PIECE_BYTES: u64 = 8 << 20;
/// How long one piece may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(300);

/// A server that gives out and takes models.
#[derive(Clone)]
pub struct ModelServer {
    client: HttpClient,
    base: String,
    endpoint: Endpoint,
}

impl ModelServer {
    /// The server at a URL like `http://models.internal:5005`, with its token if it asks for one.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn new(url: &str, token: Option<String>, client: HttpClient) -> Result<Self> {
        let base = url.trim_end_matches('/').to_owned();
        let config = EndpointConfig {
            url: Some(base.clone()),
            token,
            token_name: "token".to_owned(),
            ..EndpointConfig::default()
        };
        Ok(Self { client, base, endpoint: Endpoint::new(&config)? })
    }

    /// The record of a model, by tag, `name:version`, file name or digest.
    ///
    /// # Errors
    /// When there is no such model, or the server fails.
    pub async fn record(&self, model: &str) -> Result<Value> {
        self.call(Method::GET, &format!("/api/models/records/{}", encoded(model)), Vec::new()).await
    }

    /// Asks or changes what the server serves.
    ///
    /// # Errors
    /// When the server refuses or fails, with its message.
    pub async fn serving(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.call(method, &format!("/api/serving{path}"), body).await
    }

    /// Sends an archive with its record; what the server has already is not sent again. Gives the record as the
    /// server keeps it.
    ///
    /// # Errors
    /// When the file cannot be read, or the server refuses it.
    pub async fn send(&self, digest: &str, file: &Path, record: &Value) -> Result<Value> {
        let name = record["file"].as_str().unwrap_or("model.tar.gz");
        let total = tokio::fs::metadata(file).await.map_err(|error| unreadable(file, error))?.len();
        self.call(Method::PUT, &format!("/api/models/records/{digest}"), record.to_string().into_bytes())
            .await?;
        let path = format!("/api/models/uploads/{digest}");
        let mut failures = 0;
        loop {
            let progress = self.call(Method::GET, &path, Vec::new()).await?;
            if progress["complete"] == true {
                return self.record(digest).await;
            }
            let mut here = progress["bytes"].as_u64().unwrap_or(0).min(total);
            loop {
                let piece = read_piece(file, here).await.map_err(|error| unreadable(file, error))?;
                let last = (here + piece.len() as u64).saturating_sub(1).max(here);
                let range = HeaderValue::from_str(&format!("bytes {here}-{last}/{total}"));
                let mut headers = HeaderMap::new();
                headers.insert(header::CONTENT_RANGE, range.map_err(|error| invalid("a range", error))?);
                here += piece.len() as u64;
                let target = format!("{path}?filename={}", encoded(name));
                let outgoing =
                    Outgoing { method: Method::PUT, headers, body: piece.into(), timeout: PIECE_TIMEOUT };
                match self.client.send(&self.at(&target)?, outgoing).await {
                    Ok(answer) if answer.status == StatusCode::ACCEPTED => {}
                    // It tells where to go on.
                    Ok(answer) if answer.status == StatusCode::CONFLICT && failures < RESUMPTIONS_MAX => {
                        break;
                    }
                    Ok(answer) => return told(answer),
                    Err(error) if failures == RESUMPTIONS_MAX => return Err(error),
                    Err(_) => break,
                }
            }
            failures += 1;
            tokio::time::sleep(RESUMPTION_PAUSE).await;
        }
    }

    /// Fetches the archive of a digest into a file; what the file holds already is not fetched again.
    ///
    /// # Errors
    /// When the server does not have it, or the file cannot be written.
    pub async fn fetch(&self, digest: &str, bytes: u64, file: &Path) -> Result<()> {
        for resumption in 0.. {
            match self.fetch_rest(digest, bytes, file).await {
                Ok(true) => break,
                Ok(false) if resumption < RESUMPTIONS_MAX => {}
                Err(error) if resumption == RESUMPTIONS_MAX || error.kind != Kind::Unavailable => {
                    return Err(error);
                }
                Ok(false) => {
                    let message = format!("the archive from {} broke off again and again", self.base);
                    return Err(Error::new(Kind::Unavailable, message));
                }
                Err(_) => {}
            }
            tokio::time::sleep(RESUMPTION_PAUSE).await;
        }
        Ok(())
    }

    // Whether all is there.
    async fn fetch_rest(&self, digest: &str, bytes: u64, file: &Path) -> Result<bool> {
        let unwritable = |error: std::io::Error| {
            Error::new(Kind::Refused, format!("cannot write {}", file.display())).because(error)
        };
        let mut target = OpenOptions::new().append(true).create(true).open(file).await.map_err(unwritable)?;
        let mut here = target.metadata().await.map_err(unwritable)?.len();
        if here > bytes {
            target.set_len(0).await.map_err(unwritable)?;
            here = 0;
        }
        if here == bytes {
            return Ok(true);
        }
        let endpoint = self.at(&format!("/api/models/archives/{digest}"))?;
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = endpoint.uri()?;
        *request.headers_mut() = endpoint.headers().clone();
        if here > 0 {
            let etag = HeaderValue::from_str(&format!("\"{digest}\""));
            let etag = etag.map_err(|error| invalid("a digest", error))?;
            request.headers_mut().extend(rest(here, etag)?);
        }
        let response = tokio::time::timeout(STALL_TIMEOUT, self.client.exchange(request)).await;
        let late = |_| Error::new(Kind::Unavailable, format!("no answer from {} in time", self.base));
        let response: Response<Stream> = response.map_err(late)??;
        match response.status() {
            StatusCode::OK => target.set_len(0).await.map_err(unwritable)?,
            StatusCode::PARTIAL_CONTENT => {}
            status => {
                let message = format!("{} answered {status} instead of the archive {digest}", self.base);
                return Err(Error::new(Kind::Refused, message));
            }
        }
        let mut body = response.into_body();
        loop {
            match piece(&mut body).await {
                Ok(None) => break,
                Err(_) => return Ok(false),
                Ok(Some(data)) => target.write_all(&data).await.map_err(unwritable)?,
            }
        }
        target.sync_all().await.map_err(unwritable)?;
        Ok(target.metadata().await.map_err(unwritable)?.len() == bytes)
    }

    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value> {
        let outgoing = Outgoing { method, ..Outgoing::json(body, PIECE_TIMEOUT) };
        told(self.client.send(&self.at(path)?, outgoing).await?)
    }

    fn at(&self, path: &str) -> Result<Endpoint> {
        self.endpoint.at(&format!("{}{path}", self.base))
    }
}

async fn read_piece(file: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut source = File::open(file).await?;
    source.seek(SeekFrom::Start(from)).await?;
    let mut piece = Vec::new();
    source.take(PIECE_BYTES).read_to_end(&mut piece).await?;
    Ok(piece)
}

// What the server says, or why it does not do it.
fn told(answer: Answer) -> Result<Value> {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status.is_success() {
        return Ok(json);
    }
    let message = json["message"]
        .as_str()
        .map_or_else(|| format!("the server answered {}", answer.status), str::to_owned);
    Err(Error::new(Kind::Refused, message))
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    percent_encode(text, &mut encoded);
    encoded
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Refused, format!("cannot read {}", path.display())).because(error)
}

fn invalid(what: &str, error: header::InvalidHeaderValue) -> Error {
    Error::new(Kind::Invalid, format!("{what} cannot be sent")).because(error)
}
