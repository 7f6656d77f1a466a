//! Tests of language understanding: a pipeline on labelled messages, or on folds of them.

use std::collections::{BTreeMap, BTreeSet};

use intendant_component::training::TrainContext;
use intendant_evaluate::classification::Report;
use intendant_evaluate::entities::{self, EntityEvaluation, EntityOutcome};
use intendant_evaluate::findings::{Findings, Setting};
use intendant_evaluate::folds;
use intendant_evaluate::labels::{INTENTS, LabelEvaluation, LabelOutcome, RESPONSES};
use intendant_evaluate::spans::SpanEvaluation;
use intendant_nlu::Pipeline;
use intendant_talk::data::{Example, NluData};
use intendant_talk::message::{Intent, Parse};
use intendant_train::recipe::Recipe;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::report;

/// The intent of `FallbackClassifier`.
const FALLBACK: &str = "nlu_fallback";

/// What was wanted and what was understood of a set of messages.
#[derive(Clone, Default)]
pub struct Outcomes {
    intents: Vec<LabelOutcome>,
    entities: Vec<EntityOutcome>,
    responses: Vec<LabelOutcome>,
    extractors: BTreeSet<String>,
}

/// The evaluation of a set of messages.
pub struct Evaluation {
    /// Intents; `None` when no message is labelled.
    pub intents: Option<LabelEvaluation>,
    /// Trained extractors that found something, by name.
    pub entities: BTreeMap<String, EntityEvaluation>,
    /// Response selection; `None` when no message is labelled with a response.
    pub responses: Option<LabelEvaluation>,
    outcomes: Vec<EntityOutcome>,
}

impl Outcomes {
    /// Parses messages and keeps what was wanted beside what was understood.
    pub fn of(examples: &[Example], understand: impl Fn(&[&str]) -> Vec<Parse>) -> Self {
        let texts: Vec<&str> = examples.iter().map(|example| example.text.as_str()).collect();
        let mut outcomes = Self::default();
        for (example, parse) in examples.iter().zip(understand(&texts)) {
            outcomes.add(example, parse);
        }
        outcomes
    }

    fn add(&mut self, example: &Example, parse: Parse) {
        let intent = without_fallback(&parse);
        self.intents.push(LabelOutcome {
            text: example.text.clone(),
            target: example.intent.clone().unwrap_or_default(),
            predicted: intent.name.clone().unwrap_or_default(),
            confidence: intent.confidence.unwrap_or(0.0),
        });
        let selected = selected_response(&parse, example.intent.as_deref().unwrap_or_default());
        self.responses.push(LabelOutcome {
            text: example.text.clone(),
            target: example.intent_response_key.clone().unwrap_or_default(),
            predicted: selected.as_ref().map(|(key, _)| key.clone()).unwrap_or_default(),
            confidence: selected.map_or(0.0, |(_, confidence)| confidence),
        });
        self.extractors.extend(parse.entities.iter().filter_map(|entity| entity.extractor.clone()));
        self.entities.push(EntityOutcome {
            text: example.text.clone(),
            tokens: parse.text_tokens.unwrap_or_default(),
            targets: example.entities.clone(),
            predicted: parse.entities,
        });
    }

    fn extend(&mut self, other: Self) {
        self.intents.extend(other.intents);
        self.entities.extend(other.entities);
        self.responses.extend(other.responses);
        self.extractors.extend(other.extractors);
    }

    /// Counts and scores.
    pub fn evaluate(self) -> Evaluation {
        let extractors: Vec<String> = self.extractors.into_iter().collect();
        Evaluation {
            intents: LabelEvaluation::of(&INTENTS, self.intents),
            entities: entities::evaluate(&self.entities, &extractors),
            responses: LabelEvaluation::of(&RESPONSES, self.responses),
            outcomes: self.entities,
        }
    }
}

/// What the intent classifier said before a fallback classifier put its own intent in front, so that it is seen what a
/// message was taken for.
fn without_fallback(parse: &Parse) -> &Intent {
    let second = || parse.intent_ranking.as_ref().and_then(|ranking| ranking.get(1));
    if parse.intent_name() == FALLBACK { second().unwrap_or(&parse.intent) } else { &parse.intent }
}

/// What a response selector chose: the one of the wanted intent, or the one of all.
fn selected_response(parse: &Parse, intent: &str) -> Option<(String, f64)> {
    let selector = parse.response_selector.as_ref()?;
    let own = selector.get(intent).or_else(|| selector.get("default"))?;
    let response = own.get("response")?;
    let key = response.get("intent_response_key")?.as_str()?;
    Some((key.to_owned(), response.get("confidence").and_then(Value::as_f64).unwrap_or(0.0)))
}

impl Evaluation {
    /// What the outcomes tell beyond Rasa's reports.
    pub fn findings(&self, setting: Setting, seed: u64) -> Findings {
        let spans = |name: &String| (name.clone(), SpanEvaluation::of(&self.outcomes, name, seed));
        let labels = (self.intents.as_ref(), self.responses.as_ref());
        Findings::of(setting, labels, self.entities.keys().map(spans).collect(), seed)
    }

    /// The figures that are compared: the name of what is measured, accuracy, weighted F1, weighted precision.
    fn figures(&self) -> Vec<(String, [f64; 3])> {
        let of = |report: &Report| [report.accuracy, report.weighted.f1, report.weighted.precision];
        let labels = [("intents", &self.intents), ("responses", &self.responses)];
        let labels =
            labels.into_iter().filter_map(|(name, one)| Some((name.to_owned(), of(&one.as_ref()?.report))));
        let entities =
            self.entities.iter().map(|(name, one)| (format!("entities of {name}"), of(&one.report)));
        labels.chain(entities).collect()
    }

    /// The body of `POST /model/test/intents`.
    pub fn to_json(&self) -> Value {
        let entities: serde_json::Map<String, Value> = self
            .entities
            .iter()
            .map(|(extractor, evaluation)| (extractor.clone(), evaluation.to_json()))
            .collect();
        json!({
            "intent_evaluation": self.intents.as_ref().map(LabelEvaluation::to_json),
            "entity_evaluation": if entities.is_empty() { Value::Null } else { Value::Object(entities) },
            "response_selection_evaluation": self.responses.as_ref().map(LabelEvaluation::to_json),
        })
    }

    /// The body of the same with cross-validation. Rasa's `f1_score` is always null here.
    pub fn to_cross_validation_json(&self) -> Value {
        let part = |json: Option<Value>| match json {
            Some(json) => json!({
                "report": json["report"], "precision": json["precision"], "f1_score": null, "errors": json["errors"],
            }),
            None => json!({"report": {}, "precision": null, "f1_score": null, "errors": []}),
        };
        json!({
            "intent_evaluation": part(self.intents.as_ref().map(LabelEvaluation::to_json)),
            "entity_evaluation": part(self.entities.values().next().map(EntityEvaluation::to_json)),
            "response_selection_evaluation": part(self.responses.as_ref().map(LabelEvaluation::to_json)),
        })
    }
}

/// Parses with a pipeline, all messages at once.
pub fn by_pipeline(pipeline: &Pipeline) -> impl Fn(&[&str]) -> Vec<Parse> {
    |texts| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        pipeline.parse_on(threads, texts)
    }
}

/// Figures of each fold, by what is measured: accuracy, weighted F1, weighted precision.
#[derive(Default)]
pub struct Folds {
    /// On the messages that the fold left out.
    pub test: BTreeMap<String, Vec<[f64; 3]>>,
    /// On those that it was trained with.
    pub train: BTreeMap<String, Vec<[f64; 3]>>,
}

/// Trains on all folds but one and tests on that one, for every fold.
///
/// # Errors
/// When a pipeline cannot be trained.
pub fn cross_validate(
    recipe: &Recipe,
    folds: usize,
    context: &TrainContext<'_>,
) -> Result<(Evaluation, Folds), Failure> {
    let examples = &recipe.nlu.examples;
    let labels: Vec<&str> = examples
        .iter()
        .map(|example| example.intent_response_key.as_deref().or(example.intent.as_deref()).unwrap_or(""))
        .collect();
    let assignment = folds::stratified(&labels, folds, context.seed);
    let mut all = Outcomes::default();
    let mut scores = Folds::default();
    for fold in 0..folds {
        let side = |is_test: bool| -> Vec<Example> {
            let of_side = examples.iter().zip(&assignment).filter(|(_, own)| (**own == fold) == is_test);
            of_side.map(|(example, _)| example.clone()).collect()
        };
        let training = NluData { examples: side(false), ..recipe.nlu.clone() };
        let pipeline = train(recipe, &training, context)
            .map_err(|reason| Failure::new("", format!("fold {} of {folds} {reason}", fold + 1)))?;
        let seen = Outcomes::of(&training.examples, by_pipeline(&pipeline));
        add(&mut scores.train, &seen.evaluate());
        let unseen = Outcomes::of(&side(true), by_pipeline(&pipeline));
        add(&mut scores.test, &unseen.clone().evaluate());
        all.extend(unseen);
    }
    Ok((all.evaluate(), scores))
}

fn add(figures: &mut BTreeMap<String, Vec<[f64; 3]>>, evaluation: &Evaluation) {
    for (name, values) in evaluation.figures() {
        figures.entry(name).or_default().push(values);
    }
}

/// Trains a pipeline on a part of the recipe's data; what is wrong with it is printed.
fn train(recipe: &Recipe, data: &NluData, context: &TrainContext<'_>) -> Result<Pipeline, &'static str> {
    let language = recipe.language.as_deref().unwrap_or("");
    match intendant_nlu::train(&recipe.pipeline, language, data, &recipe.domain, context) {
        Ok((pipeline, _)) => Ok(pipeline),
        Err(error) => {
            report::print(&error.diagnostics);
            Err("could not be trained")
        }
    }
}

/// Leaves out the intents with fewer examples than `least`, which could not be on every side of a comparison; their
/// names are returned.
pub fn drop_rare_intents(examples: &mut Vec<Example>, least: usize) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for intent in examples.iter().filter_map(|example| example.intent.as_ref()) {
        *counts.entry(intent.clone()).or_default() += 1;
    }
    counts.retain(|_, count| *count < least);
    examples.retain(|example| example.intent.as_ref().is_none_or(|intent| !counts.contains_key(intent)));
    counts.into_keys().collect()
}
