//! Operations on models: understanding, training, testing, loading.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use intendant_port::deliver::Parcel;
use intendant_serve::assistant::Assistant;
use intendant_serve::workshop::{
    IntentTest, ModelSource, TestData, TrainOptions, Trained, WorkshopError, WorkshopErrorKind,
};
use serde_json::{Value, json};

use crate::emulate::Emulation;
use crate::error::{ApiError, json_response};
use crate::request::Request;
use crate::router::Api;

type Answer = Result<Response<Body>, ApiError>;

pub async fn parse(api: &Api, request: &Request) -> Answer {
    if request.body.is_empty() {
        let message = "No text message defined in request_body. Add text message to request body in order to \
                       obtain the intent and extracted entities.";
        return Err(ApiError::bad_request(message));
    }
    let emulation = Emulation::parse(request.query("emulation_mode"))?;
    let body: Value = serde_json::from_slice(&request.body)
        .map_err(|_| parsing_error("Failed when parsing body as json"))?;
    let text = match &body["text"] {
        Value::String(text) => text,
        Value::Array(texts) => texts
            .first()
            .and_then(Value::as_str)
            .ok_or_else(|| parsing_error("the key `text` must hold a text"))?,
        _ => return Err(parsing_error("the key `text` must hold a text")),
    };
    let parse = api.server.parse(text).await?;
    Ok(json_response(StatusCode::OK, &emulation.write(&parse)))
}

fn parsing_error(why: &str) -> ApiError {
    let message = format!("An unexpected error occurred. Error: {why}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "ParsingError", message)
}

/// Runs a request now, or, with `callback_url`, in the background with its result posted there.
pub async fn now_or_later<F, Work>(api: &Arc<Api>, request: &Request, perform: F) -> Answer
where
    F: FnOnce(Arc<Api>, Request) -> Work + Send + 'static,
    Work: Future<Output = Answer> + Send + 'static,
{
    let (own_api, own_request) = (Arc::clone(api), request.clone());
    let Some(url) = request.query("callback_url") else {
        return perform(own_api, own_request).await;
    };
    let (api, url) = (Arc::clone(api), url.to_owned());
    tokio::spawn(async move {
        let (content_type, body) = match perform(own_api, own_request).await {
            Ok(response) => read_out(response).await,
            Err(error) => {
                let body = error.body().unwrap_or_else(|| unexpected(&error));
                ("application/json".to_owned(), body.to_string().into())
            }
        };
        let parcel = Parcel { content_type, body: body.into() };
        if let Err(error) = api.courier.deliver(&url, parcel).await {
            tracing::error!(url, error = error.chain(), "cannot deliver the result to the callback URL");
        }
    });
    Ok(no_content())
}

fn unexpected(error: &ApiError) -> Value {
    let message = match error {
        ApiError::Framework { message, .. } => message.as_str(),
        ApiError::Token { reason, .. } => reason,
        ApiError::Rasa(failure) => failure.message.as_str(),
    };
    let message = format!("An unexpected error. Error: {message}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "UnexpectedError", message).body().unwrap_or_default()
}

async fn read_out(response: Response<Body>) -> (String, bytes::Bytes) {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    // The bodies of our own responses are in memory, so reading them cannot fail.
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
    (content_type, body)
}

pub async fn train(api: Arc<Api>, request: Request) -> Answer {
    if request.body.is_empty() {
        let message = "You must provide training data in the request body in order to train your model.";
        return Err(ApiError::bad_request(message));
    }
    let yaml = request.text()?.to_owned();
    let number = |name: &str, default: usize| match request.query(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| ApiError::internal()),
    };
    let options = TrainOptions {
        save_to_default_model_directory: request.flag("save_to_default_model_directory", true),
        force_training: request.flag("force_training", false),
        augmentation: number("augmentation", 50)?,
        num_threads: number("num_threads", 1)?,
    };
    api.trainings.fetch_add(1, Ordering::Relaxed);
    let workshop = Arc::clone(&api.workshop);
    let trained = compute(move || workshop.train(&yaml, &options)).await;
    api.trainings.fetch_sub(1, Ordering::Relaxed);
    let unexpected = "An unexpected error occurred during training. Error: ";
    match trained.map_err(|why| training_error(format!("{unexpected}{why}")))? {
        Ok(trained) => archive(trained),
        Err(error) => Err(match error.kind {
            WorkshopErrorKind::InvalidYaml => ApiError::invalid_yaml(&error.message),
            WorkshopErrorKind::InvalidDomain => {
                let message = format!("Provided domain file is invalid. Error: {}", error.message);
                ApiError::new(StatusCode::BAD_REQUEST, "InvalidDomainError", message)
            }
            WorkshopErrorKind::NothingTrained => {
                training_error("Ran training, but it finished without a trained model.".to_owned())
            }
            WorkshopErrorKind::Unloadable | WorkshopErrorKind::Failed => {
                training_error(format!("{unexpected}{}", error.message))
            }
        }),
    }
}

fn training_error(message: String) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "TrainingError", message)
}

fn archive(trained: Trained) -> Answer {
    let mut response = Response::new(Body::from(trained.bytes));
    let file_name = HeaderValue::from_str(&trained.file_name);
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", trained.file_name));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    if let (Ok(file_name), Ok(disposition)) = (file_name, disposition) {
        headers.insert("filename", file_name);
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// Runs something that computes for long on a thread where that disturbs nobody.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("the computation ended early: {error}"))
}

pub async fn test_stories(api: Arc<Api>, request: Request) -> Answer {
    let assistant = api.server.assistant().ok_or_else(ApiError::no_model)?;
    if request.body.is_empty() {
        let message = "You must provide some stories in the request body in order to evaluate your model.";
        return Err(ApiError::bad_request(message));
    }
    let yaml = request.text()?.to_owned();
    let end_to_end = request.flag("e2e", false);
    let workshop = Arc::clone(&api.workshop);
    tested(compute(move || workshop.test_stories(&assistant, &yaml, end_to_end)).await)
}

pub async fn test_intents(api: Arc<Api>, request: Request) -> Answer {
    if request.body.is_empty() {
        let message = "You must provide some nlu data in the request body in order to evaluate your model.";
        return Err(ApiError::bad_request(message));
    }
    let is_yaml = request.header(header::CONTENT_TYPE) == Some("application/x-yaml");
    let test = match (request.query("cross_validation_folds"), is_yaml) {
        (Some(folds), true) => {
            let folds = folds.parse().map_err(|_| ApiError::internal())?;
            IntentTest::CrossValidate { yaml: request.text()?.to_owned(), folds }
        }
        (Some(_), false) => {
            let message = "Cross-validation is only supported for YAML data.";
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "TestingError", message));
        }
        (None, _) => {
            let data = match (is_yaml, request.json()) {
                (true, _) => TestData::Yaml(request.text()?.to_owned()),
                (false, Ok(Value::Object(data))) if data.contains_key("rasa_nlu_data") => {
                    TestData::Json(data)
                }
                (false, Ok(_)) => return Err(ApiError::internal()),
                (false, Err(error)) => return Err(error),
            };
            IntentTest::Evaluate { data, model: request.query("model").map(str::to_owned) }
        }
    };
    let assistant = api.server.assistant();
    if assistant.is_none() && matches!(test, IntentTest::Evaluate { model: None, .. }) {
        return Err(ApiError::new(StatusCode::CONFLICT, "Conflict", "Missing model file."));
    }
    let workshop = Arc::clone(&api.workshop);
    tested(compute(move || workshop.test_intents(assistant.as_deref(), &test)).await)
}

fn tested(result: Result<Result<Value, WorkshopError>, String>) -> Answer {
    let failed = |why: &str| {
        let message = format!("An unexpected error occurred during evaluation. Error: {why}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "TestingError", message)
    };
    match result.map_err(|why| failed(&why))? {
        Ok(report) => Ok(json_response(StatusCode::OK, &report)),
        Err(error) if error.kind == WorkshopErrorKind::InvalidYaml => {
            Err(ApiError::invalid_yaml(&error.message))
        }
        Err(error) => Err(failed(&error.message)),
    }
}

pub async fn load(api: &Arc<Api>, request: &Request) -> Answer {
    if request.body.is_empty() {
        return Err(ApiError::bad_request("No path to model file defined in request_body."));
    }
    let body = request.json()?;
    let body = body.as_object().ok_or_else(ApiError::internal)?;
    let path = body.get("model_file").and_then(Value::as_str).map(str::to_owned);
    let shown = path.clone().unwrap_or_else(|| "None".to_owned());
    let not_loaded = || {
        let message = format!("Agent with name '{shown}' could not be loaded.");
        ApiError::bad_parameter(message, "model", "query")
    };
    let source = ModelSource {
        model_file: path.clone(),
        model_server: body.get("model_server").and_then(Value::as_object).cloned(),
        remote_storage: body.get("remote_storage").and_then(Value::as_str).map(str::to_owned),
    };
    let is_elsewhere = source.model_server.is_some() || source.remote_storage.is_some();
    if path.is_none() && source.model_server.is_none() {
        return Err(not_loaded());
    }
    let workshop = Arc::clone(&api.workshop);
    let load = move || match (is_elsewhere, path) {
        (false, Some(path)) => workshop.load(&path),
        _ => workshop.load_from(&source),
    };
    let loaded = compute(move || load().inspect(Assistant::warm)).await.map_err(|why| {
        let message = format!("An unexpected error occurred. Error: {why}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "LoadingError", message)
    })?;
    match loaded {
        Ok(assistant) => {
            api.server.put_model(Arc::new(assistant));
            Ok(no_content())
        }
        Err(error) => {
            tracing::error!(model_file = shown, error = error.message, "the model stays as it was");
            api.server.note_unloadable(&shown, &error.message);
            Err(not_loaded())
        }
    }
}

pub fn unload(api: &Api) -> Answer {
    api.server.remove_model();
    Ok(no_content())
}

fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// The answer of a channel's health check.
pub fn healthy() -> Response<Body> {
    json_response(StatusCode::OK, &json!({"status": "ok"}))
}
