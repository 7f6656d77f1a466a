//! How well agents find the intents of phrases that were left out, by cross-validation.
//!
//! `cargo run --release -p intendant-dialogflow-format --example cross_validate FOLDER…`: each folder
//! is an unpacked export. A fifth of the phrases of every intent and language with at least five is left
//! out in turn and asked with the intent's input contexts active. With `ERRORS=1` it lists what was wrong.

#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use intendant_agent::values::{Agent, Intent, Phrase};
use intendant_agent::{ActiveContext, Assistant, Input, Query, Session, Step};
use intendant_component::training::{Silent, TrainContext};
use intendant_dialogflow_format::{Files, read};
use intendant_numeric::random::hash_bytes;

const FOLDS: u64 = 5;
/// The fewest phrases of an intent in a language of which some are left out.
const PHRASES_MIN: usize = 5;

fn main() -> Result<(), String> {
    let mut totals = (0, 0);
    let shows_errors = std::env::var_os("ERRORS").is_some();
    for folder in std::env::args().skip(1) {
        let agent = agent(Path::new(&folder))?;
        let mut by_language: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for fold in 0..FOLDS {
            let (rest, asked) = split(&agent, fold);
            let context = TrainContext { seed: 1, threads: 2, progress: &Silent };
            let assistant = Assistant::train(rest, &context)?;
            for question in asked {
                let found = ask(&assistant, &question);
                let sums = by_language.entry(question.language.clone()).or_default();
                sums.1 += 1;
                if found.0 == question.intent {
                    sums.0 += 1;
                } else if shows_errors {
                    let Question { language, text, intent, .. } = &question;
                    println!("  {language}\t{text}\t{intent}\t-> {} {:.3}", found.0, found.1);
                }
            }
        }
        let name = Path::new(&folder).file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (language, (right, all)) in by_language {
            println!(
                "{name:20} {language:6} {right:5} / {all:5} {:6.2} %",
                100.0 * right as f64 / all as f64
            );
            totals = (totals.0 + right, totals.1 + all);
        }
    }
    println!(
        "{:27} {:5} / {:5} {:6.2} %",
        "total",
        totals.0,
        totals.1,
        100.0 * totals.0 as f64 / totals.1.max(1) as f64
    );
    Ok(())
}

struct Question {
    language: String,
    text: String,
    contexts: Vec<String>,
    intent: String,
}

fn plain(phrase: &Phrase) -> String {
    phrase.text().to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn names(intent: &Intent) -> BTreeSet<String> {
    intent.input_contexts.iter().map(|name| name.to_lowercase()).collect()
}

/// The agent without the phrases of a fold, and these.
fn split(agent: &Agent, fold: u64) -> (Agent, Vec<Question>) {
    let mut asked = Vec::new();
    let mut rest = agent.clone();
    for (at, intent) in agent.intents.iter().enumerate() {
        if intent.is_fallback || !intent.is_on() {
            continue;
        }
        for (language, phrases) in &intent.phrases {
            let rivals = agent.intents.iter().enumerate().filter(|(other_at, other)| {
                *other_at != at
                    && !other.is_fallback
                    && other.is_on()
                    && names(other) == names(intent)
                    && other.effective_priority() >= intent.effective_priority()
            });
            let taken: BTreeSet<String> =
                rivals.filter_map(|(_, other)| other.phrases.get(language)).flatten().map(plain).collect();
            let texts: BTreeSet<String> = phrases
                .iter()
                .filter(|phrase| !phrase.is_template && !plain(phrase).is_empty())
                .map(plain)
                .filter(|text| !taken.contains(text) && text.chars().count() <= 256)
                .collect();
            if texts.len() < PHRASES_MIN {
                continue;
            }
            let mut order: Vec<&String> = texts.iter().collect();
            order.sort_by_key(|text| hash_bytes(7, text.as_bytes()));
            let held: BTreeSet<&String> = order
                .into_iter()
                .enumerate()
                .filter(|(at, _)| *at as u64 % FOLDS == fold)
                .map(|(_, text)| text)
                .collect();
            for text in &held {
                let written = phrases.iter().find(|phrase| plain(phrase) == **text).map(Phrase::text);
                asked.push(Question {
                    language: language.clone(),
                    text: written.unwrap_or_default(),
                    contexts: intent.input_contexts.clone(),
                    intent: intent.name.clone(),
                });
            }
            if let Some(kept) = rest.intents[at].phrases.get_mut(language) {
                kept.retain(|phrase| phrase.is_template || !held.contains(&plain(phrase)));
            }
        }
    }
    (rest, asked)
}

fn ask(assistant: &Assistant, question: &Question) -> (String, f64) {
    let contexts = question.contexts.iter().map(|name| ActiveContext {
        name: name.to_lowercase(),
        lifespan: 1,
        ..ActiveContext::default()
    });
    let query = Query {
        input: Input::Text(question.text.clone()),
        language: question.language.clone(),
        time_zone: None,
        resets_contexts: false,
        contexts: contexts.collect(),
        entities: Vec::new(),
        now_ms: 1_700_000_000_000,
        seed: 1,
    };
    let (Step::Done(answer) | Step::Ask(answer)) = assistant.begin(&mut Session::default(), &query);
    (answer.intent.map(|intent| intent.name).unwrap_or_default(), answer.confidence)
}

fn agent(folder: &Path) -> Result<Agent, String> {
    let mut files = Files::new();
    let mut open = vec![folder.to_owned()];
    while let Some(inner) = open.pop() {
        for entry in std::fs::read_dir(&inner).map_err(|error| error.to_string())?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            files.insert(name, std::fs::read(&path).map_err(|error| error.to_string())?);
        }
    }
    read(&files).map(|import| import.agent).map_err(|findings| format!("{}: {findings:?}", folder.display()))
}
