//! `intendant evaluate markers`: points of interest in the conversations of the tracker store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_evaluate::markers::{self, Marked};
use intendant_port::store::{Scope, TrackerStore};
use intendant_rasa_format::markers as format;
use intendant_rasa_format::yaml::SourceFile;
use intendant_talk::marker::Marker;
use intendant_train::files;

use crate::cli::tools::{EvaluateArgs, EvaluateCommand, MarkersOptions, MarkersStrategy};
use crate::failure::Failure;
use crate::project::{self, Paths};
use crate::terminal::say;
use crate::{report, wiring};

const DEFAULT_DOMAIN: &str = "domain.yml";

/// Runs `intendant evaluate markers`.
pub fn run(arguments: EvaluateArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let EvaluateCommand::Markers(arguments) = arguments.command;
    let (choice, options) = match arguments.strategy {
        MarkersStrategy::All { options } => (Choice::All, options),
        MarkersStrategy::FirstN { count, options } => (Choice::First(count), options),
        MarkersStrategy::SampleN { count, seed, options } => (Choice::Sample(count, seed), options),
    };
    if let Choice::First(0) | Choice::Sample(0, _) = choice {
        return Err(Failure::new("", "the number of conversations must be at least 1"));
    }
    let outputs = Outputs::of(&options)?;
    let markers = read_markers(&options, environment)?;
    let runtime = wiring::runtime()?;
    let found = runtime.block_on(async {
        let store = wiring::tracker_store(options.endpoints.as_deref(), environment).await?;
        find(&markers, store.as_ref(), choice).await
    })?;
    outputs.write(&markers, &found)?;
    let sessions: usize = found.iter().map(|conversation| conversation.sessions.len()).sum();
    let marks: usize =
        found.iter().flat_map(|conversation| &conversation.sessions).flatten().map(Vec::len).sum();
    say!(
        "{} markers, {} conversations, {sessions} sessions, {marks} places: {}",
        markers.len(),
        found.len(),
        options.output_filename.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Which conversations are looked at.
#[derive(Clone, Copy)]
enum Choice {
    All,
    First(usize),
    Sample(usize, Option<i64>),
}

/// The files that are written; none may be there already.
struct Outputs {
    marks: PathBuf,
    overall: Option<PathBuf>,
    per_session: Option<PathBuf>,
}

impl Outputs {
    fn of(options: &MarkersOptions) -> Result<Self, Failure> {
        let with_suffix = |suffix: &str| {
            let mut path = options.stats_file_prefix.clone().into_os_string();
            path.push(suffix);
            (!options.no_stats).then(|| PathBuf::from(path))
        };
        let outputs = Self {
            marks: options.output_filename.clone(),
            overall: with_suffix("-overall.csv"),
            per_session: with_suffix("-per-session.csv"),
        };
        for path in [Some(&outputs.marks), outputs.overall.as_ref(), outputs.per_session.as_ref()] {
            let Some(path) = path else { continue };
            if path.exists() {
                let hint = "name another file, or remove it";
                return Err(Failure::new("", format!("{} exists already: {hint}", path.display())));
            }
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                return Err(Failure::new("", format!("the folder {} does not exist", folder.display())));
            }
        }
        Ok(outputs)
    }

    fn write(&self, markers: &[Marker], found: &[Marked]) -> Result<(), Failure> {
        let write = |path: &Path, text: String| {
            files::write_whole(path, text.as_bytes()).map_err(|error| Failure::of("", &error))
        };
        write(&self.marks, markers::marks_csv(markers, found))?;
        if let Some(path) = &self.overall {
            write(path, markers::overall_csv(markers, found))?;
        }
        if let Some(path) = &self.per_session {
            write(path, markers::per_session_csv(markers, found))?;
        }
        Ok(())
    }
}

fn read_markers(options: &MarkersOptions, environment: &Environment) -> Result<Vec<Marker>, Failure> {
    let paths = files::find(std::slice::from_ref(&options.config), &["yml", "yaml"])
        .map_err(|error| Failure::of("", &error))?;
    if paths.is_empty() {
        let message =
            format!("no YAML file with markers at {}; name one with --config", options.config.display());
        return Err(Failure::new("", message));
    }
    let sources: Vec<SourceFile> =
        paths.iter().map(|path| project::source_file(path)).collect::<Result<_, _>>()?;
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut findings = Vec::new();
    let markers = format::read(&sources, &lookup, &mut findings);
    let domain = match (options.domain.is_empty(), Path::new(DEFAULT_DOMAIN).exists()) {
        (true, false) => None,
        (true, true) => Some(vec![PathBuf::from(DEFAULT_DOMAIN)]),
        (false, _) => Some(options.domain.clone()),
    };
    if let Some(domain) = domain {
        let (project, read) = project::read(&Paths { config: None, domain, data: Vec::new() }, environment)?;
        findings.extend(read);
        findings.extend(format::check(&markers, &project.domain));
    }
    report::print(&findings);
    if project::has_errors(&findings) {
        return Err(Failure::new("", "the markers cannot be used"));
    }
    if markers.is_empty() {
        return Err(Failure::new("", format!("no markers found in {}", options.config.display())));
    }
    Ok(markers)
}

async fn find(markers: &[Marker], store: &dyn TrackerStore, choice: Choice) -> Result<Vec<Marked>, Failure> {
    let outside = |error: intendant_port::error::Error| Failure::of("", &error);
    let ids = chosen(store.conversation_ids().await.map_err(outside)?, choice);
    let mut found = Vec::with_capacity(ids.len());
    for sender_id in ids {
        let events = store.load(&sender_id, Scope::AllSessions).await.map_err(outside)?;
        let Some(events) = events.filter(|events| !events.is_empty()) else { continue };
        let sessions = markers::find(markers, &events);
        found.push(Marked { sender_id, sessions });
    }
    Ok(found)
}

fn chosen(mut ids: Vec<String>, choice: Choice) -> Vec<String> {
    // The order of the store is nobody's promise; the same choice shall give the same conversations.
    ids.sort();
    let (Choice::First(count) | Choice::Sample(count, _)) = choice else {
        return ids;
    };
    if count > ids.len() {
        tracing::warn!(asked = count, stored = ids.len(), "fewer conversations are stored than asked for");
    }
    if let Choice::Sample(_, seed) = choice {
        let seed = seed.map_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0, i64::cast_unsigned);
        intendant_numeric::random::Random::new(seed).shuffle(&mut ids);
    }
    ids.truncate(count);
    ids
}
