//! Where logs go and how much of them.

use std::fs::OpenOptions;
use std::io;
use std::sync::Mutex;

use intendant_config::Environment;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};

use crate::cli::{LogTargets, Logging};
use crate::failure::Failure;
use crate::syslog::Syslog;

/// What is logged when neither flags nor environment say.
#[derive(Clone, Copy)]
pub enum Level {
    /// Servers tell what they do.
    Info,
    /// Commands only what somebody should look at.
    Warn,
}

/// Starts logging; flags win over `LOG_LEVEL`, which wins over the command's default.
pub fn start(
    flags: &Logging,
    targets: Option<&LogTargets>,
    environment: &Environment,
    default: Level,
) -> Result<(), Failure> {
    let from_environment = environment.log_level().map_err(|error| Failure::of("SettingError", &error))?;
    let level = match (flags.quiet, flags.debug || flags.verbose > 1, flags.verbose) {
        (true, _, _) => LevelFilter::WARN,
        (_, true, _) => LevelFilter::DEBUG,
        (_, _, 1) => LevelFilter::INFO,
        _ => match (from_environment, default) {
            (Some("debug"), _) => LevelFilter::DEBUG,
            (Some("info"), _) | (None, Level::Info) => LevelFilter::INFO,
            (Some("error"), _) => LevelFilter::ERROR,
            (Some(_), _) | (None, Level::Warn) => LevelFilter::WARN,
        },
    };
    let (writer, colour) = match targets.and_then(|targets| targets.log_file.as_ref()) {
        None => (
            BoxMakeWriter::new(io::stderr),
            environment.allows_colour() && io::IsTerminal::is_terminal(&io::stderr()),
        ),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let file = file.map_err(|error| {
                Failure::new("SettingError", format!("cannot open the log file {}: {error}", path.display()))
            })?;
            (BoxMakeWriter::new(Mutex::new(file)), false)
        }
    };
    let (writer, colour) = match targets.filter(|targets| targets.use_syslog) {
        None => (writer, colour),
        Some(targets) => {
            let syslog = Syslog::open(targets).map_err(|why| Failure::new("SettingError", why))?;
            (BoxMakeWriter::new(writer.and(syslog)), false)
        }
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(writer).with_ansi(colour);
    let started =
        if environment.json_logging() { builder.json().try_init() } else { builder.compact().try_init() };
    started.map_err(|error| Failure::new("SettingError", format!("cannot start logging: {error}")))?;
    if let Some(path) = &flags.logging_config_file {
        let instead = "use -v, --log-file, --use-syslog or LOG_LEVEL";
        tracing::warn!(path = %path.display(), instead, "this file configures Python's logging and has no effect");
    }
    Ok(())
}
