//! A server at the front: static files, HTTPS with certificates that are renewed, the plain port.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use intendant_api::certificate::Certificates;
use intendant_api::front::Front;
use intendant_api::listen::{self, Listener};
use intendant_api::redirect;
use intendant_api::tls::{self, TlsFiles, TlsSettings};
use intendant_serve::metrics::write_gauge;
use intendant_serve::server::Server;

use crate::cli::ServerArgs;
use crate::cli::front::FrontArgs;
use crate::failure::Failure;
use crate::stopping::Stop;

/// How often files of certificates are looked at.
const FILES_PAUSE: Duration = Duration::from_secs(10);

/// How connections are secured.
pub struct Security {
    /// For the listener, unless connections are plain.
    pub tls: Option<Arc<TlsSettings>>,
    /// Renews certificates; never ends by itself.
    renewal: Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// TLS as flags ask for it.
///
/// # Errors
/// When a file is not what it should be, or flags contradict each other.
pub fn security(arguments: &ServerArgs, front: &FrontArgs, server: &Server) -> Result<Security, Failure> {
    let failed = |error: tls::TlsError| Failure::of("", &error);
    let Some(certificate) = &arguments.ssl_certificate else {
        let others = arguments.ssl_keyfile.is_some() || arguments.ssl_ca_file.is_some();
        if others || arguments.ssl_password.is_some() {
            let message = "the --ssl flags need --ssl-certificate: the file with the server's certificate";
            return Err(Failure::new("", message));
        }
        if front.redirect_port.is_some() || front.hsts.is_some() {
            let message = "--redirect-port and --hsts need HTTPS: give --ssl-certificate";
            return Err(Failure::new("", message));
        }
        return Ok(Security { tls: None, renewal: None });
    };
    let files = TlsFiles {
        certificate: certificate.clone(),
        keyfile: arguments.ssl_keyfile.clone(),
        password: arguments.ssl_password.clone(),
        ca_file: arguments.ssl_ca_file.clone(),
    };
    let (tls, certificates) = tls::open(&files).map_err(failed)?;
    watch_expiry(server, &certificates);
    let renewal = Box::pin(tls::follow(files, certificates, FILES_PAUSE));
    Ok(Security { tls: Some(tls), renewal: Some(renewal) })
}

fn watch_expiry(server: &Server, certificates: &Arc<Certificates>) {
    let certificates = Arc::clone(certificates);
    server.metrics().also(move |text| {
        if let Some(validity) = certificates.validity() {
            let help = "When the certificate in use ends, in seconds since 1970.";
            write_gauge(text, "intendant_certificate_expiry_seconds", help, &[], validity.ends as f64);
        }
    });
}

impl Security {
    /// Opens the plain port, if there is to be one, and begins to renew. Ends when asked to.
    ///
    /// # Errors
    /// When the port cannot be opened.
    pub async fn start(
        &mut self,
        front: &FrontArgs,
        (interface, port): (&str, u16),
        stop: &Stop,
    ) -> Result<(), Failure> {
        if let Some(plain) = front.redirect_port {
            let tcp = listen::bind(interface, plain).await.map_err(|error| Failure::of("", &error))?;
            let address = tcp.local_addr().map_err(|error| Failure::of("", &error))?;
            tracing::info!("sending http://{address} on to HTTPS");
            let router = redirect::router(port, Arc::new(|_| None));
            let stop = stop.clone();
            tokio::spawn(async move { listen::serve(Listener::from(tcp), router, stop.asked()).await });
        }
        if let Some(renewal) = self.renewal.take() {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::select! { () = renewal => {}, () = stop.asked() => {} }
            });
        }
        Ok(())
    }
}

/// A router with static files around it and the header that asks for HTTPS.
///
/// # Errors
/// When the folder of the files is none.
pub fn dressed(router: Router, front: &FrontArgs) -> Result<Router, Failure> {
    let router = match front.static_files.as_deref() {
        None => router,
        Some(folder) => files(folder)?.around(router),
    };
    Ok(match front.hsts {
        None => router,
        Some(seconds) => redirect::with_strict_transport(router, seconds),
    })
}

fn files(folder: &Path) -> Result<Front, Failure> {
    Front::new(folder)
        .map_err(|error| Failure::new("", format!("--static-files {}: {error}", folder.display())))
}
