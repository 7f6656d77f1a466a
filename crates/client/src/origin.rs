//! Whom a secret is shown: origins that whoever runs the server has listed, never an address that somebody
//! else names.

use ::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use hmac::{Hmac, Mac};
use intendant_port::error::{Error, Kind, Result};
use intendant_talk::time::Timestamp;
use sha2::Sha256;

use crate::endpoint::Endpoint;
use crate::reach::{bare, port_of};

/// The header of a body's signature.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-intendant-signature");

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

/// What requests to some origins carry, and requests to others do not.
#[derive(Clone, Default)]
pub struct Credential {
    authorization: Option<HeaderValue>,
    signing_key: Option<Vec<u8>>,
    origins: Vec<Origin>,
}

impl Credential {
    /// One for these origins and nobody else.
    pub fn of(origins: Vec<Origin>) -> Self {
        Self { origins, ..Self::default() }
    }

    /// The same with the header `Authorization`.
    ///
    /// # Errors
    /// When it cannot be sent as a header.
    pub fn with_authorization(self, secret: &str) -> Result<Self> {
        let mut value = HeaderValue::from_str(secret).map_err(|error| {
            Error::new(Kind::Unsupported, "the header 'authorization' cannot be sent").because(error)
        })?;
        value.set_sensitive(true);
        Ok(Self { authorization: Some(value), ..self })
    }

    /// The same with bodies signed: [`SIGNATURE`] holds the time in seconds and, in hexadecimal, the
    /// HMAC-SHA256 of that time, a dot and the body: `t=1700000000,v1=…`.
    #[must_use]
    pub fn with_signing_key(self, key: &str) -> Self {
        Self { signing_key: Some(key.as_bytes().to_vec()), ..self }
    }

    /// Puts the headers that are meant for where a request leads.
    pub(crate) fn put(&self, headers: &mut HeaderMap, (uri, body): (&Uri, &[u8]), now: Timestamp) {
        if !self.origins.contains(&Origin::of(uri)) {
            return;
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let signature = self.signing_key.as_ref().map(|key| signature(key, body, now));
        if let Some(signature) = signature.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(SIGNATURE, signature);
        }
    }
}

fn signature(key: &[u8], body: &[u8], now: Timestamp) -> String {
    let seconds = now.micros.div_euclid(1_000_000);
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("invariant: HMAC takes keys of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hexadecimal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_the_origins_that_were_listed() {
        let check = |origin: &str, url: &str, expected: bool| {
            let credential = Credential::of(vec![Origin::parse(origin).unwrap()]);
            let credential = credential.with_authorization("a secret").unwrap().with_signing_key("a key");
            let uri = Endpoint::bare(url).unwrap().uri().unwrap();
            let mut headers = HeaderMap::new();
            credential.put(&mut headers, (&uri, b"{}"), Timestamp::from_micros(1_700_000_000_000_000));
            let shown = [headers.contains_key(header::AUTHORIZATION), headers.contains_key(SIGNATURE)];
            assert_eq!(shown, [expected; 2], "{url} with {origin}");
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
        assert!(Credential::default().with_authorization("two\nlines").is_err());
    }

    #[test]
    fn bodies_are_signed_with_their_time() {
        // As `printf '1700000000.{}' | openssl dgst -sha256 -hmac 'a key'` says.
        let signed = signature(b"a key", b"{}", Timestamp::from_micros(1_700_000_000_900_000));
        assert_eq!(
            signed,
            "t=1700000000,v1=07dc3e9a31eeb7f4dbb95d041057648999d6f5861fe2adb855c3df36cc5ba727"
        );
    }
}
