//! `intendant up` in a project of predictors alone: train what changed, serve.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use intendant_api::auth::Auth;
use intendant_config::Environment;
use intendant_predictor::spec::Kind;

use super::{failed, serve, specs, train};
use crate::chores::MODELS;
use crate::cli::UpArgs;
use crate::commands::run::models_of;
use crate::commands::stream::{Beside, Running};
use crate::commands::up::management;
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::terminal::say;
use crate::wiring;

/// Trains every predictor whose data or declaration changed, and serves them all.
///
/// # Errors
/// When one cannot be trained, or they cannot be served.
pub fn run(arguments: &UpArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    // Relative paths in a project's files mean its folder, wherever the command was given.
    std::env::set_current_dir(&arguments.dir)
        .map_err(|error| Failure::new("", format!("cannot enter {}: {error}", arguments.dir.display())))?;
    let order = train::Order::into_folder(Path::new(MODELS));
    for spec in specs(environment)?.into_iter().filter(|spec| spec.kind != Kind::Foreign) {
        let done = train::train(&spec, &order, environment)?;
        match done.is_unchanged {
            true => say!("{}: nothing changed since {} was trained.", spec.name, done.path.display()),
            false => say!("{}: saved as {}.", spec.name, done.path.display()),
        }
        train::print_gates(&done.gates);
    }
    let auth = Auth::new(None, None, "HS256").map_err(|error| failed(&error))?;
    wiring::runtime()?.block_on(async {
        let stop = Stop::on_signals();
        let (mut predictors, _) = serve::open(Path::new(MODELS), (auth, &stop), environment).await?;
        let running = Running { predictors: Some(Arc::clone(&predictors.service)), server: None };
        let streams = Beside::start(&running, &stop, environment).await?;
        predictors.streams = Arc::clone(&streams.roles);
        let models = models_of(Path::new(MODELS), environment)?;
        let (management, workers) = management(models, &stop, environment).await?;
        let router = intendant_api::predictors::standalone(&predictors).merge(management);
        say!("Their API is described at http://{}:{}/docs", arguments.interface, arguments.port);
        let at = (arguments.interface.as_str(), arguments.port);
        let served = serve::listen_until_stopped((&predictors, router), at, stop.clone()).await;
        stop.ask(0);
        // Workers give back what they have in hand.
        for worker in workers {
            let _ = worker.await;
        }
        streams.ended().await;
        served
    })
}
