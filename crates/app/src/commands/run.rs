//! `intendant run`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use intendant_agents::service::Service;
use intendant_api::agent::{self, AgentApi};
use intendant_api::auth::Auth;
use intendant_api::cors::Cors;
use intendant_api::listen::{self, Listener};
use intendant_api::predictors::write_metrics;
use intendant_api::registry::ModelServer;
use intendant_api::router::{Api, ApiSettings, BODY_BYTES_MAX, router};
use intendant_api::serving::{self, Desk};
use intendant_api::tls::TlsSettings;
use intendant_api::trials::Trials;
use intendant_api::webhooks::Channels;
use intendant_client::courier::HttpCourier;
use intendant_config::Environment;

use intendant_score::service::Service as Predictors;
use intendant_serve::server::Server;
use tokio::task::JoinHandle;

use crate::agent_wiring;
use crate::cli::{RunArgs, ServerArgs};
use crate::commands::models;
use crate::commands::predictors;
use crate::failure::Failure;
use crate::following::Following;
use crate::front;
use crate::model::{self, Loaded};
use crate::remote;
use crate::stopping::Stop;
use crate::systemd::Notifier;
use crate::wiring::{self, Wiring};
use crate::workshop::AppWorkshop;

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

async fn serve(
    arguments: &RunArgs,
    model: Option<&Path>,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
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
    let trials = trials(&wiring, models_of(&arguments.model.path(), environment)?, environment)?;
    let keeping = keep(&trials, &wiring.stop).await;
    let mut following = Following::new(&trials, models::serving_settings(environment)?);
    if wiring.server.assistant().is_none() {
        // The model under the tag comes before the newest one.
        following.look().await;
    }
    let mut agent = None;
    if let Some(file) = model
        && wiring.server.assistant().is_none()
    {
        match model::load_any(file)? {
            Loaded::Assistant(assistant) => {
                wiring.server.put_model(Arc::new(model::serving(*assistant, file)));
            }
            Loaded::Agent(assistant) => agent = Some(*assistant),
        }
    }
    tokio::spawn(following.run(wiring.stop.clone()));
    let Doors { router, channels, .. } =
        api_router(&wiring, &arguments.server, Some(trials), environment).await?;
    let router = match agent {
        None => router,
        Some(assistant) => {
            let service = agent_wiring::service(assistant, environment).await?;
            agent_router(service, &arguments.server)?.merge(router)
        }
    };
    let (interface, port) = (arguments.server.interface.as_str(), arguments.server.port);
    let mut security = front::security(&arguments.server.tls, &arguments.front, &wiring.client)?;
    wiring.server.metrics().also(security.figures());
    let router = front::dressed(router, &arguments.front)?;
    security.start(&arguments.front, (interface, port), &wiring.stop).await?;
    let notifier = Notifier::of(environment);
    let Wiring { server, stop, .. } = wiring;
    let house = House { server, router, channels, stop: stop.clone(), tls: security.tls, notifier };
    let served = listen_until_stopped(house, interface, port).await;
    stop.ask(0);
    // What was seen to the end is on record.
    let _ = keeping.await;
    served
}

/// What a server tries beside the model in use; kept under the tag that it follows.
///
/// # Errors
/// When the settings cannot be used.
pub fn trials(
    wiring: &Wiring,
    models: ModelServer,
    environment: &Environment,
) -> Result<Arc<Trials>, Failure> {
    let tag = models::serving_settings(environment)?.tag;
    let environment_name = tag.unwrap_or_else(|| "default".to_owned());
    let workshop = Arc::new(workshop(wiring, environment));
    Ok(Arc::new(Trials::new(wiring.server.clone(), workshop, models, environment_name)))
}

/// Goes on with what was tried before a restart, and keeps what is tried until `stop`.
pub async fn keep(trials: &Arc<Trials>, stop: &Stop) -> JoinHandle<()> {
    if let Err(error) = trials.look().await {
        tracing::warn!(%error, "it cannot be looked what was tried");
    }
    let (trials, stop) = (Arc::clone(trials), stop.clone());
    tokio::spawn(async move { trials.run(stop.asked()).await })
}

fn workshop(wiring: &Wiring, environment: &Environment) -> AppWorkshop {
    AppWorkshop {
        environment: environment.clone(),
        stop: wiring.stop.clone(),
        server: wiring.server.clone(),
        client: wiring.client.clone(),
        following: Mutex::default(),
    }
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
    /// Tells systemd how the service is.
    pub notifier: Notifier,
}

/// Where messages and requests come in.
pub struct Doors {
    /// The API.
    pub router: Router,
    /// The open channels.
    pub channels: Channels,
    /// The project's predictors, where they are served too.
    pub predictors: Option<Arc<Predictors>>,
}

/// Rasa's API over a server, and its channels.
pub async fn api_router(
    wiring: &Wiring,
    arguments: &ServerArgs,
    trials: Option<Arc<Trials>>,
    environment: &Environment,
) -> Result<Doors, Failure> {
    let Wiring { server, client, stop, .. } = wiring;
    let channels = wiring::channels(
        arguments.credentials.as_deref(),
        arguments.connector.as_deref(),
        client,
        environment,
    )
    .await?;
    let auth = auth(arguments)?;
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
    let workshop = Arc::new(workshop(wiring, environment));
    let serving = trials
        .filter(|_| arguments.enable_api)
        .map(|trials| serving::router(Desk { trials, auth: settings.auth.clone() }));
    let router = router(Api {
        server: server.clone(),
        workshop,
        channels: channels.clone(),
        courier: Arc::new(HttpCourier::new(client.clone())),
        settings,
        trainings: AtomicUsize::new(0),
    });
    let mut router =
        if arguments.enable_api { router.nest("/entities", super::entities::router()) } else { router };
    let predictors = predictors.map(|predictors| {
        let service = Arc::clone(&predictors.service);
        server.metrics().also(move |text| write_metrics(&service, text));
        router = intendant_api::predictors::router(&predictors).merge(std::mem::take(&mut router));
        predictors.service
    });
    let router = match serving {
        Some(serving) => serving.merge(router),
        None => router,
    };
    Ok(Doors { router, channels, predictors })
}

/// The routes of an agent.
///
/// # Errors
/// When the keys of tokens cannot be used.
pub fn agent_router(service: Arc<Service>, arguments: &ServerArgs) -> Result<Router, Failure> {
    let auth = auth(arguments)?;
    let cors = Cors { origins: arguments.cors.clone().unwrap_or_default() };
    Ok(agent::router(AgentApi { service, auth, cors }))
}

fn auth(arguments: &ServerArgs) -> Result<Auth, Failure> {
    let auth =
        Auth::new(arguments.auth_token.clone(), arguments.jwt_secret.as_deref(), &arguments.jwt_method);
    auth.map_err(|error| Failure::of("", &error))
}

/// Listens until the process is asked to end, then finishes what is in hand.
pub async fn listen_until_stopped(house: House, interface: &str, port: u16) -> Result<ExitCode, Failure> {
    let listener = listen::bind(interface, port).await.map_err(|error| Failure::of("", &error))?;
    let address = listener.local_addr().map_err(|error| Failure::of("", &error))?;
    let House { server, router, channels, stop, tls, notifier } = house;
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{address}");
    notifier.ready();
    let alive = tokio::spawn(notifier.clone().keep_alive());
    let stopped = async {
        stop.asked().await;
        channels.stop();
    };
    listen::serve(Listener { tcp: listener, tls }, router, stopped).await;
    tracing::info!("stopping");
    notifier.stopping();
    // What was taken is answered before the conversations are closed.
    if tokio::time::timeout(GOODBYE_TIMEOUT, channels.settled()).await.is_err() {
        tracing::warn!("some messages of channels were not handled in time");
    }
    server.stop().await;
    if tokio::time::timeout(GOODBYE_TIMEOUT, channels.done()).await.is_err() {
        tracing::warn!("some sockets were not closed in time");
    }
    alive.abort();
    Ok(ExitCode::SUCCESS)
}

/// Ends when the process is asked to end; asked again, it ends at once.
pub async fn asked_to_stop() {
    Stop::on_signals().asked().await;
}
