//! Which trained version of a predictor is meant, and loading it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use intendant_bundle::{Metadata, TrainingType};
use intendant_config::Environment;
use intendant_predictor::archive::{self, Model};
use intendant_predictor::kinds::{self, Material};
use intendant_predictor::spec::{Kind, Spec};
use intendant_train::{files, models};

use super::failed;
use crate::failure::Failure;

/// All trained versions of a predictor in a folder, newest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn versions(folder: &Path, name: &str) -> Result<Vec<(PathBuf, Metadata)>, Failure> {
    let mut versions = Vec::new();
    for path in models::newest_first(folder).map_err(|error| failed(&error))? {
        let Ok(opened) = File::open(&path) else { continue };
        let Ok(metadata) = intendant_bundle::read_metadata_from(BufReader::new(opened)) else { continue };
        if metadata.training_type == TrainingType::Predictor && metadata.assistant_id == name {
            versions.push((path, metadata));
        }
    }
    Ok(versions)
}

/// The model that a command means: the file that was named, else the newest in the folder. A model trained elsewhere
/// needs no training and is read from its own file.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn load(spec: &Spec, path: &Path, environment: &Environment) -> Result<Model, Failure> {
    let newest = versions(path, &spec.name)?.into_iter().next();
    if let Some((path, _)) = newest {
        return read(&path);
    }
    if spec.kind == Kind::Foreign {
        return foreign(spec, &super::material(spec, environment)?.material);
    }
    let message = format!(
        "no trained version of `{0}` is in {1}: train it with `intendant train {0}`",
        spec.name,
        path.display()
    );
    Err(Failure::new("", message))
}

/// Reads an archive.
///
/// # Errors
/// When it is damaged or no predictor.
pub fn read(path: &Path) -> Result<Model, Failure> {
    let bytes = files::read(path).map_err(|error| failed(&error))?;
    archive::read(&bytes).map_err(|error| Failure::new("", format!("{}: {error}", path.display())))
}

/// A model trained elsewhere, as it is.
fn foreign(spec: &Spec, material: &Material) -> Result<Model, Failure> {
    let context = super::train::context(1, &intendant_component::training::Silent, spec);
    let predictor = kinds::train(spec, material, &context).map_err(|error| failed(&error))?;
    let bytes: Vec<&[u8]> = material.file.iter().map(Vec::as_slice).collect();
    let fingerprints = archive::fingerprints(spec, &bytes);
    Ok(Model {
        spec: spec.clone(),
        predictor: Arc::clone(&predictor),
        figures: Default::default(),
        curves: Vec::new(),
        model_id: archive::model_id(&spec.name, &fingerprints),
        fingerprints,
    })
}
