//! Who does jobs: takes one, works on it under a lease, tells how far it is, writes what came of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use intendant_port::error::Result;
use intendant_store::jobs::{Job, Jobs, State};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::schedule::Schedule;

/// How often it is looked for jobs, and for schedules that have come due.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);
/// How often at most progress and log are written.
const TELL_INTERVAL: Duration = Duration::from_millis(500);
/// How often old jobs are removed.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);
/// Most lines of a log that wait to be written; more are left out, and that is said.
const LINES_MAX: usize = 1000;

/// Does what jobs ask for. Computes; it is called off the async threads.
pub trait Work: Send + Sync {
    /// Does a job to its end, or until its end is asked for. Gives what came of it.
    ///
    /// # Errors
    /// Why it cannot be done; it is not tried again.
    fn run(&self, job: &Job, desk: &Arc<Desk>) -> std::result::Result<Value, String>;
}

/// What a job tells while it is done.
#[derive(Default)]
pub struct Desk {
    told: Mutex<Told>,
    is_cancelled: AtomicBool,
}

#[derive(Default)]
struct Told {
    progress: Value,
    lines: Vec<String>,
    left_out: usize,
}

impl Desk {
    /// Says how far it is.
    pub fn progress(&self, phase: &str, done: u64, total: u64) {
        self.told().progress = json!({"phase": phase, "done": done, "total": total});
    }

    /// Writes a line into the job's log.
    pub fn log(&self, line: impl Into<String>) {
        let mut told = self.told();
        if told.lines.len() < LINES_MAX { told.lines.push(line.into()) } else { told.left_out += 1 }
    }

    /// Whether the end was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> (Value, Vec<String>) {
        let mut told = self.told();
        let mut lines = std::mem::take(&mut told.lines);
        let left_out = std::mem::take(&mut told.left_out);
        if left_out > 0 {
            lines.push(format!("({left_out} more lines were left out)"));
        }
        (told.progress.clone(), lines)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How workers of a process behave.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who this is; no two processes have the same name.
    pub name: String,
    /// A worker that was silent for so long is taken for dead.
    pub lease: Duration,
    /// How often a job is begun at most.
    pub attempts: u32,
    /// How long finished jobs are kept.
    pub keep: Duration,
    /// Jobs that come by themselves.
    pub schedules: Vec<Scheduled>,
}

/// A job that comes by itself.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// Its name.
    pub name: String,
    /// When.
    pub schedule: Schedule,
    /// What is to be done.
    pub kind: String,
    /// How.
    pub options: Value,
}

/// The workers of a process.
#[derive(Clone)]
pub struct Worker {
    jobs: Arc<Jobs>,
    work: Arc<dyn Work>,
    settings: Arc<Settings>,
}

/// Whether the process is asked to end.
pub type Stopped = watch::Receiver<bool>;

impl Worker {
    /// Workers that do by `work` what is asked for in `jobs`.
    pub fn new(jobs: Arc<Jobs>, work: Arc<dyn Work>, settings: Settings) -> Self {
        Self { jobs, work, settings: Arc::new(settings) }
    }

    /// Does one job after the other until the end is asked for. A job in hand is given back then.
    pub async fn run(&self, mut stopped: Stopped) {
        let mut is_failing = false;
        while !*stopped.borrow() {
            match self.jobs.take(&self.settings.name, self.settings.lease).await {
                Ok(Some(job)) => {
                    is_failing = false;
                    self.execute(job, stopped.clone()).await;
                }
                Ok(None) => {
                    is_failing = false;
                    pause(&mut stopped, LOOK_INTERVAL).await;
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::error!(
                            error = error.chain(),
                            "jobs cannot be looked for; it is tried again"
                        );
                    }
                    pause(&mut stopped, LOOK_INTERVAL * 10).await;
                }
            }
        }
    }

    /// Submits jobs that come due and removes old ones, until the end is asked for. Every process may do
    /// so: each time is submitted once.
    pub async fn keep_time(&self, mut stopped: Stopped) {
        let mut last: Vec<Option<Timestamp>> = vec![None; self.settings.schedules.len()];
        let mut forgot: Option<Instant> = None;
        while !*stopped.borrow() {
            for (scheduled, last) in self.settings.schedules.iter().zip(&mut last) {
                if let Err(error) = self.look(scheduled, last).await {
                    tracing::error!(schedule = scheduled.name, error = error.chain(), "a schedule is late");
                }
            }
            if forgot.is_none_or(|forgot| forgot.elapsed() > FORGET_INTERVAL) {
                forgot = Some(Instant::now());
                if let Err(error) = self.jobs.forget(self.settings.keep).await {
                    tracing::error!(error = error.chain(), "old jobs cannot be removed");
                }
            }
            pause(&mut stopped, LOOK_INTERVAL).await;
        }
    }

    /// Submits a job if its time has come. Times that passed while nobody looked are made up for once.
    async fn look(&self, scheduled: &Scheduled, last: &mut Option<Timestamp>) -> Result<()> {
        let now = Timestamp::now();
        let since = match *last {
            Some(last) => last,
            None => {
                let known = self.jobs.last_due(&scheduled.name).await?;
                known.and_then(|known| Timestamp::from_millisecond(known).ok()).unwrap_or(now)
            }
        };
        *last = Some(since);
        let mut due = None;
        while let Some(next) = scheduled.schedule.after(due.unwrap_or(since)).filter(|next| *next <= now) {
            due = Some(next);
            if now.duration_since(next).as_secs() > 24 * 3600 {
                // After a long rest the newest time is as good as the first.
                due = Some(now - Duration::from_secs(24 * 3600)).max(due);
            }
        }
        let Some(due) = due else { return Ok(()) };
        let job = (scheduled.kind.as_str(), &scheduled.options);
        let place = (scheduled.name.as_str(), due.as_millisecond());
        if let Some(id) = self.jobs.submit_due(place, job, self.settings.attempts).await? {
            tracing::info!(job = id, schedule = scheduled.name, "a job has come due");
        }
        *last = Some(due);
        Ok(())
    }

    async fn execute(&self, job: Job, mut stopped: Stopped) {
        tracing::info!(job = job.id, kind = job.kind, attempt = job.attempts, "a job is begun");
        let desk = Arc::new(Desk::default());
        if job.attempts > 1 {
            desk.log(format!("begun again, for the {}. time: the worker before has died", job.attempts));
        }
        let (work, own, at) = (Arc::clone(&self.work), job.clone(), Arc::clone(&desk));
        let mut working = tokio::task::spawn_blocking(move || work.run(&own, &at));
        let mut is_ours = true;
        let tell_interval = TELL_INTERVAL.min(self.settings.lease / 3);
        let worked = loop {
            tokio::select! {
                worked = &mut working => break worked,
                () = tick(&mut stopped, tell_interval) => {
                    if *stopped.borrow() {
                        desk.cancel();
                    }
                    is_ours = self.tell(&job, &desk).await;
                    if !is_ours {
                        desk.cancel();
                    }
                }
            }
        };
        if !is_ours {
            tracing::warn!(job = job.id, "a job was taken by another worker meanwhile");
            return;
        }
        let is_given_back = *stopped.borrow() && desk.is_cancelled() && !self.is_cancelled(&job).await;
        if let Err(error) = self.finish(&job, &desk, (worked, is_given_back)).await {
            tracing::error!(job = job.id, error = error.chain(), "what came of a job cannot be written");
        }
    }

    async fn is_cancelled(&self, job: &Job) -> bool {
        self.jobs.get(job.id).await.is_ok_and(|job| job.is_some_and(|job| job.is_cancelled))
    }

    /// Renews the lease and writes what the job has told. Gives whether the job is still ours.
    async fn tell(&self, job: &Job, desk: &Desk) -> bool {
        let (progress, lines) = desk.take();
        let told = async {
            self.jobs.say(job.id, &lines).await?;
            self.jobs.renew(job, self.settings.lease, &progress).await
        };
        match told.await {
            Ok(Some(is_cancelled)) => {
                if is_cancelled {
                    desk.cancel();
                }
                true
            }
            Ok(None) => false,
            Err(error) => {
                // As long as the lease lasts nobody else takes the job, and the next try may go well.
                tracing::warn!(job = job.id, error = error.chain(), "a job's lease cannot be renewed now");
                true
            }
        }
    }

    async fn finish(
        &self,
        job: &Job,
        desk: &Desk,
        (worked, is_given_back): (
            std::result::Result<std::result::Result<Value, String>, tokio::task::JoinError>,
            bool,
        ),
    ) -> Result<()> {
        let (state, outcome) = match worked {
            Ok(Ok(outcome)) => (State::Done, outcome),
            Ok(Err(_)) if is_given_back => {
                desk.log("given back: the worker ends");
                self.jobs.say(job.id, &desk.take().1).await?;
                return self.jobs.give_back(job).await;
            }
            Ok(Err(why)) if desk.is_cancelled() => (State::Cancelled, Value::String(why)),
            Ok(Err(why)) => (State::Failed, Value::String(why)),
            Err(_) => (State::Failed, json!("it panicked; the server's log has more")),
        };
        if let Value::String(why) = &outcome {
            desk.log(why.clone());
        }
        desk.log(state.name());
        let (progress, lines) = desk.take();
        self.jobs.say(job.id, &lines).await?;
        self.jobs.renew(job, self.settings.lease, &progress).await?;
        tracing::info!(job = job.id, state = state.name(), "a job has ended");
        self.jobs.end(job, state, &outcome).await
    }
}

/// Waits for the next time to tell; the moment in which the end is asked for is one.
async fn tick(stopped: &mut Stopped, interval: Duration) {
    let is_stopped = *stopped.borrow();
    match is_stopped {
        true => tokio::time::sleep(interval).await,
        false => pause(stopped, interval).await,
    }
}

async fn pause(stopped: &mut Stopped, duration: Duration) {
    // Without a sender nobody will ever ask.
    if tokio::time::timeout(duration, stopped.wait_for(|is_stopped| *is_stopped))
        .await
        .is_ok_and(|asked| asked.is_err())
    {
        tokio::time::sleep(duration).await;
    }
}
