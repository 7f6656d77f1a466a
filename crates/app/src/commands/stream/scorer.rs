//! An assistant's understanding, or a predictor, as a scorer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use intendant_api::auth::Auth;
use intendant_config::Environment;
use intendant_rasa_format::suggest::did_you_mean;
use intendant_rasa_format::wire::parse_to_json;
use intendant_score::service::Service;
use intendant_score::stream::Scorer;
use intendant_serve::assistant::Assistant;
use intendant_serve::server::Server;
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

/// A predictor of the project as a scorer: of those that are in service, else in service for it until `stop`.
///
/// # Errors
/// When there is no such predictor, none of its versions can be used, or a declaration has mistakes.
pub async fn predictor_scorer(
    (name, place): (&str, &str),
    (running, stop): (Option<&Arc<Service>>, &Stop),
    environment: &Environment,
) -> Result<Arc<dyn Score>, Failure> {
    let service = match running {
        Some(service) => Arc::clone(service),
        None => {
            let auth = Auth::new(None, None, "HS256").map_err(|error| Failure::of("", &error))?;
            serve::open(Path::new("models"), (auth, stop), environment).await?.0.service
        }
    };
    let known: Vec<String> = service.all().map(|predictor| predictor.spec.name.clone()).collect();
    let is_untrained = service.get(name).is_some_and(|predictor| predictor.version().is_none());
    if running.is_none() && is_untrained {
        let message = format!("no version of `{name}` can be used: train it with `intendant train {name}`");
        return Err(Failure::new("", message));
    }
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
    model: Model,
    text: String,
}

/// Where the assistant is.
enum Model {
    /// A server in the same process has it.
    Served(Server),
    /// A file, or the newest one of a folder.
    Stored { path: PathBuf, current: Mutex<Current> },
}

struct Current {
    assistant: Arc<Assistant>,
    file: PathBuf,
    looked: Instant,
}

impl AssistantScorer {
    /// Asks the assistant of a server in the same process.
    pub fn of(server: Server, text: &str) -> Self {
        Self { model: Model::Served(server), text: text.to_owned() }
    }

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
        Ok(Self { model: Model::Stored { path: path.to_owned(), current }, text: text.to_owned() })
    }

    fn assistant(&self) -> Option<Arc<Assistant>> {
        match &self.model {
            Model::Served(server) => server.assistant(),
            Model::Stored { path, current } => {
                let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
                if current.looked.elapsed() >= LOOK_INTERVAL {
                    current.look(path);
                }
                Some(Arc::clone(&current.assistant))
            }
        }
    }
}

impl Current {
    /// Takes a newer model, if there is one.
    fn look(&mut self, path: &Path) {
        self.looked = Instant::now();
        let newest = models::newest(path).ok().flatten();
        let Some(file) = newest.filter(|file| *file != self.file) else { return };
        match model::load_file(&file) {
            Ok(assistant) => {
                self.assistant = Arc::new(model::serving(assistant, &file));
                tracing::info!(model = %file.display(), "a newer model scores messages");
            }
            Err(failure) => {
                tracing::error!(error = failure.message(), "the model before goes on scoring");
            }
        }
        self.file = file;
    }
}

impl Score for AssistantScorer {
    fn score(&self, rows: &[Value]) -> Result<Vec<Result<Value, String>>, String> {
        let assistant = self.assistant().ok_or("no assistant is in use")?;
        let answer = |row: &Value| match at(row, &self.text) {
            Some(Value::String(text)) => Ok(parse_to_json(&assistant.understanding.parse(text))),
            Some(_) => Err(format!("`{}` is no text", self.text)),
            None => Err(format!("the message has no `{}`", self.text)),
        };
        Ok(rows.iter().map(answer).collect())
    }

    fn model(&self) -> String {
        self.assistant().map(|assistant| assistant.model_file.clone()).unwrap_or_default()
    }
}
