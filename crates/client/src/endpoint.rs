//! Where requests go and what they carry to be let in.

use ::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::percent_encode;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_talk::domain::python_text;

/// A URL with the parameters and headers of every request to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: String,
    label: Option<String>,
    query: String,
    headers: HeaderMap,
}

impl Endpoint {
    /// Reads the settings of an endpoint. Nothing is connected.
    pub fn new(config: &EndpointConfig) -> Result<Self> {
        let url = config.url.clone().ok_or_else(|| unusable("the endpoint has no url"))?;
        let mut endpoint = Self { url, label: None, query: String::new(), headers: HeaderMap::new() };
        for (key, value) in &config.params {
            endpoint.push_query(key, &python_text(value));
        }
        if let Some(token) = &config.token {
            endpoint.push_query(&config.token_name, token);
        }
        for (name, value) in &config.headers {
            let parsed = (name.parse::<HeaderName>(), HeaderValue::from_str(&python_text(value)));
            let (Ok(name), Ok(value)) = parsed else {
                return Err(unusable(format!(
                    "the header '{name}' of endpoint {} cannot be sent",
                    endpoint.url
                )));
            };
            endpoint.headers.insert(name, value);
        }
        if let Some(auth) = &config.basic_auth {
            let secret = STANDARD.encode(format!("{}:{}", auth.username, auth.password));
            let value = HeaderValue::from_str(&format!("Basic {secret}"));
            let mut value =
                value.map_err(|error| unusable("the basic_auth cannot be sent").because(error))?;
            value.set_sensitive(true);
            endpoint.headers.insert(header::AUTHORIZATION, value);
        }
        endpoint.uri()?;
        Ok(endpoint)
    }

    /// An endpoint that is nothing but a URL.
    pub fn bare(url: &str) -> Result<Self> {
        let url = url.to_owned();
        let endpoint = Self { url, label: None, query: String::new(), headers: HeaderMap::new() };
        endpoint.uri()?;
        Ok(endpoint)
    }

    /// A URL that holds a secret; errors name it by `label`.
    pub fn secret(url: &str, label: &str) -> Result<Self> {
        let (url, label) = (url.to_owned(), Some(label.to_owned()));
        let endpoint = Self { url, label, query: String::new(), headers: HeaderMap::new() };
        endpoint.uri()?;
        Ok(endpoint)
    }

    /// The same parameters and headers for another URL.
    pub fn at(&self, url: &str) -> Result<Self> {
        let endpoint = Self { url: url.to_owned(), ..self.clone() };
        endpoint.uri()?;
        Ok(endpoint)
    }

    /// The URL without parameters, which may be secret.
    pub fn url(&self) -> &str {
        if let Some(label) = &self.label {
            return label;
        }
        self.url.split(['?', '#']).next().unwrap_or(&self.url)
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn uri(&self) -> Result<Uri> {
        let with_scheme =
            if self.url.contains("://") { self.url.clone() } else { format!("http://{}", self.url) };
        let url = with_scheme.split('#').next().unwrap_or_default();
        let full = match (self.query.is_empty(), url.contains('?')) {
            (true, _) => url.to_owned(),
            (false, true) => format!("{url}&{}", self.query),
            (false, false) => format!("{url}?{}", self.query),
        };
        let unusable = || unusable(format!("'{}' is not a usable URL", self.url()));
        let uri: Uri = full.parse().map_err(|error: ::http::uri::InvalidUri| unusable().because(error))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
            _ => Err(unusable()),
        }
    }

    fn push_query(&mut self, key: &str, value: &str) {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        percent_encode(key, &mut self.query);
        self.query.push('=');
        percent_encode(value, &mut self.query);
    }
}

fn unusable(message: impl Into<String>) -> Error {
    Error::new(Kind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_rasa_format::endpoints::BasicAuth;
    use serde_json::json;

    #[test]
    fn settings_become_a_url_and_headers() {
        let check = |url: &str, token: Option<&str>, expected: Option<&str>| {
            let params = json!({"a b": 1}).as_object().cloned().unwrap();
            let config = EndpointConfig {
                url: Some(url.to_owned()),
                params,
                token: token.map(str::to_owned),
                token_name: "token".to_owned(),
                ..EndpointConfig::default()
            };
            let uri = Endpoint::new(&config).and_then(|endpoint| endpoint.uri());
            assert_eq!(uri.ok().map(|uri| uri.to_string()).as_deref(), expected, "{url}");
        };
        check("http://x/y", None, Some("http://x/y?a%20b=1"));
        check("http://x/y?z=1#f", Some("s&t"), Some("http://x/y?z=1&a%20b=1&token=s%26t"));
        check("localhost:5055/webhook", None, Some("http://localhost:5055/webhook?a%20b=1"));
        check("ftp://x", None, None);
        check("http://", None, None);
        check("", None, None);
    }

    #[test]
    fn credentials_become_headers() {
        let config = EndpointConfig {
            url: Some("https://x".to_owned()),
            headers: json!({"X-Key": "v"}).as_object().cloned().unwrap(),
            basic_auth: Some(BasicAuth { username: "u".to_owned(), password: "p".to_owned() }),
            ..EndpointConfig::default()
        };
        let endpoint = Endpoint::new(&config).unwrap();
        assert_eq!(endpoint.headers()["x-key"], "v");
        assert_eq!(endpoint.headers()["authorization"], "Basic dTpw");
        let bad = EndpointConfig { headers: json!({"a b": "v"}).as_object().cloned().unwrap(), ..config };
        assert!(Endpoint::new(&bad).is_err());
    }
}
