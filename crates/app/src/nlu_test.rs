//! Tests of language understanding: a pipeline on labelled messages, or on folds of them.

use std::collections::{BTreeMap, BTreeSet};

use intendant_component::training::TrainContext;
use intendant_evaluate::entities::{self, EntityEvaluation, EntityOutcome};
use intendant_evaluate::folds;
use intendant_evaluate::intents::{IntentEvaluation, IntentOutcome};
use intendant_evaluate::responses::{ResponseEvaluation, ResponseOutcome};
use intendant_nlu::Pipeline;
use intendant_talk::data::{Example, NluData};
use intendant_talk::message::Parse;
use intendant_train::recipe::Recipe;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::report;

/// What was wanted and what was understood of a set of messages.
#[derive(Default)]
pub struct Outcomes {
    intents: Vec<IntentOutcome>,
    entities: Vec<EntityOutcome>,
    responses: Vec<ResponseOutcome>,
    extractors: BTreeSet<String>,
}

/// The evaluation of a set of messages.
pub struct Evaluation {
    /// Intents; `None` when no message is labelled.
    pub intents: Option<IntentEvaluation>,
    /// Trained extractors that found something, by name.
    pub entities: BTreeMap<String, EntityEvaluation>,
    /// Response selection; `None` when no message is labelled with a response.
    pub responses: Option<ResponseEvaluation>,
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
        self.intents.push(IntentOutcome {
            text: example.text.clone(),
            target: example.intent.clone().unwrap_or_default(),
            predicted: parse.intent_name().to_owned(),
            confidence: parse.intent.confidence.unwrap_or(0.0),
        });
        let selected = selected_response(&parse);
        self.responses.push(ResponseOutcome {
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
        let intents = IntentEvaluation::of(self.intents);
        let responses = ResponseEvaluation::of(self.responses);
        let extractors: Vec<String> = self.extractors.into_iter().collect();
        Evaluation {
            intents: Some(intents).filter(|evaluation| !evaluation.outcomes.is_empty()),
            entities: entities::evaluate(&self.entities, &extractors),
            responses: Some(responses).filter(|evaluation| !evaluation.outcomes.is_empty()),
        }
    }
}

/// What a response selector chose: the default one's choice, or the one of the intent.
fn selected_response(parse: &Parse) -> Option<(String, f64)> {
    let selector = parse.response_selector.as_ref()?;
    let own = selector.get(parse.intent_name()).or_else(|| selector.get("default"))?;
    let response = own.get("response")?;
    let key = response.get("intent_response_key")?.as_str()?;
    Some((key.to_owned(), response.get("confidence").and_then(Value::as_f64).unwrap_or(0.0)))
}

impl Evaluation {
    /// The body of `POST /model/test/intents`.
    pub fn to_json(&self) -> Value {
        let entities: serde_json::Map<String, Value> = self
            .entities
            .iter()
            .map(|(extractor, evaluation)| (extractor.clone(), evaluation.to_json()))
            .collect();
        json!({
            "intent_evaluation": self.intents.as_ref().map(IntentEvaluation::to_json),
            "entity_evaluation": if entities.is_empty() { Value::Null } else { Value::Object(entities) },
            "response_selection_evaluation": self.responses.as_ref().map(ResponseEvaluation::to_json),
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
            "intent_evaluation": part(self.intents.as_ref().map(IntentEvaluation::to_json)),
            "entity_evaluation": part(self.entities.values().next().map(EntityEvaluation::to_json)),
            "response_selection_evaluation": part(self.responses.as_ref().map(ResponseEvaluation::to_json)),
        })
    }
}

/// Parses with a pipeline, all messages at once.
pub fn by_pipeline(pipeline: &Pipeline) -> impl Fn(&[&str]) -> Vec<Parse> {
    |texts| pipeline.parse_batch(texts)
}

/// Scores of one fold on the messages it was not trained on.
pub struct Fold {
    /// Share of intents that are right.
    pub intent_accuracy: f64,
    /// Weighted mean over intents.
    pub intent_f1: f64,
}

/// Trains on all folds but one and tests on that one, for every fold.
///
/// # Errors
/// When a pipeline cannot be trained.
pub fn cross_validate(
    recipe: &Recipe,
    folds: usize,
    context: &TrainContext<'_>,
) -> Result<(Evaluation, Vec<Fold>), Failure> {
    let examples = &recipe.nlu.examples;
    let labels: Vec<&str> = examples
        .iter()
        .map(|example| example.intent_response_key.as_deref().or(example.intent.as_deref()).unwrap_or(""))
        .collect();
    let assignment = folds::stratified(&labels, folds, context.seed);
    let mut all = Outcomes::default();
    let mut scores = Vec::with_capacity(folds);
    for fold in 0..folds {
        let side = |is_test: bool| -> Vec<Example> {
            let of_side = examples.iter().zip(&assignment).filter(|(_, own)| (**own == fold) == is_test);
            of_side.map(|(example, _)| example.clone()).collect()
        };
        let training = NluData { examples: side(false), ..recipe.nlu.clone() };
        let language = recipe.language.as_deref().unwrap_or("");
        let trained = intendant_nlu::train(&recipe.pipeline, language, &training, &recipe.domain, context);
        let (pipeline, _) = trained.map_err(|error| {
            report::print(&error.diagnostics);
            Failure::new("", format!("fold {} of {folds} could not be trained", fold + 1))
        })?;
        let outcomes = Outcomes::of(&side(true), by_pipeline(&pipeline));
        let own = IntentEvaluation::of(outcomes.intents.clone());
        scores.push(Fold { intent_accuracy: own.report.accuracy, intent_f1: own.report.weighted.f1 });
        all.extend(outcomes);
    }
    Ok((all.evaluate(), scores))
}
