//! What is trained: a project, with everything it leaves open settled.

use intendant_bundle::TrainingType;
use intendant_rasa_format::config::{Config, PLACEHOLDER_ASSISTANT_ID};
use intendant_rasa_format::project::Project;
use intendant_talk::data::{ComponentSpec, NluData};
use intendant_talk::domain::Domain;
use intendant_talk::story::Story;

use crate::fingerprint::Sources;
use crate::resources;

/// What is trained.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Names the assistant in events; derived when the configuration names none.
    pub assistant_id: String,
    /// Two-letter code.
    pub language: Option<String>,
    /// The pipeline, the recommended one when the configuration leaves it open.
    pub pipeline: Vec<ComponentSpec>,
    /// The policies, the recommended ones when the configuration leaves them open.
    pub policies: Vec<ComponentSpec>,
    /// Examples, synonyms, patterns, lists.
    pub nlu: NluData,
    /// The merged domain.
    pub domain: Domain,
    /// The project has a domain of its own; otherwise `domain` holds only what every domain has.
    pub has_domain: bool,
    /// Stories and rules.
    pub stories: Vec<Story>,
    /// Stories glued together, at most.
    pub augmentation: usize,
}

impl Recipe {
    /// Settles what the configuration leaves open.
    pub fn new(project: Project, augmentation: usize) -> Self {
        let has_domain = project.has_domain();
        let Project { config, domain, nlu, stories, .. } = project;
        let mut pipeline = config.pipeline.clone().unwrap_or_else(intendant_nlu::recommended_pipeline);
        resources::attach(&mut pipeline);
        Self {
            assistant_id: assistant_id(&config),
            language: config.language,
            pipeline,
            policies: config.policies.unwrap_or_else(intendant_policy::default_policies),
            nlu,
            domain,
            has_domain,
            stories,
            augmentation,
        }
    }

    pub(crate) fn sources(&self) -> Sources<'_> {
        Sources {
            language: self.language.as_deref(),
            pipeline: &self.pipeline,
            policies: &self.policies,
            nlu: &self.nlu,
            domain: &self.domain,
            stories: &self.stories,
            augmentation: self.augmentation,
        }
    }

    /// What the project's files allow to train, as Rasa decides it: understanding alone without
    /// domain or stories, dialogue alone without examples. `None`: nothing.
    pub fn trainable(&self) -> Option<TrainingType> {
        let can_talk = !self.stories.is_empty() && self.has_domain;
        match (!self.nlu.examples.is_empty(), can_talk) {
            (true, true) => Some(TrainingType::Both),
            (true, false) => Some(TrainingType::Nlu),
            (false, true) => Some(TrainingType::Core),
            (false, false) => None,
        }
    }
}

/// The configured id. Rasa writes a generated one into the file; we leave the file alone and name
/// the assistant after its language, so that training again gives the same model.
fn assistant_id(config: &Config) -> String {
    match config.assistant_id.as_deref() {
        Some(id) if !id.is_empty() && id != PLACEHOLDER_ASSISTANT_ID => id.to_owned(),
        _ => format!("unnamed-{}", config.language.as_deref().unwrap_or("assistant")),
    }
}
