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
use crate::fingerprint::{self, Fingerprint};
use crate::recipe::Recipe;
use crate::resources;

/// What would be done, decided from fingerprints alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the model will be able to do.
    pub training_type: TrainingType,
    /// Components of the pipeline, then policies.
    pub parts: Vec<Part>,
    /// Nothing changed at all: the newest model is the one that training would give.
    pub is_up_to_date: bool,
    /// Fingerprints of everything as it is now.
    pub fingerprints: BTreeMap<String, String>,
}

/// A component or policy in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The component's name.
    pub name: String,
    /// The name under which archives hold it.
    pub node: String,
    /// Which of the models given holds it as training would give it.
    pub known_in: Option<usize>,
}

impl Plan {
    /// The parts that have to be trained.
    pub fn trained(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.known_in.is_none())
    }

    /// Understanding has to be trained.
    pub fn trains_nlu(&self) -> bool {
        self.training_type != TrainingType::Core && self.trains(PIPELINE_NODE)
    }

    /// Policies have to be trained.
    pub fn trains_core(&self) -> bool {
        self.training_type != TrainingType::Nlu && self.trains(POLICY_NODE)
    }

    fn trains(&self, prefix: &str) -> bool {
        let mut of_kind = self.parts.iter().filter(|part| part.node.starts_with(prefix)).peekable();
        // No parts at all: the configuration is wrong, which training will say.
        of_kind.peek().is_none() || of_kind.any(|part| part.known_in.is_none())
    }
}

/// Compares a recipe with models trained before, newest first.
pub fn plan(recipe: &Recipe, training_type: TrainingType, before: Option<&[Metadata]>) -> Plan {
    let before = before.unwrap_or_default();
    let sources = recipe.sources();
    let (mut pipeline, mut policies) = (Vec::new(), Vec::new());
    if training_type != TrainingType::Core {
        pipeline = fingerprint::pipeline(&sources);
    }
    if training_type != TrainingType::Nlu {
        policies = fingerprint::policies(&sources);
    }
    let mut now = BTreeMap::from([
        ("domain".to_owned(), fingerprint::domain(&recipe.domain)),
        ("assistant_id".to_owned(), recipe.assistant_id.clone()),
        ("config".to_owned(), config_of(recipe, training_type)),
    ]);
    let of_pipeline = pipeline.into_iter().map(|print| (PIPELINE_NODE, print));
    let of_policies = policies.into_iter().map(|print| (POLICY_NODE, print));
    let parts = of_pipeline.chain(of_policies).map(|(prefix, Fingerprint { node, name, hex })| {
        let node = format!("{prefix}{node}");
        let known_in = before.iter().position(|model| model.fingerprints.get(&node) == Some(&hex));
        now.insert(node.clone(), hex);
        Part { name, node, known_in }
    });
    let parts = parts.collect();
    let is_up_to_date =
        before.first().is_some_and(|model| model.training_type == training_type && model.fingerprints == now);
    Plan { training_type, parts, is_up_to_date, fingerprints: now }
}

fn config_of(recipe: &Recipe, training_type: TrainingType) -> String {
    let language = recipe.language.as_deref();
    match training_type {
        TrainingType::Nlu => fingerprint::config(language, &recipe.pipeline, &[]),
        TrainingType::Core => fingerprint::config(language, &[], &recipe.policies),
        TrainingType::Both | TrainingType::Predictor => {
            fingerprint::config(language, &recipe.pipeline, &recipe.policies)
        }
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

/// Trains what `plan` says, taking from `known`, by node name, what need not be trained.
///
/// What `known` lacks or cannot be read is trained, so that the result is the same in any case.
///
/// # Errors
/// See [`TrainError`].
pub fn train(
    recipe: &Recipe,
    plan: &Plan,
    known: Option<Parts>,
    context: &TrainContext<'_>,
) -> Result<Trained, TrainError> {
    let mut warnings = Vec::new();
    let known = known.unwrap_or_default();
    let nlu = match plan.training_type {
        TrainingType::Core => Ok(Vec::new()),
        _ => train_nlu(recipe, parts_of(&known, PIPELINE_NODE), context, &mut warnings),
    };
    let core = match plan.training_type {
        TrainingType::Nlu => Ok(Vec::new()),
        _ => train_core(recipe, parts_of(&known, POLICY_NODE), context, &mut warnings),
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

/// Trained parts by node name.
pub type Parts = Vec<(String, Stored)>;

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
    known: Parts,
    context: &TrainContext<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Parts, TrainError> {
    let language = recipe.language.as_deref().unwrap_or("");
    let material = intendant_nlu::Material { language, data: &recipe.nlu, domain: &recipe.domain };
    let trained = intendant_nlu::train_again(&recipe.pipeline, &material, known, context);
    let trained = trained.map_err(|error| match error.kind {
        intendant_nlu::Kind::Cancelled => TrainError::Cancelled,
        _ => TrainError::Project(error.diagnostics),
    })?;
    warnings.extend(trained.diagnostics);
    resources::keep(&recipe.pipeline);
    Ok(trained.pipeline.store())
}

fn train_core(
    recipe: &Recipe,
    known: Parts,
    context: &TrainContext<'_>,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Parts, TrainError> {
    let material = intendant_policy::Material {
        domain: &recipe.domain,
        stories: &recipe.stories,
        augmentation: recipe.augmentation,
    };
    let trained = intendant_policy::train_again(&recipe.policies, &material, known, context);
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
