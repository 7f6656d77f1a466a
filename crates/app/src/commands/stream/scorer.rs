//! An assistant's understanding, or a predictor, as a scorer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use intendant_api::auth::Auth;
use intendant_config::Environment;
use intendant_rasa_format::suggest::did_you_mean;
use intendant_rasa_format::wire::parse_to_json;
use intendant_score::stream::Scorer;
use intendant_serve::assistant::Assistant;
use intendant_streams::row::at;
use intendant_streams::score::Score;
use intendant_train::models;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::commands::predictors::serve;
use crate::failure::Failure;
use crate::model;
use crate::stopping::Stop;

/// How often it is looked for a newer model.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// A predictor of the project as a scorer.
///
/// # Errors
/// When there is no such predictor, or a declaration has mistakes.
pub async fn predictor_scorer(
    name: &str,
    place: &str,
    environment: &Environment,
) -> Result<Arc<dyn Score>, Failure> {
    let auth = Auth::new(None, None, "HS256").map_err(|error| Failure::of("", &error))?;
    let (predictors, _) = serve::open(Path::new("models"), (auth, &Stop::default()), environment).await?;
    let service = predictors.service;
    let known: Vec<String> = service.all().map(|predictor| predictor.spec.name.clone()).collect();
    match Scorer::new(service, name, Handle::current()) {
        Some(scorer) => Ok(Arc::new(scorer)),
        None => {
            let hint = did_you_mean(name, known.iter().map(String::as_str));
            let hint = hint.unwrap_or_else(|| format!("there are: {}", known.join(", ")));
            Err(Failure::new("", format!("{place}: there is no predictor `{name}`; {hint}")))
        }
    }
}

/// Understands one text of each message.
pub struct AssistantScorer {
    path: PathBuf,
    text: String,
    current: Mutex<Current>,
}

struct Current {
    assistant: Arc<Assistant>,
    file: PathBuf,
    looked: Instant,
}

impl AssistantScorer {
    /// Loads a model, or the newest one of a folder; a newer one is taken when it comes.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn load(path: &Path, text: &str) -> Result<Self, Failure> {
        let Some(file) = models::newest(path).map_err(|error| Failure::of("", &error))? else {
            let message = format!("no model found at {}; train one with `intendant train`", path.display());
            return Err(Failure::new("", message));
        };
        let assistant = Arc::new(model::serving(model::load_file(&file)?, &file));
        let current = Mutex::new(Current { assistant, file, looked: Instant::now() });
        Ok(Self { path: path.to_owned(), text: text.to_owned(), current })
    }

    fn assistant(&self) -> Arc<Assistant> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() >= LOOK_INTERVAL {
            current.looked = Instant::now();
            let newest = models::newest(&self.path).ok().flatten();
            if let Some(file) = newest.filter(|file| *file != current.file) {
                match model::load_file(&file) {
                    Ok(assistant) => {
                        current.assistant = Arc::new(model::serving(assistant, &file));
                        tracing::info!(model = %file.display(), "a newer model scores messages");
                    }
                    Err(failure) => {
                        tracing::error!(error = failure.message(), "the model before goes on scoring");
                    }
                }
                current.file = file;
            }
        }
        Arc::clone(&current.assistant)
    }
}

impl Score for AssistantScorer {
    fn score(&self, rows: &[Value]) -> Result<Vec<Result<Value, String>>, String> {
        let assistant = self.assistant();
        let answer = |row: &Value| match at(row, &self.text) {
            Some(Value::String(text)) => Ok(parse_to_json(&assistant.understanding.parse(text))),
            Some(_) => Err(format!("`{}` is no text", self.text)),
            None => Err(format!("the message has no `{}`", self.text)),
        };
        Ok(rows.iter().map(answer).collect())
    }

    fn model(&self) -> String {
        self.assistant().model_file.clone()
    }
}
