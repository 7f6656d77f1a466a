//! `intendant run`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use intendant_api::auth::Auth;
use intendant_api::cors::Cors;
use intendant_api::listen::{self, Listener};
use intendant_api::registry::ModelServer;
use intendant_api::router::{Api, ApiSettings, BODY_BYTES_MAX, router};
use intendant_api::serving::{self, Desk};
use intendant_api::tls::{self, TlsFiles, TlsSettings};
use intendant_api::webhooks::Channels;
use intendant_client::courier::HttpCourier;
use intendant_config::Environment;

use intendant_serve::server::Server;

use crate::cli::{RunArgs, ServerArgs};
use crate::commands::models;
use crate::commands::predictors;
use crate::failure::Failure;
use crate::following::Following;
use crate::stopping::Stop;
use crate::wiring::{self, Wiring};
use crate::workshop::AppWorkshop;
use crate::{model, remote};

/// How long sockets may take to send their last messages.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves a model, or starts the action server.
pub fn run(arguments: RunArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if let Some(part) = &arguments.part {
        return super::run_actions::run(part);
    }
    if predictors::serve::are_alone(environment) {
        return predictors::serve::run(&arguments, environment);
    }
    let model_path = arguments.model.path();
    let newest = intendant_train::models::newest(&model_path).map_err(|error| Failure::of("", &error))?;
    let runtime = wiring::runtime()?;
    runtime.block_on(serve(&arguments, newest.as_deref(), environment))
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
    let is_elsewhere = wiring.pull.is_some() || arguments.server.remote_storage.is_some();
    if model.is_none() && !is_elsewhere && !arguments.server.enable_api {
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
    if wiring.server.assistant().is_none()
        && let Some(storage) = &arguments.server.remote_storage
    {
        let path = arguments.model.path();
        let (assistant, name) = remote::load(storage, &path, environment, &wiring.client).await?;
        wiring.server.put_model(Arc::new(model::serving(assistant, &name)));
    }
    let models = models_of(&arguments.model.path(), environment)?;
    let mut following = Following::new(
        wiring.server.clone(),
        &models.folder,
        models.database.clone(),
        models::serving_settings(environment)?,
    );
    if wiring.server.assistant().is_none() {
        // The model under the tag comes before the newest one.
        following.look().await;
    }
    if let Some(file) = model
        && wiring.server.assistant().is_none()
    {
        wiring.server.put_model(Arc::new(model::serving(model::load_file(file)?, file)));
    }
    tokio::spawn(following.run(wiring.stop.clone()));
    let (router, channels) = api_router(&wiring, &arguments.server, Some(models), environment).await?;
    let house = House { server: wiring.server, router, channels, stop: wiring.stop, tls };
    listen_until_stopped(house, &arguments.server.interface, arguments.server.port).await
}

/// The models folder that a model was named in, with what `intendant.yml` says of it.
pub fn models_of(model: &Path, environment: &Environment) -> Result<ModelServer, Failure> {
    let folder = match model.is_dir() || model.extension().is_none() {
        true => model.to_owned(),
        false => model.parent().unwrap_or(Path::new(".")).to_owned(),
    };
    let registry = models::registry(environment)?;
    Ok(ModelServer { folder, database: registry.database, token: registry.token })
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
    models: Option<ModelServer>,
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
    let workshop = Arc::new(AppWorkshop {
        environment: environment.clone(),
        stop: stop.clone(),
        server: server.clone(),
        client: client.clone(),
        following: Mutex::default(),
    });
    let serving = models.filter(|_| arguments.enable_api).map(|models| {
        let auth = settings.auth.clone();
        serving::router(Desk { server: server.clone(), workshop: workshop.clone(), models, auth })
    });
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
    let router = match serving {
        Some(serving) => serving.merge(router),
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
