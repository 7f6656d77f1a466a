//! A server at the front: static files, HTTPS with certificates that are renewed, the plain port.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use intendant_api::certificate::Certificates;
use intendant_api::front::Front;
use intendant_api::listen::{self, Listener};
use intendant_api::redirect;
use intendant_api::tls::{self, TlsError, TlsFiles, TlsSettings};
use intendant_client::acme::{self, Challenges};
use intendant_client::http::HttpClient;
use intendant_serve::metrics::write_gauge;

use crate::cli::front::{FrontArgs, TlsArgs};
use crate::failure::Failure;
use crate::stopping::Stop;

mod renewal;

/// How often files of certificates are looked at.
const FILES_PAUSE: Duration = Duration::from_secs(10);

/// Files of a project: a folder with one of them is none to show to everybody.
const PRIVATE: [&str; 4] = ["intendant.yml", "endpoints.yml", "credentials.yml", "config.yml"];

/// How connections are secured.
#[derive(Default)]
pub struct Security {
    /// For the listener, unless connections are plain.
    pub tls: Option<Arc<TlsSettings>>,
    certificates: Option<Arc<Certificates>>,
    challenges: Arc<Challenges>,
    /// Renews certificates; never ends by itself.
    renewal: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// TLS as flags ask for it: with files, or with certificates from an authority.
///
/// # Errors
/// When a file is not what it should be, or flags contradict each other.
pub fn security(files: &TlsArgs, front: &FrontArgs, client: &HttpClient) -> Result<Security, Failure> {
    if !front.acme_domain.is_empty() {
        return by_authority(files, front, client);
    }
    let Some(certificate) = &files.ssl_certificate else {
        if files.ssl_keyfile.is_some() || files.ssl_ca_file.is_some() || files.ssl_password.is_some() {
            let message = "the --ssl flags need --ssl-certificate: the file with the server's certificate";
            return Err(Failure::new("", message));
        }
        if front.redirect_port.is_some() || front.hsts.is_some() {
            let message = "--redirect-port and --hsts need HTTPS: give --ssl-certificate or --acme-domain";
            return Err(Failure::new("", message));
        }
        return Ok(Security::default());
    };
    let files = TlsFiles {
        certificate: certificate.clone(),
        keyfile: files.ssl_keyfile.clone(),
        password: files.ssl_password.clone(),
        ca_file: files.ssl_ca_file.clone(),
    };
    let (tls, certificates) = tls::open(&files).map_err(unusable)?;
    Ok(Security {
        tls: Some(tls),
        certificates: Some(Arc::clone(&certificates)),
        challenges: Arc::default(),
        renewal: Some(Box::pin(tls::follow(files, certificates, FILES_PAUSE))),
    })
}

fn by_authority(files: &TlsArgs, front: &FrontArgs, client: &HttpClient) -> Result<Security, Failure> {
    let client = match &front.acme_root {
        Some(root) => HttpClient::trusting(root).map_err(|error| Failure::of("--acme-root", &error))?,
        None => client.clone(),
    };
    let settings = acme::Settings {
        directory: front.acme_directory.clone(),
        names: front.acme_domain.clone(),
        contact: front.acme_email.clone(),
        store: front.acme_store.clone(),
    };
    let (certificates, challenges) = (Arc::new(Certificates::default()), Arc::new(Challenges::default()));
    let tls = tls::settings_of(Arc::clone(&certificates), files.ssl_ca_file.as_deref()).map_err(unusable)?;
    // Until there is a certificate, who comes by HTTPS is turned away; the server is there for the authority.
    renewal::take_stored(&settings, &certificates);
    let renewal = renewal::Renewal {
        client,
        settings,
        challenges: Arc::clone(&challenges),
        certificates: Arc::clone(&certificates),
    };
    Ok(Security {
        tls: Some(tls),
        certificates: Some(certificates),
        challenges,
        renewal: Some(Box::pin(renewal.run())),
    })
}

fn unusable(error: TlsError) -> Failure {
    Failure::of("", &error)
}

impl Security {
    /// Writes when the certificate in use ends, if there is one.
    pub fn figures(&self) -> impl Fn(&mut String) + Clone + Send + Sync + 'static {
        let certificates = self.certificates.clone();
        move |text| {
            if let Some(validity) = certificates.as_ref().and_then(|certificates| certificates.validity()) {
                let help = "When the certificate in use ends, in seconds since 1970.";
                write_gauge(text, "intendant_certificate_expiry_seconds", help, &[], validity.ends as f64);
            }
        }
    }

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
            let challenges = Arc::clone(&self.challenges);
            let router = redirect::router(port, Arc::new(move |token| challenges.answer(token)));
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
    if let Some(file) = PRIVATE.into_iter().find(|file| folder.join(file).exists()) {
        let message = format!(
            "--static-files {}: everybody could read {file} there; name the folder of the built front end",
            folder.display()
        );
        return Err(Failure::new("", message));
    }
    Front::new(folder)
        .map_err(|error| Failure::new("", format!("--static-files {}: {error}", folder.display())))
}
