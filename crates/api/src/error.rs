//! Error bodies: Rasa's own, and those of the framework below Rasa for everything that never
//! reaches a handler.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::request::Request;

/// The version of the HTTP API that this server speaks; clients compare it with their own.
pub const API_VERSION: &str = "3.6.21";
/// The oldest model version that this server reads.
pub const MINIMUM_COMPATIBLE_VERSION: &str = "3.6.21";

const TRAINING_DATA_HELP: &str = "https://rasa.com/docs/rasa/training-data-format";

/// A failed request.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiError {
    /// Answered in Rasa's format.
    Rasa(Box<Failure>),
    /// Answered in the format of the framework below Rasa.
    Framework {
        /// The HTTP status.
        status: StatusCode,
        /// The message.
        message: String,
        /// Methods to name in `Allow`.
        allow: &'static [&'static str],
    },
    /// Answered in the format of the token library beside Rasa.
    Token {
        /// The HTTP status.
        status: StatusCode,
        /// The name of the failure.
        exception: &'static str,
        /// A sentence for people.
        reason: &'static str,
    },
}

/// The content of Rasa's error body.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The HTTP status.
    pub status: StatusCode,
    /// A word for programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// More for programs, such as the parameter at fault.
    pub details: Value,
    /// Where to read on.
    pub help: Option<&'static str>,
}

impl ApiError {
    /// An error in Rasa's format.
    pub fn new(status: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self::Rasa(Box::new(Failure {
            status,
            reason,
            message: message.into(),
            details: json!({}),
            help: None,
        }))
    }

    /// The request lacks something or says something wrong.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// A parameter of the request is wrong.
    pub fn bad_parameter(message: impl Into<String>, parameter: &str, place: &str) -> Self {
        let details = json!({"parameter": parameter, "in": place});
        Self::Rasa(Box::new(Failure {
            status: StatusCode::BAD_REQUEST,
            reason: "BadRequest",
            message: message.into(),
            details,
            help: None,
        }))
    }

    /// The posted YAML cannot be read.
    pub fn invalid_yaml(why: &str) -> Self {
        Self::Rasa(Box::new(Failure {
            status: StatusCode::BAD_REQUEST,
            reason: "BadRequest",
            message: format!(
                "The request body does not contain valid YAML. Error: Failed to read YAML. {why}"
            ),
            details: json!({}),
            help: Some(TRAINING_DATA_HELP),
        }))
    }

    /// Nothing is at this path.
    pub fn unknown_path(request: &Request) -> Self {
        Self::framework(StatusCode::NOT_FOUND, format!("Requested URL {} not found", request.path))
    }

    /// No model is loaded.
    pub fn no_model() -> Self {
        let message =
            "No agent loaded. To continue processing, a model of a trained agent needs to be loaded.";
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// The caller did not prove who they are.
    pub fn not_authenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "NotAuthenticated", "User is not authenticated.")
    }

    /// The caller may not do this.
    pub fn not_authorized() -> Self {
        Self::new(StatusCode::FORBIDDEN, "NotAuthorized", "User has insufficient permissions.")
    }

    /// The `Authorization` header is not of the form `Bearer <token>`.
    pub fn invalid_authorization() -> Self {
        Self::Token {
            status: StatusCode::BAD_REQUEST,
            exception: "InvalidAuthorizationHeader",
            reason: "Authorization header is invalid.",
        }
    }

    /// Tokens come from elsewhere.
    pub fn tokens_not_issued() -> Self {
        Self::Token {
            status: StatusCode::UNAUTHORIZED,
            exception: "AuthenticationFailed",
            reason: "Direct JWT authentication not supported. You should already have a valid JWT from an \
                     authentication provider, Rasa will just make sure that the token is valid, but not issue \
                     new tokens.",
        }
    }

    /// Nothing is known about users but what their tokens say.
    pub fn no_user_lookup() -> Self {
        Self::Token {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            exception: "MeEndpointNotSetup",
            reason: "/me endpoint has not been setup. Pass retrieve_user if you with to proceeed.",
        }
    }

    /// The conversation is not known.
    pub fn unknown_conversation() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", "Conversation ID not found.")
    }

    /// Something went wrong while working on a conversation.
    pub fn conversation(why: impl std::fmt::Display) -> Self {
        let message = format!("An unexpected error occurred. Error: {why}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ConversationError", message)
    }

    /// An error in the framework's format.
    pub fn framework(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Framework { status, message: message.into(), allow: &[] }
    }

    /// The body is not the JSON it should be.
    pub fn bad_json() -> Self {
        Self::framework(StatusCode::BAD_REQUEST, "Failed when parsing body as json")
    }

    /// The response took too long to begin.
    pub fn too_slow() -> Self {
        Self::framework(StatusCode::SERVICE_UNAVAILABLE, "Response Timeout")
    }

    /// What the framework says when a handler fails.
    pub fn internal() -> Self {
        let message = "The server encountered an internal error and cannot complete your request.";
        Self::framework(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The body of Rasa's format; `None` for errors of the framework.
    pub fn body(&self) -> Option<Value> {
        match self {
            Self::Rasa(failure) => Some(failure.body()),
            Self::Framework { .. } | Self::Token { .. } => None,
        }
    }

    /// The HTTP response; the framework's format depends on what the request speaks.
    pub fn into_response(self, request: &Request) -> Response<Body> {
        match self {
            Self::Rasa(failure) => json_response(failure.status, &failure.body()),
            Self::Token { status, exception, reason } => {
                json_response(status, &json!({"reasons": [reason], "exception": exception}))
            }
            Self::Framework { status, message, allow } => {
                let mut response = framework_response(status, &message, request.speaks_json());
                if !allow.is_empty()
                    && let Ok(value) = HeaderValue::from_str(&allow.join(", "))
                {
                    response.headers_mut().insert(header::ALLOW, value);
                }
                response
            }
        }
    }
}

impl Failure {
    fn body(&self) -> Value {
        json!({
            "version": API_VERSION,
            "status": "failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "help": self.help,
            "code": self.status.as_u16(),
        })
    }
}

impl From<intendant_serve::error::Error> for ApiError {
    fn from(error: intendant_serve::error::Error) -> Self {
        use intendant_serve::error::Kind;
        match error.kind {
            Kind::NoModel => Self::no_model(),
            Kind::UnknownConversation => Self::unknown_conversation(),
            Kind::Stopping => Self::framework(StatusCode::SERVICE_UNAVAILABLE, error.message),
            Kind::BadInput => Self::bad_request(error.message),
            Kind::UnknownName | Kind::Store | Kind::Internal => Self::conversation(error),
        }
    }
}

fn framework_response(status: StatusCode, message: &str, as_json: bool) -> Response<Body> {
    let description = status.canonical_reason().unwrap_or("Error");
    if as_json {
        let body = json!({"description": description, "status": status.as_u16(), "message": message});
        return json_response(status, &body);
    }
    let title = format!("{} — {description}", status.as_u16());
    let line = "=".repeat(title.chars().count());
    text_response(status, format!("{title}\n{line}\n{message}\n\n"))
}

/// A JSON response.
pub fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A plain text response.
pub fn text_response(status: StatusCode, body: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
