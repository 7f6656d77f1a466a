//! `intendant init`: a starter project.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use intendant_config::Environment;
use intendant_predictor::read;
use intendant_predictor::spec::Kind;
use intendant_train::files;

use crate::cli::InitArgs;
use crate::commands::train::Order;
use crate::failure::Failure;
use crate::terminal;
use crate::terminal::say;

macro_rules! starter {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../starter/", $path)))),*]
    };
}

/// The starter project, file by file.
const STARTER: &[(&str, &str)] = starter![
    "actions/__init__.py",
    "actions/actions.py",
    "config.yml",
    "credentials.yml",
    "data/nlu.yml",
    "data/rules.yml",
    "data/stories.yml",
    "domain.yml",
    "endpoints.yml",
    "tests/test_stories.yml",
];

type Files = &'static [(&'static str, &'static str)];

/// What `--predictor` creates, by kind.
const PREDICTORS: [(Kind, Files); 4] = [
    (
        Kind::Tabular,
        &[
            ("predictors/leaves.yml", include_str!("../../starter/predictor/tabular.yml")),
            ("data/customers.csv", include_str!("../../starter/predictor/tabular.csv")),
        ],
    ),
    (
        Kind::Text,
        &[
            ("predictors/headlines.yml", include_str!("../../starter/predictor/text.yml")),
            ("data/headlines.csv", include_str!("../../starter/predictor/text.csv")),
        ],
    ),
    (
        Kind::Recommender,
        &[
            ("predictors/books.yml", include_str!("../../starter/predictor/recommender.yml")),
            ("data/ratings.csv", include_str!("../../starter/predictor/ratings.csv")),
            ("data/books.csv", include_str!("../../starter/predictor/items.csv")),
        ],
    ),
    (Kind::Foreign, &[("predictors/elsewhere.yml", include_str!("../../starter/predictor/foreign.yml"))]),
];

/// Creates a predictor in a folder, which may be that of an assistant.
fn predictor(folder: &Path, kind: Kind) -> Result<ExitCode, Failure> {
    let files = PREDICTORS.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, files)| files);
    refuse_existing(folder, files)?;
    for (path, content) in files {
        files::write_whole(&folder.join(path), content.as_bytes())
            .map_err(|error| Failure::of("FileError", &error))?;
    }
    let (path, _) = files.first().copied().unwrap_or_default();
    let name = read::name_of(path);
    say!("Created {path}{}.", if files.len() > 1 { " with data to learn from" } else { "" });
    match kind {
        Kind::Foreign => {
            say!("Put the model's file where it says, and ask it with `intendant predict {name}`.")
        }
        _ => say!("Train it with `intendant train {name}`, serve it with `intendant up`."),
    }
    Ok(ExitCode::SUCCESS)
}

fn refuse_existing(folder: &Path, files: &[(&str, &str)]) -> Result<(), Failure> {
    let existing: Vec<&str> =
        files.iter().map(|(path, _)| *path).filter(|path| folder.join(path).exists()).collect();
    if existing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} already holds {}; nothing was written. Choose an empty folder with --init-dir.",
        folder.display(),
        existing.join(", ")
    );
    Err(Failure::new("", message))
}

/// Creates the project, asks nothing with `--no-prompt`, and trains it.
pub fn run(arguments: &InitArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    if let Some(kind) = arguments.predictor.as_deref().and_then(Kind::of) {
        return predictor(arguments.init_dir.as_deref().unwrap_or(Path::new(".")), kind);
    }
    let folder = match &arguments.init_dir {
        Some(folder) => folder.clone(),
        None if arguments.no_prompt => PathBuf::from("."),
        None => ask_folder()?,
    };
    refuse_existing(&folder, STARTER)?;
    for (path, content) in STARTER {
        files::write_whole(&folder.join(path), content.as_bytes())
            .map_err(|error| Failure::of("FileError", &error))?;
    }
    say!("Created a project in {}.", folder.display());
    if arguments.no_prompt || confirm("Train it now?") {
        super::train::execute(&Order::of_folder(&folder), environment)?;
        say!("{}", next_steps(&folder));
    } else {
        say!("Train it with `intendant train` in that folder.");
    }
    Ok(ExitCode::SUCCESS)
}

fn next_steps(folder: &Path) -> String {
    format!(
        "Talk to it with `intendant up {0}` in a browser, or with `intendant shell` in that folder.",
        folder.display()
    )
}

fn ask_folder() -> Result<PathBuf, Failure> {
    terminal::part(format_args!("Where shall the project be created? [.] "));
    let answer = read_line()?;
    Ok(PathBuf::from(if answer.is_empty() { "." } else { answer.as_str() }))
}

fn confirm(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return true;
    }
    terminal::part(format_args!("{question} [Y/n] "));
    read_line().is_ok_and(|answer| !answer.to_lowercase().starts_with('n'))
}

fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|error| Failure::of("InputError", &error))?;
    Ok(line.trim().to_owned())
}
