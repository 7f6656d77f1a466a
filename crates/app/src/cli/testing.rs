//! The words and flags of `intendant test`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Where reports go and which of them are written.
#[derive(Debug, Clone, Args)]
pub struct TestOutput {
    /// Folder for the reports.
    #[arg(long, default_value = "results", value_name = "DIR")]
    pub out: PathBuf,
    /// Write successful predictions too.
    #[arg(long)]
    pub successes: bool,
    /// Do not write wrong predictions.
    #[arg(long)]
    pub no_errors: bool,
    /// Do not write stories with warnings.
    #[arg(long)]
    pub no_warnings: bool,
    /// Draw no pictures.
    #[arg(long)]
    pub no_plot: bool,
    /// Print one JSON object per test with its figures, and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// Test stories.
#[derive(Debug, Clone, Args)]
pub struct CoreTestOptions {
    /// Files or folders with test stories; `data` unless given, end to end the files `test_…` anywhere here.
    #[arg(short, long, num_args = 1.., value_name = "PATH")]
    pub stories: Vec<PathBuf>,
    /// Use at most this many stories.
    #[arg(long, value_name = "N")]
    pub max_stories: Option<usize>,
    /// Accepted for compatibility; actions are predicted, never run.
    #[arg(long, value_name = "FILE")]
    pub endpoints: Option<PathBuf>,
    /// End with exit code 1 when a prediction is wrong.
    #[arg(long)]
    pub fail_on_prediction_errors: bool,
    /// Address of a file with test stories, to take in place of --stories.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Compare the models that `train core --config A B` wrote below the folder of --model.
    #[arg(long)]
    pub evaluate_model_directory: bool,
}

/// Test messages.
#[derive(Debug, Clone, Args)]
pub struct NluTestOptions {
    /// Files or folders with test messages.
    #[arg(short = 'u', long, num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
    pub nlu: Vec<PathBuf>,
    /// A configuration for cross-validation (config.yml unless given); several, or a folder of them, are compared.
    #[arg(short, long, num_args = 1.., value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// The domain: a file or a folder.
    #[arg(short, long, num_args = 1.., default_values_os_t = [PathBuf::from("domain.yml")], value_name = "PATH")]
    pub domain: Vec<PathBuf>,
    /// What the model was trained on, to find test messages that it has seen; `data` unless that is tested itself.
    #[arg(long, num_args = 1.., value_name = "PATH")]
    pub trained_on: Vec<PathBuf>,
    /// Train and test on folds of the data instead of testing a model.
    #[arg(long)]
    pub cross_validation: bool,
    /// Number of folds.
    #[arg(short, long, default_value_t = 5, value_name = "N")]
    pub folds: usize,
    /// How often configurations are compared, each time on other parts of the data.
    #[arg(short, long, default_value_t = 3, value_name = "N")]
    pub runs: usize,
    /// Percentages of the training data that are left out when configurations are compared.
    #[arg(short, long, num_args = 1.., default_values_t = [0, 25, 50, 75], value_name = "PERCENT",
          value_parser = clap::value_parser!(u8).range(0..100))]
    pub percentages: Vec<u8>,
    /// Seed of folds and parts.
    #[arg(long, default_value_t = crate::commands::train::SEED, value_name = "N")]
    pub random_seed: u64,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TestArgs {
    #[command(subcommand)]
    pub part: Option<TestPart>,
    /// A predictor instead of the assistant: `churn` for predictors/churn.yml.
    #[arg(value_name = "PREDICTOR")]
    pub predictor: Option<String>,
    /// Rows to test a predictor on; what its declaration holds out unless given.
    #[arg(long, value_name = "FILE", requires = "predictor")]
    pub data: Option<String>,
    /// A model's file, or a folder of models of which the newest is taken.
    #[arg(short, long, default_value = "models", value_name = "PATH")]
    pub model: PathBuf,
    #[command(flatten)]
    pub output: TestOutput,
    #[command(flatten)]
    pub core: CoreTestOptions,
    #[command(flatten)]
    pub nlu: NluTestOptions,
}

#[derive(Debug, Subcommand)]
pub enum TestPart {
    /// Plays test stories against a model.
    Core {
        /// A model's file, or a folder of models of which the newest is taken; several files are compared.
        #[arg(short, long, num_args = 1.., default_values_os_t = [PathBuf::from("models")], value_name = "PATH")]
        model: Vec<PathBuf>,
        #[command(flatten)]
        output: TestOutput,
        #[command(flatten)]
        core: CoreTestOptions,
        /// Read messages and compare what is understood as well.
        #[arg(long, visible_alias = "end-to-end")]
        e2e: bool,
    },
    /// Tests language understanding on messages.
    Nlu {
        /// A model's file, or a folder of models of which the newest is taken.
        #[arg(short, long, default_value = "models", value_name = "PATH")]
        model: PathBuf,
        #[command(flatten)]
        output: TestOutput,
        #[command(flatten)]
        nlu: NluTestOptions,
    },
}
