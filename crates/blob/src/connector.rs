//! Lets the object stores speak through our own HTTP client.

use std::time::Duration;

use async_trait::async_trait;
use http::Request;
use http::header::AUTHORIZATION;
use http_body_util::{BodyExt, Full};
use intendant_client::http::HttpClient;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient as StoreClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};

/// How long an answer may take to begin.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Our client in the shape the stores want.
#[derive(Clone)]
pub struct Connector(pub HttpClient);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    // Options of the other client mean nothing here.
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<StoreClient> {
        Ok(StoreClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut parts, body) = request.into_parts();
        // Who has no token says nothing, rather than that it has an empty one.
        if parts.headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().trim_ascii() == b"Bearer") {
            parts.headers.remove(AUTHORIZATION);
        }
        // Parts of an upload are in memory already.
        let body = body.collect().await?.to_bytes();
        let exchange = self.0.exchange(Request::from_parts(parts, Full::new(body)));
        let response = match tokio::time::timeout(ANSWER_TIMEOUT, exchange).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(HttpError::new(HttpErrorKind::Connect, error)),
            Err(late) => return Err(HttpError::new(HttpErrorKind::Timeout, late)),
        };
        Ok(response.map(|body| {
            HttpResponseBody::new(
                body.map_err(|error| HttpError::new_boxed(HttpErrorKind::Interrupted, error)),
            )
        }))
    }
}
