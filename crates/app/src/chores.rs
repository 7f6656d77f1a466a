//! What jobs do here: train the project in the current folder or a predictor of it, measure models.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use intendant_component::training::Progress;
use intendant_config::Environment;
use intendant_config::jobs::{Jobs as Settings, Scheduled};
use intendant_jobs::schedule::Schedule;
use intendant_jobs::worker::{self, Desk, Work, Worker};
use intendant_registry::catalog::{Act, Catalog, Provenance, Version};
use intendant_registry::gates;
use intendant_store::jobs::{Job, Jobs};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::commands::models::{platform, registry, tags};
use crate::commands::predictors;
use crate::commands::train::{self, Order, Outcome};
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::{project, report};

/// The models folder of a project.
pub const MODELS: &str = "models";
/// The most findings about a project that go into a job's log.
const FINDINGS_MAX: usize = 200;

/// Kinds of jobs with their options.
const KINDS: [(&str, &[&str]); 2] =
    [("train", &["predictor", "force", "name", "tag", "measure"]), ("evaluate", &["model", "dataset"])];

/// Section `jobs`, checked.
///
/// # Errors
/// When it cannot be used; what is wrong has been printed or is in the message.
pub fn settings(environment: &Environment) -> Result<Settings, Failure> {
    let settings: Settings = platform(environment)?.section("jobs").map_err(|finding| {
        report::print(&[finding]);
        Failure::new("", "the settings of jobs cannot be used")
    })?;
    if !(settings.lease_seconds >= 0.1 && settings.lease_seconds <= 86_400.0) {
        return Err(Failure::new("", "jobs.lease_seconds: a number of seconds from 0.1 to 86400"));
    }
    Ok(settings)
}

/// Opens the jobs of the settings.
///
/// # Errors
/// When the database cannot be used.
pub async fn open(settings: &Settings) -> Result<Arc<Jobs>, Failure> {
    Ok(Arc::new(Jobs::open(&settings.database).await.map_err(|error| Failure::of("", &error))?))
}

/// Starts workers and what submits scheduled jobs. They end when the process is asked to, and give back
/// what they have in hand; the futures end then.
///
/// # Errors
/// When a schedule cannot be used.
pub fn start(
    settings: &Settings,
    jobs: &Arc<Jobs>,
    (workers, stop): (usize, &Stop),
    environment: &Environment,
) -> Result<Vec<tokio::task::JoinHandle<()>>, Failure> {
    let schedules = settings.schedules.iter().map(|(name, scheduled)| schedule(name, scheduled));
    let schedules = schedules.collect::<Result<Vec<_>, Failure>>()?;
    let (asking, stopped) = tokio::sync::watch::channel(false);
    let asked = stop.clone();
    tokio::spawn(async move {
        asked.asked().await;
        asking.send_replace(true);
        // The channel lives as long as anybody looks at it.
        asking.closed().await;
    });
    let mut running = Vec::new();
    for number in 0..workers {
        let own = worker::Settings {
            name: format!("{}/{}-{number}", uuid::Uuid::new_v4().simple(), std::process::id()),
            lease: Duration::from_secs_f64(settings.lease_seconds),
            attempts: settings.attempts,
            keep: Duration::from_secs_f64((settings.keep_days * 86_400.0).clamp(0.0, 1e9)),
            schedules: schedules.clone(),
        };
        let chores = Arc::new(Chores { environment: environment.clone() });
        let worker = Worker::new(Arc::clone(jobs), chores, own);
        if number == 0 {
            let (timing, stopped) = (worker.clone(), stopped.clone());
            running.push(tokio::spawn(async move { timing.keep_time(stopped).await }));
        }
        let stopped = stopped.clone();
        running.push(tokio::spawn(async move { worker.run(stopped).await }));
    }
    Ok(running)
}

fn schedule(name: &str, scheduled: &Scheduled) -> Result<worker::Scheduled, Failure> {
    let unusable = |why: String| Failure::new("", format!("jobs.schedules.{name}: {why}"));
    let options = Value::Object(scheduled.options.clone());
    check(&scheduled.job, &options).map_err(unusable)?;
    Ok(worker::Scheduled {
        name: name.to_owned(),
        schedule: Schedule::new(&scheduled.cron, scheduled.zone.as_deref()).map_err(unusable)?,
        kind: scheduled.job.clone(),
        options,
    })
}

/// Says what is wrong with a job.
pub fn check(kind: &str, options: &Value) -> Result<(), String> {
    let Some((_, known)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        return Err(format!("`{kind}` is no job; there are train and evaluate"));
    };
    let options = options.as_object().ok_or("the options of a job are an object")?;
    for (key, value) in options {
        let (is_fit, wanted) = match key.as_str() {
            unknown if !known.contains(&unknown) => {
                return Err(format!("`{unknown}` is not known; `{kind}` has {}", known.join(", ")));
            }
            "force" => (value.is_boolean(), "true or false"),
            "measure" => {
                let is_texts = value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
                (is_texts, "a list of datasets")
            }
            _ => (value.as_str().is_some_and(|text| !text.is_empty()), "a text"),
        };
        if !is_fit {
            return Err(format!("`{key}` is {wanted}, not {value}"));
        }
    }
    match kind {
        "evaluate" if !options.contains_key("dataset") => Err("`dataset` says what to measure on".to_owned()),
        _ => Ok(()),
    }
}

/// Does jobs in the current folder.
struct Chores {
    environment: Environment,
}

/// A job's desk as trainers see it.
struct Told(Arc<Desk>);

impl Progress for Told {
    fn report(&self, phase: &str, done: u64, total: u64) {
        self.0.progress(phase, done, total);
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Work for Chores {
    fn run(&self, job: &Job, desk: &Arc<Desk>) -> Result<Value, String> {
        check(&job.kind, &job.options)?;
        let empty = Map::new();
        let options = job.options.as_object().unwrap_or(&empty);
        let done = match job.kind.as_str() {
            "train" => self.train(job, options, desk),
            _ => self.evaluate(options, desk),
        };
        done.map_err(|failure| failure.message().to_owned())
    }
}

impl Chores {
    fn train(&self, job: &Job, options: &Map<String, Value>, desk: &Arc<Desk>) -> Result<Value, Failure> {
        let text = |key: &str| options.get(key).and_then(Value::as_str).map(str::to_owned);
        let force = options.get("force") == Some(&Value::Bool(true));
        let watcher = Some(Arc::new(Told(Arc::clone(desk))) as Arc<dyn Progress + Send + Sync>);
        let (status, path) = match text("predictor") {
            Some(predictor) => {
                let folder = predictors::train::Order::into_folder(Path::new(MODELS));
                let order = predictors::train::Order {
                    force,
                    fixed_model_name: text("name"),
                    quiet: true,
                    watcher,
                    ..folder
                };
                self.train_predictor(&predictor, &order, desk)?
            }
            None => {
                let folder = Order::of_folder(Path::new("."));
                let order = Order { force, fixed_model_name: text("name"), quiet: true, watcher, ..folder };
                self.train_assistant(&order, desk)?
            }
        };
        desk.log(format!("{status}: {}", path.display()));
        let datasets: Vec<String> = options
            .get("measure")
            .and_then(Value::as_array)
            .map(|items| items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            .unwrap_or_default();
        let tag = text("tag");
        block_on(self.register(job, (&path, status), (&datasets, tag.as_deref()), desk))
    }

    fn train_assistant(&self, order: &Order, desk: &Desk) -> Result<(&'static str, PathBuf), Failure> {
        let has_config = order.paths.config.as_ref().is_some_and(|config| config.exists());
        let has_agent = intendant_agents::files::folder_of(Path::new(".")).is_some();
        if predictors::serve::are_there() && !has_config && !has_agent {
            let names: Vec<String> =
                predictors::specs(&self.environment)?.into_iter().map(|spec| spec.name).collect();
            let message = format!("there is no assistant here; name a predictor: {}", names.join(", "));
            return Err(Failure::new("", message));
        }
        // An agent has no such files.
        if has_config {
            let (_, findings) = project::read(&order.paths, &self.environment)?;
            for finding in findings.iter().take(FINDINGS_MAX) {
                desk.log(finding.to_string());
            }
        }
        match train::execute(order, &self.environment)? {
            Outcome::Trained(path) => Ok(("trained", path)),
            Outcome::Unchanged(path) => Ok(("unchanged", path)),
            Outcome::Planned(_) => Err(Failure::new("", "nothing was trained")),
        }
    }

    fn train_predictor(
        &self,
        name: &str,
        order: &predictors::train::Order,
        desk: &Desk,
    ) -> Result<(&'static str, PathBuf), Failure> {
        let spec = predictors::spec(name, &self.environment)?;
        let done = predictors::train::train(&spec, order, &self.environment)?;
        tell(desk, predictors::train::HELD_OUT, &done.figures);
        tell_gates(desk, &done.gates);
        Ok((if done.is_unchanged { "unchanged" } else { "trained" }, done.path))
    }

    /// Makes a model a version, measures it, and puts a tag on it if it passes the tag's gates.
    async fn register(
        &self,
        job: &Job,
        (path, status): (&Path, &str),
        (datasets, tag): (&[String], Option<&str>),
        desk: &Arc<Desk>,
    ) -> Result<Value, Failure> {
        let catalog = self.catalog().await?;
        let version = catalog.register(path, Provenance::default()).await.map_err(storage)?;
        let mut outcome = json!({
            "status": status, "model": version.reference(), "file": version.file, "digest": version.digest,
        });
        let mut metrics = Map::new();
        for name in datasets.iter().collect::<BTreeSet<_>>() {
            desk.progress("measuring", metrics.len() as u64, datasets.len() as u64);
            let measured = tags::figures(&catalog, &version, name, &self.environment).await?;
            tell(desk, name, &measured);
            metrics.insert(name.clone(), json!(measured));
        }
        if !metrics.is_empty() {
            outcome["metrics"] = Value::Object(metrics);
        }
        if let Some(tag) = tag {
            desk.progress("gates", 0, 1);
            let by = format!("job {} ({})", job.id, job.origin);
            outcome["tag"] = self.promote(&catalog, tag, (&version, &by), desk).await?;
        }
        Ok(outcome)
    }

    async fn promote(
        &self,
        catalog: &Catalog,
        tag: &str,
        (version, by): (&Version, &str),
        desk: &Arc<Desk>,
    ) -> Result<Value, Failure> {
        // As it is now: measuring has changed what is on record.
        let version = catalog.find(&version.digest).await.map_err(storage)?;
        let current = catalog.tagged(tag).await.map_err(storage)?;
        let outcomes = tags::judge(catalog, tag, (&version, current.as_ref()), &self.environment).await?;
        tell_gates(desk, &outcomes);
        let is_passed = outcomes.iter().all(|gate| gate.passed);
        if is_passed {
            let expected = current.as_ref().map(|version| version.digest.as_str());
            let act = Act { by, reason: "passed its gates", at: Timestamp::now() };
            catalog.tag(tag, &version, expected, act).await.map_err(storage)?;
            desk.log(format!("{tag} is now {}", version.reference()));
        } else {
            desk.log(format!("{} does not take the tag {tag}", version.reference()));
        }
        Ok(json!({"name": tag, "tagged": is_passed, "gates": outcomes}))
    }

    fn evaluate(&self, options: &Map<String, Value>, desk: &Arc<Desk>) -> Result<Value, Failure> {
        let text = |key: &str| options.get(key).and_then(Value::as_str);
        let name = text("dataset").unwrap_or_default();
        desk.progress("measuring", 0, 1);
        block_on(async {
            let catalog = self.catalog().await?;
            catalog.adopt().await.map_err(storage)?;
            let version = catalog.find(text("model").unwrap_or("latest")).await.map_err(storage)?;
            let measured = tags::figures(&catalog, &version, name, &self.environment).await?;
            tell(desk, name, &measured);
            Ok(json!({"model": version.reference(), "dataset": name, "metrics": measured}))
        })
    }

    async fn catalog(&self) -> Result<Catalog, Failure> {
        let registry = registry(&self.environment)?;
        Catalog::open(&PathBuf::from(MODELS), registry.database.as_deref()).await.map_err(storage)
    }
}

fn storage(error: intendant_registry::catalog::Error) -> Failure {
    Failure::of("", &error)
}

/// The figures over all labels.
fn tell(desk: &Desk, dataset: &str, measured: &std::collections::BTreeMap<String, f64>) {
    for (metric, value) in measured.iter().filter(|(metric, _)| !metric.contains('[')) {
        desk.log(format!("{dataset}: {metric} {value:.4}"));
    }
}

fn tell_gates(desk: &Desk, outcomes: &[gates::Outcome]) {
    for gate in outcomes {
        let passed = if gate.passed { "passed" } else { "FAILED" };
        let measured = gate.measured.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.4}"));
        desk.log(format!("gate {passed}: {}: {measured}, required {}", gate.gate, gate.required));
    }
}

/// Waits on the thread that jobs compute on.
fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(work)
}
