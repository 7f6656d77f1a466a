//! TLS towards brokers.

use std::path::Path;
use std::sync::Arc;

use intendant_port::error::{Error, Kind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Files that TLS needs beyond the system's certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of authorities to trust instead of the system's.
    pub authorities: Option<String>,
    /// Our certificate.
    pub certificate: Option<String>,
    /// Its key.
    pub key: Option<String>,
}

impl TlsFiles {
    /// Reads the files.
    pub fn config(&self) -> Result<Arc<rustls::ClientConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable = |what: &str| Error::new(Kind::Unsupported, format!("event_broker: cannot {what}"));
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("set up TLS").because(error))?;
        let mut roots = rustls::RootCertStore::empty();
        match &self.authorities {
            Some(path) => drop(roots.add_parsable_certificates(certificates(path)?)),
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        let builder = builder.with_root_certificates(roots);
        let config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let key = PrivateKeyDer::from_pem_file(Path::new(key))
                    .map_err(|error| unusable(&format!("read the key {key}")).because(error))?;
                builder
                    .with_client_auth_cert(certificates(certificate)?, key)
                    .map_err(|error| unusable("use the client certificate").because(error))?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err(unusable("use a client certificate without its key, or a key without it")),
        };
        Ok(Arc::new(config))
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(Path::new(path)).and_then(Iterator::collect);
    read.map_err(|error| {
        Error::new(Kind::Unsupported, format!("event_broker: cannot read certificates in {path}"))
            .because(error)
    })
}
