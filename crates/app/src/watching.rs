//! Training again whenever the project's files change.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use intendant_config::Environment;
use intendant_train::watch::Snapshot;

use crate::commands::train::{self, Order, Outcome};
use crate::failure::Failure;
use crate::project;
use crate::stopping::Stop;
use crate::terminal::say;

/// Time between two looks at the files.
const LOOK_PERIOD: Duration = Duration::from_millis(150);
/// Files must stay as they are for this long: editors and version control write many at a time.
const QUIET_PERIOD: Duration = Duration::from_millis(80);
/// Files that never rest are read after this long all the same.
const PATIENCE: Duration = Duration::from_secs(3);
/// Endings of files that projects are made of.
const EXTENSIONS: [&str; 3] = ["yml", "yaml", "json"];

/// A project under watch.
pub struct Watch<'a> {
    order: &'a Order,
    environment: &'a Environment,
    /// Files and folders looked at.
    roots: Vec<PathBuf>,
    /// As they were when last read.
    seen: Snapshot,
    /// What was written since the watch began; each model takes the place of the one before.
    written: Option<PathBuf>,
}

impl<'a> Watch<'a> {
    /// Begins before the project is read for the first time, so that no change is missed.
    pub fn new(order: &'a Order, environment: &'a Environment) -> Self {
        let roots = project::roots(&order.paths, environment);
        let seen = Snapshot::of(&roots, &EXTENSIONS);
        Self { order, environment, roots, seen, written: None }
    }

    /// Trains after every change until asked to stop, and hands every new model to `adopt`. What is
    /// wrong with the project is printed, and the model before stays.
    pub fn run(&mut self, stop: &Stop, adopt: &mut dyn FnMut(&Path)) {
        // After a training that a further save cut short the next one may finish, however often
        // files are saved.
        let mut is_interruptible = true;
        while let Some(changed) = self.next_change(stop) {
            self.say(format_args!("{} changed.", changed.display()));
            let (outcome, was_interrupted) = self.train(stop, is_interruptible);
            is_interruptible = !was_interrupted;
            match outcome {
                _ if stop.is_asked() => return,
                Ok(Outcome::Trained(path)) => {
                    adopt(&path);
                    self.replace_written(path);
                }
                Ok(Outcome::Unchanged(path)) => {
                    self.say(format_args!("Nothing to train; '{}' stays.", path.display()));
                }
                Ok(Outcome::Planned(_)) => {}
                Err(_) if was_interrupted => {}
                Err(failure) => {
                    failure.report();
                    self.say(format_args!("The model before stays; waiting for the next change."));
                }
            }
        }
    }

    /// Waits for a change to come to rest; `None` when asked to stop.
    fn next_change(&mut self, stop: &Stop) -> Option<PathBuf> {
        loop {
            if stop.is_asked() {
                return None;
            }
            let now = self.look();
            if let Some(changed) = self.seen.first_change(&now).map(Path::to_owned) {
                self.seen = self.settled(now);
                // Other files may be imported now.
                self.roots = project::roots(&self.order.paths, self.environment);
                return Some(changed);
            }
            std::thread::sleep(LOOK_PERIOD);
        }
    }

    fn settled(&self, mut last: Snapshot) -> Snapshot {
        let start = Instant::now();
        loop {
            std::thread::sleep(QUIET_PERIOD);
            let now = self.look();
            if now == last || start.elapsed() > PATIENCE {
                return now;
            }
            last = now;
        }
    }

    fn look(&self) -> Snapshot {
        Snapshot::of(&self.roots, &EXTENSIONS)
    }

    /// Trains; a further change, or being asked to stop, ends it early.
    fn train(&self, stop: &Stop, is_interruptible: bool) -> (Result<Outcome, Failure>, bool) {
        let early = Stop::default();
        let order = Order { stop: early.clone(), ..self.order.clone() };
        let outcome = std::thread::scope(|scope| {
            let (done, is_done) = channel::<()>();
            let signals = (stop, &early);
            scope.spawn(move || self.look_on(&is_done, signals, is_interruptible));
            let outcome = train::execute(&order, self.environment);
            drop(done);
            outcome
        });
        (outcome, early.is_asked() && !stop.is_asked())
    }

    fn look_on(&self, is_done: &Receiver<()>, (stop, early): (&Stop, &Stop), is_interruptible: bool) {
        while is_done.recv_timeout(LOOK_PERIOD) == Err(RecvTimeoutError::Timeout) {
            if let Some(code) = stop.exit_code() {
                early.ask(code);
            } else if is_interruptible && self.look() != self.seen {
                early.ask(0);
            }
        }
    }

    fn say(&self, text: std::fmt::Arguments<'_>) {
        if !self.order.quiet {
            say!("{text}");
        }
    }

    fn replace_written(&mut self, path: PathBuf) {
        if let Some(before) = self.written.replace(path.clone())
            && before != path
            && let Err(error) = std::fs::remove_file(&before)
        {
            tracing::warn!(model = %before.display(), %error, "cannot remove the model before");
        }
    }
}

/// Runs `train --watch`: until the process is asked to end.
pub fn run(order: &Order, environment: &Environment, stop: &Stop) -> ExitCode {
    let mut watch = Watch::new(order, environment);
    match watch.train(stop, false).0 {
        _ if stop.is_asked() => return ended(stop),
        Ok(outcome) => {
            train::tell(&outcome, order.quiet);
            if let Outcome::Trained(path) = outcome {
                watch.replace_written(path);
            }
        }
        Err(failure) => {
            failure.report();
        }
    }
    watch.say(format_args!("Watching the project's files; end with Ctrl-C."));
    watch.run(stop, &mut |path| train::tell(&Outcome::Trained(path.to_owned()), order.quiet));
    ended(stop)
}

fn ended(stop: &Stop) -> ExitCode {
    ExitCode::from(stop.exit_code().unwrap_or_default())
}
