//! `intendant entities`: Duckling's HTTP API over the entity engine.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use intendant_api::listen;
use intendant_entities::wire::{self, BadRequest};

use super::run::asked_to_stop;
use crate::cli::EntitiesArgs;
use crate::failure::Failure;
use crate::wiring;

/// Texts up to this length are read where the request arrived; longer ones on a thread of their own.
const SHORT_TEXT_BYTES: usize = 1_000;

/// Serves until the process is asked to end.
pub fn run(arguments: &EntitiesArgs) -> Result<ExitCode, Failure> {
    wiring::runtime()?.block_on(async {
        let listener = listen::bind(&arguments.interface, arguments.port).await;
        let listener = listener.map_err(|error| Failure::of("", &error))?;
        let address = listener.local_addr().map_err(|error| Failure::of("", &error))?;
        tracing::info!("listening on http://{address}");
        listen::serve(listener, router(), asked_to_stop()).await;
        Ok(ExitCode::SUCCESS)
    })
}

/// `/`, `/parse` and `/targets` as Duckling answers them.
pub fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "quack!" }))
        .route("/parse", post(parse))
        .route("/targets", get(|| async { json(wire::targets().to_string()) }))
}

async fn parse(headers: HeaderMap, body: Bytes) -> Response {
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    // A body of another kind counts as a form without fields, as Duckling has it.
    let form: &[u8] = if is_form { &body } else { &[] };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let (text, options) = match wire::read_request(form, i64::try_from(now).unwrap_or(i64::MAX)) {
        Ok(request) => request,
        Err(error) => return refusal(error),
    };
    if text.len() <= SHORT_TEXT_BYTES {
        return json(wire::parse(&text, &options).to_string());
    }
    match tokio::task::spawn_blocking(move || wire::parse(&text, &options).to_string()).await {
        Ok(answer) => json(answer),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refusal(error: BadRequest) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    (status, error.to_string()).into_response()
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
