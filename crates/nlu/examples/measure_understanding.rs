//! Measures language understanding in process, without server and files of our own.
//!
//! `cargo run --release -p intendant-nlu --example measure_understanding -- DATA_DIR [SET…] [--few N] [--fold K] [--threads N] [--parse]`
//!
//! `--fold K` leaves the test file alone: of ten parts of the training data the K-th is measured
//! and the others are trained on. Settings are chosen that way.
//!
//! `DATA_DIR/SET` holds `train.yml`, `test.jsonl` and perhaps `out_of_scope_test.txt`.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use intendant_component::training::{Silent, TrainContext};
use intendant_nlu::{Pipeline, default_pipeline, train};
use intendant_numeric::random::Random;
use intendant_talk::data::{Example, NluData};
use intendant_talk::domain::Domain;
use intendant_talk::message::Entity;
use serde_json::Value;

struct Row {
    text: String,
    intent: String,
    entities: Vec<(usize, usize, String)>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<usize>().ok()
    };
    let (few, fold, threads) = (flag("--few"), flag("--fold"), flag("--threads").unwrap_or(2));
    let Some(data) = arguments.first() else {
        println!("usage: measure DATA_DIR [SET…] [--few N] [--threads N]");
        return;
    };
    let mut sets: Vec<String> = arguments[1..]
        .iter()
        .filter(|argument| !argument.starts_with("--") && argument.parse::<usize>().is_err())
        .cloned()
        .collect();
    if sets.is_empty() {
        sets = ["banking77", "hwu64_fold1", "clinc150_small", "banking77_10shot", "hwu64_fold1_10shot"]
            .map(str::to_owned)
            .to_vec();
    }
    for set in sets {
        let folder = Path::new(data).join(&set);
        let Ok(text) = std::fs::read_to_string(folder.join("train.yml")) else {
            println!("{set}: no train.yml");
            continue;
        };
        if arguments.iter().any(|argument| argument == "--parse") {
            answer(&read_block_yaml(&text));
            continue;
        }
        let draws = if few.is_some() { 3 } else { 1 };
        for draw in 0..draws {
            let mut nlu = read_block_yaml(&text);
            let rows = match fold {
                Some(fold) => held_out(&mut nlu, fold),
                None => read_rows(&std::fs::read_to_string(folder.join("test.jsonl")).unwrap_or_default()),
            };
            if let Some(few) = few {
                subset(&mut nlu, few, draw);
            }
            measure((&set, &folder), &nlu, &rows, threads);
        }
    }
}

/// Parses the lines of the standard input, for a look at single answers.
fn answer(nlu: &NluData) {
    let context = TrainContext { seed: 42, threads: 2, progress: &Silent };
    let Ok((pipeline, warnings)) = train(&default_pipeline(), "en", nlu, &Domain::default(), &context) else {
        return;
    };
    warnings.iter().for_each(|warning| println!("{warning}"));
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let parse = pipeline.parse(&line);
        let ranking = parse.intent_ranking.clone().unwrap_or_default();
        let best: Vec<String> = ranking
            .iter()
            .take(3)
            .map(|i| format!("{} {:.3}", i.name.as_deref().unwrap_or("-"), i.confidence.unwrap_or(0.0)))
            .collect();
        let entities: Vec<String> = parse
            .entities
            .iter()
            .map(|e| format!("{}={} {:?} {}", e.entity, e.value, e.role, e.extra["confidence_entity"]))
            .collect();
        println!("{line:?}: {} | {}", best.join(", "), entities.join(", "));
    }
}

fn measure((set, folder): (&str, &Path), nlu: &NluData, rows: &[Row], threads: usize) {
    let start = Instant::now();
    let context = TrainContext { seed: 42, threads, progress: &Silent };
    let (pipeline, _) = match train(&default_pipeline(), "en", nlu, &Domain::default(), &context) {
        Ok(trained) => trained,
        Err(error) => {
            println!("{set}: {error}");
            return;
        }
    };
    let trained = start.elapsed();
    let stored = pipeline.store();
    let bytes: usize = stored
        .iter()
        .flat_map(|(_, stored)| stored.tensors.values())
        .map(|tensor| tensor.data.len() * width(&tensor.data))
        .sum();
    let start = Instant::now();
    let pipeline = Pipeline::load(&default_pipeline(), stored).expect("stored components load");
    let loaded = start.elapsed();
    let mut times = Vec::with_capacity(rows.len());
    let (mut pairs, mut kept) = (Vec::new(), 0);
    let (mut both, mut wanted, mut found) = (0usize, 0usize, 0usize);
    for row in rows {
        let (name, confidence, fallback, entities) = understand(&pipeline, &row.text, &mut times);
        pairs.push((confidence, name == row.intent));
        kept += usize::from(!fallback);
        both += row.entities.iter().filter(|entity| entities.contains(entity)).count();
        wanted += row.entities.len();
        found += entities.len();
    }
    times.sort();
    let count = rows.len().max(1) as f64;
    let right = pairs.iter().filter(|(_, right)| *right).count() as f64;
    print!(
        "{set}: acc {:.4} ece {:.4} kept {:.4} train {:.2}s load {:.0}ms size {:.1}MB p50 {:.0}us p99 {:.0}us",
        right / count,
        ece(&pairs),
        kept as f64 / count,
        trained.as_secs_f64(),
        loaded.as_secs_f64() * 1e3,
        bytes as f64 / 1e6,
        micros(&times, 0.5),
        micros(&times, 0.99),
    );
    if wanted > 0 {
        print!(" entity_f1 {:.4}", 2.0 * both as f64 / (wanted + found) as f64);
    }
    if let Ok(others) = std::fs::read_to_string(folder.join("out_of_scope_test.txt")) {
        let mut refused = 0;
        let mut confidences = Vec::new();
        for line in others.lines() {
            let (_, confidence, fallback, _) = understand(&pipeline, line.trim(), &mut times);
            refused += usize::from(fallback);
            confidences.push(confidence);
        }
        let inside: Vec<f64> = pairs.iter().map(|(confidence, _)| *confidence).collect();
        print!(
            " auroc {:.4} refused {:.4}",
            auroc(&inside, &confidences),
            refused as f64 / confidences.len() as f64
        );
    }
    println!(" rss {:.0}MB", resident_mb());
}

type Understood = (String, f64, bool, Vec<(usize, usize, String)>);

fn understand(pipeline: &Pipeline, text: &str, times: &mut Vec<Duration>) -> Understood {
    let start = Instant::now();
    let parse = pipeline.parse(text);
    times.push(start.elapsed());
    let fallback = parse.intent_name() == "nlu_fallback";
    let ranking = parse.intent_ranking.unwrap_or_default();
    let best = ranking.into_iter().find(|intent| intent.name.as_deref() != Some("nlu_fallback"));
    let best = best.unwrap_or_default();
    let span = |entity: Entity| Some((entity.start_chars?, entity.end_chars?, entity.entity));
    let entities = parse.entities.into_iter().filter_map(span).collect();
    (best.name.unwrap_or_default(), best.confidence.unwrap_or(0.0), fallback, entities)
}

fn width(data: &intendant_component::stored::TensorData) -> usize {
    use intendant_component::stored::TensorData as Data;
    match data {
        Data::I8(_) | Data::U8(_) => 1,
        Data::I16(_) | Data::U16(_) => 2,
        Data::F32(_) | Data::I32(_) | Data::U32(_) => 4,
        Data::U64(_) | Data::F64(_) => 8,
    }
}

fn micros(times: &[Duration], share: f64) -> f64 {
    let at = (share * times.len().saturating_sub(1) as f64) as usize;
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn ece(pairs: &[(f64, bool)]) -> f64 {
    let mut bins = [(0.0, 0.0); 15];
    for (confidence, right) in pairs {
        let bin = &mut bins[((confidence * 15.0) as usize).min(14)];
        bin.0 += confidence;
        bin.1 += f64::from(u8::from(*right));
    }
    bins.iter().map(|(sure, right)| (sure - right).abs()).sum::<f64>() / pairs.len().max(1) as f64
}

fn auroc(inside: &[f64], outside: &[f64]) -> f64 {
    let mut wins = 0.0;
    for a in inside {
        for b in outside {
            wins += if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
        }
    }
    wins / (inside.len() * outside.len()).max(1) as f64
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// Takes a tenth of the examples of every intent out of the training data.
fn held_out(nlu: &mut NluData, fold: usize) -> Vec<Row> {
    let mut random = Random::new(99);
    let mut members: BTreeMap<String, Vec<Example>> = BTreeMap::new();
    for example in nlu.examples.drain(..) {
        members.entry(example.intent.clone().unwrap_or_default()).or_default().push(example);
    }
    let (mut rows, mut next) = (Vec::new(), 0);
    for (intent, mut examples) in members {
        random.shuffle(&mut examples);
        for example in examples {
            next += 1;
            if next % 10 != fold {
                nlu.examples.push(example);
                continue;
            }
            let span = |entity: Entity| Some((entity.start_chars?, entity.end_chars?, entity.entity));
            let entities = example.entities.into_iter().filter_map(span).collect();
            rows.push(Row { text: example.text, intent: intent.clone(), entities });
        }
    }
    rows
}

/// Keeps `few` seeded examples of every intent.
fn subset(nlu: &mut NluData, few: usize, draw: u64) {
    let mut random = Random::new(draw);
    let mut members: BTreeMap<String, Vec<Example>> = BTreeMap::new();
    for example in nlu.examples.drain(..) {
        members.entry(example.intent.clone().unwrap_or_default()).or_default().push(example);
    }
    for mut examples in members.into_values() {
        random.shuffle(&mut examples);
        nlu.examples.extend(examples.into_iter().take(few));
    }
}

fn read_rows(text: &str) -> Vec<Row> {
    let value = |line: &str| serde_json::from_str::<Value>(line).ok();
    text.lines()
        .filter_map(value)
        .map(|row| Row {
            text: row["text"].as_str().unwrap_or_default().to_owned(),
            intent: row["intent"].as_str().unwrap_or_default().to_owned(),
            entities: row["entities"]
                .as_array()
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .filter_map(|entity| {
                    let offset = |key: &str| Some(entity[key].as_u64()? as usize);
                    Some((offset("start")?, offset("end")?, entity["entity"].as_str()?.to_owned()))
                })
                .collect(),
        })
        .collect()
}

/// Reads the block form in which the given datasets are written: intents with examples.
fn read_block_yaml(text: &str) -> NluData {
    let mut nlu = NluData::default();
    let mut intent: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- intent:") {
            intent = Some(name.trim().to_owned());
        } else if ["- synonym:", "- lookup:", "- regex:"].iter().any(|kind| line.starts_with(kind)) {
            intent = None;
        } else if let (Some(intent), Some(annotated)) = (&intent, line.strip_prefix("- ")) {
            nlu.examples.push(read_example(annotated.trim(), intent));
        }
    }
    nlu
}

/// Reads `text with [value](entity)` or `[value]{"entity": …}`.
fn read_example(annotated: &str, intent: &str) -> Example {
    let (base, key) = match intent.split_once('/') {
        Some((base, _)) => (base.to_owned(), Some(intent.to_owned())),
        None => (intent.to_owned(), None),
    };
    let mut example = Example { intent: Some(base), intent_response_key: key, ..Example::default() };
    let mut rest = annotated;
    while let Some(open) = rest.find('[') {
        let Some(close) = rest[open..].find(']').map(|at| at + open) else { break };
        let after = &rest[close + 1..];
        let (end, label) = match (after.chars().next(), after.find([')', '}'])) {
            (Some('('), Some(end)) => (end, serde_json::json!({"entity": &after[1..end]})),
            (Some('{'), Some(end)) => (end, serde_json::from_str(&after[..=end]).unwrap_or(Value::Null)),
            _ => break,
        };
        example.text.push_str(&rest[..open]);
        let start = example.text.chars().count();
        let value = &rest[open + 1..close];
        example.text.push_str(value);
        let text = |key: &str| label[key].as_str().map(str::to_owned);
        example.entities.push(Entity {
            entity: text("entity").unwrap_or_default(),
            value: Value::from(text("value").unwrap_or_else(|| value.to_owned())),
            start_chars: Some(start),
            end_chars: Some(start + value.chars().count()),
            role: text("role"),
            group: text("group"),
            ..Entity::default()
        });
        rest = &after[end + 1..];
    }
    example.text.push_str(rest);
    example
}
