//! What the HTTP API asks of training, loading and testing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use intendant_bundle::TrainingType;
use intendant_client::http::HttpClient;
use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_component::training::{Silent, TrainContext};
use intendant_config::Environment;
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_rasa_format::project::{Files, Project};
use intendant_rasa_format::yaml::{self, SourceFile};
use intendant_serve::assistant::Assistant;
use intendant_serve::server::Server;
use intendant_serve::workshop::{
    IntentTest, ModelSource, TestData, TrainOptions, Trained, Workshop, WorkshopError, WorkshopErrorKind,
};
use intendant_talk::data::{Example, Source};
use intendant_train::known::Known;
use intendant_train::plan::{self, TrainError};
use intendant_train::recipe::Recipe;
use intendant_train::{files, models};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::commands::train;
use crate::failure::Failure;
use crate::model;
use crate::nlu_test::{self, Outcomes};
use crate::progress::TerminalProgress;
use crate::pulling::Pull;
use crate::stopping::Stop;
use crate::story_report::StoryReport;
use crate::{project, remote};

/// Posted documents are read like files; the ending says what they are.
const DOCUMENT: &str = "request body.yml";
const STORIES_DOCUMENT: &str = "test_request_body.yml";
/// Folder that trained models are kept in when the client asks for it.
const DEFAULT_MODELS: &str = "models";

/// Trains, loads and tests with the trainers of this binary.
pub struct AppWorkshop {
    /// `${NAME}` in posted documents is expanded from it.
    pub environment: Environment,
    /// Ends trainings early.
    pub stop: Stop,
    /// The server that follows a model server which was named over HTTP.
    pub server: Server,
    /// The client of everything that is sent out.
    pub client: HttpClient,
    /// What follows that model server.
    pub following: Mutex<Option<JoinHandle<()>>>,
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

    fn load_from(&self, source: &ModelSource) -> Result<Assistant, WorkshopError> {
        let unloadable = |failure: Failure| error(WorkshopErrorKind::Unloadable, failure.message());
        let runtime = Handle::current();
        if let Some(options) = &source.model_server {
            let config = EndpointConfig::from_options(options, Source::default());
            let config = EndpointConfig { extra: options.clone(), ..config };
            let mut pull = Pull::new(&config, &self.client).map_err(unloadable)?;
            let asked = runtime.block_on(pull.ask(&self.server));
            let nothing = || error(WorkshopErrorKind::Unloadable, "the model server gave no model");
            let assistant = asked.ok_or_else(nothing)?;
            let follow = runtime.spawn(pull.follow(self.server.clone(), self.stop.clone()));
            let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(before) = following.replace(follow) {
                before.abort();
            }
            return Ok(assistant);
        }
        let (Some(storage), Some(model)) = (&source.remote_storage, &source.model_file) else {
            return Err(error(WorkshopErrorKind::Unloadable, "no model is named"));
        };
        let loading = remote::load(storage, Path::new(model), &self.environment, &self.client);
        let (assistant, file) = runtime.block_on(loading).map_err(unloadable)?;
        Ok(model::serving(assistant, &file))
    }

    fn train(&self, yaml: &str, options: &TrainOptions) -> Result<Trained, WorkshopError> {
        let (recipe, training_type) = self.recipe(yaml, options.augmentation)?;
        let known = match options.force_training {
            true => Known::default(),
            false => Known::of(Path::new(DEFAULT_MODELS), train::SEED).unwrap_or_default(),
        };
        let plan = plan::plan(&recipe, training_type, Some(&known.metadata));
        let progress = TerminalProgress::new(true).until(self.stop.clone());
        let context =
            TrainContext { seed: train::SEED, threads: options.num_threads.max(1), progress: &progress };
        let trained =
            plan::train(&recipe, &plan, Some(known.parts(&plan)), &context).map_err(|cause| match cause {
                TrainError::Project(findings) => {
                    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
                    error(WorkshopErrorKind::Failed, findings.join("\n"))
                }
                TrainError::Cancelled => error(WorkshopErrorKind::Failed, "training was cancelled"),
                TrainError::Archive(cause) => failed(&Failure::of("", &cause)),
            })?;
        let file_name = train::model_name(None, &trained.metadata);
        let path =
            options.save_to_default_model_directory.then(|| PathBuf::from(DEFAULT_MODELS).join(&file_name));
        if let Some(path) = &path {
            files::write_whole(path, &trained.archive).map_err(|error| failed(&Failure::of("", &error)))?;
        }
        Ok(Trained { file_name, path, bytes: trained.archive })
    }

    fn test_stories(
        &self,
        assistant: &Assistant,
        yaml: &str,
        end_to_end: bool,
    ) -> Result<Value, WorkshopError> {
        let file = SourceFile::new(STORIES_DOCUMENT, yaml.as_bytes());
        let lookup = |name: &str| self.environment.get(name).map(str::to_owned);
        refuse_broken_yaml(&file, &lookup)?;
        let files = Files { data: std::slice::from_ref(&file), ..Files::default() };
        let (project, findings) = Project::read(files, &lookup);
        refuse_errors(&findings)?;
        let stories = intendant_policy::conversations(assistant.domain(), &project.stories);
        let parse = |text: &str| assistant.understanding.parse(text);
        Ok(StoryReport::of(&assistant.mind, &stories, end_to_end.then_some(&parse)).summary())
    }

    fn test_intents(&self, assistant: Option<&Assistant>, test: &IntentTest) -> Result<Value, WorkshopError> {
        match test {
            IntentTest::Evaluate { data, model } => {
                let examples = self.examples(data)?;
                let named = model.as_deref().map(|path| self.load(path)).transpose()?;
                let Some(assistant) = named.as_ref().or(assistant) else {
                    return Err(error(WorkshopErrorKind::Unloadable, "No model is loaded."));
                };
                let understand =
                    |texts: &[&str]| texts.iter().map(|text| assistant.understanding.parse(text)).collect();
                Ok(Outcomes::of(&examples, understand).evaluate().to_json())
            }
            IntentTest::CrossValidate { yaml, folds } => {
                let (recipe, _) = self.recipe(yaml, 0)?;
                let context = TrainContext { seed: train::SEED, threads: 1, progress: &Silent };
                let (evaluation, _) = nlu_test::cross_validate(&recipe, *folds, &context)
                    .map_err(|failure| failed(&failure))?;
                Ok(evaluation.to_cross_validation_json())
            }
        }
    }
}

impl AppWorkshop {
    /// The project in a posted document, settled.
    fn recipe(&self, yaml: &str, augmentation: usize) -> Result<(Recipe, TrainingType), WorkshopError> {
        let file = SourceFile::new(DOCUMENT, yaml.as_bytes());
        let lookup = |name: &str| self.environment.get(name).map(str::to_owned);
        refuse_broken_yaml(&file, &lookup)?;
        let (project, findings) = Project::read_document(&file, &lookup);
        refuse_errors(&findings)?;
        let recipe = Recipe::new(project, augmentation);
        let Some(training_type) = recipe.trainable() else {
            let message = "Ran training, but it finished without a trained model.";
            return Err(error(WorkshopErrorKind::NothingTrained, message));
        };
        Ok((recipe, training_type))
    }

    fn examples(&self, data: &TestData) -> Result<Vec<Example>, WorkshopError> {
        let file = match data {
            TestData::Yaml(yaml) => SourceFile::new(DOCUMENT, yaml.as_bytes()),
            TestData::Json(json) => {
                SourceFile::new("request body.json", Value::Object(json.clone()).to_string().into_bytes())
            }
        };
        let lookup = |name: &str| self.environment.get(name).map(str::to_owned);
        refuse_broken_yaml(&file, &lookup)?;
        let files = Files { data: std::slice::from_ref(&file), ..Files::default() };
        let (project, findings) = Project::read(files, &lookup);
        refuse_errors(&findings)?;
        if project.nlu.examples.is_empty() {
            return Err(error(WorkshopErrorKind::Failed, "no messages found in the request body"));
        }
        Ok(project.nlu.examples)
    }
}

/// Files of a project are sorted by what stands in them; a posted document must be YAML first of all.
fn refuse_broken_yaml(file: &SourceFile, lookup: yaml::Environment<'_>) -> Result<(), WorkshopError> {
    let mut findings = Vec::new();
    match yaml::parse(file, lookup, &mut findings) {
        Some(_) => Ok(()),
        None => Err(error(WorkshopErrorKind::InvalidYaml, told(&findings))),
    }
}

fn refuse_errors(findings: &[Diagnostic]) -> Result<(), WorkshopError> {
    if project::has_errors(findings) { Err(error(WorkshopErrorKind::Failed, told(findings))) } else { Ok(()) }
}

fn told(findings: &[Diagnostic]) -> String {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
