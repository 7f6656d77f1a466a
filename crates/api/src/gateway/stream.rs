//! An answer while it is made, as server-sent events: `piece`, and at the end `done` or `problem`.
//!
//! A refusal that comes before anything was said is an ordinary response.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use intendant_gateway::inquiry::{Inquiry, Refused, Reply};
use intendant_port::upstream::Pieces;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Asked, Front, message_body};

enum Step {
    Piece(String),
    End(Box<Result<Reply, Refused>>),
}

/// Gives pieces on; a client who has gone stops nothing.
struct Sender(mpsc::UnboundedSender<Step>);

impl Pieces for Sender {
    fn take(&self, piece: &str) {
        drop(self.0.send(Step::Piece(piece.to_owned())));
    }
}

/// Answers with events.
pub async fn answer(front: Arc<Front>, asked: Asked, inquiry: Inquiry) -> Response {
    let (session, language) = (inquiry.question.session.clone(), inquiry.question.language.clone());
    // An answer has a largest size, so what waits here has one too.
    let (sender, mut steps) = mpsc::unbounded_channel();
    let gateway = front.gateway.clone();
    tokio::spawn(async move {
        let pieces: Arc<dyn Pieces> = Arc::new(Sender(sender.clone()));
        let outcome = gateway.answer(inquiry, Some(pieces)).await;
        drop(sender.send(Step::End(Box::new(outcome))));
    });
    let first = match steps.recv().await {
        Some(Step::End(outcome)) => match *outcome {
            Err(refused) => return asked.refuse(&front, asked.problem(&front, &refused, &language)),
            Ok(reply) => Step::End(Box::new(Ok(reply))),
        },
        Some(piece) => piece,
        None => {
            let refused = Refused::Unavailable(None);
            return asked.refuse(&front, asked.problem(&front, &refused, &language));
        }
    };
    let events = stream::unfold((Some(first), steps), move |(first, mut steps)| {
        let (session, language) = (session.clone(), language.clone());
        async move {
            let step = match first {
                Some(step) => step,
                None => steps.recv().await?,
            };
            let event = event(step, &session, &language);
            Some((Ok::<_, Infallible>(Bytes::from(event)), (None, steps)))
        }
    });
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    asked.refuse(&front, response)
}

fn event(step: Step, session: &str, language: &str) -> String {
    let (name, data): (&str, Value) = match step {
        Step::Piece(text) => ("piece", json!({"text": text})),
        Step::End(outcome) => match *outcome {
            Ok(reply) => ("done", message_body(session, &reply)),
            Err(refused) => ("problem", json!({"code": refused.word(), "detail": refused.excuse(language)})),
        },
    };
    format!("event: {name}\ndata: {data}\n\n")
}
