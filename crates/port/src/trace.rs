//! What happened when, as spans, and the header that carries a trace from server to server.

use intendant_talk::time::Timestamp;

use crate::BoxFuture;

/// Names a span within its trace, everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace; not 0.
    pub trace_id: u128,
    /// The span; not 0.
    pub span_id: u64,
    /// Whether the spans of this trace are kept.
    pub is_sampled: bool,
}

impl SpanContext {
    /// Reads the header `traceparent`.
    ///
    /// Source: W3C Trace Context, section 3.2.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut fields = traceparent.trim().split('-');
        let (version, trace_id) = (fields.next()?, fields.next()?);
        let (span_id, flags) = (fields.next()?, fields.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length
                && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        // Later versions may add fields; the first has none to add.
        let is_known = is_hex(version, 2) && version != "ff" && (version != "00" || fields.next().is_none());
        if !is_known || !is_hex(trace_id, 32) || !is_hex(span_id, 16) || !is_hex(flags, 2) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span_id, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
    }

    /// The header `traceparent`.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// Which side of an exchange a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Work in this process.
    Internal,
    /// A request that was answered.
    Server,
    /// A request that was made.
    Client,
}

/// A span that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// What was done.
    pub name: String,
    /// Which side of an exchange it is about.
    pub kind: SpanKind,
    /// Its own name.
    pub context: SpanContext,
    /// The span it belongs to.
    pub parent: Option<u64>,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// More about it.
    pub attributes: Vec<(&'static str, serde_json::Value)>,
    /// What went wrong, if it did.
    pub error: Option<String>,
}

/// Receives spans.
pub trait Tracer: Send + Sync {
    /// Takes a span; never waits.
    fn record(&self, span: Span);

    /// Makes sure that everything taken has left, for the end of the process.
    fn flush(&self) -> BoxFuture<'_, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_written() {
        let check = |header: &str, expected: Option<&str>| {
            let found = SpanContext::parse(header).map(|context| context.traceparent());
            assert_eq!(found.as_deref(), expected, "{header}");
        };
        let usual = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        check(usual, Some(usual));
        check(&format!(" {usual} "), Some(usual));
        let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        check(unsampled, Some(unsampled));
        check(&usual.replace("00-0a", "cc-0a").replace("-01", "-01-more"), Some(usual));
        check(&format!("{usual}-more"), None);
        check(&usual.replace("00-0a", "ff-0a"), None);
        check(&usual.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), None);
        check(&usual.to_uppercase(), None);
        check("", None);
        check("00-1-2-01", None);
    }
}
