//! Answers posted to a URL, one by one.

use std::sync::Arc;

use intendant_port::BoxFuture;
use intendant_port::deliver::{Courier, Parcel};
use intendant_port::error::Result;
use intendant_port::outlet::Outlet;
use intendant_talk::message::Object;
use serde_json::Value;

use crate::render::collected;

/// The outlet of the callback channel.
pub struct Callback {
    courier: Arc<dyn Courier>,
    url: String,
}

impl Callback {
    /// Posts to `url` by `courier`.
    pub fn new(courier: Arc<dyn Courier>, url: impl Into<String>) -> Self {
        Self { courier, url: url.into() }
    }
}

impl Outlet for Callback {
    fn name(&self) -> &str {
        "callback"
    }

    fn send<'a>(&'a self, recipient_id: &'a str, message: &'a Object) -> BoxFuture<'a, Result<()>> {
        let messages = collected(recipient_id, message);
        Box::pin(async move {
            for message in messages {
                let body = Value::Object(message).to_string().into_bytes();
                let parcel = Parcel { content_type: "application/json".to_owned(), body };
                self.courier.deliver(&self.url, parcel).await?;
            }
            Ok(())
        })
    }
}
