//! Measures the crate on a folder of cases and prints exact-match rates.
//!
//!     measure DIR [--lang en,fr] [--dim time,carriers] [--show N] [--speed]
//!     measure DIR --train OUT        write the ranking models into the folder OUT

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use intendant_entities::training::{self, Case};
use intendant_entities::{Options, parse, wire};
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1)).cloned()
    };
    let listed = |name: &str| flag(name).map(|list| list.split(',').map(str::to_owned).collect::<Vec<_>>());
    let folder = PathBuf::from(arguments.first().map_or(".", String::as_str));
    let (languages, dimensions) = (listed("--lang"), listed("--dim"));
    let mut files = Vec::new();
    for section in ["given", "extra"] {
        collect(&folder.join(section), &mut files);
    }
    files.sort();
    if let Some(out) = flag("--train") {
        return train(&files, Path::new(&out));
    }
    let show: usize = flag("--show").and_then(|count| count.parse().ok()).unwrap_or(0);
    let mut totals: BTreeMap<(bool, String, String), (usize, usize)> = BTreeMap::new();
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for file in &files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let language =
            file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        let skip = |wanted: &Option<Vec<String>>, name: &str| {
            wanted.as_ref().is_some_and(|wanted| !wanted.iter().any(|one| one == name))
        };
        if skip(&languages, language) || skip(&dimensions, &name) {
            continue;
        }
        let source = std::fs::read_to_string(file).unwrap_or_default();
        let mut shown = 0;
        for row in source.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let text = row["text"].as_str().unwrap_or_default();
            let options = options_of(&row);
            let answer: Vec<Value> = parse(text, &options).iter().map(|found| found.to_json()).collect();
            let corpus = row.get("dimension").is_some();
            let reason = if corpus { judge_corpus(&row, &answer) } else { judge_extra(&row, &answer) };
            let entry = totals.entry((!corpus, language.to_owned(), name.clone())).or_default();
            entry.1 += 1;
            entry.0 += usize::from(reason.is_none());
            if arguments.iter().any(|argument| argument == "--speed") {
                let options = Options { dimensions: Vec::new(), ..options };
                let began = Instant::now();
                std::hint::black_box(parse(text, &options));
                times.entry(language.to_owned()).or_default().push(began.elapsed().as_secs_f64() * 1e3);
            }
            if let Some(reason) = reason
                && shown < show
            {
                shown += 1;
                print_failure(&row, &answer, reason);
            }
        }
    }
    let mut all = (0, 0);
    for ((_, language, name), (passed, total)) in &totals {
        let rate = 100.0 * *passed as f64 / *total as f64;
        print_line(&format!("{language:3} {name:20} {passed:5}/{total:<5} {rate:6.1} %"));
        all = (all.0 + passed, all.1 + total);
    }
    print_line(&format!("all {}/{} {:.1} %", all.0, all.1, 100.0 * all.0 as f64 / all.1.max(1) as f64));
    for (language, mut times) in times {
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        print_line(&format!(
            "{language}: median {:.3} ms, p95 {:.3}, p99 {:.3}, most {:.3}",
            at(0.5),
            at(0.95),
            at(0.99),
            at(1.0)
        ));
    }
}

#[expect(clippy::print_stdout, reason = "this program prints a report")]
fn print_line(line: &str) {
    println!("{line}");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
}

fn options_of(row: &Value) -> Options {
    let mut form: Vec<String> = vec!["text=".to_owned()];
    for (key, value) in row["request"].as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        form.push(format!("{key}={}", value.replace('+', "%2B")));
    }
    if let Some(dimension) = row["dimension"].as_str() {
        form.push(format!("dims=[\"{dimension}\"]"));
    }
    match wire::read_request(form.join("&").as_bytes(), 0) {
        Ok((_, options)) => options,
        Err(error) => panic!("{error}"),
    }
}

fn plain(value: &Value, fold: bool) -> Value {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<String, Value> = object
                .iter()
                .map(|(key, value)| (if fold { key.to_lowercase() } else { key.clone() }, plain(value, fold)))
                .collect();
            json!(sorted)
        }
        Value::Array(list) => list.iter().map(|value| plain(value, fold)).collect(),
        Value::Number(number) => json!(format!("{:.12e}", number.as_f64().unwrap_or_default())),
        other => other.clone(),
    }
}

fn without_values(value: &Value, dimension: &str) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.remove("values");
    }
    plain(&value, dimension == "duration")
}

fn judge_corpus(row: &Value, answer: &[Value]) -> Option<&'static str> {
    let dimension = row["dimension"].as_str().unwrap_or_default();
    let right = |entity: &Value| {
        without_values(&entity["value"], dimension) == without_values(&row["expected"], dimension)
    };
    let fails = |passes: bool, reason| if passes { None } else { Some(reason) };
    if row["negative"] == true {
        return fails(answer.is_empty(), "an entity where there is none");
    }
    if let Some(range) = row.get("range") {
        let fits = answer.len() == 1 && json!([answer[0]["start"], answer[0]["end"]]) == *range;
        return fails(fits, "another range");
    }
    if let Some(count) = row.get("count") {
        return fails(json!(answer.len()) == *count, "another number of entities");
    }
    if row["whole"] == true {
        let length = json!(row["text"].as_str().unwrap_or_default().chars().count());
        let whole: Vec<&Value> =
            answer.iter().filter(|entity| entity["start"] == 0 && entity["end"] == length).collect();
        return match whole.as_slice() {
            [one] => fails(right(one), "another value"),
            [] => Some("no entity covers the whole text"),
            _ => Some("several entities cover the whole text"),
        };
    }
    fails(answer.first().is_some_and(right), "another value")
}

fn judge_extra(row: &Value, answer: &[Value]) -> Option<&'static str> {
    let keys = |entities: &[Value]| {
        let mut keys: Vec<String> = entities
            .iter()
            .map(|entity| {
                let value = plain(&entity["value"], entity["dim"] == "duration");
                format!("{} {} {} {value}", entity["dim"], entity["start"], entity["end"])
            })
            .collect();
        keys.sort();
        keys
    };
    let expected = row["original"]["dims_all"].as_array().cloned().unwrap_or_default();
    if keys(&expected) == keys(answer) { None } else { Some("other entities") }
}

fn print_failure(row: &Value, answer: &[Value], reason: &str) {
    let region = row["region"].as_str().unwrap_or_default();
    let tz = row["request"]["tz"].as_str().unwrap_or_default().replace("Etc/GMT+2", "");
    print_line(&format!("- {region} {tz} {:?}: {reason}", row["text"].as_str().unwrap_or_default()));
    if row.get("dimension").is_some() {
        print_line(&format!("    want {}", short(&row["expected"])));
    }
    let wanted = row["original"]["dims_all"].as_array().filter(|_| row.get("dimension").is_none());
    for entity in wanted.into_iter().flatten().filter(|entity| !answer.contains(entity)) {
        print_line(&format!("    want {} {} {}", entity["dim"], entity["body"], short(&entity["value"])));
    }
    for entity in answer {
        print_line(&format!("    got  {} {} {}", entity["dim"], entity["body"], short(&entity["value"])));
    }
}

// One line for a value: a time as start/grain or from->to/grain, its further readings in brackets.
fn short(value: &Value) -> String {
    let point = |point: &Value| {
        let time = point["value"].as_str().unwrap_or("..").replace(":00.000", "").replace("-02:00", "");
        let grain = point["grain"].as_str().unwrap_or_default();
        format!("{}/{}", time.replace("T00:00", ""), &grain[..grain.len().min(3)])
    };
    let reading = |value: &Value| match value["type"].as_str() {
        Some("interval") => format!("{} -> {}", point(&value["from"]), point(&value["to"])),
        _ => point(value),
    };
    if !value["grain"].is_string() && !value["from"]["grain"].is_string() && !value["to"]["grain"].is_string()
    {
        return value.to_string();
    }
    let further: Vec<String> = value["values"].as_array().into_iter().flatten().map(reading).collect();
    format!(
        "{} [{}] {}",
        reading(value),
        further.join(", "),
        value["holidayBeta"].as_str().unwrap_or_default()
    )
}

fn train(files: &[PathBuf], out: &Path) {
    let mut by_language: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.ends_with("time.jsonl")) {
        let source = std::fs::read_to_string(file).unwrap_or_default();
        for row in source.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if row["whole"] != true || !row["region"].is_null() {
                continue;
            }
            let options = options_of(&row);
            let language = options.locale.language().code().to_owned();
            let text = row["text"].as_str().unwrap_or_default().to_owned();
            by_language.entry(language).or_default().push(Case {
                text,
                options,
                expected: row["expected"].clone(),
            });
        }
    }
    for (language, cases) in by_language {
        let model = training::train(cases[0].options.locale, &cases);
        if let Err(error) = std::fs::write(out.join(format!("{language}.tsv")), model) {
            print_line(&format!("cannot write the model of {language}: {error}"));
        }
    }
}
