//! Finding and loading models.

use std::path::Path;
use std::sync::Arc;

use intendant_serve as serve;
use intendant_serve::assistant::Understand;
use intendant_train::assistant::Assistant;
use intendant_train::{files, models};

use crate::failure::Failure;
use crate::understanding::Understanding;

/// Loads a model's file, or the newest one of a folder.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn load(path: &Path) -> Result<Assistant, Failure> {
    let Some(file) = models::newest(path).map_err(|error| Failure::of("", &error))? else {
        let message = format!("no model found at {}; train one with `intendant train`", path.display());
        return Err(Failure::new("", message));
    };
    load_file(&file)
}

/// Loads one file.
///
/// # Errors
/// When it cannot be read, naming the file and why.
pub fn load_file(file: &Path) -> Result<Assistant, Failure> {
    let bytes = files::read(file).map_err(|error| Failure::of("", &error))?;
    if is_agent(&bytes) {
        let message =
            format!("the model {} is that of an agent: serve it with `intendant run`", file.display());
        return Err(Failure::new("", message));
    }
    Assistant::load(&bytes)
        .map_err(|error| Failure::new("", format!("the model {} cannot be loaded: {error}", file.display())))
}

/// A model of either kind that can be talked to.
pub enum Loaded {
    /// One trained from a Rasa project.
    Assistant(Box<Assistant>),
    /// One trained from an agent.
    Agent(Box<intendant_agent::Assistant>),
}

fn is_agent(archive: &[u8]) -> bool {
    intendant_bundle::read_metadata(archive)
        .is_ok_and(|metadata| metadata.kind == intendant_agents::model::KIND)
}

/// Loads one file, whichever kind of model it holds.
///
/// # Errors
/// When it cannot be read, naming the file and why.
pub fn load_any(file: &Path) -> Result<Loaded, Failure> {
    let bytes = files::read(file).map_err(|error| Failure::of("", &error))?;
    if !is_agent(&bytes) {
        return Ok(Loaded::Assistant(Box::new(load_file(file)?)));
    }
    let assistant = intendant_agents::model::load(&bytes);
    let assistant = assistant.map_err(|error| {
        Failure::new("", format!("the model {} cannot be loaded: {error}", file.display()))
    })?;
    Ok(Loaded::Agent(Box::new(assistant)))
}

/// The assistant as the server's model slot holds it.
pub fn serving(assistant: Assistant, file: &Path) -> serve::assistant::Assistant {
    let model_file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Assistant { mind, pipeline, .. } = assistant;
    let understanding: Arc<dyn Understand> = match pipeline {
        Some(pipeline) => Arc::new(Understanding::new(pipeline)),
        None => {
            let domain = Arc::clone(&mind.domain);
            Arc::new(move |text: &str| intendant_nlu::parse_without_pipeline(text, &domain))
        }
    };
    serve::assistant::Assistant { mind, understanding, model_file }
}
