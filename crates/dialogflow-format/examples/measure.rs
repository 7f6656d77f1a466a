//! Measures how many phrases find their intent: `measure DATA [AGENT…]`, where DATA holds
//! `agents.json`, `phrases.jsonl`, `given` and `given-80` as the acceptance check of agents has them.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;

use intendant_agent::{ActiveContext, Assistant, Input, Query, Session, Step};
use intendant_component::training::{Silent, TrainContext};
use intendant_dialogflow_format::{Files, read};
use serde_json::Value;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((data, wanted)) = arguments.split_first() else {
        eprintln!("usage: measure DATA [AGENT…]");
        return;
    };
    let data = Path::new(data);
    let shows = std::env::var_os("SHOW").is_some();
    let rows = std::fs::read_to_string(data.join("phrases.jsonl")).unwrap_or_default();
    let rows: Vec<Value> = rows.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let list: Value =
        serde_json::from_str(&std::fs::read_to_string(data.join("agents.json")).unwrap_or_default())
            .unwrap_or_default();
    let mut sums = [(0, 0), (0, 0)];
    for entry in list["agents"].as_array().into_iter().flatten() {
        let name = entry["name"].as_str().unwrap_or_default();
        if !wanted.is_empty() && !wanted.iter().any(|other| other == name) {
            continue;
        }
        let whole = data.join(entry["train"].as_str().unwrap_or_default());
        let part = data.join("given-80").join(name);
        for (kind, folder) in [whole, part].into_iter().enumerate() {
            if !folder.exists() || (kind == 0 && std::env::var_os("PART").is_some()) {
                continue;
            }
            let started = std::time::Instant::now();
            let assistant = train(&folder);
            let seconds = started.elapsed().as_secs_f64();
            let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
            for row in &rows {
                let is_test = row["split"] == "named-test";
                if row["agent"] != name || (kind == 1 && !is_test) {
                    continue;
                }
                let (got, score) = ask(&assistant, row);
                let right = got == row["expected_intent"].as_str().unwrap_or_default();
                for group in [row["lang"].as_str().unwrap_or_default(), "all"] {
                    let group = groups.entry(group.to_owned()).or_default();
                    (group.0, group.1) = (group.0 + usize::from(right), group.1 + 1);
                }
                sums[kind] = (sums[kind].0 + usize::from(right), sums[kind].1 + 1);
                if shows && !right {
                    println!(
                        "   {} [{}] {} -> {got} {score:.3} instead of {}",
                        row["lang"], row["input_contexts"], row["text"], row["expected_intent"]
                    );
                }
            }
            let label = if kind == 0 { "in-sample" } else { "left out" };
            let groups: Vec<String> =
                groups.iter().map(|(name, (right, all))| format!("{name} {right}/{all}")).collect();
            println!("{name} {label} ({seconds:.1} s): {}", groups.join(", "));
        }
    }
    for (label, (right, all)) in ["in-sample", "left out"].iter().zip(sums) {
        println!(
            "total {label}: {right}/{all} = {:.2} %",
            100.0 * right as f64 / f64::from(all.max(1) as u32)
        );
    }
}

fn train(folder: &Path) -> Assistant {
    let mut files = Files::new();
    if folder.is_dir() {
        collect(folder, folder, &mut files);
    } else {
        let bytes = std::fs::read(folder).expect("the archive is there");
        files = intendant_dialogflow_format::zip::read(&bytes).expect("it is a zip");
    }
    let agent = read(&files).unwrap_or_else(|errors| panic!("{errors:?}")).agent;
    let context = TrainContext { seed: 42, threads: 2, progress: &Silent };
    Assistant::train(agent, &context).expect("training is not cancelled")
}

fn collect(root: &Path, folder: &Path, files: &mut Files) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if let (Ok(name), Ok(bytes)) = (path.strip_prefix(root), std::fs::read(&path)) {
            files.insert(name.to_string_lossy().into_owned(), bytes);
        }
    }
}

fn ask(assistant: &Assistant, row: &Value) -> (String, f64) {
    let contexts = row["input_contexts"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let query = Query {
        input: Input::Text(row["text"].as_str().unwrap_or_default().to_owned()),
        language: row["lang"].as_str().unwrap_or_default().to_owned(),
        time_zone: None,
        resets_contexts: false,
        contexts: contexts
            .map(|name| ActiveContext { name: name.to_owned(), lifespan: 1, ..ActiveContext::default() })
            .collect(),
        entities: Vec::new(),
        now_ms: 1_700_000_000_000,
        seed: 1,
    };
    let (Step::Done(answer) | Step::Ask(answer)) = assistant.begin(&mut Session::default(), &query);
    (answer.intent.map(|intent| intent.name).unwrap_or_default(), answer.confidence)
}
