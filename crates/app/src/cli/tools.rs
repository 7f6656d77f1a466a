//! Arguments of the commands that look at projects and conversations.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;

use super::agents::ExportPart;
use super::front::FrontArgs;
use super::{ModelArgs, ServerArgs};

#[derive(Debug, Args)]
pub struct VisualizeArgs {
    /// The domain: a file or a folder.
    #[arg(short, long, num_args = 1.., default_values_os_t = [PathBuf::from("domain.yml")], value_name = "PATH")]
    pub domain: Vec<PathBuf>,
    /// Files or folders with stories.
    #[arg(short, long, num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
    pub stories: Vec<PathBuf>,
    /// Where the page goes.
    #[arg(long, default_value = "graph.html", value_name = "FILE")]
    pub out: PathBuf,
    /// Merge situations that agree within this many actions.
    #[arg(long, default_value_t = crate::commands::visualize::MAX_HISTORY_DEFAULT, value_name = "N")]
    pub max_history: usize,
    /// Files or folders with example messages, shown instead of intents; `data` if it is there.
    #[arg(short = 'u', long, num_args = 1.., value_name = "PATH")]
    pub nlu: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ExportArgs {
    #[command(subcommand)]
    pub part: Option<ExportPart>,
    /// The file that names the tracker store and the event broker.
    #[arg(long, default_value = "endpoints.yml", value_name = "FILE")]
    pub endpoints: PathBuf,
    /// Leave out events before this time, in seconds since 1970.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub minimum_timestamp: Option<f64>,
    /// Leave out events of this time and later, in seconds since 1970.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub maximum_timestamp: Option<f64>,
    /// Add so many seconds to the times of events as they are published; what is stored stays.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub offset_timestamps_by_seconds: Option<i64>,
    /// Only these conversations; ids separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "IDS")]
    pub conversation_ids: Vec<String>,
    /// Begin with this conversation, in the order of ids: where an export broke off.
    #[arg(long, value_name = "ID")]
    pub from_conversation: Option<String>,
    /// Leave out so many events of that conversation.
    #[arg(long, value_name = "N", requires = "from_conversation", default_value_t = 0)]
    pub from_event: usize,
}

#[derive(Debug, Args)]
pub struct EvaluateArgs {
    #[command(subcommand)]
    pub command: EvaluateCommand,
}

#[derive(Debug, Subcommand)]
pub enum EvaluateCommand {
    /// Finds markers in the conversations of the tracker store.
    Markers(MarkersArgs),
}

#[derive(Debug, Args)]
pub struct MarkersArgs {
    #[command(subcommand)]
    pub strategy: MarkersStrategy,
}

#[derive(Debug, Subcommand)]
pub enum MarkersStrategy {
    /// Looks at the first N conversations.
    #[command(name = "first_n", visible_alias = "first-n")]
    FirstN {
        /// How many conversations.
        count: usize,
        #[command(flatten)]
        options: MarkersOptions,
    },
    /// Looks at N conversations chosen at random.
    #[command(name = "sample_n", visible_alias = "sample-n")]
    SampleN {
        /// How many conversations.
        count: usize,
        /// Seed of the choice; the same seed chooses the same conversations.
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        seed: Option<i64>,
        #[command(flatten)]
        options: MarkersOptions,
    },
    /// Looks at all conversations.
    All {
        #[command(flatten)]
        options: MarkersOptions,
    },
}

#[derive(Debug, Args)]
pub struct MarkersOptions {
    /// The CSV file that the places go to; must not exist.
    #[arg(value_name = "OUTPUT")]
    pub output_filename: PathBuf,
    /// A file with markers, or a folder of such files.
    #[arg(long, default_value = "markers.yml", value_name = "PATH")]
    pub config: PathBuf,
    /// Write no statistics.
    #[arg(long, conflicts_with = "stats_file_prefix")]
    pub no_stats: bool,
    /// Statistics go to PREFIX-overall.csv and PREFIX-per-session.csv.
    #[arg(long, default_value = "stats", value_name = "PREFIX")]
    pub stats_file_prefix: PathBuf,
    /// The file that names the tracker store.
    #[arg(long, value_name = "FILE")]
    pub endpoints: Option<PathBuf>,
    /// Check the markers' intents, slots and actions against this domain; `domain.yml` if it is there.
    #[arg(short, long, num_args = 1.., value_name = "PATH")]
    pub domain: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell to complete for.
    #[arg(value_enum)]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct TelemetryArgs {
    #[command(subcommand)]
    pub command: Option<TelemetryCommand>,
}

#[derive(Debug, Subcommand)]
pub enum TelemetryCommand {
    /// Accepted for compatibility; there is nothing to enable.
    Enable,
    /// Accepted for compatibility; there is nothing to disable.
    Disable,
}

/// The flags of `rasa x`.
#[derive(Debug, Args)]
pub struct XArgs {
    /// Start a server with the endpoints and credentials that --config-endpoint hands out.
    #[arg(long)]
    pub production: bool,
    /// Address that answers with `{"endpoints": "…", "credentials": "…"}`, the texts of the two files.
    #[arg(long, value_name = "URL")]
    pub config_endpoint: Option<String>,
    /// Accepted for compatibility; nothing is asked.
    #[arg(long)]
    pub no_prompt: bool,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub front: FrontArgs,
}

/// Trains if need be, then learns from a conversation.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct InteractiveArgs {
    #[command(subcommand)]
    pub part: Option<InteractivePart>,
    /// Files or folders with training data.
    #[arg(long, num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
    pub data: Vec<PathBuf>,
    #[command(flatten)]
    pub options: InteractiveOptions,
    /// Save stories with the user's words, as test stories are written.
    #[arg(long)]
    pub e2e: bool,
    /// Train even if nothing changed.
    #[arg(long)]
    pub force: bool,
    /// Accepted for compatibility; the archive never holds the training data.
    #[arg(long)]
    pub persist_nlu_data: bool,
}

#[derive(Debug, Subcommand)]
pub enum InteractivePart {
    /// Trains dialogue only; messages are intents, such as /greet.
    Core {
        /// Files or folders with stories and rules.
        #[arg(short = 's', long = "stories", num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
        stories: Vec<PathBuf>,
        #[command(flatten)]
        options: InteractiveOptions,
    },
}

#[derive(Debug, Args)]
pub struct InteractiveOptions {
    /// A model's file or a folder of models; one is trained unless given.
    #[arg(short, long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// The same as --model.
    #[arg(value_name = "MODEL")]
    pub model_as_positional: Option<PathBuf>,
    /// Port on which the story graph is shown.
    #[arg(short, long, default_value_t = 5005)]
    pub port: u16,
    /// Do not show the story graph.
    #[arg(long)]
    pub skip_visualization: bool,
    /// The conversation's id; a new one unless given.
    #[arg(long, value_name = "ID")]
    pub conversation_id: Option<String>,
    /// The file that names the action server.
    #[arg(long, value_name = "FILE")]
    pub endpoints: Option<PathBuf>,
    /// The configuration file.
    #[arg(short, long, default_value = "config.yml", value_name = "FILE")]
    pub config: PathBuf,
    /// The domain: a file or a folder.
    #[arg(short, long, num_args = 1.., default_values_os_t = [PathBuf::from("domain.yml")], value_name = "PATH")]
    pub domain: Vec<PathBuf>,
    /// Folder for the trained model.
    #[arg(long, default_value = "models", value_name = "DIR")]
    pub out: PathBuf,
    /// How many conversations to glue together from stories; 0 for none.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub augmentation: usize,
    /// Draw the stories as one graph in story_blocks_connections.html.
    #[arg(long)]
    pub debug_plots: bool,
    /// Accepted for compatibility; training is from scratch, in seconds.
    #[arg(long, num_args = 0..=1, value_name = "MODEL")]
    pub finetune: Option<Option<PathBuf>>,
    /// Accepted for compatibility, see --finetune.
    #[arg(long, value_name = "FRACTION")]
    pub epoch_fraction: Option<f64>,
}

#[derive(Debug, Args)]
pub struct ParityArgs {
    /// Address of the running Rasa server, with its HTTP API enabled; use one without real users.
    #[arg(long, value_name = "URL")]
    pub against: String,
    /// Token of that server's API.
    #[arg(long, value_name = "TOKEN")]
    pub against_token: Option<String>,
    /// What users said: a tracker database (SQLite file, or a SQL address), exported events or
    /// trackers (JSON, JSON lines), or test stories (YAML, or a folder).
    #[arg(long, value_name = "FILE|DB")]
    pub conversations: String,
    /// Our model: a file, or a folder of models of which the newest is taken.
    #[arg(short, long, default_value = "models", value_name = "PATH", conflicts_with = "ours")]
    pub model: PathBuf,
    /// Address of a running server of ours, instead of a model.
    #[arg(long, value_name = "URL")]
    pub ours: Option<String>,
    /// Token of our server's API.
    #[arg(long, value_name = "TOKEN", requires = "ours")]
    pub ours_token: Option<String>,
    /// The file that names the action server for our model.
    #[arg(long, value_name = "FILE")]
    pub endpoints: Option<PathBuf>,
    /// Replay at most this many conversations.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Seconds a server may take for one message.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub timeout: u64,
    /// Let conversations drift apart after a difference, instead of going on from Rasa's state.
    #[arg(long)]
    pub no_alignment: bool,
    /// Print the report as one JSON object, and nothing else.
    #[arg(long)]
    pub json: bool,
    /// Write the report as JSON into this file as well.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
