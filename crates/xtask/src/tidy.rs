//! What the code must never contain, checked by a machine.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::secrets;

/// Crates by layer; a crate may depend on lower layers, and on those of its own layer listed in
/// [`SAME_LAYER`].
const LAYERS: [&[&str]; 7] = [
    &["text", "numeric", "table", "talk"],
    &["component", "port"],
    &[
        "nlu",
        "policy",
        "dialogue",
        "entities",
        "embed",
        "evaluate",
        "learn",
        "budget",
        "polarity",
        "recommend",
        "agent",
    ],
    &["bundle", "model-format", "predictor", "rasa-format", "table-format", "dialogflow-format"],
    &["store", "blob", "broker", "channel", "client"],
    &["train", "serve", "score", "registry", "streams", "jobs", "gateway", "agents"],
    &["config", "api", "console", "app"],
];

/// Allowed dependencies within a layer: user, used.
const SAME_LAYER: [(&str, &str); 21] = [
    ("agent", "entities"),
    ("agent", "nlu"),
    ("blob", "client"),
    ("predictor", "model-format"),
    ("predictor", "table-format"),
    ("broker", "store"),
    ("dialogue", "policy"),
    ("dialogue", "evaluate"),
    ("nlu", "embed"),
    ("nlu", "entities"),
    ("nlu", "evaluate"),
    ("polarity", "evaluate"),
    ("policy", "evaluate"),
    ("train", "serve"),
    ("numeric", "text"),
    ("predictor", "bundle"),
    ("predictor", "rasa-format"),
    ("score", "streams"),
    ("app", "config"),
    ("app", "api"),
    ("app", "console"),
];

/// Layers that know no runtime, file system, clock or unseeded chance.
const PURE_LAYERS: usize = 4;

/// What must not occur in the sources of pure layers.
const IMPURE: [&str; 7] =
    ["std::fs", "std::net", "tokio::", "SystemTime", "Instant::now", "std::env::", "thread_rng"];

/// A source file without its tests may have this many lines.
const LINES_MAX: usize = 800;

/// Runs every check and names all that is wrong.
pub fn check() -> Result<()> {
    let mut problems = Vec::new();
    check_layers(&mut problems)?;
    for path in tracked_files()? {
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {path}"))?;
        let text = String::from_utf8_lossy(&bytes);
        for line in secrets::lines(&path, &text) {
            problems.push(format!(
                "{path}:{line}: a key; take it out, and have it changed where it opens a door"
            ));
        }
        if path.ends_with(".rs") {
            check_source(&path, &text, &mut problems);
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        eprintln!("{problem}");
    }
    bail!("{} tidy problem(s)", problems.len());
}

fn check_source(path: &str, text: &str, problems: &mut Vec<String>) {
    let in_tests = path.contains("/tests/") || path.contains("/examples/") || path.contains("/benches/");
    let body = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = body.lines().count();
    if !in_tests && lines > LINES_MAX {
        problems.push(format!("{path}: {lines} lines without tests, at most {LINES_MAX}: find a seam"));
    }
    if !path.contains("xtask") {
        for mark in ["TODO", "FIXME", "#[ignore", "#[should_panic"] {
            if text.contains(mark) {
                problems.push(format!("{path}: contains `{mark}`"));
            }
        }
    }
    let folder =
        Path::new(path).components().nth(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let layer = folder.as_deref().and_then(layer_of);
    if !in_tests && layer.is_some_and(|layer| layer < PURE_LAYERS) {
        for (idx, line) in body.lines().enumerate() {
            if let Some(word) =
                IMPURE.iter().find(|word| line.contains(**word) && !line.trim_start().starts_with("//"))
            {
                problems.push(format!("{path}:{}: `{word}` in a pure layer", idx + 1));
            }
        }
    }
}

fn layer_of(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|crates| crates.contains(&folder))
}

fn check_layers(problems: &mut Vec<String>) -> Result<()> {
    let output =
        Command::new(env!("CARGO")).args(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let empty = Vec::new();
    let mut folders = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap_or(&empty) {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let folder = Path::new(manifest).parent().and_then(Path::file_name);
        let folder = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        folders.insert(package["name"].as_str().unwrap_or_default().to_owned(), (folder, package));
    }
    for (name, (folder, package)) in &folders {
        let Some(layer) = layer_of(folder) else {
            if !["xtask", "bench", "fixtures", "conformance"].contains(&folder.as_str()) {
                problems.push(format!("crate `{name}` is in no layer: add it to LAYERS in xtask"));
            }
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap_or(&empty) {
            let used = dependency["name"].as_str().unwrap_or_default();
            let is_dev = dependency["kind"] == "dev";
            let Some((used_folder, _)) = folders.get(used) else { continue };
            let Some(used_layer) = layer_of(used_folder) else { continue };
            let is_listed = SAME_LAYER.contains(&(folder.as_str(), used_folder.as_str()));
            if !is_dev && (used_layer > layer || (used_layer == layer && !is_listed)) {
                problems.push(format!(
                    "crate `{folder}` (layer {layer}) depends on `{used_folder}` (layer {used_layer})"
                ));
            }
        }
    }
    Ok(())
}

fn tracked_files() -> Result<Vec<String>> {
    let output = Command::new("git").args(["ls-files"]).output().context("cannot run git")?;
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}
