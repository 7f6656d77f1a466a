//! Parts of models trained before.
//!
//! The folder of models is the cache of training: archives are whole or absent, never change, and
//! each part in them carries its fingerprint and checksum. So a killed training, several trainings
//! at once, and models that are deleted meanwhile need no care, and nothing has to be tidied up
//! beside the models themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use intendant_bundle::{Metadata, TrainingType};

use crate::files::{self, FileError};
use crate::models;
use crate::plan::{Parts, Plan};

/// How many of the newest models are looked at.
const MODELS_MAX: usize = 10;

/// Models trained before, newest first.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Their files.
    pub files: Vec<PathBuf>,
    /// What they say about themselves, in the same order.
    pub metadata: Vec<Metadata>,
}

impl Known {
    /// Looks through a folder of models, or at one model's file; those trained with another seed or
    /// not readable are left out.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of(path: &Path, seed: u64) -> Result<Self, FileError> {
        let mut known = Self::default();
        for file in models::newest_first(path)?.into_iter().take(MODELS_MAX) {
            let Ok(opened) = File::open(&file) else { continue };
            let Ok(metadata) = intendant_bundle::read_metadata_from(BufReader::new(opened)) else { continue };
            let is_assistant = metadata.training_type != TrainingType::Predictor;
            if is_assistant && metadata.config.get("seed").and_then(serde_json::Value::as_u64) == Some(seed) {
                known.files.push(file);
                known.metadata.push(metadata);
            }
        }
        Ok(known)
    }

    /// The model that a plan takes most of its parts from, the newest of those that are equal.
    pub fn origin(&self, plan: &Plan) -> Option<&Path> {
        let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
        for model in plan.parts.iter().filter_map(|part| part.known_in) {
            *taken.entry(model).or_default() += 1;
        }
        let (model, _) =
            taken.into_iter().max_by_key(|(model, count)| (*count, std::cmp::Reverse(*model)))?;
        self.files.get(model).map(PathBuf::as_path)
    }

    /// Reads the parts that a plan made from these models takes from them. What cannot be read, as
    /// its archive is damaged or gone, is missing and will be trained.
    pub fn parts(&self, plan: &Plan) -> Parts {
        let mut wanted: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for part in &plan.parts {
            if let Some(model) = part.known_in {
                wanted.entry(model).or_default().push(&part.node);
            }
        }
        let mut parts = Parts::new();
        for (model, nodes) in wanted {
            let Some(file) = self.files.get(model) else { continue };
            let Ok(bytes) = files::read(file) else { continue };
            let Ok(bundle) = intendant_bundle::read(&bytes) else { continue };
            // The file may have been replaced since the plan was made.
            let found = &bundle.metadata.fingerprints;
            let is_as_planned = |node: &str| found.get(node) == plan.fingerprints.get(node);
            let components = bundle.components.into_iter();
            parts
                .extend(components.filter(|(node, _)| nodes.contains(&node.as_str()) && is_as_planned(node)));
        }
        parts
    }
}
