//! `intendant up`: train what changed, serve, and show the page.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use intendant_config::Environment;
use intendant_serve::server::Server;
use tokio::task::JoinHandle;

use crate::chores;
use crate::cli::{Cli, Command, ServerArgs, UpArgs};
use crate::commands;
use crate::commands::predictors;
use crate::commands::run::{House, api_router, listen_until_stopped, models_of};
use crate::commands::train::{self, Order, Outcome};
use crate::failure::Failure;
use crate::following::Following;
use crate::model;
use crate::stopping::Stop;
use crate::systemd::Notifier;
use crate::terminal::say;
use crate::watching::Watch;
use crate::{gateway_wiring, wiring};

/// Runs `intendant up [DIR]`.
pub fn run(arguments: &UpArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    refuse_open_door(arguments)?;
    let folder = &arguments.dir;
    if folder.join(predictors::FOLDER).is_dir() && !folder.join("config.yml").exists() {
        return predictors::up::run(arguments, environment);
    }
    if !folder.join("config.yml").exists() {
        let message = format!(
            "{} holds no config.yml; name a project's folder, or create one with `intendant init`",
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
    let (server, house, workers) = runtime.block_on(open(arguments, &model, &stop, environment))?;
    let rotation = commands::models::rotate::beside(&server, &stop, environment)?;
    let tag = commands::models::serving_settings(environment)?.tag;
    std::thread::scope(|scope| {
        let retrain = || watch.run(&stop, &mut |path| adopt(&server, path, tag.as_deref()));
        scope.spawn(retrain);
        if let Some(rotation) = &rotation {
            scope.spawn(|| rotation.run());
        }
        let served = runtime.block_on(listen_until_stopped(house, &arguments.interface, arguments.port));
        // A server that could not start must not leave the watch behind.
        stop.ask(0);
        // Workers give back what they have in hand.
        runtime.block_on(async {
            for worker in workers {
                let _ = worker.await;
            }
        });
        served
    })
}

/// Puts a new model into use. Messages in hand finish with the one they began with.
fn adopt(server: &Server, file: &Path, tag: Option<&str>) {
    if let Some(tag) = tag {
        say!("To serve it: intendant models tag {} {tag}", file.display());
        return;
    }
    match model::load_file(file) {
        Ok(assistant) => {
            let assistant = model::serving(assistant, file);
            assistant.warm();
            server.put_model(Arc::new(assistant));
            say!("Now serving {}.", file.display());
        }
        Err(failure) => {
            server.note_unloadable(&file.display().to_string(), failure.message());
            failure.report();
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
) -> Result<(Server, House, Vec<JoinHandle<()>>), Failure> {
    let mut wiring = wiring::server(None, default_server_arguments()?.request_timeout(), environment).await?;
    wiring.stop = stop.clone();
    let server = wiring.server.clone();
    let models = models_of(Path::new("models"), environment)?;
    let serving = commands::models::serving_settings(environment)?;
    let mut following = Following::new(server.clone(), &models.folder, models.database.clone(), serving);
    following.look().await;
    if server.assistant().is_none() {
        server.put_model(Arc::new(model::serving(model::load_file(file)?, file)));
    }
    tokio::spawn(following.run(stop.clone()));
    let (api, channels) =
        api_router(&wiring, &default_server_arguments()?, Some(models.clone()), environment).await?;
    let settings = chores::settings(environment)?;
    let jobs = chores::open(&settings).await?;
    let workers = chores::start(&settings, &jobs, (settings.workers, stop), environment)?;
    let jobs = intendant_api::jobs::Desk {
        jobs,
        token: settings.token.clone(),
        attempts: settings.attempts,
        check: chores::check,
    };
    let mut router = intendant_console::router(server.clone())
        .merge(intendant_api::registry::router(models.clone()))
        .merge(intendant_api::uploads::router(models))
        .merge(intendant_api::jobs::router(jobs));
    if let Some(front) = gateway_wiring::front(environment, &wiring.client, &server).await? {
        router = router.merge(intendant_api::gateway::router(front));
    }
    let router = router.merge(api);
    say!("Talk to it at http://{}:{}/console", arguments.interface, arguments.port);
    let house = House {
        server: server.clone(),
        router,
        channels,
        stop: stop.clone(),
        tls: None,
        notifier: Notifier::of(environment),
    };
    Ok((server, house, workers))
}

/// The flags of `run --enable-api` with their defaults.
pub fn default_server_arguments() -> Result<ServerArgs, Failure> {
    match Cli::try_parse_from(["intendant", "run", "--enable-api"]).map(|cli| cli.command) {
        Ok(Some(Command::Run(arguments))) => Ok(arguments.server),
        _ => Err(Failure::new("", "the defaults of `run` cannot be read")),
    }
}
