//! `intendant up`: train what changed, serve, and show the page.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use clap::Parser;
use intendant_agents::files as agent_files;
use intendant_agents::service::Service;
use intendant_api::registry::ModelServer;
use intendant_config::Environment;
use intendant_console::Partner;
use intendant_serve::server::Server;
use tokio::task::JoinHandle;

use crate::chores;
use crate::cli::{Cli, Command, ServerArgs, UpArgs};
use crate::commands;
use crate::commands::predictors;
use crate::commands::run::{
    Doors, House, agent_router, api_router, keep, listen_until_stopped, models_of, trials,
};
use crate::commands::stream::{Beside, Running};
use crate::commands::train::{self, Order, Outcome};
use crate::failure::Failure;
use crate::following::Following;
use crate::gateway_wiring::Own;
use crate::model::{self, Loaded};
use crate::stopping::Stop;
use crate::systemd::Notifier;
use crate::terminal::say;
use crate::watching::Watch;
use crate::{agent_wiring, gateway_wiring, wiring};

/// Runs `intendant up [DIR]`.
pub fn run(arguments: &UpArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    refuse_open_door(arguments)?;
    let folder = &arguments.dir;
    if folder.join(predictors::FOLDER).is_dir() && !folder.join("config.yml").exists() {
        return predictors::up::run(arguments, environment);
    }
    if !folder.join("config.yml").exists() && agent_files::folder_of(folder).is_none() {
        let message = format!(
            "{} holds neither config.yml nor an agent; name a project's folder, create one with `intendant \
             init`, or take one in with `intendant import dialogflow`",
            folder.display()
        );
        return Err(Failure::new("", message));
    }
    // Relative paths in a project's files mean its folder, wherever the command was given.
    std::env::set_current_dir(folder)
        .map_err(|error| Failure::new("", format!("cannot enter {}: {error}", folder.display())))?;
    let stop = Stop::on_signals();
    let order = Order { stop: stop.clone(), ..Order::of_folder(Path::new(".")) };
    let mut watch = Watch::new(&order, environment);
    let trained = train::execute(&order, environment).map_err(|failure| match stop.exit_code() {
        Some(code) => failure.with_code(code),
        None => failure,
    });
    let model = match trained? {
        Outcome::Unchanged(path) => {
            say!("Nothing changed since {} was trained.", path.display());
            path
        }
        Outcome::Trained(path) => {
            say!("Saved as {}.", path.display());
            path
        }
        Outcome::Planned(plan) => return Ok(plan.code()),
    };
    let runtime = wiring::runtime()?;
    let (talker, house, work) = runtime.block_on(open(arguments, &model, &stop, environment))?;
    let server = house.server.clone();
    let rotation = commands::models::rotate::beside(&server, &stop, environment)?;
    let tag = commands::models::serving_settings(environment)?.tag;
    std::thread::scope(|scope| {
        let retrain = || watch.run(&stop, &mut |path| talker.adopt(path, tag.as_deref()));
        scope.spawn(retrain);
        if let Some(rotation) = &rotation {
            scope.spawn(|| rotation.run());
        }
        let served = runtime.block_on(listen_until_stopped(house, &arguments.interface, arguments.port));
        // A server that could not start must not leave the watch behind.
        stop.ask(0);
        runtime.block_on(work.ended());
        served
    })
}

/// What goes on beside the server.
struct Work {
    workers: Vec<JoinHandle<()>>,
    streams: Beside,
}

impl Work {
    /// Waits until everything in hand is finished or given back.
    async fn ended(self) {
        for worker in self.workers {
            let _ = worker.await;
        }
        self.streams.ended().await;
    }
}

/// What a new model is put into.
enum Talker {
    Assistant(Server),
    Agent(Arc<Service>),
}

impl Talker {
    /// Puts a new model into use. Messages in hand finish with the one they began with.
    fn adopt(&self, file: &Path, tag: Option<&str>) {
        if let Some(tag) = tag {
            say!("To serve it: intendant models tag {} {tag}", file.display());
            return;
        }
        match (self, model::load_any(file)) {
            (Self::Assistant(server), Ok(Loaded::Assistant(assistant))) => {
                let assistant = model::serving(*assistant, file);
                assistant.warm();
                server.put_model(Arc::new(assistant));
            }
            (Self::Agent(service), Ok(Loaded::Agent(assistant))) => service.put(*assistant),
            (_, Ok(_)) => {
                say!("{} is a model of another kind: start `intendant up` again.", file.display());
                return;
            }
            (talker, Err(failure)) => {
                if let Self::Assistant(server) = talker {
                    server.note_unloadable(&file.display().to_string(), failure.message());
                }
                failure.report();
                return;
            }
        }
        say!("Now serving {}.", file.display());
    }

    /// The page that talks to it.
    fn page(&self, file: &Path) -> Router {
        let page = match self {
            Self::Assistant(server) => intendant_console::router(server.clone()),
            Self::Agent(service) => {
                let assistant = service.assistant();
                let settings = &assistant.agent().settings;
                intendant_console::agent_router(Partner {
                    name: settings.display_name.clone().unwrap_or_else(|| "agent".to_owned()),
                    language: settings.own_language().to_owned(),
                    model_file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                    agent: Arc::new(Own::Agent(Arc::clone(service))),
                })
            }
        };
        page.merge(intendant_console::assets())
    }

    /// What answers for nothing in a gateway.
    fn own(&self) -> Own {
        match self {
            Self::Assistant(server) => Own::Assistant(server.clone()),
            Self::Agent(service) => Own::Agent(Arc::clone(service)),
        }
    }
}

/// The page and the API ask nobody who they are yet, so they are only for this machine.
fn refuse_open_door(arguments: &UpArgs) -> Result<(), Failure> {
    let is_loopback = match arguments.interface.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => arguments.interface == "localhost",
    };
    if is_loopback || arguments.allow_anyone {
        return Ok(());
    }
    let message = format!(
        "`up` on {} would let everybody on the network use the page and the API without a password; \
         keep it on 127.0.0.1 behind a proxy that asks for one, or say --allow-anyone",
        arguments.interface
    );
    Err(Failure::new("", message))
}

async fn open(
    arguments: &UpArgs,
    file: &Path,
    stop: &Stop,
    environment: &Environment,
) -> Result<(Talker, House, Work), Failure> {
    let defaults = default_server_arguments()?;
    let mut wiring = wiring::server(None, defaults.request_timeout(), environment).await?;
    wiring.stop = stop.clone();
    let server = wiring.server.clone();
    let models = models_of(Path::new("models"), environment)?;
    let serving = commands::models::serving_settings(environment)?;
    let trials = trials(&wiring, models.clone(), environment)?;
    let keeping = keep(&trials, stop).await;
    let mut following = Following::new(&trials, serving);
    following.look().await;
    let mut talker = Talker::Assistant(server.clone());
    if server.assistant().is_none() {
        match model::load_any(file)? {
            Loaded::Assistant(assistant) => server.put_model(Arc::new(model::serving(*assistant, file))),
            Loaded::Agent(assistant) => {
                talker = Talker::Agent(agent_wiring::service(*assistant, environment).await?)
            }
        }
    }
    tokio::spawn(following.run(stop.clone()));
    let Doors { router: api, channels, predictors } =
        api_router(&wiring, &defaults, Some(trials), environment).await?;
    let running = Running { predictors, server: Some(server.clone()) };
    let streams = Beside::start(&running, stop, environment).await?;
    let roles = Arc::clone(&streams.roles);
    server.metrics().also(move |text| intendant_api::stream::write_metrics(&roles, text));
    let api = match &talker {
        Talker::Assistant(_) => api,
        Talker::Agent(service) => agent_router(Arc::clone(service), &defaults)?.merge(api),
    };
    let (management, mut workers) = management(models, stop, environment).await?;
    workers.push(keeping);
    let mut router =
        talker.page(file).merge(management).merge(intendant_api::stream::beside(Arc::clone(&streams.roles)));
    let here = format!("http://{}:{}", arguments.interface, arguments.port);
    say!("Talk to it at {here}/console");
    if let Some(front) = gateway_wiring::front(environment, &wiring.client, talker.own()).await? {
        gateway_wiring::show_figures(&front, server.metrics());
        say!("Talk to the gateway at {here}/chat");
        router = router.merge(intendant_api::gateway::router(front)).merge(intendant_console::guest_router());
    }
    // Paths of the gateway come before those of an agent.
    let router = router.fallback_service(api);
    let house = House {
        server,
        router,
        channels,
        stop: stop.clone(),
        tls: None,
        notifier: Notifier::of(environment),
    };
    Ok((talker, house, Work { workers, streams }))
}

/// The registry and jobs over HTTP, and the workers that do the jobs.
///
/// # Errors
/// When the settings cannot be used.
pub async fn management(
    models: ModelServer,
    stop: &Stop,
    environment: &Environment,
) -> Result<(Router, Vec<JoinHandle<()>>), Failure> {
    let settings = chores::settings(environment)?;
    let jobs = chores::open(&settings).await?;
    let workers = chores::start(&settings, &jobs, (settings.workers, stop), environment)?;
    let desk = intendant_api::jobs::Desk {
        jobs,
        token: settings.token.clone(),
        attempts: settings.attempts,
        check: chores::check,
    };
    let router = intendant_api::registry::router(models.clone())
        .merge(intendant_api::uploads::router(models))
        .merge(intendant_api::jobs::router(desk));
    Ok((router, workers))
}

/// The flags of `run --enable-api` with their defaults.
pub fn default_server_arguments() -> Result<ServerArgs, Failure> {
    match Cli::try_parse_from(["intendant", "run", "--enable-api"]).map(|cli| cli.command) {
        Ok(Some(Command::Run(arguments))) => Ok(arguments.server),
        _ => Err(Failure::new("", "the defaults of `run` cannot be read")),
    }
}
