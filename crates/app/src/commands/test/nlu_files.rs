//! The files that a test of understanding writes, as Rasa names them, and ours beside them.

use std::collections::BTreeMap;
use std::path::Path;

use intendant_evaluate::classification::Report;
use intendant_evaluate::entities::EntityEvaluation;
use intendant_evaluate::findings::{Findings, LabelFindings};
use intendant_evaluate::labels::LabelEvaluation;
use intendant_evaluate::page::{self, Contents};
use intendant_evaluate::picture;
use serde_json::Value;

use super::{write_json, write_picture, write_text};
use crate::cli::testing::TestOutput;
use crate::failure::Failure;
use crate::nlu_test::Evaluation;

/// The page with everything.
pub const PAGE: &str = "nlu_report.html";
const FINDINGS: &str = "nlu_findings.json";

/// Which files are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Wrong predictions.
    pub errors: bool,
    /// Right ones.
    pub successes: bool,
    /// Pictures.
    pub pictures: bool,
}

impl Wanted {
    /// As the command line says.
    pub fn by(options: &TestOutput) -> Self {
        Self { errors: !options.no_errors, successes: options.successes, pictures: !options.no_plot }
    }
}

/// Writes Rasa's reports.
pub fn write_reports(evaluation: &Evaluation, out: &Path, wanted: Wanted) -> Result<(), Failure> {
    for labels in [&evaluation.intents, &evaluation.responses].into_iter().flatten() {
        write_files(&Files::of_labels(labels), out, wanted)?;
    }
    for (extractor, entities) in &evaluation.entities {
        write_entities(extractor, entities, (out, wanted))?;
    }
    Ok(())
}

/// Writes Rasa's reports of one that finds entities.
pub fn write_entities(
    extractor: &str,
    entities: &EntityEvaluation,
    (out, wanted): (&Path, Wanted),
) -> Result<(), Failure> {
    write_files(&Files::of_entities(extractor, entities), out, wanted)
}

/// Writes what Rasa has not: the findings, the calibration's picture, the page.
pub fn write_findings(
    evaluation: &Evaluation,
    findings: &Findings,
    options: &TestOutput,
) -> Result<(), Failure> {
    let out = &options.out;
    write_json(&out.join(FINDINGS), &findings.to_json())?;
    if !options.no_plot {
        let labels = [
            ("intent", "Intents", &findings.intents),
            ("response_selection", "Responses", &findings.responses),
        ];
        for (file, title, labels) in labels {
            let Some(labels) = labels else { continue };
            write_picture(&out.join(format!("{file}_calibration")), &calibration(labels, title))?;
        }
    }
    let contents = Contents {
        findings,
        intents: evaluation.intents.as_ref(),
        responses: evaluation.responses.as_ref(),
        entities: &evaluation.entities,
    };
    write_text(&out.join(PAGE), &page::html(&contents))
}

fn calibration(labels: &LabelFindings, title: &str) -> picture::Picture {
    let bins: Vec<(f64, f64, usize)> =
        labels.bins.iter().map(|bin| (bin.confidence, bin.right, bin.count)).collect();
    picture::calibration(&bins, &format!("{title}: calibration error {:.3}", labels.calibration_error))
}

/// One kind of label with everything that its files are made of.
struct Files<'a> {
    name: &'a str,
    report: &'a Report,
    errors: Vec<Value>,
    successes: Vec<Value>,
    pairs: Vec<(&'a str, &'a str)>,
    confidences: Vec<(f64, bool)>,
}

impl<'a> Files<'a> {
    fn of_labels(labels: &'a LabelEvaluation) -> Self {
        Self {
            name: labels.kind.file,
            report: &labels.report,
            errors: labels.errors(),
            successes: labels.successes(),
            pairs: labels.pairs(),
            confidences: labels.confidences(),
        }
    }

    fn of_entities(extractor: &'a str, entities: &'a EntityEvaluation) -> Self {
        Self {
            name: extractor,
            report: &entities.report,
            errors: entities.errors.clone(),
            successes: entities.successes.clone(),
            pairs: entities.pairs(),
            confidences: entities.confidences(),
        }
    }
}

fn write_files(files: &Files<'_>, out: &Path, wanted: Wanted) -> Result<(), Failure> {
    let at = |ending: &str| out.join(format!("{}_{ending}", files.name));
    write_json(&at("report.json"), &Value::Object(files.report.to_json()))?;
    if wanted.errors {
        write_json(&at("errors.json"), &Value::Array(files.errors.clone()))?;
    }
    if wanted.successes {
        write_json(&at("successes.json"), &Value::Array(files.successes.clone()))?;
    }
    if wanted.pictures {
        let title = format!("{}: wanted (rows) and found (columns)", files.name);
        write_picture(&at("confusion_matrix"), &picture::confusion_matrix(&files.pairs, &title))?;
        // Extractors by rules give no confidences.
        if !files.confidences.is_empty() {
            let title = format!("{}: confidence of right and wrong predictions", files.name);
            write_picture(&at("histogram"), &picture::confidence_histogram(&files.confidences, &title))?;
        }
    }
    Ok(())
}

/// Mean and deviation over folds: `0.912 ± 0.010`.
pub fn over_folds(folds: &BTreeMap<String, Vec<[f64; 3]>>, name: &str, figure: usize) -> Option<String> {
    let values: Vec<f64> = folds.get(name)?.iter().map(|figures| figures[figure]).collect();
    let (mean, deviation) = intendant_evaluate::folds::mean_and_deviation(&values);
    Some(format!("{mean:.3} ± {deviation:.3}"))
}
