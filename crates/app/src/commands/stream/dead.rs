//! `stream list` and `stream dead`: what is in the books.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use intendant_config::Environment;
use intendant_store::books::{Books, DeadLetter};
use intendant_streams::consumer::Consumer;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::wire::{self, Wire};
use crate::failure::Failure;
use crate::terminal::say;

/// Most dead letters looked at for one command.
const LETTERS_MAX: usize = 100_000;

/// How streams are listed.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What is done with dead letters.
#[derive(Debug, Args)]
pub struct DeadArgs {
    #[command(subcommand)]
    command: DeadCommand,
}

#[derive(Debug, Subcommand)]
enum DeadCommand {
    /// Lists the dead letters of a stream, newest first.
    List {
        /// The stream's name.
        #[arg(value_name = "STREAM")]
        stream: String,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_name = "COUNT")]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows a dead letter: why it died, and the message.
    Show {
        /// The stream's name.
        #[arg(value_name = "STREAM")]
        stream: String,
        /// Its id, or the beginning of it.
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Gives dead letters to the consumer once more.
    Replay(Chosen),
    /// Removes dead letters for good.
    Drop(Chosen),
}

#[derive(Debug, Args)]
struct Chosen {
    /// The stream's name.
    #[arg(value_name = "STREAM")]
    stream: String,
    /// Their ids, or the beginnings of them.
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// All of the stream.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

/// Runs `stream list`.
pub async fn list(arguments: &ListArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let mut listed = Vec::new();
    for (name, stream) in wire::streams(environment)? {
        let books = Books::open(&stream.database).await.map_err(|error| Failure::of("", &error))?;
        let tally = books.tally(&name).await.map_err(|error| Failure::of("", &error))?;
        let transport = stream.transport.get("type").and_then(Value::as_str).unwrap_or("sql").to_owned();
        listed.push((name, transport, tally));
    }
    if arguments.json {
        let streams = listed.iter().map(|(name, transport, tally)| {
            json!({"name": name, "transport": transport, "scored": tally.scored, "dead": tally.dead})
        });
        say!("{}", Value::Array(streams.collect()));
        return Ok(ExitCode::SUCCESS);
    }
    if listed.is_empty() {
        say!("No streams are declared under `streams:` in intendant.yml.");
        return Ok(ExitCode::SUCCESS);
    }
    say!("{:<20} {:<10} {:>10} {:>6}", "stream", "transport", "scored", "dead");
    for (name, transport, tally) in listed {
        say!("{name:<20} {transport:<10} {:>10} {:>6}", tally.scored, tally.dead);
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs `stream dead`.
pub async fn run(arguments: &DeadArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    match &arguments.command {
        DeadCommand::List { stream, limit, json } => {
            let wire = Wire::open(stream, environment).await?;
            let letters = letters(&wire, *limit).await?;
            if *json {
                say!("{}", Value::Array(letters.iter().map(described).collect()));
            } else {
                for letter in &letters {
                    let key = if letter.key.is_empty() { "-" } else { &letter.key };
                    say!("{}  {}  {key}  {}", letter.id, when(letter), letter.reason);
                }
                if letters.is_empty() {
                    say!("No dead letters.");
                }
            }
        }
        DeadCommand::Show { stream, id } => {
            let wire = Wire::open(stream, environment).await?;
            let letters = letters(&wire, LETTERS_MAX).await?;
            let letter = one(&letters, id)?;
            say!("id:     {}", letter.id);
            say!("key:    {}", letter.key);
            say!("died:   {}, {} so far", when(letter), times(letter.times));
            say!("reason: {}", letter.reason);
            say!("{}", letter.body);
        }
        DeadCommand::Replay(chosen) => {
            let topic = Consumer::replay_topic(&chosen.stream);
            let count = exhume(chosen, Some(&topic), environment).await?;
            say!("{count} given to the consumer once more.");
        }
        DeadCommand::Drop(chosen) => {
            let count = exhume(chosen, None, environment).await?;
            say!("{count} removed.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn exhume(chosen: &Chosen, topic: Option<&str>, environment: &Environment) -> Result<usize, Failure> {
    let wire = Wire::open(&chosen.stream, environment).await?;
    let letters = letters(&wire, LETTERS_MAX).await?;
    let ids = match chosen.all {
        true => letters.iter().map(|letter| letter.id.clone()).collect(),
        false => {
            let found = chosen.ids.iter().map(|id| one(&letters, id).map(|letter| letter.id.clone()));
            found.collect::<Result<Vec<String>, Failure>>()?
        }
    };
    wire.books.exhume(&chosen.stream, &ids, topic).await.map_err(|error| Failure::of("", &error))
}

async fn letters(wire: &Wire<'_>, most: usize) -> Result<Vec<DeadLetter>, Failure> {
    wire.books.dead(&wire.name, most).await.map_err(|error| Failure::of("", &error))
}

fn one<'a>(letters: &'a [DeadLetter], id: &str) -> Result<&'a DeadLetter, Failure> {
    let found: Vec<&DeadLetter> = letters.iter().filter(|letter| letter.id.starts_with(id)).collect();
    match found.as_slice() {
        [letter] => Ok(letter),
        [] => Err(Failure::new("", format!("no dead letter has the id `{id}`"))),
        several => {
            let message = format!("{} dead letters have ids that begin with `{id}`", several.len());
            Err(Failure::new("", message))
        }
    }
}

fn described(letter: &DeadLetter) -> Value {
    json!({"id": letter.id, "key": letter.key, "reason": letter.reason, "times": letter.times,
           "died": when(letter), "body": letter.body})
}

fn times(count: i64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn when(letter: &DeadLetter) -> String {
    Timestamp::from_millisecond(letter.died_ms).map_or_else(|_| "-".to_owned(), |time| time.to_string())
}
