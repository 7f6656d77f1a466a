//! Answers passed on one by one, as JSON lines.

use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::outlet::Outlet;
use intendant_talk::message::Object;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::collect::COLLECTOR;
use crate::render::collected;

/// Lines waiting for a slow reader. One message never makes as many; beyond, lines are refused so
/// that a reader who has stopped cannot hold up the conversation.
const LINES_MAX: usize = 1024;

/// Passes answers on as they are made.
pub struct Streamer {
    lines: mpsc::Sender<String>,
}

/// An outlet and the lines that come out of it, until the outlet is dropped.
pub fn stream() -> (Streamer, mpsc::Receiver<String>) {
    let (lines, receiver) = mpsc::channel(LINES_MAX);
    (Streamer { lines }, receiver)
}

impl Outlet for Streamer {
    fn name(&self) -> &str {
        COLLECTOR
    }

    fn send<'a>(&'a self, recipient_id: &'a str, message: &'a Object) -> BoxFuture<'a, Result<()>> {
        let messages = collected(recipient_id, message);
        let mut lines = messages.into_iter().map(|message| format!("{}\n", Value::Object(message)));
        let sent = lines.try_for_each(|line| {
            let gone = |_| Error::new(Kind::Unavailable, "the reader of the stream has gone away");
            self.lines.try_send(line).map_err(gone)
        });
        Box::pin(std::future::ready(sent))
    }
}
