//! The words and flags of the command line: Rasa's, with our own beside them.

pub mod agents;
pub mod data;
pub mod examples;
pub mod front;
pub mod testing;
pub mod tools;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

use data::DataArgs;
use testing::TestArgs;

use crate::commands::budget::BudgetArgs;
use crate::commands::gateway::GatewayArgs;
use crate::commands::jobs::JobsArgs;
use crate::commands::models::ModelsArgs;
use crate::commands::stream::StreamArgs;
use crate::commands::worker::WorkerArgs;

/// Trains, gates, versions, serves and watches chatbots and predictive models.
#[derive(Debug, Parser)]
#[command(
    name = "intendant",
    version,
    disable_version_flag = true,
    max_term_width = 100,
    styles = examples::STYLES
)]
pub struct Cli {
    /// Print the versions of the product and of what it is compatible with.
    #[arg(long)]
    pub version: bool,
    /// Print the versions as JSON.
    #[arg(long, requires = "version")]
    pub json: bool,
    #[command(flatten)]
    pub logging: Logging,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How much is logged.
#[derive(Debug, Clone, Args)]
pub struct Logging {
    /// Log what happens (-v), or everything (-vv).
    #[arg(short = 'v', long = "verbose", action = ArgAction::Count, global = true, help_heading = "Logging")]
    pub verbose: u8,
    /// Log everything.
    #[arg(long, global = true, help_heading = "Logging")]
    pub debug: bool,
    /// Log only warnings and errors.
    #[arg(long, global = true, help_heading = "Logging")]
    pub quiet: bool,
    /// Accepted for compatibility; Python logging configurations are not read.
    #[arg(long, global = true, help_heading = "Logging", value_name = "FILE")]
    pub logging_config_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Creates a new project with example data, a domain and a configuration.
    Init(InitArgs),
    /// Trains a model from the project's data, stories and rules.
    Train(TrainArgs),
    /// Serves a trained model: Rasa's HTTP API and channels.
    Run(Box<RunArgs>),
    /// Trains if the project changed, serves it and shows a page to talk to it.
    Up(UpArgs),
    /// Talks to a trained model on the command line.
    Shell(ShellArgs),
    /// Measures a model on test stories and test data.
    Test(TestArgs),
    /// Predicts for the rows of a file.
    Predict(crate::commands::predictors::predict::PredictArgs),
    /// Loads CSV files into the tables of a predictor.
    Load(crate::commands::predictors::load::LoadArgs),
    /// Finds times, numbers, money and units in texts: Duckling's HTTP API.
    Entities(EntitiesArgs),
    /// Checks and transforms the project's data.
    Data(DataArgs),
    /// Lists, tags and rotates trained models.
    Models(ModelsArgs),
    /// Answers by a paid service or our own assistant, within a budget.
    Gateway(GatewayArgs),
    /// Shows and changes what may be spent.
    Budget(BudgetArgs),
    /// Lists, submits and cancels jobs: trainings and measurements that wait their turn.
    Jobs(JobsArgs),
    /// Does jobs, one after the other, in a process of its own.
    Worker(WorkerArgs),
    /// Scores messages as they come: producers, consumers, dead letters.
    Stream(StreamArgs),
    /// Learns from a conversation in which every step is confirmed or corrected.
    Interactive(Box<tools::InteractiveArgs>),
    /// Draws the stories of a project as a graph.
    Visualize(tools::VisualizeArgs),
    /// Publishes stored conversations to the event broker, or writes an agent.
    Export(tools::ExportArgs),
    /// Takes agents of other systems in.
    Import(agents::ImportArgs),
    /// Keeps versions of an agent: creates, compares, checks and restores them.
    Backup(agents::BackupArgs),
    /// Looks for points of interest in stored conversations.
    Evaluate(tools::EvaluateArgs),
    /// Replays recorded messages on a Rasa server and on ours, and reports what differs.
    Parity(tools::ParityArgs),
    /// Prints a script that lets a shell complete words and flags.
    Completions(tools::CompletionsArgs),
    /// Accepted for compatibility; this program reports to nobody.
    Telemetry(tools::TelemetryArgs),
    /// Rasa X, which was discontinued; with --production a server set up from elsewhere.
    #[command(hide = true)]
    X(Box<tools::XArgs>),
    /// Prints the generated reference pages.
    #[command(hide = true)]
    Reference,
}

/// Where `intendant entities` listens.
#[derive(Debug, Args)]
pub struct EntitiesArgs {
    /// The port to listen on.
    #[arg(short, long, default_value_t = 8000, value_name = "PORT")]
    pub port: u16,
    /// The network interface to listen on.
    #[arg(short, long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub interface: String,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Ask nothing: create the project and train it.
    #[arg(long)]
    pub no_prompt: bool,
    /// Where to create the project.
    #[arg(long, value_name = "DIR")]
    pub init_dir: Option<PathBuf>,
    /// Create a predictor of this kind instead of an assistant.
    #[arg(long, value_name = "KIND", value_parser = ["tabular", "text", "recommender", "foreign"])]
    pub predictor: Option<String>,
}

/// Where a project's files are.
#[derive(Debug, Clone, Args)]
pub struct ProjectArgs {
    /// Files or folders with training data.
    #[arg(long, num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
    pub data: Vec<PathBuf>,
    /// The configuration file.
    #[arg(short, long, default_value = "config.yml", value_name = "FILE")]
    pub config: PathBuf,
    /// The domain: a file or a folder.
    #[arg(short, long, num_args = 1.., default_values_os_t = [PathBuf::from("domain.yml")], value_name = "PATH")]
    pub domain: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TrainArgs {
    #[command(subcommand)]
    pub part: Option<TrainPart>,
    /// A predictor instead of the assistant: `churn` for predictors/churn.yml.
    #[arg(value_name = "PREDICTOR")]
    pub predictor: Option<String>,
    #[command(flatten)]
    pub project: ProjectArgs,
    #[command(flatten)]
    pub output: TrainOutput,
    /// Say what would be trained, and train nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not check the project before training.
    #[arg(long)]
    pub skip_validation: bool,
    /// Let warnings of the check stop the training.
    #[arg(long)]
    pub fail_on_validation_warnings: bool,
    /// History length of the check for contradicting stories.
    #[arg(long, value_name = "N")]
    pub validation_max_history: Option<usize>,
    #[command(flatten)]
    pub core: CoreTraining,
    /// Train even if nothing changed.
    #[arg(long)]
    pub force: bool,
    /// Stay, and train again whenever the project's files change.
    #[arg(long, conflicts_with_all = ["dry_run", "force"])]
    pub watch: bool,
    /// Accepted for compatibility; training reads no endpoints.
    #[arg(long, value_name = "FILE")]
    pub endpoints: Option<PathBuf>,
}

impl TrainArgs {
    /// Whether the outcome is for a machine.
    pub fn wants_json(&self) -> bool {
        match &self.part {
            None => self.output.json,
            Some(TrainPart::Nlu { output, .. } | TrainPart::Core { output, .. }) => output.json,
        }
    }
}

/// Where a trained model goes and how it is trained.
#[derive(Debug, Clone, Args)]
pub struct TrainOutput {
    /// Folder for the trained model.
    #[arg(long, default_value = "models", value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the model's file, without `.tar.gz`.
    #[arg(long, value_name = "NAME")]
    pub fixed_model_name: Option<String>,
    /// Threads used for training; all cores unless given.
    #[arg(long, value_name = "N")]
    pub num_threads: Option<usize>,
    /// Accepted for compatibility; the archive never holds the training data.
    #[arg(long)]
    pub persist_nlu_data: bool,
    /// Take unchanged parts from this model, or from those in --out, of which there must be one; what changed is
    /// trained from scratch.
    #[arg(long, num_args = 0..=1, value_name = "MODEL")]
    pub finetune: Option<Option<PathBuf>>,
    /// Accepted for compatibility; training is never shortened.
    #[arg(long, value_name = "FRACTION")]
    pub epoch_fraction: Option<f64>,
    /// Print one JSON object with what became of the training, and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// How stories are turned into training conversations.
#[derive(Debug, Clone, Args)]
pub struct CoreTraining {
    /// How many conversations to glue together from stories; 0 for none.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub augmentation: usize,
    /// Draw the stories as one graph in story_blocks_connections.html.
    #[arg(long)]
    pub debug_plots: bool,
}

/// How models are trained that are compared.
#[derive(Debug, Clone, Args)]
pub struct CoreComparison {
    /// Percentages of the stories that are left out, with several configurations.
    #[arg(long, num_args = 1.., default_values_t = [0, 25, 50, 75], value_name = "PERCENT",
          value_parser = clap::value_parser!(u8).range(0..100))]
    pub percentages: Vec<u8>,
    /// How often, each time with other stories left out.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub runs: usize,
}

#[derive(Debug, Subcommand)]
pub enum TrainPart {
    /// Trains language understanding only.
    Nlu {
        /// Files or folders with training data.
        #[arg(short = 'u', long = "nlu", num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
        nlu: Vec<PathBuf>,
        /// The configuration file.
        #[arg(short, long, default_value = "config.yml", value_name = "FILE")]
        config: PathBuf,
        /// The domain, if the model shall know it.
        #[arg(short, long, num_args = 1.., value_name = "PATH")]
        domain: Vec<PathBuf>,
        #[command(flatten)]
        output: TrainOutput,
    },
    /// Trains dialogue only.
    Core {
        /// Files or folders with stories and rules.
        #[arg(short = 's', long = "stories", num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
        stories: Vec<PathBuf>,
        /// The configuration file; of several, models to compare are trained with parts of the stories.
        #[arg(short, long, num_args = 1.., default_values_os_t = [PathBuf::from("config.yml")], value_name = "FILE")]
        config: Vec<PathBuf>,
        /// The domain: a file or a folder.
        #[arg(short, long, num_args = 1.., default_values_os_t = [PathBuf::from("domain.yml")], value_name = "PATH")]
        domain: Vec<PathBuf>,
        #[command(flatten)]
        output: TrainOutput,
        #[command(flatten)]
        core: CoreTraining,
        /// Train even if nothing changed.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        comparison: CoreComparison,
    },
}

/// Which model and which outside services.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// A model's file, or a folder of models of which the newest is taken.
    #[arg(short, long, default_value = "models", value_name = "PATH")]
    pub model: PathBuf,
    /// The same as --model.
    #[arg(value_name = "MODEL")]
    pub model_as_positional: Option<PathBuf>,
    /// The file that names action server, tracker store, broker and the like.
    #[arg(long, value_name = "FILE")]
    pub endpoints: Option<PathBuf>,
}

impl ModelArgs {
    /// The model's path, however it was given.
    pub fn path(&self) -> PathBuf {
        self.model_as_positional.clone().unwrap_or_else(|| self.model.clone())
    }
}

#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Address to listen on.
    #[arg(short, long, default_value = "0.0.0.0", value_name = "ADDRESS")]
    pub interface: String,
    /// Port to listen on.
    #[arg(short, long, default_value_t = 5005)]
    pub port: u16,
    /// Token that API clients must send as `?token=`.
    #[arg(short = 't', long)]
    pub auth_token: Option<String>,
    /// Origins that browsers may call from; `*` for any.
    #[arg(long, num_args = 0.., value_name = "ORIGIN")]
    pub cors: Option<Vec<String>>,
    /// Serve the HTTP API beside the channels.
    #[arg(long)]
    pub enable_api: bool,
    /// Seconds a response may take to begin.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    pub response_timeout: u64,
    /// Seconds an action server may take to answer.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    pub request_timeout: u64,
    /// The object store that --model names an archive of: aws, gcs, azure, or an address like s3://BUCKET/FOLDER.
    #[arg(long, value_name = "NAME")]
    pub remote_storage: Option<String>,
    #[command(flatten)]
    pub tls: front::TlsArgs,
    /// The file that names the channels.
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// The only channel to serve.
    #[arg(long, value_name = "CHANNEL")]
    pub connector: Option<String>,
    /// Key that JSON Web Tokens are checked with (the public key for asymmetric methods).
    #[arg(long, value_name = "KEY")]
    pub jwt_secret: Option<String>,
    /// Method of JSON Web Tokens.
    #[arg(long, default_value = "HS256", value_name = "METHOD")]
    pub jwt_method: String,
    /// Accepted for compatibility; this server signs no tokens.
    #[arg(long, value_name = "KEY")]
    pub jwt_private_key: Option<String>,
    #[command(flatten)]
    pub log: LogTargets,
}

impl ServerArgs {
    /// The time that an action server may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout)
    }
}

/// Where logs go besides the terminal.
#[derive(Debug, Clone, Args)]
pub struct LogTargets {
    /// Append logs to this file.
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Send logs to syslog as well.
    #[arg(long)]
    pub use_syslog: bool,
    /// Host of the syslog server.
    #[arg(long, default_value = "localhost", value_name = "HOST")]
    pub syslog_address: String,
    /// Port of the syslog server.
    #[arg(long, default_value_t = 514, value_name = "PORT")]
    pub syslog_port: u16,
    /// Protocol of the syslog server.
    #[arg(long, default_value = "UDP", value_name = "UDP|TCP")]
    pub syslog_protocol: String,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(subcommand)]
    pub part: Option<RunPart>,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten)]
    pub front: front::FrontArgs,
}

#[derive(Debug, Subcommand)]
pub enum RunPart {
    /// Starts the project's Python action server with `rasa-sdk`.
    Actions {
        /// Port of the action server.
        #[arg(short, long, default_value_t = 5055)]
        port: u16,
        /// Origins that browsers may call from.
        #[arg(long, num_args = 0.., value_name = "ORIGIN")]
        cors: Option<Vec<String>>,
        /// The module or package with the actions.
        #[arg(long, default_value = "actions", value_name = "MODULE")]
        actions: String,
        /// Private key for TLS.
        #[arg(long, value_name = "FILE")]
        ssl_keyfile: Option<PathBuf>,
        /// Certificate chain for TLS.
        #[arg(long, value_name = "FILE")]
        ssl_certificate: Option<PathBuf>,
        /// Password of the private key.
        #[arg(long, value_name = "PASSWORD")]
        ssl_password: Option<String>,
        /// Start again when the actions change.
        #[arg(long)]
        auto_reload: bool,
    },
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// The project's folder.
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,
    /// Address to listen on.
    #[arg(short, long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub interface: String,
    /// Port to listen on.
    #[arg(short, long, default_value_t = 5005)]
    pub port: u16,
    /// Serve the page and the API beyond this machine although nobody is asked for a password.
    #[arg(long)]
    pub allow_anyone: bool,
}

#[derive(Debug, Args)]
pub struct ShellArgs {
    #[command(subcommand)]
    pub part: Option<ShellPart>,
    #[command(flatten)]
    pub model: ModelArgs,
    /// The conversation's id; a new one unless given.
    #[arg(long, value_name = "ID")]
    pub conversation_id: Option<String>,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[derive(Debug, Subcommand)]
pub enum ShellPart {
    /// Shows what is understood of each message.
    Nlu {
        /// A model's file, or a folder of models of which the newest is taken.
        #[arg(short, long, default_value = "models", value_name = "PATH")]
        model: PathBuf,
        /// The same as --model.
        #[arg(value_name = "MODEL")]
        model_as_positional: Option<PathBuf>,
    },
}
