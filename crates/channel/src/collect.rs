//! Answers kept until the caller takes them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use intendant_port::BoxFuture;
use intendant_port::error::Result;
use intendant_port::outlet::Outlet;
use intendant_talk::message::Object;
use serde_json::Value;

use crate::render::collected;

/// The name under which response variations know channels that collect answers.
pub const COLLECTOR: &str = "collector";

/// Keeps the answers of one request.
#[derive(Debug, Default)]
pub struct Collector {
    messages: Mutex<Vec<Value>>,
}

impl Collector {
    fn messages(&self) -> MutexGuard<'_, Vec<Value>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was collected so far.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.messages())
    }
}

impl Outlet for Collector {
    fn name(&self) -> &str {
        COLLECTOR
    }

    fn send<'a>(&'a self, recipient_id: &'a str, message: &'a Object) -> BoxFuture<'a, Result<()>> {
        self.messages().extend(collected(recipient_id, message).into_iter().map(Value::Object));
        Box::pin(std::future::ready(Ok(())))
    }
}
