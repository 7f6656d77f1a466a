//! Measures a model on a named dataset, for gates and for the record.

use std::collections::BTreeMap;
use std::path::PathBuf;

use intendant_config::Environment;
use intendant_evaluate::calibration;
use intendant_rasa_format::project::{Files, Project};
use intendant_registry::catalog::Measured;
use intendant_talk::data::Example;
use intendant_talk::message::Parse;
use intendant_talk::story::Story;
use intendant_train::assistant::Assistant;
use intendant_train::files;

use crate::failure::Failure;
use crate::nlu_test::{Outcomes, by_pipeline};
use crate::story_report::StoryReport;
use crate::{project, provenance, report};

/// Test examples and test stories under one name.
pub struct Dataset {
    /// The path it was named by.
    pub name: String,
    /// Changes whenever the files change.
    pub fingerprint: String,
    examples: Vec<Example>,
    stories: Vec<Story>,
}

impl Dataset {
    /// Reads a file or folder.
    ///
    /// # Errors
    /// When it cannot be read, or holds nothing to measure with.
    pub fn read(name: &str, environment: &Environment) -> Result<Self, Failure> {
        let found = files::find(&[PathBuf::from(name)], &["yml", "yaml", "json"])
            .map_err(|error| Failure::new("", format!("the dataset {name}: {error}")))?;
        let read =
            found.iter().map(|path| project::source_file(path)).collect::<Result<Vec<_>, Failure>>()?;
        let lookup = |name: &str| environment.get(name).map(str::to_owned);
        let (project, findings) = Project::read(Files { data: &read, ..Files::default() }, &lookup);
        if project::has_errors(&findings) {
            report::print(&findings);
            return Err(Failure::new("", format!("the dataset {name} cannot be read")));
        }
        let examples: Vec<Example> =
            project.nlu.examples.into_iter().filter(|example| example.intent.is_some()).collect();
        if examples.is_empty() && project.stories.is_empty() {
            let message = format!("the dataset {name} holds neither labelled examples nor test stories");
            return Err(Failure::new("", message));
        }
        let fingerprint = provenance::fingerprint(read.iter().map(|file| file.bytes.as_slice()));
        Ok(Dataset { name: name.to_owned(), fingerprint, examples, stories: project.stories })
    }
}

/// Measures everything that the dataset allows: `intent_accuracy`, `intent_f1` (weighted, and of each
/// intent), `intent_calibration_error`, `entity_f1` (micro, of the best extractor and of each),
/// `story_success`, `action_accuracy`.
pub fn measure(assistant: &Assistant, dataset: &Dataset) -> Measured {
    let mut values = BTreeMap::new();
    if let Some(pipeline) = &assistant.pipeline
        && !dataset.examples.is_empty()
    {
        let evaluation = Outcomes::of(&dataset.examples, by_pipeline(pipeline)).evaluate();
        if let Some(intents) = &evaluation.intents {
            values.insert("intent_accuracy".to_owned(), intents.report.accuracy);
            values.insert("intent_f1".to_owned(), intents.report.weighted.f1);
            for (intent, scores) in &intents.report.labels {
                values.insert(format!("intent_f1[{intent}]"), scores.f1);
            }
            let outcomes: Vec<(f64, bool)> = intents
                .outcomes
                .iter()
                .map(|outcome| (outcome.confidence, outcome.predicted == outcome.target))
                .collect();
            let error = calibration::error(&calibration::bins(&outcomes));
            values.insert("intent_calibration_error".to_owned(), error);
        }
        let mut best = f64::NAN;
        for (extractor, entities) in &evaluation.entities {
            let f1 = entities.report.micro.f1;
            best = best.max(f1);
            values.insert(format!("entity_f1[{extractor}]"), f1);
        }
        if !best.is_nan() {
            values.insert("entity_f1".to_owned(), best);
        }
    }
    if assistant.mind.ensemble.is_some() && !dataset.stories.is_empty() {
        let conversations = intendant_policy::conversations(&assistant.mind.domain, &dataset.stories);
        let parse = |text: &str| match &assistant.pipeline {
            Some(pipeline) => pipeline.parse(text),
            None => intendant_nlu::parse_without_pipeline(text, &assistant.mind.domain),
        };
        let played = StoryReport::of(&assistant.mind, &conversations, Some(&parse as &dyn Fn(&str) -> Parse));
        let total = played.stories.len().max(1) as f64;
        values.insert("story_success".to_owned(), played.correct() as f64 / total);
        let pairs = played.action_pairs();
        let right = pairs.iter().filter(|(wanted, chosen)| wanted == chosen).count();
        values.insert("action_accuracy".to_owned(), right as f64 / pairs.len().max(1) as f64);
    }
    Measured { data: dataset.fingerprint.clone(), values }
}
