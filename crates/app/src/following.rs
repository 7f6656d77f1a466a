//! Follows tags of the models folder: the model in use, one that is tried beside it.
//!
//! A new model is loaded and warmed on a thread of its own, then put into use in one step. One that cannot be
//! loaded is marked in the catalogue and in the server's status, and what was in use stays.

use std::sync::Arc;
use std::time::Duration;

use intendant_api::serving::plan_of;
use intendant_api::trials::Trials;
use intendant_config::serving::{Rollback, Serving};
use intendant_registry::catalog::{Catalog, Error, Version};
use intendant_serve::trial::{Plan, Role, Rules};

use crate::stopping::Stop;

/// Tags that a server follows.
pub struct Following {
    trials: Arc<Trials>,
    serving: Serving,
    catalog: Option<Catalog>,
    /// Digests that were looked at last, usable or not.
    current: Option<String>,
    tried: Option<String>,
    tried_file: String,
    /// Whether it was looked for what an earlier process tried.
    has_resumed: bool,
    /// The same trouble is told once.
    trouble: String,
}

impl Following {
    /// Tags of a models folder, followed by the server of `trials`.
    pub fn new(trials: &Arc<Trials>, serving: Serving) -> Self {
        if serving.keep_previous {
            trials.server.keep_previous_model();
        }
        Self {
            trials: Arc::clone(trials),
            serving,
            catalog: None,
            current: None,
            tried: None,
            tried_file: String::new(),
            has_resumed: false,
            trouble: String::new(),
        }
    }

    /// Looks again and again until the server stops.
    pub async fn run(mut self, stop: Stop) {
        if !self.serving.follows() {
            return;
        }
        let pause = Duration::from_millis(self.serving.poll_ms.max(10));
        loop {
            self.look().await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.asked() => return,
            }
        }
    }

    /// Looks once, and does what tags ask for.
    pub async fn look(&mut self) {
        if !self.serving.follows() {
            return;
        }
        let trouble = match self.try_look().await {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        if trouble != self.trouble && !trouble.is_empty() {
            tracing::warn!(error = trouble, "tags cannot be followed at present");
        }
        self.trouble = trouble;
    }

    async fn try_look(&mut self) -> Result<(), Error> {
        let catalog = match self.catalog.take() {
            Some(catalog) => catalog,
            None => {
                let models = &self.trials.models;
                Catalog::open(&models.folder, models.database.as_deref()).await?
            }
        };
        // A database that fails is opened anew the next time.
        self.follow_current(&catalog).await?;
        self.follow_trial(&catalog).await?;
        self.catalog = Some(catalog);
        Ok(())
    }

    async fn follow_current(&mut self, catalog: &Catalog) -> Result<(), Error> {
        let Some(tag) = self.serving.tag.clone() else { return Ok(()) };
        let Some(version) = catalog.tagged(&tag).await? else { return Ok(()) };
        if self.current.as_ref() == Some(&version.digest) {
            return Ok(());
        }
        let loaded = self.trials.load(catalog, &version).await?;
        self.current = Some(version.digest.clone());
        if let Ok(assistant) = loaded {
            self.trials.server.put_model(assistant);
            tracing::info!(model = version.reference(), tag, "now serving the model under the tag");
        }
        Ok(())
    }

    async fn follow_trial(&mut self, catalog: &Catalog) -> Result<(), Error> {
        let (tried, role) = match (&self.serving.shadow, &self.serving.canary) {
            (Some(tried), _) => (tried.clone(), Role::Shadow),
            (None, Some(tried)) => (tried.clone(), Role::Canary),
            (None, None) => return Ok(()),
        };
        self.tell_rollback(catalog).await?;
        let version = catalog.tagged(&tried.tag).await?;
        let digest = version.as_ref().map(|version| version.digest.clone());
        if digest == self.tried {
            return Ok(());
        }
        let Some(version) = version else {
            self.trials.server.end_trial("its tag was taken away");
            self.tried = None;
            return Ok(());
        };
        let plan = Plan { role, percent: tried.percent, rules: rules(&self.serving.rollback) };
        let is_resumed =
            !std::mem::replace(&mut self.has_resumed, true) && self.resumes(&version, &plan).await;
        let candidate = match is_resumed {
            true => None,
            false => self.trials.load(catalog, &version).await?.ok(),
        };
        self.tried = digest;
        self.tried_file.clone_from(&version.file);
        if let Some(candidate) = candidate {
            self.trials.begin(&version, candidate, (plan, false)).await?;
        }
        Ok(())
    }

    // What was tried before a restart is not begun anew: neither this, nor what somebody has asked for instead.
    async fn resumes(&self, version: &Version, plan: &Plan) -> bool {
        let kept = self.trials.kept().await;
        kept.is_some_and(|kept| match kept.is_by_hand {
            true => kept.ended.is_none(),
            false => kept.digest == version.digest && plan_of(&kept.plan).as_ref() == Ok(plan),
        })
    }

    // A model that was taken out is marked, so that nobody wonders.
    async fn tell_rollback(&self, catalog: &Catalog) -> Result<(), Error> {
        let slots = self.trials.server.slots();
        let (Some(digest), None, Some(ended)) = (&self.tried, slots.trial, slots.ended) else {
            return Ok(());
        };
        if ended.is_rollback && ended.trial.candidate.model_file == self.tried_file {
            catalog.mark(digest, Some(&format!("taken out: {}", ended.reason))).await?;
        }
        Ok(())
    }
}

fn rules(rollback: &Rollback) -> Rules {
    Rules {
        window: rollback.window,
        messages_min: rollback.messages_min,
        error_rate_worse_by: rollback.error_rate_worse_by,
        fallback_rate_worse_by: rollback.fallback_rate_worse_by,
        latency_p95_factor_max: rollback.latency_p95_factor_max,
        latency_p95_max: rollback
            .latency_p95_ms_max
            .and_then(|milliseconds| Duration::try_from_secs_f64(milliseconds / 1000.0).ok()),
    }
}
