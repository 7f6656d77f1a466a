//! Training, loading and testing models, as the HTTP API asks for it. The application implements
//! it, so that neither `serve` nor `api` depends on the trainers.

use std::path::PathBuf;

use intendant_talk::message::Object;
use serde_json::Value;

use crate::assistant::Assistant;

/// Makes, loads and tests models. All calls compute; callers run them off the async threads.
pub trait Workshop: Send + Sync {
    /// Loads a model archive, or the newest one of a folder.
    fn load(&self, path: &str) -> Result<Assistant, WorkshopError>;

    /// Loads a model from where [`ModelSource`] says. Who knows no such places loads none.
    fn load_from(&self, source: &ModelSource) -> Result<Assistant, WorkshopError> {
        let message = format!("no model can be loaded from {source:?}");
        Err(WorkshopError { kind: WorkshopErrorKind::Unloadable, message })
    }

    /// Trains from one YAML document that holds configuration, domain and training data.
    fn train(&self, yaml: &str, options: &TrainOptions) -> Result<Trained, WorkshopError>;

    /// Plays test stories (YAML) against a model: the body of the answer.
    fn test_stories(
        &self,
        assistant: &Assistant,
        yaml: &str,
        end_to_end: bool,
    ) -> Result<Value, WorkshopError>;

    /// Tests understanding: the body of the answer.
    fn test_intents(&self, assistant: Option<&Assistant>, test: &IntentTest) -> Result<Value, WorkshopError>;
}

/// Where a model is that does not lie on this machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelSource {
    /// Its name there.
    pub model_file: Option<String>,
    /// A model server, as `models:` of `endpoints.yml`; it comes first.
    pub model_server: Option<Object>,
    /// An object store: `aws`, `gcs`, `azure`.
    pub remote_storage: Option<String>,
}

/// Options of training over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainOptions {
    /// Keep the archive in the default model folder.
    pub save_to_default_model_directory: bool,
    /// Train although nothing has changed.
    pub force_training: bool,
    /// How much story augmentation.
    pub augmentation: usize,
    /// Threads to train with.
    pub num_threads: usize,
}

/// A trained archive.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Its file name.
    pub file_name: String,
    /// Where it was kept, if it was.
    pub path: Option<PathBuf>,
    /// The archive.
    pub bytes: Vec<u8>,
}

/// A test of understanding.
#[derive(Clone, Debug, PartialEq)]
pub enum IntentTest {
    /// Test the given or loaded model on these data.
    Evaluate {
        /// The test data.
        data: TestData,
        /// Path of another model than the loaded one.
        model: Option<String>,
    },
    /// Train and test in folds; the document holds data and configuration.
    CrossValidate {
        /// The YAML document.
        yaml: String,
        /// Number of folds.
        folds: usize,
    },
}

/// NLU test data as posted.
#[derive(Clone, Debug, PartialEq)]
pub enum TestData {
    /// Rasa's YAML.
    Yaml(String),
    /// Rasa's JSON.
    Json(Object),
}

/// Why the workshop could not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkshopError {
    /// What the client can do about it.
    pub kind: WorkshopErrorKind,
    /// What was wrong, for the client.
    pub message: String,
}

/// What the client can do about a failed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkshopErrorKind {
    /// The posted document cannot be read.
    InvalidYaml,
    /// The posted domain is invalid.
    InvalidDomain,
    /// There was nothing to train.
    NothingTrained,
    /// The model cannot be loaded: missing, damaged or of another version.
    Unloadable,
    /// Anything else went wrong on the way.
    Failed,
}
