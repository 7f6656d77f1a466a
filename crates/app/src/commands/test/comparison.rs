//! What comparisons of models have in common: names, the table on the terminal, the graph.

use std::path::Path;

use intendant_evaluate::folds::mean_and_deviation;
use intendant_evaluate::picture::{Line, Point, curves};
use intendant_talk::message::Object;
use intendant_train::files;
use serde_json::Value;

use crate::failure::Failure;
use crate::terminal::say;

/// Stands between a configuration's name and the percentage left out in a model's file name.
pub const PERCENTAGE_MARK: &str = "__percentage__";
/// Holds how many stories were trained with at each percentage.
pub const STORIES_FILE: &str = "num_stories.json";
/// Holds the figures of a comparison.
pub const RESULTS_FILE: &str = "results.json";

/// Figures of one configuration: by run, then by percentage.
pub type Figures = Vec<Vec<f64>>;

/// The name of a configuration: its file's name without ending.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// `results.json` of scores.
pub fn scores_json(results: &[(String, Figures)]) -> Value {
    let entries = results.iter().map(|(name, figures)| (name.clone(), Value::from(figures.clone())));
    Value::Object(entries.collect::<Object>())
}

/// `results.json` of numbers of stories.
pub fn counts_json(results: &[(String, Figures)]) -> Value {
    let counts = |figures: &Figures| -> Value {
        figures.iter().map(|run| run.iter().map(|count| *count as u64).collect::<Vec<u64>>()).collect()
    };
    Value::Object(results.iter().map(|(name, figures)| (name.clone(), counts(figures))).collect::<Object>())
}

/// Draws means with their deviations over amounts of training data as PDF, as Rasa does, and PNG.
pub fn write_graph(
    path: &Path,
    (results, amounts): (&[(String, Figures)], &[usize]),
    (x_label, y_label): (&str, &str),
) -> Result<(), Failure> {
    let lines: Vec<Line> = results
        .iter()
        .map(|(name, figures)| Line {
            name: name.clone(),
            points: amounts
                .iter()
                .zip(summary(figures))
                .map(|(amount, (mean, deviation))| Point { x: *amount as f64, y: mean, deviation })
                .collect(),
        })
        .collect();
    let picture = curves(&lines, (x_label, y_label));
    super::write_picture(path, &picture)?;
    files::write_whole(&path.with_added_extension("pdf"), &picture.to_pdf())
        .map_err(|error| Failure::of("", &error))
}

/// Mean and deviation over runs of each percentage.
pub fn summary(figures: &Figures) -> Vec<(f64, f64)> {
    let n_columns = figures.iter().map(Vec::len).min().unwrap_or(0);
    let column = |column: usize| figures.iter().map(|run| run[column]).collect::<Vec<f64>>();
    (0..n_columns).map(|idx| mean_and_deviation(&column(idx))).collect()
}

/// Prints a line for each configuration, the best of the first column first.
pub fn print(results: &[(String, Figures)], amounts: &[usize], what: &str) {
    let mut lines: Vec<(&str, Vec<(f64, f64)>)> =
        results.iter().map(|(name, figures)| (name.as_str(), summary(figures))).collect();
    let first = |line: &(&str, Vec<(f64, f64)>)| line.1.first().map_or(0.0, |(mean, _)| *mean);
    lines.sort_by(|left, right| first(right).total_cmp(&first(left)));
    let width =
        lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(what.chars().count());
    let heads: String = amounts.iter().map(|amount| format!("  {amount:>15}")).collect();
    say!("{what:width$}{heads}");
    for (name, cells) in lines {
        let cells: String = cells
            .iter()
            .map(|(mean, deviation)| format!("  {:>15}", format!("{mean:.3} ± {deviation:.3}")))
            .collect();
        say!("{name:width$}{cells}");
    }
}
