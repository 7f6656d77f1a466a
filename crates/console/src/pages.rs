//! The embedded page, its style and its script.

use axum::http::{HeaderName, header};

/// Scripts, styles and calls only from here; pictures from anywhere, as responses may show them.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                               img-src 'self' https: http: data:; base-uri 'none'; form-action 'none'; \
                               frame-ancestors 'none'";

type Page = ([(HeaderName, &'static str); 5], &'static str);

fn page(content_type: &'static str, content: &'static str) -> Page {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content)
}

pub async fn chat() -> Page {
    page("text/html; charset=utf-8", include_str!("../assets/chat.html"))
}

pub async fn style() -> Page {
    page("text/css; charset=utf-8", include_str!("../assets/style.css"))
}

pub async fn script() -> Page {
    page("text/javascript; charset=utf-8", include_str!("../assets/chat.js"))
}
