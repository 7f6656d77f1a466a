//! From an archive to an assistant that can answer.

use std::sync::Arc;

use intendant_bundle::{Bundle, Metadata, TrainingType};
use intendant_component::stored::{Stored, Unreadable};
use intendant_dialogue::Mind;
use intendant_nlu::Pipeline;
use intendant_policy::Ensemble;
use intendant_rasa_format::domain;
use intendant_talk::data::ComponentSpec;
use serde_json::Value;

use crate::resources;

/// Nodes of policies carry this prefix in archives, so that names of both kinds never meet.
pub(crate) const POLICY_NODE: &str = "policy.";
/// Nodes of pipeline components carry this one.
pub(crate) const PIPELINE_NODE: &str = "nlu.";

/// A model, ready to answer.
#[derive(Clone)]
pub struct Assistant {
    /// What the archive says about itself.
    pub metadata: Metadata,
    /// Dialogue; without policies for a model that only understands.
    pub mind: Arc<Mind>,
    /// Understanding; `None` for a model that only talks.
    pub pipeline: Option<Arc<Pipeline>>,
}

/// Why an archive did not become an assistant.
#[derive(Debug)]
pub enum LoadError {
    /// The archive is no archive of ours, or damaged.
    Archive(intendant_bundle::Error),
    /// A part of it does not fit what this version expects.
    Part(Unreadable),
    /// It is a predictor.
    Kind {
        /// The predictor's name.
        name: String,
        /// Its kind.
        kind: String,
    },
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Archive(error) => error.fmt(f),
            Self::Part(error) => error.fmt(f),
            Self::Kind { name, kind } => {
                write!(
                    f,
                    "this is the predictor `{name}` of the kind `{kind}`, no assistant: ask it with `intendant predict {name}`"
                )
            }
        }
    }
}

impl std::error::Error for LoadError {}

impl From<intendant_bundle::Error> for LoadError {
    fn from(error: intendant_bundle::Error) -> Self {
        Self::Archive(error)
    }
}

impl From<Unreadable> for LoadError {
    fn from(error: Unreadable) -> Self {
        Self::Part(error)
    }
}

impl Assistant {
    /// Reads and checks an archive and builds the assistant in it.
    ///
    /// # Errors
    /// When the archive is damaged, foreign, or of another version.
    pub fn load(archive: &[u8]) -> Result<Self, LoadError> {
        let Bundle { metadata, domain, components } = intendant_bundle::read(archive)?;
        if metadata.training_type == TrainingType::Predictor {
            return Err(LoadError::Kind { name: metadata.assistant_id, kind: metadata.kind });
        }
        let domain = if domain.is_empty() { domain::empty() } else { domain::from_dict(&domain) };
        let mut pipeline_specs = component_specs(metadata.config.get("pipeline"));
        let policy_specs = component_specs(metadata.config.get("policies"));
        let pipeline = match metadata.training_type {
            TrainingType::Core | TrainingType::Predictor => None,
            TrainingType::Nlu | TrainingType::Both => {
                let parts = parts_of(&components, PIPELINE_NODE);
                resources::attach(&mut pipeline_specs);
                Some(Arc::new(Pipeline::load(&pipeline_specs, parts)?))
            }
        };
        let ensemble = match metadata.training_type {
            TrainingType::Nlu | TrainingType::Predictor => None,
            TrainingType::Core | TrainingType::Both => {
                Some(Ensemble::load(&policy_specs, &domain, parts_of(&components, POLICY_NODE))?)
            }
        };
        let assistant_id = Some(metadata.assistant_id.clone()).filter(|id| !id.is_empty());
        let mind = Mind::new(Arc::new(domain), ensemble, metadata.model_id.clone(), assistant_id);
        Ok(Self { metadata, mind: Arc::new(mind), pipeline })
    }
}

/// Pipeline or policies as the metadata keeps them.
fn component_specs(list: Option<&Value>) -> Vec<ComponentSpec> {
    let items = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let specs = items.map(|item| {
        let mut options = item.clone();
        let name = options
            .shift_remove("name")
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default();
        ComponentSpec { name, options, ..ComponentSpec::default() }
    });
    specs.collect()
}

/// The stored nodes of one kind, prefix removed.
pub(crate) fn parts_of(components: &[(String, Stored)], prefix: &str) -> Vec<(String, Stored)> {
    let parts = components
        .iter()
        .filter_map(|(node, stored)| Some((node.strip_prefix(prefix)?.to_owned(), stored.clone())));
    parts.collect()
}
