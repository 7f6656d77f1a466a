//! `intendant up` in a project of predictors alone: train what changed, serve.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use intendant_api::auth::Auth;
use intendant_config::Environment;
use intendant_predictor::spec::Kind;

use super::{failed, serve, specs, train};
use crate::cli::{Cli, Command, UpArgs};
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
    let Ok(Some(Command::Train(defaults))) =
        Cli::try_parse_from(["intendant", "train"]).map(|cli| cli.command)
    else {
        return Err(Failure::new("", "the defaults of `train` cannot be read"));
    };
    for spec in specs(environment)?.into_iter().filter(|spec| spec.kind != Kind::Foreign) {
        let done = train::train(&spec, &defaults, false, environment)?;
        match done.is_unchanged {
            true => say!("{}: nothing changed since {} was trained.", spec.name, done.path.display()),
            false => say!("{}: saved as {}.", spec.name, done.path.display()),
        }
        train::print_gates(&done.gates);
    }
    let auth = Auth::new(None, None, "HS256").map_err(|error| failed(&error))?;
    wiring::runtime()?.block_on(async {
        let stop = Stop::on_signals();
        let (predictors, _) = serve::open(Path::new("models"), (auth, &stop), environment).await?;
        say!("Their API is described at http://{}:{}/docs", arguments.interface, arguments.port);
        serve::listen_until_stopped(&predictors, (&arguments.interface, arguments.port), stop).await
    })
}
