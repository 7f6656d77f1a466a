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

/// Keeps messages as they were sent, under a channel's name.
#[derive(Debug)]
pub struct Keeper {
    name: &'static str,
    messages: Mutex<Vec<Object>>,
}

impl Keeper {
    /// Keeps nothing yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, messages: Mutex::default() }
    }

    /// Takes what was kept so far.
    pub fn take(&self) -> Vec<Object> {
        std::mem::take(&mut *self.messages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes what was kept so far, without what is empty in it.
    pub fn take_filled(&self) -> Vec<Object> {
        let is_filled = |value: &Value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            _ => true,
        };
        let mut messages = self.take();
        messages.iter_mut().for_each(|message| message.retain(|_, value| is_filled(value)));
        messages
    }
}

impl Outlet for Keeper {
    fn name(&self) -> &str {
        self.name
    }

    fn send<'a>(&'a self, _recipient_id: &'a str, message: &'a Object) -> BoxFuture<'a, Result<()>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}
