//! Which web pages may call: the origins of `--cors`.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue};

const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

/// The origins that may call; none unless named. `*` inside an origin stands for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// As given on the command line.
    pub origins: Vec<String>,
}

impl Cors {
    /// Adds the headers that let the calling page read the response.
    pub fn decorate(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let Some(origin) = request.get(ORIGIN) else {
            return;
        };
        let allowed = origin.to_str().is_ok_and(|text| self.origins.iter().any(|known| fits(known, text)));
        if !allowed {
            return;
        }
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("filename"));
        response.append(VARY, HeaderValue::from_static("Origin"));
        if request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            response.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                response.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
        }
    }
}

/// Whether an origin fits a pattern in which `*` stands for any run of characters.
fn fits(pattern: &str, origin: &str) -> bool {
    let (pattern, origin) = (pattern.trim_end_matches('/').to_ascii_lowercase(), origin.to_ascii_lowercase());
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or("");
    let Some(mut rest) = origin.strip_prefix(first) else {
        return false;
    };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else {
        return rest.is_empty();
    };
    for piece in middle {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_fit_their_patterns() {
        let check =
            |pattern, origin, expected| assert_eq!(fits(pattern, origin), expected, "{pattern} {origin}");
        check("*", "http://a.example", true);
        check("http://a.example", "http://a.example", true);
        check("http://a.example/", "HTTP://A.example", true);
        check("http://a.example", "http://a.example.evil", false);
        check("https://*.example", "https://shop.example", true);
        check("https://*.example", "https://shop.example.evil", false);
        check("http://localhost:*", "http://localhost:3000", true);
        check("", "http://a.example", false);
    }
}
