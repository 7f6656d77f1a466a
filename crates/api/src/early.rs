//! The answer to a request that goes no further.

use axum::body::Body;
use axum::response::IntoResponse;
use http::Response;

/// Why a request is not taken on, as it is answered: in the error of a result, as large as a pointer.
#[derive(Debug)]
pub struct Early(Box<Response<Body>>);

impl From<Response<Body>> for Early {
    fn from(response: Response<Body>) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Early {
    fn into_response(self) -> Response<Body> {
        *self.0
    }
}
