//! `intendant parity`: the same messages to a Rasa server and to ours, and what differs.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use intendant_api::listen;
use intendant_client::http::HttpClient;
use intendant_config::Environment;
use intendant_evaluate::parity::{Differing, Report, compare};
use intendant_train::{files, models};

use super::run::api_router;
use super::up;
use crate::cli::ServerArgs;
use crate::cli::tools::ParityArgs;
use crate::failure::Failure;
use crate::parity::{self, Recording, Remote, Said};
use crate::terminal::{part, say};
use crate::{model, wiring};

/// The exit code when the comparison could not be made.
const FAILED: u8 = 2;

/// Runs `intendant parity`; 0 when nothing differs, 1 when something does, 2 when it cannot be told.
pub fn run(arguments: &ParityArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let runtime = wiring::runtime()?;
    let report = match runtime.block_on(replay(arguments, environment)) {
        Ok(report) => report,
        Err(failure) => {
            failure.report();
            return Ok(ExitCode::from(FAILED));
        }
    };
    let json = report.to_json();
    if let Some(path) = &arguments.out {
        files::write_whole(path, format!("{json:#}\n").as_bytes())
            .map_err(|error| Failure::of("", &error))?;
    }
    if arguments.json {
        say!("{json:#}");
    } else {
        part(format_args!("{}", report.to_text()));
    }
    Ok(if report.differing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn replay(arguments: &ParityArgs, environment: &Environment) -> Result<Report, Failure> {
    let recordings = parity::read(&arguments.conversations, environment).await?;
    let client = HttpClient::new().map_err(|error| Failure::of("", &error))?;
    let timeout = Duration::from_secs(arguments.timeout);
    let token = arguments.against_token.clone();
    let theirs = Remote::open(client.clone(), &arguments.against, token, timeout).await?;
    let url = match &arguments.ours {
        Some(url) => url.clone(),
        None => serve_model(arguments, timeout, environment).await?,
    };
    let ours = Remote::open(client, &url, arguments.ours_token.clone(), timeout).await?;
    let variations = ours.variations().await?;
    let mut replay = Replay {
        aligns: !arguments.no_alignment && theirs.has_api && ours.has_api,
        theirs,
        ours,
        variations,
        report: Report::default(),
    };
    for (server, has_api) in [(&arguments.against, replay.theirs.has_api), (&url, replay.ours.has_api)] {
        if !has_api {
            let why = format!(
                "events of {server}: its HTTP API is off (`--enable-api`), only replies are compared"
            );
            replay.report.skipped.push(why);
        }
    }
    let limit = arguments.limit.unwrap_or(usize::MAX);
    if recordings.len() > limit {
        let left = recordings.len() - limit;
        replay.report.skipped.push(format!("{left} conversations: --limit {limit}"));
    }
    for recording in recordings.iter().take(limit) {
        replay.conversation(recording).await?;
    }
    Ok(replay.report)
}

/// Serves a model on a free port of this machine, its conversations in memory only.
async fn serve_model(
    arguments: &ParityArgs,
    timeout: Duration,
    environment: &Environment,
) -> Result<String, Failure> {
    let file = models::newest(&arguments.model).map_err(|error| Failure::of("", &error))?;
    let Some(file) = file else {
        let hint = "train one with `intendant train`, or name a running server with --ours";
        return Err(Failure::new("", format!("no model found at {}; {hint}", arguments.model.display())));
    };
    let wiring = wiring::rehearsal(arguments.endpoints.as_deref(), timeout, environment).await?;
    wiring.server.put_model(Arc::new(model::serving(model::load_file(&file)?, &file)));
    let settings = ServerArgs { connector: Some("rest".to_owned()), ..up::default_server_arguments()? };
    let router = api_router(&wiring, &settings, None, environment).await?.router;
    let listener = listen::bind("127.0.0.1", 0).await.map_err(|error| Failure::of("", &error))?;
    let address = listener.local_addr().map_err(|error| Failure::of("", &error))?;
    tokio::spawn(listen::serve(listener, router, std::future::pending()));
    Ok(format!("http://{address}"))
}

struct Replay {
    theirs: Remote,
    ours: Remote,
    /// After a difference ours goes on from the state of theirs.
    aligns: bool,
    variations: BTreeMap<String, usize>,
    report: Report,
}

impl Replay {
    async fn conversation(&mut self, recording: &Recording) -> Result<(), Failure> {
        // A name of its own keeps real conversations apart from the replay.
        let sender_id = format!("parity-{}", uuid::Uuid::new_v4().simple());
        self.report.conversations += 1;
        for (idx, said) in recording.said.iter().enumerate() {
            if matches!(said, Said::Intent(..)) && !(self.theirs.has_api && self.ours.has_api) {
                let name = &recording.name;
                self.report.skipped.push(format!("{name}, message {}: an intent from outside", idx + 1));
                continue;
            }
            let (theirs, ours) =
                tokio::join!(self.theirs.say(&sender_id, said), self.ours.say(&sender_id, said));
            let (theirs, ours) = (theirs?, ours?);
            self.report.messages += 1;
            let variations = |response: &str| self.variations.get(response).copied().unwrap_or(0);
            let differences = compare(&theirs, &ours, &variations);
            if differences.is_empty() {
                continue;
            }
            let text = match said {
                Said::Text(text, _) => text.clone(),
                Said::Intent(intent, _) => format!("(intent {intent} from outside)"),
            };
            self.report.differing += 1;
            let conversation = recording.name.clone();
            self.report.differences.push(Differing { conversation, number: idx + 1, text, differences });
            if self.aligns {
                let events = self.theirs.events(&sender_id).await?;
                self.ours.put_events(&sender_id, &events).await?;
            }
        }
        Ok(())
    }
}
