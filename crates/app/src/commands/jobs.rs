//! `intendant jobs …`: jobs by hand.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use intendant_config::Environment;
use intendant_store::jobs::{Job, Jobs, State};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::terminal::say;
use crate::{chores, wiring};

/// How often it is looked for new lines of a log.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// What `intendant jobs` does.
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// What to do.
    #[command(subcommand)]
    command: JobsCommand,
}

#[derive(Debug, Subcommand)]
enum JobsCommand {
    /// Lists jobs, newest first.
    List {
        /// Only those in this state.
        #[arg(long, value_name = "STATE")]
        state: Option<Wanted>,
        /// At most so many.
        #[arg(long, default_value_t = 20, value_name = "COUNT")]
        limit: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows all that is known of a job.
    Show {
        /// Its number.
        #[arg(value_name = "ID")]
        id: i64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints a job's log.
    Log {
        /// Its number.
        #[arg(value_name = "ID")]
        id: i64,
        /// Go on until the job ends.
        #[arg(short, long)]
        follow: bool,
    },
    /// Asks for the end of a job.
    Cancel {
        /// Its number.
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Puts a job into the queue.
    Submit {
        /// What is to be done.
        #[command(subcommand)]
        job: Submitted,
    },
}

#[derive(Debug, Subcommand)]
enum Submitted {
    /// Trains the project, makes the model a version, and tags it if it passes the tag's gates.
    Train {
        /// A predictor instead of the assistant: `churn` for predictors/churn.yml.
        #[arg(value_name = "PREDICTOR")]
        predictor: Option<String>,
        /// Train even if nothing changed.
        #[arg(long)]
        force: bool,
        /// Name of the model's file, without `.tar.gz`.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The tag that the model takes if it passes the tag's gates.
        #[arg(long, value_name = "TAG")]
        tag: Option<String>,
        /// Files or folders with test data to measure the model on.
        #[arg(long, num_args = 1.., value_name = "DATASET")]
        measure: Vec<String>,
        /// Print the job's log until it ends; the exit code says how it did.
        #[arg(long)]
        wait: bool,
    },
    /// Measures a model on test data and keeps the figures.
    Evaluate {
        /// A file or folder with test data.
        #[arg(value_name = "DATASET")]
        dataset: String,
        /// A tag, `name:version`, a file's name, or `latest`.
        #[arg(long, default_value = "latest", value_name = "MODEL")]
        model: String,
        /// Print the job's log until it ends; the exit code says how it did.
        #[arg(long)]
        wait: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wanted {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl From<Wanted> for State {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Queued => Self::Queued,
            Wanted::Running => Self::Running,
            Wanted::Done => Self::Done,
            Wanted::Failed => Self::Failed,
            Wanted::Cancelled => Self::Cancelled,
        }
    }
}

/// Runs `intendant jobs`.
///
/// # Errors
/// What the command could not do.
pub fn run(arguments: &JobsArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    wiring::runtime()?.block_on(async {
        let settings = chores::settings(environment)?;
        let jobs = chores::open(&settings).await?;
        match &arguments.command {
            JobsCommand::List { state, limit, json } => {
                list(&jobs.list(state.map(State::from), *limit).await.map_err(failed)?, *json);
            }
            JobsCommand::Show { id, json } => show(&known(&jobs, *id).await?, *json),
            JobsCommand::Log { id, follow } => {
                known(&jobs, *id).await?;
                if *follow {
                    return self::follow(&jobs, *id).await;
                }
                print_log(&jobs, *id, 0).await?;
            }
            JobsCommand::Cancel { id } => {
                let job = jobs.cancel(*id).await.map_err(failed)?.ok_or_else(|| unknown(*id))?;
                match job.state {
                    State::Running => say!("Job {id} will end at its next look."),
                    state => say!("Job {id} is {}.", state.name()),
                }
            }
            JobsCommand::Submit { job } => {
                let (kind, options, waits) = described(job);
                chores::check(kind, &options).map_err(|why| Failure::new("", why))?;
                let origin = environment.user().unwrap_or("command line");
                let id = jobs.submit(kind, &options, (origin, settings.attempts)).await.map_err(failed)?;
                say!("Job {id} waits for a worker.");
                if waits {
                    return self::follow(&jobs, id).await;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn described(job: &Submitted) -> (&'static str, Value, bool) {
    match job {
        Submitted::Train { predictor, force, name, tag, measure, wait } => {
            let mut options = json!({});
            if *force {
                options["force"] = true.into();
            }
            for (key, value) in [("predictor", predictor), ("name", name), ("tag", tag)] {
                if let Some(value) = value {
                    options[key] = value.clone().into();
                }
            }
            if !measure.is_empty() {
                options["measure"] = json!(measure);
            }
            ("train", options, *wait)
        }
        Submitted::Evaluate { dataset, model, wait } => {
            ("evaluate", json!({"dataset": dataset, "model": model}), *wait)
        }
    }
}

async fn known(jobs: &Jobs, id: i64) -> Result<Job, Failure> {
    jobs.get(id).await.map_err(failed)?.ok_or_else(|| unknown(id))
}

fn unknown(id: i64) -> Failure {
    Failure::new("", format!("there is no job {id}; `intendant jobs list` shows which there are"))
}

fn failed(error: intendant_port::error::Error) -> Failure {
    Failure::of("", &error)
}

/// Prints a job's log until it ends.
async fn follow(jobs: &Jobs, id: i64) -> Result<ExitCode, Failure> {
    let mut after = 0;
    loop {
        // Lines are written before the end is, so that none is missed.
        let job = known(jobs, id).await?;
        after = print_log(jobs, id, after).await?;
        if job.state.is_final() {
            return Ok(if job.state == State::Done { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn print_log(jobs: &Jobs, id: i64, mut after: i64) -> Result<i64, Failure> {
    for line in jobs.log(id, after).await.map_err(failed)? {
        say!("{} {}", time(line.said_ms), line.text);
        after = line.id;
    }
    Ok(after)
}

fn list(jobs: &[Job], is_json: bool) {
    if is_json {
        say!("{}", Value::Array(jobs.iter().map(Job::to_json).collect()));
        return;
    }
    if jobs.is_empty() {
        say!("No jobs.");
        return;
    }
    say!("{:>5}  {:<9} {:<9} {:<20} {:<9} by", "job", "kind", "state", "submitted", "took");
    for job in jobs {
        let took = match (job.started_ms, job.ended_ms) {
            (0, _) | (_, 0) => "-".to_owned(),
            (started, ended) => format!("{:.1} s", (ended - started) as f64 / 1000.0),
        };
        let (kind, state, submitted) = (&job.kind, job.state.name(), time(job.submitted_ms));
        say!("{:>5}  {kind:<9} {state:<9} {submitted:<20} {took:<9} {}", job.id, job.origin);
    }
}

fn show(job: &Job, is_json: bool) {
    if is_json {
        say!("{}", job.to_json());
        return;
    }
    say!("job:       {}", job.id);
    say!("kind:      {} {}", job.kind, job.options);
    say!("state:     {}", job.state.name());
    say!("by:        {}", job.origin);
    say!("attempts:  {} of {}", job.attempts, job.attempts_max);
    for (name, at) in [("submitted", job.submitted_ms), ("started", job.started_ms), ("ended", job.ended_ms)]
    {
        if at > 0 {
            say!("{:<10} {}", format!("{name}:"), time(at));
        }
    }
    if let (Some(phase), State::Running) = (job.progress["phase"].as_str(), job.state) {
        say!("progress:  {phase}, {} of {}", job.progress["done"], job.progress["total"]);
    }
    match &job.outcome {
        Value::Null => {}
        Value::String(why) => say!("outcome:   {why}"),
        outcome => say!("outcome:   {outcome}"),
    }
}

fn time(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms);
    time.map_or_else(|_| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
