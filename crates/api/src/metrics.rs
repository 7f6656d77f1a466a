//! `GET /metrics`, `/healthz`, `/readyz`: what operators and their tools look at.

use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use intendant_serve::metrics::write_gauge;
use serde_json::json;

use crate::error::{json_response, text_response};
use crate::router::Api;

/// All metrics as Prometheus reads them.
pub fn metrics(api: &Api) -> Response<Body> {
    let server = &api.server;
    let mut text = String::with_capacity(16 * 1024);
    server.metrics().write(&mut text);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    write_gauge(&mut text, "intendant_build_info", "The version that runs.", &version, 1.0);
    let assistant = server.assistant();
    let model = assistant
        .as_ref()
        .map(|assistant| [("model_id", assistant.model_id()), ("model_file", assistant.model_file.as_str())]);
    if let Some(labels) = model {
        write_gauge(&mut text, "intendant_model_info", "The model in use.", &labels, 1.0);
    }
    let gauges = [
        ("intendant_model_loaded", "Whether a model is in use.", f64::from(u8::from(model.is_some()))),
        (
            "intendant_turns_in_hand",
            "Messages and other turns being worked on.",
            server.turns_in_hand() as f64,
        ),
        (
            "intendant_reminders_waiting",
            "Reminders waiting for their time.",
            server.reminders_waiting() as f64,
        ),
        (
            "intendant_training_jobs",
            "Trainings over HTTP that are running.",
            api.trainings.load(Ordering::Relaxed) as f64,
        ),
    ];
    for (name, help, value) in gauges {
        write_gauge(&mut text, name, help, &[], value);
    }
    write_process(api, &mut text);
    let mut response = text_response(StatusCode::OK, text);
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// The process's own numbers, under the names that every exporter gives them.
fn write_process(api: &Api, text: &mut String) {
    let started = api.server.metrics().started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let help = "When the server was started, in seconds since 1970.";
    write_gauge(text, "process_start_time_seconds", help, &[], started.as_secs_f64());
    // Systems without /proc tell less.
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    let memory = [
        ("process_resident_memory_bytes", "Memory in use.", "VmRSS"),
        ("process_virtual_memory_bytes", "Address space in use.", "VmSize"),
    ];
    for (name, help, key) in memory {
        if let Some(kilobytes) = field(key) {
            write_gauge(text, name, help, &[], kilobytes * 1024.0);
        }
    }
    if let Some(threads) = field("Threads") {
        write_gauge(text, "process_threads", "Threads.", &[], threads);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        write_gauge(text, "process_open_fds", "Open file descriptors.", &[], open.count() as f64);
    }
}

/// The process lives.
pub fn alive() -> Response<Body> {
    json_response(StatusCode::OK, &json!({"status": "ok"}))
}

/// The server can answer messages, or says why it cannot.
pub fn ready(api: &Api) -> Response<Body> {
    let reason = if api.server.is_stopping() {
        "the server is stopping"
    } else if api.server.assistant().is_none() {
        "no model is loaded"
    } else {
        return json_response(StatusCode::OK, &json!({"status": "ok"}));
    };
    json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "not ready", "reason": reason}))
}
