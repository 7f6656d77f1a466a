//! Deliveries to a URL.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, header};
use intendant_port::BoxFuture;
use intendant_port::deliver::{Courier, Parcel};
use intendant_port::error::{Error, Kind, Result};

use crate::endpoint::Endpoint;
use crate::http::{HttpClient, Outgoing};

/// How long a delivery may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// Posts bodies over HTTP, with the parameters and headers of an endpoint if there is one.
pub struct HttpCourier {
    client: HttpClient,
    endpoint: Option<Endpoint>,
}

impl HttpCourier {
    /// A courier to any URL.
    pub fn new(client: HttpClient) -> Self {
        Self { client, endpoint: None }
    }

    /// A courier whose deliveries carry what `endpoint` asks for.
    pub fn to(client: HttpClient, endpoint: Endpoint) -> Self {
        Self { client, endpoint: Some(endpoint) }
    }
}

impl Courier for HttpCourier {
    fn deliver<'a>(&'a self, url: &'a str, parcel: Parcel) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let endpoint = match &self.endpoint {
                Some(endpoint) => endpoint.at(url)?,
                None => Endpoint::bare(url)?,
            };
            let mut headers = HeaderMap::new();
            if let Ok(content_type) = HeaderValue::from_str(&parcel.content_type) {
                headers.insert(header::CONTENT_TYPE, content_type);
            }
            let body = parcel.body.into();
            let outgoing = Outgoing { method: Method::POST, headers, body, timeout: DELIVERY_TIMEOUT };
            let answer = self.client.send(&endpoint, outgoing).await?;
            if answer.status.is_client_error() || answer.status.is_server_error() {
                let message = format!("{} answered {}", endpoint.url(), answer.status);
                return Err(Error::new(Kind::Refused, message));
            }
            Ok(())
        })
    }
}
