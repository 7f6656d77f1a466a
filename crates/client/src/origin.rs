//! Whom a secret is shown: origins that whoever runs the server has listed, never an address that somebody
//! else names.

use ::http::{HeaderValue, Uri};
use intendant_port::error::{Error, Kind, Result};

use crate::endpoint::Endpoint;
use crate::reach::{bare, port_of};

/// Scheme, host and port of an address (RFC 6454).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    is_encrypted: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of `https://host:port`; HTTPS and its port unless the text says otherwise.
    ///
    /// # Errors
    /// When it is no such thing.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let uri = Endpoint::bare(&url)?.uri()?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let is_whole = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let has_port = uri.port_u16().is_some() || Some(authority) == uri.host();
        if !is_whole || !has_port || authority.contains(['*', '@']) {
            let message =
                format!("`{text}` is no origin like `https://hooks.example` or `hooks.example:8443`");
            return Err(Error::new(Kind::Unsupported, message));
        }
        Ok(Self::of(&uri))
    }

    /// The origin of a URL as requests to it take it.
    ///
    /// # Errors
    /// When it is no URL of HTTP.
    pub fn of_url(url: &str) -> Result<Self> {
        Ok(Self::of(&Endpoint::bare(url)?.uri()?))
    }

    fn of(uri: &Uri) -> Self {
        let host = bare(uri.host().unwrap_or_default());
        Self { is_encrypted: uri.scheme_str() == Some("https"), host, port: port_of(uri) }
    }
}

/// The header `Authorization`, and who is shown it.
#[derive(Clone)]
pub struct Credential {
    value: HeaderValue,
    origins: Vec<Origin>,
}

impl Credential {
    /// A secret for these and nobody else.
    ///
    /// # Errors
    /// When it cannot be sent as a header.
    pub fn new(secret: &str, origins: Vec<Origin>) -> Result<Self> {
        let mut value = HeaderValue::from_str(secret).map_err(|error| {
            Error::new(Kind::Unsupported, "the header 'authorization' cannot be sent").because(error)
        })?;
        value.set_sensitive(true);
        Ok(Self { value, origins })
    }

    /// The header, if it is meant for where this address leads.
    pub(crate) fn for_uri(&self, uri: &Uri) -> Option<HeaderValue> {
        self.origins.contains(&Origin::of(uri)).then(|| self.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_the_origins_that_were_listed() {
        let check = |origin: &str, url: &str, expected: bool| {
            let credential = Credential::new("a secret", vec![Origin::parse(origin).unwrap()]).unwrap();
            let uri = Endpoint::bare(url).unwrap().uri().unwrap();
            assert_eq!(credential.for_uri(&uri).is_some(), expected, "{url} with {origin}");
        };
        check("hooks.example", "https://hooks.example/a?b", true);
        check("hooks.example", "https://Hooks.Example.:443/", true);
        check("hooks.example", "http://hooks.example/", false);
        check("hooks.example", "http://hooks.example:443/", false);
        check("hooks.example", "https://hooks.example:8443/", false);
        check("hooks.example:8443", "https://hooks.example:8443/", true);
        check("hooks.example", "https://hooks.example.evil.example/", false);
        check("hooks.example", "https://evil.example/hooks.example", false);
        check("hooks.example", "https://hooks.example@evil.example/", false);
        check("hooks.example", "https://evil.example#@hooks.example/", false);
        check("http://hooks.internal:5055", "hooks.internal:5055/hook", true);
        check("http://hooks.internal:5055", "https://hooks.internal:5055/hook", false);
        check("http://[::1]:5055", "http://[::1]:5055/", true);
        for wrong in
            ["", "ftp://a.example", "a.example:port", "*", "*.example", "a.example/hook", "u@a.example"]
        {
            assert!(Origin::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Credential::new("two\nlines", Vec::new()).is_err());
    }
}
