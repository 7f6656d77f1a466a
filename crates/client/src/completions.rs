//! Language models behind an endpoint for chat completions as OpenAI defined it; paid by tokens.

use std::time::Duration;

use ::http::HeaderValue;
use http_body_util::BodyExt;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind};
use intendant_port::upstream::{Answer, Failed, Pieces, Question, Upstream, Usage};
use intendant_talk::message::Object;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::http::{Answer as HttpAnswer, HttpClient, Outgoing};
use crate::paid::{ANSWER_BYTES_MAX, bearer, checked, free, send, unknown};

/// Kinds of units in price tables.
const INPUT: &str = "input_tokens";
const OUTPUT: &str = "output_tokens";
/// Tokens around each message.
const TOKENS_AROUND: u64 = 16;

/// Which model, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its name, which is its edition in price tables.
    pub name: String,
    /// What it is told first.
    pub instructions: Option<String>,
    /// Most tokens of an answer.
    pub answer_tokens_max: u64,
    /// The key of the endpoint.
    pub token: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// A model that is asked over HTTP.
pub struct Completions {
    client: HttpClient,
    endpoint: Endpoint,
    model: Model,
}

impl Completions {
    /// A model behind `…/chat/completions` at `endpoint`.
    pub fn new(client: HttpClient, endpoint: Endpoint, model: Model) -> Self {
        Self { client, endpoint, model }
    }

    fn messages(&self, question: &Question) -> Vec<Value> {
        let mut messages = Vec::new();
        if let Some(instructions) = &self.model.instructions {
            messages.push(json!({"role": "system", "content": instructions}));
        }
        for said in &question.before {
            messages.push(json!({"role": "user", "content": said.question}));
            messages.push(json!({"role": "assistant", "content": said.answer}));
        }
        messages.push(json!({"role": "user", "content": question.input.text()}));
        messages
    }

    fn outgoing(&self, question: &Question, is_streamed: bool) -> Result<Outgoing, Error> {
        let mut body = json!({
            "model": self.model.name,
            "messages": self.messages(question),
            "max_tokens": self.model.answer_tokens_max,
        });
        if is_streamed {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        let outgoing = Outgoing::json(body.to_string().into_bytes(), self.model.timeout);
        match &self.model.token {
            Some(token) => bearer(outgoing, token),
            None => Ok(outgoing),
        }
    }

    async fn whole(&self, question: &Question) -> Result<Answer, Failed> {
        let outgoing = self.outgoing(question, false).map_err(free)?;
        let answer = send(&self.client, &self.endpoint, &outgoing).await?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(text) = body["choices"][0]["message"]["content"].as_str() else {
            return Err(unknown(Error::new(Kind::Invalid, "it answered without a message")));
        };
        Ok(answer_of(text.to_owned(), usage_of(&body["usage"])))
    }

    async fn streamed(&self, question: &Question, pieces: &dyn Pieces) -> Result<Answer, Failed> {
        let outgoing = self.outgoing(question, true).map_err(free)?;
        let identity = HeaderValue::from_static("identity");
        let response = match self.client.open(&self.endpoint, outgoing, identity).await {
            Ok(response) => response,
            Err(error) => return Err(checked(Err(error)).err().unwrap_or_else(|| unknown(broken_off()))),
        };
        let (parts, mut body) = response.into_parts();
        let mut stream = Stream::default();
        let mut bytes = 0;
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| unknown(broken_off().because(error)))?;
            let Some(data) = frame.data_ref() else { continue };
            bytes += data.len();
            if bytes > ANSWER_BYTES_MAX {
                return Err(unknown(Error::new(Kind::Invalid, "its answer has no end")));
            }
            match parts.status.is_success() {
                true => stream.take(data, pieces),
                false => whole.extend_from_slice(data),
            }
        }
        if !parts.status.is_success() {
            let answer = HttpAnswer { status: parts.status, headers: parts.headers, body: whole.into() };
            return Err(checked(Ok(answer)).err().unwrap_or_else(|| unknown(broken_off())));
        }
        if !stream.is_done {
            return Err(unknown(broken_off()));
        }
        Ok(answer_of(stream.text, stream.usage))
    }
}

fn broken_off() -> Error {
    Error::new(Kind::Unavailable, "its answer broke off")
}

impl Upstream for Completions {
    fn name(&self) -> &str {
        "openai"
    }

    fn edition(&self) -> &str {
        &self.model.name
    }

    /// No text has more tokens than bytes, so this is never too little.
    fn needs(&self, question: &Question) -> Vec<Usage> {
        let bytes = |message: &Value| message["content"].as_str().map_or(0, str::len) as u64 + TOKENS_AROUND;
        let input: u64 = self.messages(question).iter().map(bytes).sum();
        vec![
            Usage { kind: INPUT, units: input + TOKENS_AROUND },
            Usage { kind: OUTPUT, units: self.model.answer_tokens_max },
        ]
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn ask<'a>(
        &'a self,
        question: &'a Question,
        pieces: Option<&'a dyn Pieces>,
    ) -> BoxFuture<'a, Result<Answer, Failed>> {
        Box::pin(async move {
            match pieces {
                Some(pieces) => self.streamed(question, pieces).await,
                None => self.whole(question).await,
            }
        })
    }
}

fn answer_of(text: String, usage: Vec<Usage>) -> Answer {
    let mut message = Object::new();
    message.insert("text".to_owned(), text.into());
    // What was said before is part of the next question.
    Answer { messages: vec![message], usage, leaves_state: true, detected: None }
}

fn usage_of(usage: &Value) -> Vec<Usage> {
    match (usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64()) {
        (Some(input), Some(output)) => {
            vec![Usage { kind: INPUT, units: input }, Usage { kind: OUTPUT, units: output }]
        }
        // Then it is paid as estimated.
        _ => Vec::new(),
    }
}

/// Server-sent events, read as they come.
#[derive(Debug, Default)]
struct Stream {
    rest: Vec<u8>,
    text: String,
    usage: Vec<Usage>,
    is_done: bool,
}

impl Stream {
    fn take(&mut self, data: &[u8], pieces: &dyn Pieces) {
        self.rest.extend_from_slice(data);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(event) = line.trim_end().strip_prefix("data:") else { continue };
            if event.trim() == "[DONE]" {
                self.is_done = true;
                continue;
            }
            let event: Value = serde_json::from_str(event).unwrap_or_default();
            if let Some(piece) =
                event["choices"][0]["delta"]["content"].as_str().filter(|piece| !piece.is_empty())
            {
                self.text.push_str(piece);
                pieces.take(piece);
            }
            if event["usage"].is_object() {
                self.usage = usage_of(&event["usage"]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl Pieces for Kept {
        fn take(&self, piece: &str) {
            self.0.lock().unwrap().push(piece.to_owned());
        }
    }

    #[test]
    fn events_are_read_however_they_are_cut() {
        let sent = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n: note\n\
                    data: {\"choices\":[{\"delta\":{\"content\":\"Grüß\"}}]}\r\n\r\n\
                    data:{\"choices\":[{\"delta\":{\"content\":\" Gott\"}}]}\n\n\
                    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";
        for size in [1, 2, 7, 1000] {
            let kept = Kept::default();
            let mut stream = Stream::default();
            sent.as_bytes().chunks(size).for_each(|chunk| stream.take(chunk, &kept));
            assert!(stream.is_done);
            assert_eq!(stream.text, "Grüß Gott");
            assert_eq!(*kept.0.lock().unwrap(), ["Grüß", " Gott"]);
            assert_eq!(stream.usage, [Usage { kind: INPUT, units: 3 }, Usage { kind: OUTPUT, units: 2 }]);
        }
    }
}
