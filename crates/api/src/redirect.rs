//! The plain port beside HTTPS: sends browsers on, and answers certificate authorities.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};

/// Where certificate authorities look (RFC 8555, section 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// What to answer to a certificate authority that names a token.
pub type Answers = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A router that answers authorities and sends everybody else to the same place by HTTPS.
pub fn router(https_port: u16, answers: Answers) -> Router {
    Router::new().fallback(move |request: Request| {
        let answer = respond(&request, https_port, &answers);
        std::future::ready(answer)
    })
}

fn respond(request: &Request, https_port: u16, answers: &Answers) -> Response {
    let path = request.uri().path();
    if let Some(token) = path.strip_prefix(CHALLENGES) {
        return match answers(token) {
            Some(answer) => Response::new(Body::from(answer)),
            None => status(StatusCode::NOT_FOUND),
        };
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.and_then(bare_host) else { return status(StatusCode::BAD_REQUEST) };
    let port = if https_port == 443 { String::new() } else { format!(":{https_port}") };
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let Ok(place) = HeaderValue::from_str(&format!("https://{host}{port}{target}")) else {
        return status(StatusCode::BAD_REQUEST);
    };
    // 308 keeps the method, which old browsers only need for other methods than these.
    let is_plain = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response =
        status(if is_plain { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT });
    response.headers_mut().insert(header::LOCATION, place);
    response
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The host without its port, if it is one.
fn bare_host(host: &str) -> Option<&str> {
    let bare = match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or(host),
    };
    let is_sound = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    (!bare.is_empty() && bare.chars().all(is_sound)).then_some(bare)
}

/// Tells browsers on every response to come by HTTPS only, for so many seconds (RFC 6797).
pub fn with_strict_transport(router: Router, seconds: u64) -> Router {
    let value = HeaderValue::from_str(&format!("max-age={seconds}"));
    let Ok(value) = value else { return router };
    router.layer(from_fn(move |request: Request, next: Next| {
        let value = value.clone();
        async move {
            let mut response = next.run(request).await;
            response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
            response
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_sent_to_the_same_place_by_https() {
        let check = |host: &str, target: &str, expected: Result<&str, StatusCode>| {
            let request =
                http::Request::builder().uri(target).header(header::HOST, host).body(Body::empty()).unwrap();
            let answers: Answers = Arc::new(|token| (token == "t").then(|| "t.key".to_owned()));
            let response = respond(&request, 8443, &answers);
            match response.headers().get(header::LOCATION) {
                Some(place) => assert_eq!(Ok(place.to_str().unwrap()), expected),
                None => assert_eq!(Err(response.status()), expected, "{host}{target}"),
            }
        };
        check("bot.example:80", "/a?b=c", Ok("https://bot.example:8443/a?b=c"));
        check("[::1]:80", "/", Ok("https://[::1]:8443/"));
        check("evil.example/@x", "/", Err(StatusCode::BAD_REQUEST));
        check("", "/", Err(StatusCode::BAD_REQUEST));
        check("a", "/.well-known/acme-challenge/t", Err(StatusCode::OK));
        check("a", "/.well-known/acme-challenge/u", Err(StatusCode::NOT_FOUND));
    }
}
