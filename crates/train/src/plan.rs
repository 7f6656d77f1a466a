//! What has to be trained, and the training of it.

use std::collections::BTreeMap;

use intendant_bundle::{ARCHIVE_FORMAT, Bundle, Metadata, TrainingType};
use intendant_component::diagnostic::Diagnostic;
use intendant_component::stored::Stored;
use intendant_component::training::TrainContext;
use intendant_talk::data::ComponentSpec;
use intendant_talk::message::Object;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::assistant::{PIPELINE_NODE, POLICY_NODE, parts_of};
use crate::fingerprint::fingerprints;
use crate::recipe::Recipe;

/// What would be done, decided from fingerprints alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the model will be able to do.
    pub training_type: TrainingType,
    /// Understanding has to be trained.
    pub trains_nlu: bool,
    /// Policies have to be trained.
    pub trains_core: bool,
    /// Nothing changed at all: the existing model is the one that training would give.
    pub is_up_to_date: bool,
    /// Fingerprints of the parts as they are now.
    pub fingerprints: BTreeMap<String, String>,
}

/// Compares a recipe with the model trained before.
pub fn plan(recipe: &Recipe, training_type: TrainingType, previous: Option<&Metadata>) -> Plan {
    let mut now = fingerprints(&recipe.ingredients());
    now.insert("assistant_id".to_owned(), recipe.assistant_id.clone());
    match training_type {
        TrainingType::Nlu => now.remove("core"),
        TrainingType::Core => now.remove("nlu"),
        TrainingType::Both => None,
    };
    let before = previous
        .filter(|metadata| metadata.training_type == training_type)
        .map(|metadata| &metadata.fingerprints);
    let is_known = |part: &str| before.is_some_and(|before| before.get(part) == now.get(part));
    Plan {
        training_type,
        trains_nlu: training_type != TrainingType::Core && !is_known("nlu"),
        trains_core: training_type != TrainingType::Nlu && !is_known("core"),
        is_up_to_date: before == Some(&now),
        fingerprints: now,
    }
}

/// A trained model.
#[derive(Debug)]
pub struct Trained {
    /// The archive's bytes.
    pub archive: Vec<u8>,
    /// What the archive says about itself.
    pub metadata: Metadata,
    /// Warnings of the trainers.
    pub warnings: Vec<Diagnostic>,
}

/// Why training did not give a model.
#[derive(Debug)]
pub enum TrainError {
    /// The project's files do not allow it.
    Project(Vec<Diagnostic>),
    /// It was stopped on request.
    Cancelled,
    /// The archive could not be packed.
    Archive(intendant_bundle::Error),
}

/// Trains what `plan` says, taking unchanged parts from `previous`.
///
/// # Errors
/// See [`TrainError`].
pub fn train(
    recipe: &Recipe,
    plan: &Plan,
    previous: Option<Bundle>,
    context: &TrainContext<'_>,
) -> Result<Trained, TrainError> {
    let mut warnings = Vec::new();
    let previous = previous.map(|bundle| bundle.components).unwrap_or_default();
    let nlu = match (plan.training_type, plan.trains_nlu) {
        (TrainingType::Core, _) => Ok(Vec::new()),
        (_, true) => train_nlu(recipe, context, &mut warnings),
        (_, false) => Ok(parts_of(&previous, PIPELINE_NODE)),
    };
    let core = match (plan.training_type, plan.trains_core) {
        (TrainingType::Nlu, _) => Ok(Vec::new()),
        (_, true) => train_core(recipe, context, &mut warnings),
        (_, false) => Ok(parts_of(&previous, POLICY_NODE)),
    };
    let (nlu, core) = both(nlu, core)?;
    let nlu = nlu.into_iter().map(|(node, stored)| (format!("{PIPELINE_NODE}{node}"), stored));
    let core = core.into_iter().map(|(node, stored)| (format!("{POLICY_NODE}{node}"), stored));
    let components: Vec<(String, Stored)> = nlu.chain(core).collect();
    let metadata = metadata(recipe, plan, context.seed);
    let domain = if recipe.has_domain { recipe.domain.dict.clone() } else { Object::new() };
    let bundle = Bundle { metadata, domain, components };
    let archive = intendant_bundle::write(&bundle).map_err(TrainError::Archive)?;
    Ok(Trained { archive, metadata: bundle.metadata, warnings })
}

type Parts = Vec<(String, Stored)>;

/// What is wrong with either part is told together.
fn both(
    nlu: Result<Parts, TrainError>,
    core: Result<Parts, TrainError>,
) -> Result<(Parts, Parts), TrainError> {
    match (nlu, core) {
        (Err(TrainError::Project(mut findings)), Err(TrainError::Project(others))) => {
            findings.extend(others);
            Err(TrainError::Project(findings))
        }
        (nlu, core) => Ok((nlu?, core?)),
    }
}

fn train_nlu(
    recipe: &Recipe,
    context: &TrainContext<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Parts, TrainError> {
    let language = recipe.language.as_deref().unwrap_or("");
    let trained = intendant_nlu::train(&recipe.pipeline, language, &recipe.nlu, &recipe.domain, context);
    let (pipeline, found) = trained.map_err(|error| match error.kind {
        intendant_nlu::Kind::Cancelled => TrainError::Cancelled,
        _ => TrainError::Project(error.diagnostics),
    })?;
    warnings.extend(found);
    Ok(pipeline.store())
}

fn train_core(
    recipe: &Recipe,
    context: &TrainContext<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Parts, TrainError> {
    let trained = intendant_policy::train(
        &recipe.policies,
        &recipe.domain,
        &recipe.stories,
        recipe.augmentation,
        context,
    );
    if context.progress.is_cancelled() {
        return Err(TrainError::Cancelled);
    }
    let (ensemble, found) = trained.map_err(TrainError::Project)?;
    warnings.extend(found);
    Ok(ensemble.store())
}

fn metadata(recipe: &Recipe, plan: &Plan, seed: u64) -> Metadata {
    let mut config = Object::new();
    if plan.training_type != TrainingType::Core {
        config.insert("pipeline".to_owned(), specs_json(&recipe.pipeline));
    }
    if plan.training_type != TrainingType::Nlu {
        config.insert("policies".to_owned(), specs_json(&recipe.policies));
    }
    config.insert("seed".to_owned(), seed.into());
    let mut digest = Sha256::new();
    digest.update(seed.to_le_bytes());
    for (part, fingerprint) in &plan.fingerprints {
        digest.update(part);
        digest.update(fingerprint);
    }
    let id: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Metadata {
        format: ARCHIVE_FORMAT,
        kind: "assistant".to_owned(),
        model_id: id,
        assistant_id: recipe.assistant_id.clone(),
        training_type: plan.training_type,
        language: recipe.language.clone(),
        product_version: env!("CARGO_PKG_VERSION").to_owned(),
        config,
        fingerprints: plan.fingerprints.clone(),
        metrics: Object::new(),
        nodes: Vec::new(),
        checksums: BTreeMap::new(),
    }
}

fn specs_json(specs: &[ComponentSpec]) -> Value {
    let items = specs.iter().map(|spec| {
        let mut item = Object::new();
        item.insert("name".to_owned(), json!(spec.name));
        item.extend(spec.options.clone());
        Value::Object(item)
    });
    Value::Array(items.collect())
}
