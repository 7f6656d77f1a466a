//! `intendant run`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use intendant_api::auth::Auth;
use intendant_api::cors::Cors;
use intendant_api::listen::{self, Listener};
use intendant_api::router::{Api, ApiSettings, BODY_BYTES_MAX, router};
use intendant_api::tls::{self, TlsFiles, TlsSettings};
use intendant_api::webhooks::Channels;
use intendant_client::courier::HttpCourier;
use intendant_config::Environment;

use intendant_serve::server::Server;
use intendant_train::models;

use crate::cli::{RunArgs, ServerArgs};
use crate::commands::predictors;
use crate::failure::Failure;
use crate::model;
use crate::stopping::Stop;
use crate::wiring::{self, Wiring};
use crate::workshop::AppWorkshop;

/// How long sockets may take to send their last messages.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves a model, or starts the action server.
pub fn run(arguments: RunArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if let Some(part) = &arguments.part {
        return super::run_actions::run(part);
    }
    refuse_unsupported(&arguments.server)?;
    if predictors::serve::are_alone(environment) {
        return predictors::serve::run(&arguments, environment);
    }
    let model_path = arguments.model.path();
    let newest = models::newest(&model_path).map_err(|error| Failure::of("", &error))?;
    let runtime = wiring::runtime()?;
    runtime.block_on(serve(&arguments, newest.as_deref(), environment))
}

fn refuse_unsupported(arguments: &ServerArgs) -> Result<(), Failure> {
    if arguments.remote_storage.is_some() {
        return Err(Failure::new(
            "",
            "--remote-storage is not in this version: put the model into a folder and name it with --model",
        ));
    }
    Ok(())
}

/// TLS as the `--ssl-…` flags ask for it.
fn tls(arguments: &ServerArgs) -> Result<Option<Arc<TlsSettings>>, Failure> {
    let Some(certificate) = &arguments.ssl_certificate else {
        let others = arguments.ssl_keyfile.is_some() || arguments.ssl_ca_file.is_some();
        if others || arguments.ssl_password.is_some() {
            let message = "the --ssl flags need --ssl-certificate: the file with the server's certificate";
            return Err(Failure::new("", message));
        }
        return Ok(None);
    };
    let files = TlsFiles {
        certificate: certificate.clone(),
        keyfile: arguments.ssl_keyfile.clone(),
        password: arguments.ssl_password.clone(),
        ca_file: arguments.ssl_ca_file.clone(),
    };
    Ok(Some(tls::settings(&files).map_err(|error| Failure::of("", &error))?))
}

async fn serve(
    arguments: &RunArgs,
    model: Option<&Path>,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let tls = tls(&arguments.server)?;
    let mut wiring =
        wiring::server(arguments.model.endpoints.as_deref(), arguments.server.request_timeout(), environment)
            .await?;
    if model.is_none() && wiring.pull.is_none() && !arguments.server.enable_api {
        let message = format!(
            "no model found at {}; train one with `intendant train`, or start with --enable-api and load one over HTTP",
            arguments.model.path().display()
        );
        return Err(Failure::new("", message));
    }
    wiring.stop = Stop::on_signals();
    if let Some(mut pull) = wiring.pull.take() {
        // The model server's model comes before one on disk.
        pull.once(&wiring.server).await;
        tokio::spawn(pull.follow(wiring.server.clone(), wiring.stop.clone()));
    }
    if let Some(file) = model
        && wiring.server.assistant().is_none()
    {
        wiring.server.put_model(Arc::new(model::serving(model::load_file(file)?, file)));
    }
    let (router, channels) = api_router(&wiring, &arguments.server, environment).await?;
    let house = House { server: wiring.server, router, channels, stop: wiring.stop, tls };
    listen_until_stopped(house, &arguments.server.interface, arguments.server.port).await
}

/// Everything behind a listener.
pub struct House {
    /// Holds the conversations.
    pub server: Server,
    /// Answers requests.
    pub router: Router,
    /// The open channels.
    pub channels: Channels,
    /// Says when to end.
    pub stop: Stop,
    /// How connections are secured, unless they are plain.
    pub tls: Option<Arc<TlsSettings>>,
}

/// Rasa's API over a server, and its channels.
pub async fn api_router(
    wiring: &Wiring,
    arguments: &ServerArgs,
    environment: &Environment,
) -> Result<(Router, Channels), Failure> {
    let Wiring { server, client, stop, .. } = wiring;
    let channels = wiring::channels(
        arguments.credentials.as_deref(),
        arguments.connector.as_deref(),
        client,
        environment,
    )
    .await?;
    let auth =
        Auth::new(arguments.auth_token.clone(), arguments.jwt_secret.as_deref(), &arguments.jwt_method);
    let auth = auth.map_err(|error| Failure::of("", &error))?;
    let predictors = match arguments.enable_api && predictors::serve::are_there() {
        true => {
            Some(predictors::serve::open(Path::new("models"), (auth.clone(), stop), environment).await?.0)
        }
        false => None,
    };
    let settings = ApiSettings {
        enable_api: arguments.enable_api,
        auth,
        cors: Cors { origins: arguments.cors.clone().unwrap_or_default() },
        body_bytes_max: BODY_BYTES_MAX,
        response_timeout: Duration::from_secs(arguments.response_timeout),
    };
    let workshop = Arc::new(AppWorkshop { environment: environment.clone(), stop: stop.clone() });
    let router = router(Api {
        server: server.clone(),
        workshop,
        channels: channels.clone(),
        courier: Arc::new(HttpCourier::new(client.clone())),
        settings,
        trainings: AtomicUsize::new(0),
    });
    let router =
        if arguments.enable_api { router.nest("/entities", super::entities::router()) } else { router };
    let router = match predictors {
        Some(predictors) => intendant_api::predictors::router(&predictors).merge(router),
        None => router,
    };
    Ok((router, channels))
}

/// Listens until the process is asked to end, then finishes what is in hand.
pub async fn listen_until_stopped(house: House, interface: &str, port: u16) -> Result<ExitCode, Failure> {
    let listener = listen::bind(interface, port).await.map_err(|error| Failure::of("", &error))?;
    let address = listener.local_addr().map_err(|error| Failure::of("", &error))?;
    let House { server, router, channels, stop, tls } = house;
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{address}");
    let stopped = async {
        stop.asked().await;
        channels.stop();
    };
    listen::serve(Listener { tcp: listener, tls }, router, stopped).await;
    tracing::info!("stopping");
    // What was taken is answered before the conversations are closed.
    if tokio::time::timeout(GOODBYE_TIMEOUT, channels.settled()).await.is_err() {
        tracing::warn!("some messages of channels were not handled in time");
    }
    server.stop().await;
    if tokio::time::timeout(GOODBYE_TIMEOUT, channels.done()).await.is_err() {
        tracing::warn!("some sockets were not closed in time");
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends when the process is asked to end; asked again, it ends at once.
pub async fn asked_to_stop() {
    Stop::on_signals().asked().await;
}
