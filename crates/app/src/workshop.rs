//! What the HTTP API asks of training, loading and testing.

use std::path::{Path, PathBuf};

use intendant_component::diagnostic::Severity;
use intendant_component::training::Silent;
use intendant_config::Environment;
use intendant_rasa_format::project::Project;
use intendant_rasa_format::yaml::SourceFile;
use intendant_serve::assistant::Assistant;
use intendant_serve::workshop::{
    IntentTest, TrainOptions, Trained, Workshop, WorkshopError, WorkshopErrorKind,
};
use intendant_train::{files, models, plan};
use serde_json::Value;

use crate::commands::train;
use crate::failure::Failure;
use crate::model;

/// Folder that trained models are kept in when the client asks for it.
const DEFAULT_MODELS: &str = "models";

/// Trains, loads and tests with the trainers of this binary.
pub struct AppWorkshop {
    /// `${NAME}` in posted documents is expanded from it.
    pub environment: Environment,
}

fn error(kind: WorkshopErrorKind, message: impl Into<String>) -> WorkshopError {
    WorkshopError { kind, message: message.into() }
}

fn failed(failure: &Failure) -> WorkshopError {
    error(WorkshopErrorKind::Failed, failure.message())
}

impl Workshop for AppWorkshop {
    fn load(&self, path: &str) -> Result<Assistant, WorkshopError> {
        let unloadable = |failure: Failure| error(WorkshopErrorKind::Unloadable, failure.message());
        let newest =
            models::newest(Path::new(path)).map_err(|failure| unloadable(Failure::of("", &failure)))?;
        let Some(file) = newest else {
            return Err(error(WorkshopErrorKind::Unloadable, format!("Model file not found at '{path}'.")));
        };
        let assistant = model::load_file(&file).map_err(unloadable)?;
        Ok(model::serving(assistant, &file))
    }

    fn train(&self, yaml: &str, options: &TrainOptions) -> Result<Trained, WorkshopError> {
        let file = SourceFile::new("request body", yaml.as_bytes());
        let lookup = |name: &str| self.environment.get(name).map(str::to_owned);
        let (project, findings) = Project::read_document(&file, &lookup);
        let errors: Vec<String> = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(ToString::to_string)
            .collect();
        if !errors.is_empty() {
            let is_domain = errors.iter().any(|error| error.contains("domain"));
            let kind =
                if is_domain { WorkshopErrorKind::InvalidDomain } else { WorkshopErrorKind::InvalidYaml };
            return Err(error(kind, errors.join("\n")));
        }
        let (recipe, training_type) = train::recipe(project, options.augmentation, None)
            .map_err(|failure| error(WorkshopErrorKind::NothingTrained, failure.message()))?;
        let plan = plan::plan(&recipe, training_type, None);
        let trained = train::train_quietly(&recipe, &plan, None, Some(options.num_threads), &Silent)
            .map_err(|failure| failed(&failure))?;
        let file_name = train::model_name(None, &trained.metadata);
        let path =
            options.save_to_default_model_directory.then(|| PathBuf::from(DEFAULT_MODELS).join(&file_name));
        if let Some(path) = &path {
            files::write_whole(path, &trained.archive).map_err(|error| failed(&Failure::of("", &error)))?;
        }
        Ok(Trained { file_name, path, bytes: trained.archive })
    }

    fn test_stories(&self, _: &Assistant, _: &str, _: bool) -> Result<Value, WorkshopError> {
        Err(error(WorkshopErrorKind::Failed, "story tests are not there yet"))
    }

    fn test_intents(&self, _: Option<&Assistant>, _: &IntentTest) -> Result<Value, WorkshopError> {
        Err(error(WorkshopErrorKind::Failed, "intent tests are not there yet"))
    }
}
