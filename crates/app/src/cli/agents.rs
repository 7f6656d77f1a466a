//! The words and flags of the commands for Dialogflow agents.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    pub from: ImportFrom,
}

#[derive(Debug, Subcommand)]
pub enum ImportFrom {
    /// Takes an agent exported from Dialogflow ES into a project that trains and answers.
    Dialogflow {
        /// The zip, or the folder of an unpacked one.
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// The project's folder; an agent in it is replaced.
        #[arg(long, default_value = ".", value_name = "DIR")]
        out: PathBuf,
        /// Write what was read and what was left behind there, as JSON.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum ExportPart {
    /// Writes a project's agent as a zip that Dialogflow takes.
    Dialogflow {
        /// The project's folder.
        #[arg(default_value = ".", value_name = "PROJECT")]
        project: PathBuf,
        /// The zip.
        #[arg(long, default_value = "agent.zip", value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(subcommand)]
    pub command: BackupCommand,
}

/// Where versions are kept.
#[derive(Debug, Clone, Args)]
pub struct BackupStore {
    /// The folder of the versions.
    #[arg(long, default_value = "backups", value_name = "DIR")]
    pub store: PathBuf,
}

/// An agent that lives at Google.
#[derive(Debug, Clone, Args)]
pub struct RemoteAgent {
    /// Fetch the agent of this project from Dialogflow instead.
    #[arg(long, value_name = "PROJECT")]
    pub from_dialogflow: Option<String>,
    /// The JSON file of the key of a service account that may read the agent.
    #[arg(long, value_name = "FILE", requires = "from_dialogflow")]
    pub credentials: Option<PathBuf>,
    /// The agent's region, if it is not the global one.
    #[arg(long, value_name = "REGION", requires = "from_dialogflow")]
    pub location: Option<String>,
    /// Another address of the service.
    #[arg(long, value_name = "URL", requires = "from_dialogflow")]
    pub url: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Keeps an agent as a new version, if it changed.
    Create {
        /// A project, or an export: zip or folder.
        #[arg(default_value = ".", value_name = "AGENT", conflicts_with = "from_dialogflow")]
        agent: PathBuf,
        #[command(flatten)]
        remote: RemoteAgent,
        #[command(flatten)]
        store: BackupStore,
        /// Stay, and do it again after so long: 30m, 6h, 1d.
        #[arg(long, value_name = "TIME", value_parser = duration)]
        every: Option<Duration>,
        /// Remove all but so many of the newest versions afterwards.
        #[arg(long, value_name = "N")]
        keep: Option<NonZeroUsize>,
    },
    /// Lists the versions, oldest first.
    List {
        #[command(flatten)]
        store: BackupStore,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Says what an agent differs in from a version.
    Diff {
        /// The version; the newest unless given.
        #[arg(value_name = "VERSION")]
        version: Option<u64>,
        /// A version to compare it with, instead of the agent.
        #[arg(value_name = "OTHER")]
        other: Option<u64>,
        /// A project, or an export: zip or folder.
        #[arg(long, default_value = ".", value_name = "AGENT")]
        agent: PathBuf,
        #[command(flatten)]
        store: BackupStore,
    },
    /// Checks that every version is what was kept.
    Verify {
        #[command(flatten)]
        store: BackupStore,
    },
    /// Puts a version into a project; what is there is kept as a version first.
    Restore {
        /// The version; the newest unless given.
        #[arg(value_name = "VERSION")]
        version: Option<u64>,
        /// The project's folder.
        #[arg(long, default_value = ".", value_name = "DIR")]
        project: PathBuf,
        #[command(flatten)]
        store: BackupStore,
    },
}

/// The shortest time between two backups.
const EVERY_MIN: Duration = Duration::from_secs(1);

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("expected a number with s, m, h or d, such as 6h".to_owned()),
    };
    let number: u64 =
        digits.parse().map_err(|_| "expected a number with s, m, h or d, such as 6h".to_owned())?;
    let every = Duration::from_secs(number.saturating_mul(seconds).min(366 * 86_400));
    if every < EVERY_MIN { Err("at least 1s".to_owned()) } else { Ok(every) }
}
