//! The words and flags of `intendant data`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::ProjectArgs;
use crate::commands::train::SEED;

#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Checks domain, data, stories and configuration against each other.
    Validate(ValidateArgs),
    /// Splits data into a part to train and a part to test with.
    #[command(subcommand)]
    Split(SplitPart),
    /// Converts data between Rasa's formats and those of other tools.
    #[command(subcommand)]
    Convert(ConvertPart),
    /// Turns a domain of Rasa 2 into one of Rasa 3.
    Migrate(MigrateArgs),
    /// Suggests synonyms and lookup tables from the annotated entities.
    Suggest(SuggestArgs),
}

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// `stories` checks only that stories do not contradict each other.
    pub only: Option<ValidateOnly>,
    #[command(flatten)]
    pub project: ProjectArgs,
    /// History length of the check for contradicting stories.
    #[arg(long, value_name = "N")]
    pub max_history: Option<usize>,
    /// Let warnings fail the check.
    #[arg(long)]
    pub fail_on_warnings: bool,
    /// Print one JSON object with everything found, and nothing else.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ValidateOnly {
    Stories,
}

/// How data is split.
#[derive(Debug, Clone, Args)]
pub struct SplitOptions {
    /// Files or folders with the data.
    #[arg(short = 'u', long = "nlu", num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
    pub nlu: Vec<PathBuf>,
    /// Share of the data to train with, between 0 and 1.
    #[arg(long, default_value_t = 0.8, value_name = "FRACTION")]
    pub training_fraction: f64,
    /// The same seed gives the same parts.
    #[arg(long, default_value_t = SEED, value_name = "N")]
    pub random_seed: u64,
    /// Folder for the parts.
    #[arg(long, default_value = "train_test_split", value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum SplitPart {
    /// Splits messages, every intent by the same share.
    Nlu {
        #[command(flatten)]
        options: SplitOptions,
        /// Keep messages that differ only in entities, numbers, case and punctuation in one part.
        #[arg(long)]
        templates: bool,
    },
    /// Splits stories, file by file.
    Stories {
        #[command(flatten)]
        options: SplitOptions,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConvertPart {
    /// Converts messages: reads Rasa's YAML, JSON and Markdown, LUIS, wit.ai and Dialogflow.
    Nlu {
        /// Files or folders with the data.
        #[arg(long, num_args = 1.., required = true, value_name = "PATH")]
        data: Vec<PathBuf>,
        /// The file to write; for Dialogflow a folder.
        #[arg(long, default_value = "converted_data", value_name = "PATH")]
        out: PathBuf,
        /// The format to write.
        #[arg(short, long, value_enum, default_value_t = NluFormat::Yaml, value_name = "FORMAT")]
        format: NluFormat,
        /// Language of the data; Dialogflow's file names have it.
        #[arg(short, long, default_value = "en", value_name = "CODE")]
        language: String,
    },
}

/// A format of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NluFormat {
    /// Rasa 2 and 3.
    Yaml,
    /// Rasa's former JSON.
    Json,
    /// Rasa 1's Markdown.
    Markdown,
    /// A LUIS application.
    Luis,
    /// Utterances for wit.ai.
    Wit,
    /// A Dialogflow agent: a folder.
    Dialogflow,
}

#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The domain: a file or a folder.
    #[arg(short, long, default_value = "domain.yml", value_name = "PATH")]
    pub domain: PathBuf,
    /// Where to write; `new_domain.yml`, or `new_domain` for a folder, beside the domain unless given.
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct SuggestArgs {
    /// Files or folders with the data.
    #[arg(short = 'u', long = "nlu", num_args = 1.., default_values_os_t = [PathBuf::from("data")], value_name = "PATH")]
    pub nlu: Vec<PathBuf>,
    /// Write the suggestions into this file instead of printing them.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
