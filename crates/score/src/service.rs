//! Predictors that answer: which version is in use, how many predictions run at once, what is kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use intendant_component::predictor::{Prediction, Reasons};
use intendant_predictor::archive::Model;
use intendant_predictor::input;
use intendant_predictor::output::probability;
use intendant_predictor::spec::Spec;
use intendant_table::{Problem, Signature, Table, ndjson};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::articles::{self, Articles, Taken};
use crate::batch::Batcher;
use crate::database::{self, Database};
use crate::drift::Watch;
use crate::keep::Keeper;
use crate::load;
use crate::lookup::Lookup;
use crate::metrics::Metrics;
use crate::shelf::Shelf;

/// Rows up to this many are predicted where they came in: handing them over costs more than predicting them.
const ROWS_INLINE: usize = 8;
/// Predictions that wait, unless declared otherwise.
const QUEUE: usize = 1024;
/// How long a caller waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Without an address everything says that the database is away.
const NOWHERE: &str = "postgres://localhost:1/none";

/// Predictors by name.
pub struct Service {
    predictors: BTreeMap<String, Arc<Served>>,
    /// What is counted.
    pub metrics: Metrics,
}

/// One predictor in service.
pub struct Served {
    /// What is declared now: routes, look-ups, limits.
    pub spec: Spec,
    /// Look-ups by name.
    pub lookups: BTreeMap<String, Lookup>,
    /// Where predictions are kept.
    pub keeper: Option<Keeper>,
    /// Where articles are kept.
    pub articles: Option<Articles>,
    /// Where predictions and loaded tables are.
    pub database: Option<Database>,
    /// Versions that callers named by their numbers.
    pub shelf: Shelf,
    current: RwLock<Option<Arc<Version>>>,
    is_unloaded: AtomicBool,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    batcher: Option<Batcher>,
    known: Mutex<HashMap<String, Prediction>>,
}

/// A version in use.
pub struct Version {
    /// What answers.
    pub model: Model,
    /// Its number in the catalogue, as a text.
    pub number: String,
    /// The digest of its archive.
    pub digest: String,
    /// What callers may ask with.
    pub signature: Signature,
    /// Whether what is asked still looks like what was learnt from.
    pub watch: Option<Watch>,
}

/// Why there is no prediction.
#[derive(Debug)]
pub enum Failure {
    /// Values that do not fit.
    Invalid(Vec<Problem>),
    /// No version is in use.
    NoModel,
    /// Too many are waiting.
    Busy,
    /// What the model says.
    Refused(String),
}

/// Predictions with the version that gave them.
pub struct Answers {
    /// Which version.
    pub version: Arc<Version>,
    /// One per row.
    pub predictions: Vec<Prediction>,
    /// What speaks for and against each, when asked for.
    pub reasons: Option<Vec<Reasons>>,
}

impl Service {
    /// A service of these predictors.
    pub fn new(predictors: Vec<Served>) -> Self {
        let predictors = predictors
            .into_iter()
            .map(|predictor| (predictor.spec.name.clone(), Arc::new(predictor)))
            .collect();
        Self { predictors, metrics: Metrics::default() }
    }

    /// The predictor of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Served>> {
        self.predictors.get(name)
    }

    /// All predictors by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.predictors.values()
    }

    /// Judges and keeps articles of a predictor, with the books of the recommender that it names.
    ///
    /// # Errors
    /// See [`articles::Failed`].
    pub async fn take_articles(
        &self,
        articles: &Articles,
        predictor: &Served,
        given: &[&Map<String, Value>],
    ) -> Result<Taken, articles::Failed> {
        let books = articles.books().and_then(|name| self.get(name));
        articles.take((predictor, books), given).await
    }

    /// Writes what is waiting to be kept.
    pub async fn stop(&self) {
        for predictor in self.all() {
            if let Some(keeper) = &predictor.keeper {
                keeper.flush().await;
            }
        }
    }
}

impl Version {
    /// A version of a model.
    pub fn new(model: Model, number: impl Into<String>, digest: impl Into<String>) -> Self {
        let signature = input::signature(&model.spec, model.predictor.as_ref());
        let watch = Watch::of(model.predictor.as_ref());
        Self { model, number: number.into(), digest: digest.into(), signature, watch }
    }
}

impl Served {
    /// A predictor without a version; `database` is where look-ups go that name none of their own. Needs a runtime.
    ///
    /// # Errors
    /// When the address of a database cannot be used.
    pub fn new(spec: Spec, database: Option<&str>) -> Result<Self, database::Error> {
        let own =
            spec.serve.store.as_ref().map(|store| store.database.as_str()).filter(|url| !url.is_empty());
        let own = own.or(database).map(Database::at).transpose()?;
        // That which is named, else the predictor's own.
        let at = |named: &Option<String>| match (named.as_deref().filter(|url| !url.is_empty()), &own) {
            (Some(url), _) => Database::at(url),
            (None, Some(own)) => Ok(own.clone()),
            (None, None) => Database::at(NOWHERE),
        };
        let mut lookups = BTreeMap::new();
        for (name, declared) in &spec.lookups {
            lookups.insert(name.clone(), Lookup::new(declared, at(&declared.database)?));
        }
        let articles = match &spec.serve.articles {
            Some(declared) => Some(Articles::new(&spec, declared, at(&declared.database)?)),
            None => None,
        };
        let database = own.clone();
        let keeper = match (&spec.serve.store, own) {
            (Some(store), Some(database)) => Some(Keeper::start(&spec.name, store, database)),
            _ => None,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let turns = Arc::new(Semaphore::new(spec.serve.concurrency.unwrap_or(cores).max(1)));
        let batcher = Batcher::declared(&spec.serve);
        let shelf = Shelf::of(spec.serve.versions_max);
        Ok(Self {
            spec,
            lookups,
            keeper,
            articles,
            database,
            shelf,
            current: RwLock::default(),
            is_unloaded: AtomicBool::new(false),
            turns,
            waiting: AtomicUsize::new(0),
            batcher,
            known: Mutex::default(),
        })
    }

    /// Puts a version into use; predictions in hand finish with the one they began with.
    pub fn put(&self, version: Version) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(version));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Takes all versions out of use; until [`Served::allow`] no other is put into use by itself.
    pub fn unload(&self) {
        self.is_unloaded.store(true, Ordering::Relaxed);
        self.shelf.clear();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Lets versions be put into use again.
    pub fn allow(&self) {
        self.is_unloaded.store(false, Ordering::Relaxed);
    }

    /// Whether it was taken out of use on purpose.
    pub fn is_unloaded(&self) -> bool {
        self.is_unloaded.load(Ordering::Relaxed)
    }

    /// The version in use.
    pub fn version(&self) -> Option<Arc<Version>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Predicts JSON rows.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn predict_json(
        &self,
        rows: &[&Map<String, Value>],
        explain: Explain,
    ) -> Result<Answers, Failure> {
        let version = self.version().ok_or(Failure::NoModel)?;
        let key = match (rows, explain, self.spec.serve.cache_rows) {
            ([row], Explain::No, Some(_)) => serde_json::to_string(row).ok(),
            _ => None,
        };
        if let Some(key) = &key {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
            if let Some(prediction) = known {
                return Ok(Answers { version, predictions: vec![prediction], reasons: None });
            }
        }
        let table = input::rows(&self.spec, &version.signature, rows).map_err(Failure::Invalid)?;
        let answers = self.predict(version, table, explain).await?;
        if let (Some(key), [prediction], Some(most)) =
            (key, &answers.predictions[..], self.spec.serve.cache_rows)
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= most {
                known.clear();
            }
            // Another version may have been put into use meanwhile.
            if self.version().is_some_and(|current| Arc::ptr_eq(&current, &answers.version)) {
                known.insert(key, prediction.clone());
            }
        }
        Ok(answers)
    }

    /// Predicts the rows of a table that came as columns, by the version in use or another.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn predict_table(
        &self,
        version: &Arc<Version>,
        table: &Table,
        explain: Explain,
    ) -> Result<Answers, Failure> {
        let checked = version.signature.check(table).map_err(Failure::Invalid)?;
        let objects: Vec<_> = match self.spec.features.is_empty() {
            true => Vec::new(),
            false => (0..table.rows()).map(|row| ndjson::object(table, row)).collect(),
        };
        if !objects.is_empty() {
            input::rows(&self.spec, &version.signature, &objects.iter().collect::<Vec<_>>())
                .map_err(Failure::Invalid)?;
        }
        self.predict(Arc::clone(version), checked, explain).await
    }

    async fn predict(
        &self,
        version: Arc<Version>,
        table: Table,
        explain: Explain,
    ) -> Result<Answers, Failure> {
        let table = Arc::new(table);
        let (predictions, reasons) = self.work(&version, &table, explain).await?;
        if let Some(watch) = &version.watch {
            watch.observe(version.model.predictor.as_ref(), &table, &predictions);
        }
        Ok(Answers { version, predictions, reasons })
    }

    async fn work(
        &self,
        version: &Arc<Version>,
        table: &Arc<Table>,
        explain: Explain,
    ) -> Result<Work, Failure> {
        if explain == Explain::No
            && let Some(batcher) = &self.batcher
        {
            return Ok((batcher.predict(version, Arc::clone(table)).await?, None));
        }
        let _turn = self.turn().await?;
        if table.rows() <= ROWS_INLINE && explain == Explain::No {
            return Ok((version.predict(table)?, None));
        }
        let (version, table) = (Arc::clone(version), Arc::clone(table));
        let work = tokio::task::spawn_blocking(move || {
            let predictions = version.predict(&table)?;
            let reasons = match explain {
                Explain::No => None,
                Explain::Yes => version
                    .model
                    .predictor
                    .explain(&table)
                    .map_err(|error| Failure::Refused(error.to_string()))?,
            };
            Ok((predictions, reasons))
        });
        work.await.map_err(|_| Failure::Refused("the prediction failed".to_owned()))?
    }

    /// Puts the rows of a CSV file into one of the declared tables, which are made before if need be.
    ///
    /// # Errors
    /// When there is no such table or no database, or the file cannot be used.
    pub async fn load(&self, table: &str, bytes: &[u8]) -> Result<load::Loaded, load::Failed> {
        let Some(declared) = self.spec.tables.get(table) else {
            let known: Vec<&str> = self.spec.tables.keys().map(String::as_str).collect();
            let message = format!("no table `{table}` is declared; there are: {}", known.join(", "));
            return Err(load::Failed::File(message));
        };
        let Some(database) = &self.database else {
            return Err(load::Failed::File("no database is declared: add `serve.store.database`".to_owned()));
        };
        for statement in self.spec.serve.store.iter().flat_map(|store| &store.setup) {
            database.run(statement, &[]).await.map_err(load::Failed::Database)?;
        }
        load::load(database, table, &declared.key, bytes).await
    }

    /// Keeps what was asked and answered.
    pub fn observe(&self, rows: &[&Map<String, Value>], answers: &Answers, request_id: &str) {
        let Some(keeper) = &self.keeper else { return };
        let version = &answers.version;
        for (row, prediction) in rows.iter().zip(&answers.predictions) {
            let told = match prediction {
                Prediction::Number(number) => Value::from(*number),
                Prediction::Class(class) => probability(version.model.predictor.as_ref(), class).into(),
                Prediction::Polarity { document, .. } => {
                    version.model.predictor.classes().get(document.label).cloned().into()
                }
                Prediction::Items { items, .. } => {
                    items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>().join(",").into()
                }
            };
            keeper.keep(row, told, (&version.number, request_id));
        }
    }

    /// Keeps what was asked as columns and answered.
    pub fn observe_table(&self, table: &Table, answers: &Answers, request_id: &str) {
        if self.keeper.is_none() {
            return;
        }
        let objects: Vec<_> = (0..table.rows()).map(|row| ndjson::object(table, row)).collect();
        self.observe(&objects.iter().collect::<Vec<_>>(), answers, request_id);
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Failure> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let queue = self.spec.serve.queue.unwrap_or(QUEUE);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= queue {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Failure::Busy);
        }
        let turn = tokio::time::timeout(WAIT_MAX, self.turns.acquire()).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Failure::Busy),
        }
    }
}

impl Version {
    pub(crate) fn predict(&self, table: &Table) -> Result<Vec<Prediction>, Failure> {
        self.model.predictor.predict(table).map_err(|error| Failure::Refused(error.to_string()))
    }
}

/// Whether reasons are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explain {
    /// Only predictions.
    No,
    /// What speaks for and against them too.
    Yes,
}

type Work = (Vec<Prediction>, Option<Vec<Reasons>>);
