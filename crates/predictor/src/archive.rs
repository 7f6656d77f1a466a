//! A trained predictor as an archive, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use intendant_bundle::{ARCHIVE_FORMAT, Bundle, Metadata, TrainingType};
use intendant_component::predictor::Predictor;
use intendant_component::stored::Stored;
use intendant_talk::message::Object;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Failed;
use crate::curves::Curve;
use crate::kinds;
use crate::measure::Figures;
use crate::spec::{Kind, Spec};

/// The node that holds what was learnt.
const LEARNT: &str = "predictor";
/// The node that holds how predictions move.
const CURVES: &str = "curves";
/// Changes when the same data and declaration would give another model.
const TRAINING_VERSION: u32 = 2;

/// A predictor with all that is known of it.
#[derive(Clone)]
pub struct Model {
    /// What was declared when it was trained.
    pub spec: Spec,
    /// What answers.
    pub predictor: Arc<dyn Predictor>,
    /// Figures on held-out rows.
    pub figures: Figures,
    /// How predictions move with the columns that matter.
    pub curves: Vec<Curve>,
    /// Its id.
    pub model_id: String,
    /// Fingerprints of data and declaration.
    pub fingerprints: BTreeMap<String, String>,
}

/// Fingerprints of what a training would use.
pub fn fingerprints(spec: &Spec, data: &[&[u8]]) -> BTreeMap<String, String> {
    // How it is served changes nothing that is learnt.
    let mut declared = serde_json::to_value(spec).unwrap_or_default();
    if let Some(declared) = declared.as_object_mut() {
        for key in ["serve", "lookups", "tables", "description", "owner", "licence", "limits", "gate"] {
            declared.remove(key);
        }
    }
    let mut digest = Sha256::new();
    for bytes in data {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    BTreeMap::from([
        ("data".to_owned(), hex(&digest.finalize())),
        ("declaration".to_owned(), hex(&Sha256::digest(declared.to_string()))),
        ("training".to_owned(), TRAINING_VERSION.to_string()),
    ])
}

/// Writes a model. The same model gives the same bytes.
///
/// # Errors
/// When its values do not fit each other.
pub fn write(model: &Model) -> Result<Vec<u8>, Failed> {
    let failed = |error: &dyn std::fmt::Display| Failed::new(format!("cannot write the archive: {error}"));
    let config = serde_json::to_value(&model.spec).map_err(|error| failed(&error))?;
    let Value::Object(config) = config else { return Err(failed(&"the declaration is no map")) };
    let metrics: Object =
        model.figures.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect();
    let mut components = vec![(LEARNT.to_owned(), model.predictor.stored())];
    if !model.curves.is_empty() {
        let state = serde_json::to_value(&model.curves).map_err(|error| failed(&error))?;
        components.push((CURVES.to_owned(), Stored { state, tensors: BTreeMap::new() }));
    }
    let metadata = Metadata {
        format: ARCHIVE_FORMAT,
        kind: model.spec.kind.name().to_owned(),
        model_id: model.model_id.clone(),
        assistant_id: model.spec.name.clone(),
        training_type: TrainingType::Predictor,
        language: model.spec.language.clone(),
        product_version: env!("CARGO_PKG_VERSION").to_owned(),
        config,
        fingerprints: model.fingerprints.clone(),
        metrics,
        nodes: Vec::new(),
        checksums: BTreeMap::new(),
    };
    intendant_bundle::write(&Bundle { metadata, domain: Object::new(), components })
        .map_err(|error| failed(&error))
}

/// Reads and checks an archive.
///
/// # Errors
/// When it is damaged, of another kind, or of another version.
pub fn read(archive: &[u8]) -> Result<Model, Failed> {
    let Bundle { metadata, components, .. } =
        intendant_bundle::read(archive).map_err(|error| Failed::new(error.to_string()))?;
    if Kind::of(&metadata.kind).is_none() {
        return Err(Failed::new(format!("this is a model of the kind `{}`, no predictor", metadata.kind)));
    }
    let spec = spec_of(&metadata)?;
    let mut nodes: BTreeMap<String, Stored> = components.into_iter().collect();
    let learnt =
        nodes.remove(LEARNT).ok_or_else(|| Failed::new("the archive holds nothing that was learnt"))?;
    let predictor = kinds::load(&spec, learnt)?;
    let curves = match nodes.remove(CURVES) {
        Some(stored) => serde_json::from_value(stored.state)
            .map_err(|error| Failed::new(format!("the archive's curves cannot be read: {error}")))?,
        None => Vec::new(),
    };
    let figures =
        metadata.metrics.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect();
    let Metadata { model_id, fingerprints, .. } = metadata;
    Ok(Model { spec, predictor, figures, curves, model_id, fingerprints })
}

/// What was declared when an archive was trained.
///
/// # Errors
/// When it cannot be read.
pub fn spec_of(metadata: &Metadata) -> Result<Spec, Failed> {
    let mut config = metadata.config.clone();
    config.shift_remove("name");
    let mut spec: Spec = serde_json::from_value(Value::Object(config))
        .map_err(|error| Failed::new(format!("the archive's declaration cannot be read: {error}")))?;
    spec.name.clone_from(&metadata.assistant_id);
    Ok(spec)
}

/// The id of a model with these fingerprints.
pub fn model_id(name: &str, fingerprints: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    digest.update(name);
    for (part, fingerprint) in fingerprints {
        digest.update(part);
        digest.update(fingerprint);
    }
    hex(&digest.finalize())[..32].to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
