//! `intendant models rotate`: the newest model under a fixed name, a few older ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Method;
use clap::Args;
use intendant_client::endpoint::Endpoint;
use intendant_client::http::{HttpClient, Outgoing};
use intendant_component::diagnostic::Diagnostic;
use intendant_config::Environment;
use intendant_config::platform::Platform;
use intendant_config::registry::Registry;
use intendant_config::rotation::Rotation;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_registry::catalog::{Catalog, Provenance};
use intendant_registry::rotation::{Kind, Now, Outside, Report, Rotator, Settings, Totals};
use intendant_serve::server::Server;
use jiff::Timestamp;
use serde_json::json;
use tokio::runtime::Runtime;

use super::platform;
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::terminal::say;
use crate::{report, wiring};

/// How long a server may take to load a model.
const ACTIVATION_TIMEOUT: Duration = Duration::from_secs(300);

/// What is kept, and where.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The models folder [default: `models`].
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Where to publish the newest model [default: `latest.tar.gz` in the folder].
    #[arg(long, value_name = "FILE")]
    pub latest: Option<PathBuf>,
    /// How many of the newest models stay [default: 3].
    #[arg(long, value_name = "COUNT")]
    pub keep: Option<usize>,
    /// Go on for ever; stand by while another rotation keeps the folder.
    #[arg(long)]
    pub watch: bool,
    /// Show what would be done and do nothing.
    #[arg(long, conflicts_with = "watch")]
    pub dry_run: bool,
    /// Remove models also when they are most of the folder or the clock was set back.
    #[arg(long)]
    pub force: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "watch")]
    pub json: bool,
}

/// Runs `models rotate`.
///
/// # Errors
/// When the settings or the folder cannot be used, or a removal was refused.
pub fn run(arguments: &RotateArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let platform = platform(environment)?;
    let rotation = settings(arguments, &platform, environment)?;
    let registry: Registry = platform.section("registry").map_err(|finding| unusable(&finding))?;
    let outside = Servers::new(&rotation, registry.database)?;
    let settings = settings_of(&rotation);
    if arguments.watch {
        let stop = Stop::on_signals();
        watch(&Keeping { settings, rotation, force: arguments.force }, &outside, &stop)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = once(settings, &outside, arguments)?;
    if !arguments.dry_run {
        outside.audit(&report);
    }
    if arguments.json {
        say!("{}", json!(report));
    } else {
        print(&report, arguments.dry_run);
    }
    match report.suspended {
        Some(why) => Err(Failure::new("", format!("nothing was removed: {why}"))),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Keeps a folder as long as a server runs: what the server holds stays, and what is done is counted.
///
/// # Errors
/// When the settings cannot be used.
pub fn beside(server: &Server, stop: &Stop, environment: &Environment) -> Result<Option<Beside>, Failure> {
    let platform = platform(environment)?;
    let is_wanted = platform.has("rotation") || environment.get("TARGET_DIR").is_some();
    if !is_wanted {
        return Ok(None);
    }
    let rotation = Rotation::read(&platform, environment).map_err(|finding| unusable(&finding))?;
    let registry: Registry = platform.section("registry").map_err(|finding| unusable(&finding))?;
    let outside = Servers { served: Some(server.clone()), ..Servers::new(&rotation, registry.database)? };
    let totals = Arc::clone(&outside.totals);
    server.metrics().also(move |text| locked(&totals).write(text));
    let keeping = Keeping { settings: settings_of(&rotation), rotation, force: false };
    Ok(Some(Beside { keeping, outside, stop: stop.clone() }))
}

/// A rotation beside a server.
pub struct Beside {
    keeping: Keeping,
    outside: Servers,
    stop: Stop,
}

impl Beside {
    /// Keeps the folder until the server stops.
    pub fn run(&self) {
        if let Err(failure) = watch(&self.keeping, &self.outside, &self.stop) {
            failure.report();
        }
    }
}

/// How a folder is kept for ever.
struct Keeping {
    settings: Settings,
    rotation: Rotation,
    force: bool,
}

fn unusable(finding: &Diagnostic) -> Failure {
    report::print(std::slice::from_ref(finding));
    Failure::new("", "the settings of the rotation cannot be used")
}

fn settings(
    arguments: &RotateArgs,
    platform: &Platform,
    environment: &Environment,
) -> Result<Rotation, Failure> {
    let mut rotation = Rotation::read(platform, environment).map_err(|finding| unusable(&finding))?;
    if let Some(folder) = &arguments.folder {
        rotation.folder = folder.clone();
    }
    rotation.latest = arguments.latest.clone().or(rotation.latest);
    rotation.keep = arguments.keep.unwrap_or(rotation.keep);
    Ok(rotation)
}

fn settings_of(rotation: &Rotation) -> Settings {
    let usual = Settings::of(&rotation.folder);
    Settings {
        latest: rotation.latest.clone().unwrap_or(usual.latest),
        folder: usual.folder,
        keep: rotation.keep,
        quiet: Duration::from_millis(rotation.quiet_ms),
        protected: rotation.protected.clone(),
        keep_younger: Duration::from_secs(rotation.keep_younger_seconds),
        bytes_max: rotation.bytes_max,
        trash_grace: Duration::from_secs(rotation.trash_grace_seconds),
        quarantine_after: Duration::from_secs(rotation.quarantine_after_seconds),
        removed_percent_max: rotation.removed_percent_max,
    }
}

/// One pass; files that are still too fresh are waited for, as long as one of them may take.
fn once(settings: Settings, outside: &Servers, arguments: &RotateArgs) -> Result<Report, Failure> {
    let patience = settings.quiet * 2;
    let opened = if arguments.dry_run { Rotator::look_at(settings) } else { Rotator::open(settings) };
    let mut rotator = opened.map_err(|error| Failure::of("", &error))?;
    let start = Instant::now();
    let now = || Now { wall: Timestamp::now(), steady: start.elapsed() };
    let mut whole = Report::default();
    loop {
        let report =
            rotator.pass(now(), outside, arguments.force).map_err(|error| Failure::of("", &error))?;
        let (published, mut removed) = (whole.published.take(), std::mem::take(&mut whole.removed));
        let removed_bytes = whole.removed_bytes;
        removed.extend(report.removed.iter().cloned());
        whole = Report {
            published: report.published.clone().or(published),
            removed,
            removed_bytes: removed_bytes + report.removed_bytes,
            ..report
        };
        match rotator.waits(now()) {
            Some(left) if start.elapsed() + left <= patience => {
                std::thread::sleep(left + Duration::from_millis(5));
            }
            _ => return Ok(whole),
        }
    }
}

fn watch(keeping: &Keeping, outside: &Servers, stop: &Stop) -> Result<(), Failure> {
    let start = Instant::now();
    let scan = Duration::from_millis(keeping.rotation.scan_ms.max(10));
    let mut rotator = None;
    let mut told = String::new();
    while !stop.is_asked() {
        let done = match rotator.take() {
            Some(rotator) => Ok(rotator),
            None => Rotator::open(keeping.settings.clone()),
        };
        let now = Now { wall: Timestamp::now(), steady: start.elapsed() };
        let done = done.and_then(|mut opened| {
            let passed = opened.pass(now, outside, keeping.force);
            rotator = Some(opened);
            passed
        });
        // The same trouble again and again is said once.
        let trouble = match done {
            Ok(report) => {
                locked(&outside.totals).add(&report, now);
                outside.audit(&report);
                report.suspended.unwrap_or_default()
            }
            Err(error) if error.kind == Kind::Settings => return Err(Failure::of("", &error)),
            Err(error) => {
                // Who stands by has not failed.
                if error.kind != Kind::Owned {
                    locked(&outside.totals).add_failure();
                }
                error.to_string()
            }
        };
        if trouble != told {
            if !trouble.is_empty() {
                tracing::warn!("{trouble}");
            }
            told = trouble;
        }
        if let Some(file) = &keeping.rotation.metrics_file {
            write_metrics(file, &locked(&outside.totals));
        }
        outside.runtime.block_on(async {
            let _ = tokio::time::timeout(scan, stop.asked()).await;
        });
    }
    Ok(())
}

fn locked(totals: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    totals.lock().unwrap_or_else(PoisonError::into_inner)
}

// Whoever reads it sees it whole.
fn write_metrics(file: &Path, totals: &Totals) {
    let mut text = String::new();
    totals.write(&mut text);
    let temporary = file.with_extension("prom.part");
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, file));
    if let Err(error) = written {
        tracing::warn!(%error, file = %file.display(), "cannot write the metrics of the rotation");
    }
}

fn print(report: &Report, is_dry: bool) {
    let (publish, remove) =
        if is_dry { ("would be published", "would be removed") } else { ("published", "removed") };
    if let Some(name) = &report.published {
        say!("{publish}: {name}");
    }
    for name in &report.kept {
        say!("kept: {name}");
    }
    for name in &report.removed {
        say!("{remove}: {name}");
    }
    if let Some((name, why)) = &report.bad {
        say!("not loaded by the server: {name}: {why}");
    }
    for (name, why) in &report.pending {
        say!("not ready: {name}: {why}");
    }
    for (name, why) in &report.refused {
        say!("not a model: {name}: {why}");
    }
    for name in &report.quarantined {
        say!("into quarantine: {name}");
    }
    if !report.is_change() && report.pending.is_empty() && report.refused.is_empty() {
        say!("nothing to do");
    }
}

/// The server that loads what is published, if one is named, and the tags on models of the folder.
struct Servers {
    runtime: Runtime,
    folder: PathBuf,
    database: Option<String>,
    activate: Option<(HttpClient, Endpoint)>,
    /// The server in this process, whose models stay.
    served: Option<Server>,
    totals: Arc<Mutex<Totals>>,
}

impl Servers {
    fn new(rotation: &Rotation, database: Option<String>) -> Result<Self, Failure> {
        let runtime = wiring::runtime()?;
        let activate = rotation
            .activate
            .clone()
            .map(|activate| {
                let failed = |error: &dyn std::error::Error| Failure::of("", error);
                let client = HttpClient::new().map_err(|error| failed(&error))?;
                let config = EndpointConfig {
                    url: Some(format!("{}/model", activate.url.trim_end_matches('/'))),
                    token: activate.token,
                    token_name: "token".to_owned(),
                    ..EndpointConfig::default()
                };
                let endpoint = Endpoint::new(&config).map_err(|error| failed(&error))?;
                Ok::<_, Failure>((client, endpoint))
            })
            .transpose()?;
        let (folder, totals) = (rotation.folder.clone(), Arc::default());
        Ok(Servers { runtime, folder, database, activate, served: None, totals })
    }

    /// A row in the registry's database for a pass that changed something.
    fn audit(&self, report: &Report) {
        if !report.is_change() && report.bad.is_none() {
            return;
        }
        // A folder without a catalogue has the rotation's own log.
        if self.database.is_none() && !Catalog::exists(&self.folder) {
            return;
        }
        let at = Timestamp::now();
        let mut record = json!(report);
        record["at"] = json!(at.to_string());
        let written = self.runtime.block_on(async {
            let catalog = Catalog::open(&self.folder, self.database.as_deref()).await?;
            catalog.audit("rotation", at, &record).await
        });
        if let Err(error) = written {
            tracing::warn!(%error, "cannot write the rotation into the registry's database");
        }
    }
}

/// Names of the archives that a server holds in memory.
fn served_files(server: &Server) -> Vec<String> {
    let slots = server.slots();
    let trial = slots.trial.map(|trial| Arc::clone(&trial.candidate));
    let held = [slots.current, slots.previous, trial];
    held.into_iter().flatten().map(|assistant| assistant.model_file.clone()).collect()
}

impl Outside for Servers {
    fn in_use(&self) -> Result<BTreeSet<String>, String> {
        // A folder in which nobody has tagged anything yet needs no catalogue.
        if self.served.is_none() && !Catalog::exists(&self.folder) {
            return Ok(BTreeSet::new());
        }
        let served = self.served.as_ref().map(served_files).unwrap_or_default();
        let used = self.runtime.block_on(async {
            let catalog = Catalog::open(&self.folder, self.database.as_deref()).await?;
            let mut used: BTreeSet<String> = catalog.used().await?.into_iter().collect();
            for file in served.iter().filter(|file| self.folder.join(file).is_file()) {
                used.insert(catalog.register(&self.folder.join(file), Provenance::default()).await?.digest);
            }
            Ok::<_, intendant_registry::catalog::Error>(used)
        });
        used.map_err(|error| error.to_string())
    }

    fn activate(&self, latest: &Path) -> Result<(), String> {
        let Some((client, endpoint)) = &self.activate else { return Ok(()) };
        let body = json!({ "model_file": latest }).to_string().into_bytes();
        let outgoing = Outgoing { method: Method::PUT, ..Outgoing::json(body, ACTIVATION_TIMEOUT) };
        match self.runtime.block_on(client.send(endpoint, outgoing)) {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                Err(format!("the server answered {}: {body}", answer.status))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
