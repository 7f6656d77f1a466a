//! TLS for the listener: certificate chain, private key, and whom clients are checked against.
//!
//! Files are PEM, as `--ssl-certificate`, `--ssl-keyfile`, `--ssl-ca-file` and `--ssl-password`
//! name them. They are read at start and again when they change, see [`follow`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pkcs8::EncryptedPrivateKeyInfo;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::certificate::Certificates;

/// How connections are secured, ready for use.
pub type TlsSettings = ServerConfig;

/// The files that TLS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// The certificate's private key; looked for in the certificate's file when absent.
    pub keyfile: Option<PathBuf>,
    /// The password of an encrypted key.
    pub password: Option<String>,
    /// Authorities of clients' certificates: one that a client shows must come from them. Clients
    /// without a certificate are served too, as in Rasa.
    pub ca_file: Option<PathBuf>,
}

/// TLS cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    /// What is wrong, lowercase, no full stop.
    pub message: String,
}

impl TlsError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    fn at(path: &Path, why: impl fmt::Display) -> Self {
        Self::new(format!("{}: {why}", path.display()))
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TlsError {}

/// Reads the files and checks that key and certificate belong together.
///
/// # Errors
/// When a file is missing, is not what it should be, or the password is wrong.
pub fn settings(files: &TlsFiles) -> Result<Arc<TlsSettings>, TlsError> {
    open(files).map(|(settings, _)| settings)
}

/// Like [`settings`], and gives the certificate in use, which can be exchanged.
///
/// # Errors
/// As [`settings`].
pub fn open(files: &TlsFiles) -> Result<(Arc<TlsSettings>, Arc<Certificates>), TlsError> {
    let certificates = Arc::new(Certificates::default());
    put(files, &certificates)?;
    Ok((settings_of(Arc::clone(&certificates), files.ca_file.as_deref())?, certificates))
}

/// Reads certificate and key again and puts them in place.
///
/// # Errors
/// As [`settings`]; the certificate in use stays.
pub fn put(files: &TlsFiles, certificates: &Certificates) -> Result<(), TlsError> {
    let key_path = files.keyfile.as_deref().unwrap_or(&files.certificate);
    let key = private_key(key_path, files.password.as_deref())?;
    certificates.put(self::certificates(&files.certificate)?, key).map_err(|error| {
        let (certificate, key) = (files.certificate.display(), key_path.display());
        TlsError::new(format!("the certificate {certificate} cannot be used with the key {key}: {error}"))
    })
}

/// Puts a certificate and its key, both PEM as texts, in place.
///
/// # Errors
/// When they are not what they should be; the certificate in use stays.
pub fn put_pem(chain: &str, key: &str, certificates: &Certificates) -> Result<(), TlsError> {
    let bad = |why: String| TlsError::new(format!("the certificate cannot be used: {why}"));
    let chain = pem::parse_many(chain).map_err(|error| bad(error.to_string()))?;
    let chain: Vec<_> =
        chain.into_iter().map(|section| CertificateDer::from(section.into_contents())).collect();
    let key = pem::parse(key).map_err(|error| bad(error.to_string()))?;
    let key = PrivateKeyDer::try_from(key.into_contents()).map_err(|why| bad(why.to_owned()))?;
    certificates.put(chain, key).map_err(|error| bad(error.to_string()))
}

/// Looks at the files from time to time and puts a renewed certificate in place. What cannot be used
/// is told once and tried again when it changes. Never ends by itself.
pub async fn follow(files: TlsFiles, certificates: Arc<Certificates>, pause: Duration) {
    let changed = |files: &TlsFiles| {
        let paths = [Some(&files.certificate), files.keyfile.as_ref()];
        paths
            .into_iter()
            .flatten()
            .map(|path| std::fs::metadata(path).and_then(|about| about.modified()).ok())
            .collect::<Vec<_>>()
    };
    let mut seen = changed(&files);
    loop {
        tokio::time::sleep(pause).await;
        let now = changed(&files);
        if now == seen {
            continue;
        }
        seen = now;
        match put(&files, &certificates) {
            Ok(()) => tracing::info!("the renewed certificate is in use"),
            Err(error) => {
                tracing::warn!(%error, "the changed certificate cannot be used; the one before stays")
            }
        }
    }
}

/// TLS with a certificate that can be exchanged.
///
/// # Errors
/// When the file of authorities is not what it should be.
pub fn settings_of(
    certificates: Arc<Certificates>,
    ca_file: Option<&Path>,
) -> Result<Arc<TlsSettings>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new(format!("cannot set up TLS: {error}")))?;
    let builder = match ca_file {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider)
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| TlsError::at(path, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut settings = builder.with_cert_resolver(certificates);
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(settings))
}

fn read(path: &Path) -> Result<Vec<pem::Pem>, TlsError> {
    let bytes =
        std::fs::read(path).map_err(|error| TlsError::at(path, format!("cannot be read: {error}")))?;
    pem::parse_many(bytes).map_err(|error| TlsError::at(path, format!("is not PEM: {error}")))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let sections = read(path)?.into_iter().filter(|section| section.tag() == "CERTIFICATE");
    let found: Vec<_> = sections.map(|section| CertificateDer::from(section.into_contents())).collect();
    if found.is_empty() {
        return Err(TlsError::at(path, "holds no certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(found)
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| TlsError::at(path, error))?;
    }
    Ok(roots)
}

fn private_key(path: &Path, password: Option<&str>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let mut sections = read(path)?.into_iter();
    let Some(section) = sections.find(|section| section.tag().ends_with("PRIVATE KEY")) else {
        return Err(TlsError::at(path, "holds no private key; name its file with --ssl-keyfile"));
    };
    if section.headers().iter().any(|(_, value)| value.contains("ENCRYPTED")) {
        let hint =
            "is encrypted in the old way of OpenSSL; rewrite it with `openssl pkcs8 -topk8 -in KEY -out NEW`";
        return Err(TlsError::at(path, hint));
    }
    let tag = section.tag().to_owned();
    let contents = section.into_contents();
    match tag.as_str() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(contents).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(contents).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(contents).into()),
        "ENCRYPTED PRIVATE KEY" => {
            let password = password
                .ok_or_else(|| TlsError::at(path, "is encrypted; give its password with --ssl-password"))?;
            let encrypted = EncryptedPrivateKeyInfo::try_from(contents.as_slice())
                .map_err(|error| TlsError::at(path, format!("is no encrypted key: {error}")))?;
            let plain = encrypted
                .decrypt(password)
                .map_err(|_| TlsError::at(path, "cannot be decrypted; the password may be wrong"))?;
            Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
        }
        other => Err(TlsError::at(path, format!("a key of the kind {other} cannot be used"))),
    }
}
