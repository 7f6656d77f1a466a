//! Spans of what a server does, and the span in which something is done.
//!
//! Who begins a piece of work runs it [`within`] a span's context; whatever is begun inside finds
//! its parent in [`current`]. Without a tracer nothing is made.

use std::future::Future;
use std::sync::Arc;

use intendant_port::clock::Clock;
use intendant_port::trace::{Span, SpanContext, SpanKind, Tracer};
use serde_json::Value;

use crate::server::Server;

tokio::task_local! {
    static CURRENT: SpanContext;
}

/// The span in which the caller works.
pub fn current() -> Option<SpanContext> {
    CURRENT.try_with(|context| *context).ok()
}

/// Does work in a span; without one, in no other than before.
pub async fn within<T>(context: Option<SpanContext>, work: impl Future<Output = T>) -> T {
    match context {
        Some(context) => CURRENT.scope(context, work).await,
        None => work.await,
    }
}

/// A span that has begun and ends when dropped.
pub struct Begun {
    span: Span,
    tracer: Arc<dyn Tracer>,
    clock: Arc<dyn Clock>,
}

impl Server {
    /// Begins a span below `parent`, or a trace of its own; `None` when nobody traces.
    pub fn begin_span(
        &self,
        name: impl Into<String>,
        kind: SpanKind,
        parent: Option<SpanContext>,
    ) -> Option<Begun> {
        let outside = self.outside();
        let tracer = Arc::clone(outside.tracer.as_ref()?);
        let (trace_id, is_sampled) = match parent {
            Some(parent) => (parent.trace_id, parent.is_sampled),
            None => (uuid::Uuid::new_v4().as_u128(), true),
        };
        let span_id = uuid::Uuid::new_v4().as_u64_pair().0;
        let start = outside.clock.now();
        let span = Span {
            name: name.into(),
            kind,
            context: SpanContext { trace_id, span_id, is_sampled },
            parent: parent.map(|parent| parent.span_id),
            start,
            end: start,
            attributes: Vec::new(),
            error: None,
        };
        Some(Begun { span, tracer, clock: Arc::clone(&outside.clock) })
    }
}

impl Begun {
    /// Its name, for what is done inside.
    pub fn context(&self) -> SpanContext {
        self.span.context
    }

    /// Says more about it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.span.attributes.push((key, value.into()));
    }

    /// Says what went wrong.
    pub fn fail(&mut self, error: impl Into<String>) {
        self.span.error = Some(error.into());
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.span.end = self.clock.now();
        if self.span.context.is_sampled {
            self.tracer.record(self.span.clone());
        }
    }
}
