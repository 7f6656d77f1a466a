//! Models tried beside the one in use, kept in the registry's database: a restart goes on with them, with what they have
//! been seen to do, and one that was taken out stays out. Servers that share a database and an environment share
//! what is tried; each judges it by the messages of its own.

use std::sync::Arc;
use std::time::Duration;

use intendant_registry::catalog::{Catalog, Error, Kind, TrialEnd, TrialRecord, Version};
use intendant_serve::assistant::Assistant;
use intendant_serve::server::Server;
use intendant_serve::slots::Ended;
use intendant_serve::trial::{Plan, Trial};
use intendant_serve::workshop::{Workshop, WorkshopError};
use intendant_talk::time::Timestamp;
use tokio::sync::Mutex;

use crate::registry::ModelServer;
use crate::serving::{plan_of, plan_text};

/// How often it is written what has been seen, and looked what other servers do.
pub const KEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What a server tries, and where that is kept.
pub struct Trials {
    /// The server.
    pub server: Server,
    /// Loads models.
    pub workshop: Arc<dyn Workshop>,
    /// Where models are looked up.
    pub models: ModelServer,
    environment: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    catalog: Option<Arc<Catalog>>,
    /// As the database has it.
    record: Option<TrialRecord>,
    /// What this server tries under that record.
    running: Option<Arc<Trial>>,
}

impl Kept {
    /// The catalogue; opened anew after a failure.
    async fn catalog(&mut self, models: &ModelServer) -> Result<Arc<Catalog>, Error> {
        if let Some(catalog) = &self.catalog {
            return Ok(Arc::clone(catalog));
        }
        let opened = Arc::new(Catalog::open(&models.folder, models.database.as_deref()).await?);
        Ok(Arc::clone(self.catalog.insert(opened)))
    }
}

impl Trials {
    /// What `server` tries. Servers of one `environment` try the same.
    pub fn new(
        server: Server,
        workshop: Arc<dyn Workshop>,
        models: ModelServer,
        environment: String,
    ) -> Self {
        Self { server, workshop, models, environment, kept: Mutex::default() }
    }

    /// What the database says that is tried, or was tried last.
    pub async fn kept(&self) -> Option<TrialRecord> {
        self.kept.lock().await.record.clone()
    }

    /// Tries a version from now on.
    ///
    /// # Errors
    /// When the database fails; it is tried then, until the server stops.
    pub async fn begin(
        &self,
        version: &Version,
        candidate: Arc<Assistant>,
        (plan, is_by_hand): (Plan, bool),
    ) -> Result<(), Error> {
        let mut kept = self.kept.lock().await;
        let trial = self.server.begin_trial(candidate, plan);
        let record = TrialRecord {
            digest: version.digest.clone(),
            plan: plan_text(&plan),
            since: moment(trial.since),
            is_by_hand,
            seen: trial.record(),
            ended: None,
        };
        let catalog = kept.catalog(&self.models).await?;
        catalog.begin_trial(&self.environment, &record).await?;
        kept.record = Some(record);
        kept.running = Some(trial);
        Ok(())
    }

    /// Writes what has been seen, and takes over what other servers, or this one before a restart, have begun or
    /// ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look(&self) -> Result<(), Error> {
        if self.models.database.is_none() && !Catalog::exists(&self.models.folder) {
            return Ok(());
        }
        let mut kept = self.kept.lock().await;
        let looked = self.try_look(&mut kept).await;
        if looked.is_err() {
            kept.catalog = None;
        }
        looked
    }

    async fn try_look(&self, kept: &mut Kept) -> Result<(), Error> {
        let catalog = kept.catalog(&self.models).await?;
        let Some(known) = catalog.trial(&self.environment).await? else { return Ok(()) };
        if kept.record.as_ref().is_none_or(|record| record.since != known.since) {
            return self.take_over(kept, &catalog, known).await;
        }
        let Some(running) = kept.running.clone() else { return Ok(()) };
        let mut record = TrialRecord { seen: running.record(), ..known.clone() };
        let slots = self.server.slots();
        let goes_on = slots.trial.is_some_and(|trial| Arc::ptr_eq(&trial, &running));
        match &known.ended {
            Some(end) if goes_on && end.is_rollback => self.server.roll_back_trial(&end.reason),
            Some(end) if goes_on => drop(self.server.end_trial(&end.reason)),
            None if !goes_on => {
                let ended = slots.ended.filter(|ended| Arc::ptr_eq(&ended.trial, &running));
                record.ended = Some(end_of(ended));
            }
            _ => {}
        }
        if record != known {
            catalog.keep_trial(&self.environment, &record).await?;
        }
        if record.ended.is_some() {
            kept.running = None;
        }
        kept.record = Some(record);
        Ok(())
    }

    /// Goes on with what is on record.
    async fn take_over(&self, kept: &mut Kept, catalog: &Catalog, known: TrialRecord) -> Result<(), Error> {
        let mut running = None;
        if known.ended.is_none() {
            match (plan_of(&known.plan), catalog.find(&known.digest).await) {
                (Ok(plan), Ok(version)) => {
                    if let Ok(candidate) = self.load(catalog, &version).await? {
                        let since = Timestamp { micros: known.since.as_microsecond() };
                        let trial = Trial::resumed(candidate, plan, (since, known.seen.clone()));
                        running = Some(self.server.put_trial(trial));
                    }
                }
                (Err(why), _) => tracing::warn!(why, "what was tried is not gone on with"),
                (_, Err(error)) if error.kind == Kind::NotFound => {
                    tracing::warn!(%error, "what was tried is not gone on with");
                }
                (_, Err(error)) => return Err(error),
            }
        }
        kept.record = Some(known);
        kept.running = running;
        Ok(())
    }

    /// Looks again and again until `stopped`, and once more then.
    pub async fn run(&self, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        let mut is_failing = false;
        loop {
            let is_over = tokio::select! {
                () = tokio::time::sleep(KEEP_INTERVAL) => false,
                () = &mut stopped => true,
            };
            let failed = self.look().await.err();
            if let Some(error) = failed.as_ref().filter(|_| !is_failing) {
                tracing::warn!(%error, "what is tried cannot be kept at present");
            }
            is_failing = failed.is_some();
            if is_over {
                return;
            }
        }
    }

    /// Loads a version and warms it; one that cannot be loaded is marked, and why is given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(
        &self,
        catalog: &Catalog,
        version: &Version,
    ) -> Result<Result<Arc<Assistant>, String>, Error> {
        let path = self.models.folder.join(&version.file).display().to_string();
        let workshop = Arc::clone(&self.workshop);
        let loading = tokio::task::spawn_blocking(move || {
            let assistant = workshop.load(&path)?;
            assistant.warm();
            Ok::<_, WorkshopError>(assistant)
        });
        let why = match loading.await {
            Ok(Ok(assistant)) => {
                catalog.mark(&version.digest, None).await?;
                return Ok(Ok(Arc::new(assistant)));
            }
            Ok(Err(error)) => error.message,
            Err(error) => error.to_string(),
        };
        let model = version.reference();
        tracing::error!(model, error = why, "a model cannot be loaded; the one in use stays");
        self.server.note_unloadable(&version.file, &why);
        catalog.mark(&version.digest, Some(&why)).await?;
        Ok(Err(why))
    }
}

/// How a trial of this server ended, as far as it knows.
fn end_of(ended: Option<Ended>) -> TrialEnd {
    match ended {
        Some(ended) => {
            TrialEnd { reason: ended.reason, is_rollback: ended.is_rollback, at: moment(ended.at) }
        }
        None => TrialEnd {
            reason: "something else is tried".to_owned(),
            is_rollback: false,
            at: jiff::Timestamp::now(),
        },
    }
}

fn moment(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(time.micros).unwrap_or_default()
}
