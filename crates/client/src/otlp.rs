//! Spans to an OpenTelemetry collector: OTLP over HTTP, as JSON.
//!
//! One task sends what has gathered, every second or when much has; spans that nobody takes are
//! dropped, never waited for. The protocol's JSON is a page of ours; the official crates would add
//! a gRPC stack for it.
//!
//! Source: OpenTelemetry protocol 1.5, section OTLP/HTTP, and its mapping to JSON.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::trace::{Span, SpanKind, Tracer};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::endpoint::Endpoint;
use crate::http::{HttpClient, Outgoing};

/// Most spans that wait to be sent.
const WAITING_MAX: usize = 8192;
/// Most spans in one request.
const BATCH_MAX: usize = 512;
/// How long spans gather.
const GATHERING: Duration = Duration::from_secs(1);
/// How long a collector may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a batch is sent before it is given up.
const TRIES_MAX: u32 = 3;

/// Sends spans to a collector.
pub struct OtlpTracer {
    orders: mpsc::Sender<Order>,
    lost: AtomicU64,
}

enum Order {
    Send(Box<Span>),
    Flush(oneshot::Sender<()>),
}

impl OtlpTracer {
    /// Sends to the collector at `endpoint`, its path `/v1/traces` included. Must be called within
    /// a runtime; the sending ends when the tracer is dropped.
    pub fn start(client: HttpClient, endpoint: Endpoint, service_name: &str) -> Self {
        let (orders, incoming) = mpsc::channel(WAITING_MAX);
        let exporter = Exporter { client, endpoint, service_name: service_name.to_owned() };
        tokio::spawn(exporter.run(incoming));
        Self { orders, lost: AtomicU64::new(0) }
    }
}

impl Tracer for OtlpTracer {
    fn record(&self, span: Span) {
        if self.orders.try_send(Order::Send(Box::new(span))).is_err() {
            let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
            // Told ever more rarely: a collector that is away for long is no news.
            if lost.is_power_of_two() {
                tracing::warn!(lost, "spans are dropped because the collector does not keep up");
            }
        }
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (done, is_done) = oneshot::channel();
            if self.orders.send(Order::Flush(done)).await.is_ok() {
                let _ = is_done.await;
            }
        })
    }
}

struct Exporter {
    client: HttpClient,
    endpoint: Endpoint,
    service_name: String,
}

impl Exporter {
    async fn run(self, mut orders: mpsc::Receiver<Order>) {
        let mut spans: Vec<Span> = Vec::new();
        let mut is_well = true;
        loop {
            let gathered = tokio::time::timeout(GATHERING, gather(&mut orders, &mut spans)).await;
            if !spans.is_empty() {
                match self.send(&spans).await {
                    Ok(()) => is_well = true,
                    Err(error) if std::mem::take(&mut is_well) => {
                        let (url, error) = (self.endpoint.url(), error.chain());
                        tracing::warn!(url, error, "spans cannot be sent; they are dropped until they can");
                    }
                    Err(_) => {}
                }
                spans.clear();
            }
            match gathered {
                Err(_) | Ok(Gathered::Enough) => {}
                Ok(Gathered::ToFlush(done)) => drop(done.send(())),
                Ok(Gathered::Last) => return,
            }
        }
    }

    async fn send(&self, spans: &[Span]) -> Result<()> {
        let body = export_request(&self.service_name, spans).to_string().into_bytes();
        let mut tries = 1;
        loop {
            let outgoing = Outgoing::json(body.clone(), EXPORT_TIMEOUT);
            let answer = self.client.send(&self.endpoint, outgoing).await;
            let error = match answer {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                Ok(answer) => {
                    let error =
                        Error::new(Kind::Refused, format!("the collector answered {}", answer.status));
                    if !is_worth_repeating(answer.status) {
                        return Err(error);
                    }
                    error
                }
                Err(error) => error,
            };
            if tries == TRIES_MAX {
                return Err(error);
            }
            tokio::time::sleep(GATHERING * tries).await;
            tries += 1;
        }
    }
}

enum Gathered {
    Enough,
    ToFlush(oneshot::Sender<()>),
    Last,
}

async fn gather(orders: &mut mpsc::Receiver<Order>, spans: &mut Vec<Span>) -> Gathered {
    while spans.len() < BATCH_MAX {
        match orders.recv().await {
            Some(Order::Send(span)) => spans.push(*span),
            Some(Order::Flush(done)) => return Gathered::ToFlush(done),
            None => return Gathered::Last,
        }
    }
    Gathered::Enough
}

fn is_worth_repeating(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// The body of an `ExportTraceServiceRequest`.
fn export_request(service_name: &str, spans: &[Span]) -> Value {
    json!({
        "resourceSpans": [{
            "resource": {"attributes": [attribute("service.name", &service_name.into())]},
            "scopeSpans": [{
                "scope": {"name": "intendant", "version": env!("CARGO_PKG_VERSION")},
                "spans": spans.iter().map(span_json).collect::<Vec<_>>(),
            }],
        }],
    })
}

fn span_json(span: &Span) -> Value {
    let kind = match span.kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
    };
    let nanos = |micros: i64| format!("{}", i128::from(micros) * 1000);
    let mut json = json!({
        "traceId": format!("{:032x}", span.context.trace_id),
        "spanId": format!("{:016x}", span.context.span_id),
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": nanos(span.start.micros),
        "endTimeUnixNano": nanos(span.end.micros),
        "attributes": span.attributes.iter().map(|(key, value)| attribute(key, value)).collect::<Vec<_>>(),
        "status": {},
    });
    if let Some(parent) = span.parent {
        json["parentSpanId"] = format!("{parent:016x}").into();
    }
    if let Some(error) = &span.error {
        json["status"] = json!({"code": 2, "message": error});
    }
    json
}

fn attribute(key: &str, value: &Value) -> Value {
    let value = match value {
        Value::Bool(flag) => json!({"boolValue": flag}),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            json!({"intValue": number.to_string()})
        }
        Value::Number(number) => json!({"doubleValue": number}),
        Value::String(text) => json!({"stringValue": text}),
        other => json!({"stringValue": other.to_string()}),
    };
    json!({"key": key, "value": value})
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_port::trace::SpanContext;
    use intendant_talk::time::Timestamp;

    #[test]
    fn spans_are_written_as_the_protocol_says() {
        let span = Span {
            name: "turn".to_owned(),
            kind: SpanKind::Client,
            context: SpanContext { trace_id: 0xa, span_id: 0xb, is_sampled: true },
            parent: Some(0xc),
            start: Timestamp::from_micros(1_700_000_000_000_001),
            end: Timestamp::from_micros(1_700_000_000_000_002),
            attributes: vec![
                ("text", "x".into()),
                ("count", 2.into()),
                ("share", 0.5.into()),
                ("is", true.into()),
            ],
            error: Some("broke".to_owned()),
        };
        let found = export_request("rasa", &[span]);
        let expected = json!({
            "traceId": "0000000000000000000000000000000a", "spanId": "000000000000000b",
            "parentSpanId": "000000000000000c", "name": "turn", "kind": 3,
            "startTimeUnixNano": "1700000000000001000", "endTimeUnixNano": "1700000000000002000",
            "attributes": [
                {"key": "text", "value": {"stringValue": "x"}}, {"key": "count", "value": {"intValue": "2"}},
                {"key": "share", "value": {"doubleValue": 0.5}}, {"key": "is", "value": {"boolValue": true}},
            ],
            "status": {"code": 2, "message": "broke"},
        });
        assert_eq!(found["resourceSpans"][0]["scopeSpans"][0]["spans"][0], expected);
        let service = json!([{"key": "service.name", "value": {"stringValue": "rasa"}}]);
        assert_eq!(found["resourceSpans"][0]["resource"]["attributes"], service);
    }
}
