//! `intendant import`, `export dialogflow`, `backup`: agents in, out, and kept.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use intendant_agent::values::Agent;
use intendant_agents::backup::Backups;
use intendant_agents::files;
use intendant_client::agent_export::Exporter;
use intendant_client::dialogflow::service_url;
use intendant_client::http::HttpClient;
use intendant_dialogflow_format::{Report, diff};
use intendant_port::error::Error;
use jiff::Timestamp;

use crate::cli::agents::{BackupArgs, BackupCommand, ExportPart, ImportArgs, ImportFrom, RemoteAgent};
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::terminal::say;
use crate::{gateway_wiring, wiring};

fn failed(error: intendant_agents::Error) -> Failure {
    Failure::of("", &error)
}

/// Runs `intendant import`.
pub fn import(arguments: &ImportArgs) -> Result<ExitCode, Failure> {
    let ImportFrom::Dialogflow { path, out, report } = &arguments.from;
    let import = files::import(path).map_err(failed)?;
    let again = intendant_dialogflow_format::read(&intendant_dialogflow_format::write(&import.agent));
    // What is kept must be what was read; this is checked before anything is written.
    if again.is_err_and(|findings| !findings.is_empty()) {
        return Err(Failure::new("", format!("{} cannot be written again as it was read", path.display())));
    }
    files::put_folder(&import.agent, &out.join(files::FOLDER)).map_err(failed)?;
    if let Some(place) = report {
        let text = format!("{:#}\n", import.report.to_json());
        files::put_file(place, text.as_bytes()).map_err(failed)?;
    }
    tell(&import.agent, &import.report, out);
    Ok(ExitCode::SUCCESS)
}

fn tell(agent: &Agent, report: &Report, out: &Path) {
    let name = agent.settings.display_name.as_deref().unwrap_or("the agent");
    say!("Imported {name} into {}.", out.display());
    let by_language = |counts: &std::collections::BTreeMap<String, usize>| {
        let sum: usize = counts.values().sum();
        match counts.len() {
            0 => " 0".to_owned(),
            1 => format!(" {sum}"),
            _ => {
                let parts: Vec<String> =
                    counts.iter().map(|(language, count)| format!("{language} {count}")).collect();
                format!(" {sum} ({})", parts.join(", "))
            }
        }
    };
    say!("  intents     {}", report.intents);
    say!("  phrases    {}", by_language(&report.phrases));
    say!("  entities    {}", report.entities);
    say!("  entries    {}", by_language(&report.entries));
    say!("  contexts    {}", report.contexts);
    say!("  parameters  {}", report.parameters);
    say!("  messages    {}", report.messages);
    say!("  events      {}", report.events);
    for dropped in &report.dropped {
        say!("left behind: {} ({})", dropped.what, dropped.why);
    }
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    if report.holds_secrets() {
        eprintln!(
            "warning: the export holds secrets, which were left behind: whoever has seen it knows them"
        );
    }
}

/// Runs `intendant export dialogflow`.
pub fn export(part: &ExportPart) -> Result<ExitCode, Failure> {
    let ExportPart::Dialogflow { project, out } = part;
    let agent = of_project(project)?;
    files::put_zip(&agent, out).map_err(failed)?;
    say!("Exported {} intents to {}.", agent.intents.len(), out.display());
    Ok(ExitCode::SUCCESS)
}

/// The agent of a project.
fn of_project(project: &Path) -> Result<Agent, Failure> {
    let Some(folder) = files::folder_of(project) else {
        let message = format!(
            "{} holds no agent; take one in with `intendant import dialogflow FILE --out {}`",
            project.display(),
            project.display()
        );
        return Err(Failure::new("", message));
    };
    Ok(files::import(&folder).map_err(failed)?.agent)
}

/// The agent of a project, or of an export.
fn anywhere(path: &Path) -> Result<Agent, Failure> {
    if path.is_file() { Ok(files::import(path).map_err(failed)?.agent) } else { of_project(path) }
}

/// Runs `intendant backup`.
pub fn backup(arguments: &BackupArgs) -> Result<ExitCode, Failure> {
    match &arguments.command {
        BackupCommand::Create { agent, remote, store, every, keep } => {
            let create = Create {
                backups: Backups::at(&store.store),
                source: Source::of(agent, remote)?,
                kept: *keep,
            };
            wiring::runtime()?.block_on(async {
                match every {
                    None => create.once().await,
                    Some(every) => create.on_schedule(*every).await,
                }
            })
        }
        BackupCommand::List { store, json } => list(&Backups::at(&store.store), *json),
        BackupCommand::Diff { version, other, agent, store } => {
            let backups = Backups::at(&store.store);
            let old = backups.load(&backups.find(*version).map_err(failed)?).map_err(failed)?;
            let new = match other {
                Some(other) => backups.load(&backups.find(Some(*other)).map_err(failed)?).map_err(failed)?,
                None => anywhere(agent)?,
            };
            let differences = diff(&old, &new);
            if differences.is_empty() {
                say!("No difference.");
            }
            differences.iter().for_each(|difference| say!("{difference}"));
            Ok(ExitCode::SUCCESS)
        }
        BackupCommand::Verify { store } => verify(&Backups::at(&store.store)),
        BackupCommand::Restore { version, project, store } => {
            restore(&Backups::at(&store.store), *version, project)
        }
    }
}

/// Where the agent is that `backup create` keeps.
enum Source<'a> {
    Files(&'a Path),
    Dialogflow(Box<Exporter>),
}

impl<'a> Source<'a> {
    fn of(agent: &'a Path, remote: &RemoteAgent) -> Result<Self, Failure> {
        let Some(project) = &remote.from_dialogflow else { return Ok(Self::Files(agent)) };
        let client = HttpClient::new().map_err(|error| Failure::of("", &error))?;
        let read = |path: &PathBuf| gateway_wiring::account(&client, path, "--credentials");
        let account = remote.credentials.as_ref().map(read).transpose()?;
        if account.is_none() && remote.url.is_none() {
            let message =
                "--credentials: name the JSON file of the key of a service account that may read the agent";
            return Err(Failure::new("", message));
        }
        let url = remote.url.clone().unwrap_or_else(|| service_url(remote.location.as_deref()));
        let (project, location) = (project.clone(), remote.location.clone());
        Ok(Self::Dialogflow(Box::new(Exporter { client, url, project, location, account })))
    }

    async fn agent(&self) -> Result<Agent, Failure> {
        match self {
            Self::Files(path) => anywhere(path),
            Self::Dialogflow(exporter) => {
                let label = format!("the agent of {}", exporter.project);
                let unfetched =
                    |error: Error| Failure::new("", format!("{label} cannot be fetched: {}", error.chain()));
                let bytes = exporter.fetch().await.map_err(unfetched)?;
                Ok(files::unpack(&bytes, Path::new(&label)).map_err(failed)?.agent)
            }
        }
    }
}

/// What `backup create` does.
struct Create<'a> {
    backups: Backups,
    source: Source<'a>,
    kept: Option<NonZeroUsize>,
}

impl Create<'_> {
    async fn once(&self) -> Result<ExitCode, Failure> {
        let agent = self.source.agent().await?;
        match self.backups.keep(&agent, Timestamp::now()).map_err(failed)? {
            Some(version) => say!("Kept as version {} ({} bytes).", version.number, version.bytes),
            None => say!("Nothing changed since the newest version."),
        }
        if let Some(kept) = self.kept {
            for version in self.backups.thin(kept).map_err(failed)? {
                say!("Version {} is removed.", version.number);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Keeps versions until the process is asked to end. A failure is told and tried again next time.
    async fn on_schedule(&self, every: Duration) -> Result<ExitCode, Failure> {
        let stop = Stop::on_signals();
        self.once().await?;
        while tokio::time::timeout(every, stop.asked()).await.is_err() {
            if let Err(failure) = self.once().await {
                failure.report();
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(backups: &Backups, as_json: bool) -> Result<ExitCode, Failure> {
    let versions = backups.versions().map_err(failed)?;
    if as_json {
        let all: serde_json::Value = versions.iter().map(|version| version.to_json()).collect();
        say!("{all:#}");
        return Ok(ExitCode::SUCCESS);
    }
    if versions.is_empty() {
        say!("There are no versions in {}.", backups.folder().display());
    }
    for version in versions {
        let made = version.made.strftime("%Y-%m-%d %H:%M:%S UTC");
        say!(
            "{:>6}  {made}  {:>9} bytes  {}",
            version.number,
            version.bytes,
            &version.digest[..12.min(version.digest.len())]
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(backups: &Backups) -> Result<ExitCode, Failure> {
    let checked = backups.verify().map_err(failed)?;
    let mut bad = 0;
    for (version, wrong) in &checked {
        match wrong {
            None => say!("{:>6}  sound", version.number),
            Some(why) => {
                bad += 1;
                say!("{:>6}  {why}", version.number);
            }
        }
    }
    if bad > 0 {
        return Err(Failure::new("", format!("{bad} of {} versions cannot be restored", checked.len())));
    }
    say!("All {} versions can be restored.", checked.len());
    Ok(ExitCode::SUCCESS)
}

fn restore(backups: &Backups, number: Option<u64>, project: &Path) -> Result<ExitCode, Failure> {
    let version = backups.find(number).map_err(failed)?;
    let agent = backups.load(&version).map_err(failed)?;
    let folder = files::folder_of(project);
    if folder.is_some()
        && let Some(kept) = backups.keep(&of_project(project)?, Timestamp::now()).map_err(failed)?
    {
        say!("What was there is kept as version {}.", kept.number);
    }
    let folder = folder.unwrap_or_else(|| project.join(files::FOLDER));
    files::put_folder(&agent, &folder).map_err(failed)?;
    say!("Version {} is restored to {}; train it with `intendant train`.", version.number, folder.display());
    Ok(ExitCode::SUCCESS)
}
