//! Jobs in a database: who waits, who works on what under which lease, what came of it.
//!
//! A worker takes a job for the time of a lease and renews it while it works. One that dies renews
//! nothing, and another takes the job again. Everything that a worker writes names its attempt, so
//! that one that was only slow cannot write over the one that took its place.

use std::time::Duration;

use intendant_port::error::Result;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::database::Database;
use crate::queue::storable;

const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS jobs (
        id SERIAL_ID,
        kind TEXT NOT NULL,
        options TEXT NOT NULL,
        state TEXT NOT NULL,
        origin TEXT NOT NULL,
        attempts BIGINT NOT NULL,
        attempts_max BIGINT NOT NULL,
        worker TEXT NOT NULL,
        lease_until_ms BIGINT NOT NULL,
        is_cancelled BIGINT NOT NULL,
        progress TEXT NOT NULL,
        outcome TEXT NOT NULL,
        submitted_ms BIGINT NOT NULL,
        started_ms BIGINT NOT NULL,
        ended_ms BIGINT NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS jobs_state ON jobs (state, id)",
    "CREATE TABLE IF NOT EXISTS job_log (
        id SERIAL_ID, job BIGINT NOT NULL, said_ms BIGINT NOT NULL, line TEXT NOT NULL
    )",
    "CREATE INDEX IF NOT EXISTS job_log_job ON job_log (job, id)",
    "CREATE TABLE IF NOT EXISTS job_schedules (name TEXT NOT NULL PRIMARY KEY, due_ms BIGINT NOT NULL)",
];

const COLUMNS: &str = "id, kind, options, state, origin, attempts, attempts_max, worker, is_cancelled, progress, \
                       outcome, submitted_ms, started_ms, ended_ms";

const SUBMIT: &str = "INSERT INTO jobs (kind, options, state, origin, attempts, attempts_max, worker,
        lease_until_ms, is_cancelled, progress, outcome, submitted_ms, started_ms, ended_ms)
    VALUES ($1, $2, 'queued', $3, 0, $4, '', 0, 0, '', '', NOW_MS, 0, 0) RETURNING id";

/// What waits, or was begun by somebody who has died.
const TAKE: &str = "UPDATE jobs SET state = 'running', worker = $1, lease_until_ms = NOW_MS + $2,
        attempts = attempts + 1, started_ms = NOW_MS, progress = ''
    WHERE id = (SELECT id FROM jobs
        WHERE attempts < attempts_max AND is_cancelled = 0
            AND (state = 'queued' OR (state = 'running' AND lease_until_ms < NOW_MS))
        ORDER BY id LIMIT 1 SKIP_LOCKED)
    RETURNING ";

/// What nobody will do any more: cancelled before it was begun or while nobody worked on it, or begun
/// too often.
const BURY: &str = "UPDATE jobs SET ended_ms = NOW_MS,
        state = CASE WHEN is_cancelled = 1 THEN 'cancelled' ELSE 'failed' END,
        outcome = CASE WHEN is_cancelled = 1 THEN outcome ELSE $1 END
    WHERE (state = 'queued' AND is_cancelled = 1)
        OR (state = 'running' AND lease_until_ms < NOW_MS AND (is_cancelled = 1 OR attempts >= attempts_max))";

const RENEW: &str = "UPDATE jobs SET lease_until_ms = NOW_MS + $1, progress = $2
    WHERE id = $3 AND worker = $4 AND attempts = $5 AND state = 'running' RETURNING is_cancelled";

const END: &str = "UPDATE jobs SET state = $1, outcome = $2, ended_ms = NOW_MS
    WHERE id = $3 AND worker = $4 AND attempts = $5 AND state = 'running'";

const GIVE_BACK: &str = "UPDATE jobs SET state = 'queued', worker = '', attempts = attempts - 1
    WHERE id = $1 AND worker = $2 AND attempts = $3 AND state = 'running'";

const SAY: &str = "INSERT INTO job_log (job, said_ms, line)
    SELECT $1, NOW_MS, value ->> 'line' FROM EACH($2)";

const DUE: &str = "INSERT INTO job_schedules (name, due_ms) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET due_ms = excluded.due_ms WHERE job_schedules.due_ms < excluded.due_ms
    RETURNING name";

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

/// All states by name.
pub const STATES: [(&str, State); 5] = [
    ("queued", State::Queued),
    ("running", State::Running),
    ("done", State::Done),
    ("failed", State::Failed),
    ("cancelled", State::Cancelled),
];

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        STATES.iter().find(|(_, state)| *state == self).map_or("queued", |(name, _)| name)
    }

    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job. Times are milliseconds since 1970; 0 is never.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Job {
    pub id: i64,
    /// What is to be done.
    pub kind: String,
    /// How.
    pub options: Value,
    pub state: State,
    /// Who asked for it.
    pub origin: String,
    /// How often it was begun.
    pub attempts: i64,
    pub attempts_max: i64,
    /// Who works on it, or did.
    pub worker: String,
    /// Whether its end was asked for.
    pub is_cancelled: bool,
    /// How far it is: phase, done, total.
    pub progress: Value,
    /// What came of it, or why nothing did.
    pub outcome: Value,
    pub submitted_ms: i64,
    pub started_ms: i64,
    pub ended_ms: i64,
}

impl Job {
    /// The job as JSON.
    pub fn to_json(&self) -> Value {
        let time = |time: i64| if time == 0 { Value::Null } else { time.into() };
        json!({
            "id": self.id, "kind": self.kind, "options": self.options, "state": self.state.name(),
            "origin": self.origin, "attempts": self.attempts, "worker": self.worker,
            "cancelled": self.is_cancelled, "progress": self.progress, "outcome": self.outcome,
            "submitted_ms": time(self.submitted_ms), "started_ms": time(self.started_ms),
            "ended_ms": time(self.ended_ms),
        })
    }
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Grows from line to line.
    pub id: i64,
    /// When it was written.
    pub said_ms: i64,
    /// The line.
    pub text: String,
}

/// The jobs of a database.
pub struct Jobs {
    database: Database,
}

impl Jobs {
    /// Opens the tables, creating them where they are missing.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(url: &str) -> Result<Self> {
        Ok(Self { database: Database::open(url, &TABLES).await? })
    }

    /// Puts a job at the end of the queue; gives its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn submit(&self, kind: &str, options: &Value, by: (&str, u32)) -> Result<i64> {
        let (origin, attempts_max) = by;
        let query = self.database.query(SUBMIT).bind(storable(kind)).bind(options.to_string());
        let query = query.bind(storable(origin)).bind(i64::from(attempts_max.max(1)));
        let row = query.fetch_one(self.database.pool()).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.failed(error))
    }

    /// Submits a job that has come due, unless another process has done so for this or a later time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn submit_due(
        &self,
        (schedule, due_ms): (&str, i64),
        (kind, options): (&str, &Value),
        attempts_max: u32,
    ) -> Result<Option<i64>> {
        let failed = |error| self.failed(error);
        let mut transaction = self.database.begin().await?;
        let due = self.database.query(DUE).bind(schedule.to_owned()).bind(due_ms);
        if due.fetch_optional(&mut *transaction).await.map_err(failed)?.is_none() {
            return Ok(None);
        }
        let query = self.database.query(SUBMIT).bind(storable(kind)).bind(options.to_string());
        let query = query.bind(format!("schedule {schedule}")).bind(i64::from(attempts_max.max(1)));
        let row = query.fetch_one(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        row.try_get(0).map(Some).map_err(failed)
    }

    /// When a schedule last submitted a job, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_due(&self, schedule: &str) -> Result<Option<i64>> {
        let query = self.database.query("SELECT due_ms FROM job_schedules WHERE name = $1");
        let row = query.bind(schedule.to_owned()).fetch_optional(self.database.pool()).await;
        let row = row.map_err(|error| self.failed(error))?;
        row.map(|row| row.try_get(0)).transpose().map_err(|error| self.failed(error))
    }

    /// Takes the oldest job that waits, for the time of a lease.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take(&self, worker: &str, lease: Duration) -> Result<Option<Job>> {
        let why = json!("its worker died, and it may not be begun once more").to_string();
        let buried = self.database.query(BURY).bind(why).execute(self.database.pool()).await;
        buried.map_err(|error| self.failed(error))?;
        let query = self.database.query(&format!("{TAKE}{COLUMNS}")).bind(worker.to_owned());
        let row = query.bind(millis(lease)).fetch_optional(self.database.pool()).await;
        row.map_err(|error| self.failed(error))?.map(|row| self.job(&row)).transpose()
    }

    /// Renews the lease and tells how far the job is. Gives whether its end was asked for, and nothing
    /// when somebody else has taken the job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew(&self, job: &Job, lease: Duration, progress: &Value) -> Result<Option<bool>> {
        let query = self.database.query(RENEW).bind(millis(lease)).bind(progress.to_string());
        let query = query.bind(job.id).bind(job.worker.clone()).bind(job.attempts);
        let row = query.fetch_optional(self.database.pool()).await.map_err(|error| self.failed(error))?;
        let asked = row.map(|row| row.try_get::<i64, _>(0)).transpose();
        Ok(asked.map_err(|error| self.failed(error))?.map(|asked| asked == 1))
    }

    /// Writes what came of a job, unless somebody else has taken it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end(&self, job: &Job, state: State, outcome: &Value) -> Result<()> {
        let query = self.database.query(END).bind(state.name().to_owned()).bind(outcome.to_string());
        let query = query.bind(job.id).bind(job.worker.clone()).bind(job.attempts);
        query.execute(self.database.pool()).await.map(drop).map_err(|error| self.failed(error))
    }

    /// Puts a job back that was begun; this attempt does not count.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_back(&self, job: &Job) -> Result<()> {
        let query = self.database.query(GIVE_BACK).bind(job.id).bind(job.worker.clone()).bind(job.attempts);
        query.execute(self.database.pool()).await.map(drop).map_err(|error| self.failed(error))
    }

    /// Asks for the end of a job. Gives the job as it is then; nothing when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(&self, id: i64) -> Result<Option<Job>> {
        let statement = "UPDATE jobs SET is_cancelled = 1,
                ended_ms = CASE WHEN state = 'queued' THEN NOW_MS ELSE ended_ms END,
                state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END
            WHERE id = $1 AND state IN ('queued', 'running')";
        let query = self.database.query(statement).bind(id);
        query.execute(self.database.pool()).await.map_err(|error| self.failed(error))?;
        self.get(id).await
    }

    /// One job.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get(&self, id: i64) -> Result<Option<Job>> {
        let query = self.database.query(&format!("SELECT {COLUMNS} FROM jobs WHERE id = $1")).bind(id);
        let row = query.fetch_optional(self.database.pool()).await.map_err(|error| self.failed(error))?;
        row.map(|row| self.job(&row)).transpose()
    }

    /// The newest jobs, or those of a state.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, state: Option<State>, most: usize) -> Result<Vec<Job>> {
        let statement =
            format!("SELECT {COLUMNS} FROM jobs WHERE $1 = '' OR state = $1 ORDER BY id DESC LIMIT $2");
        let state = state.map(State::name).unwrap_or_default().to_owned();
        let query = self.database.query(&statement).bind(state);
        let query = query.bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = query.fetch_all(self.database.pool()).await.map_err(|error| self.failed(error))?;
        rows.iter().map(|row| self.job(row)).collect()
    }

    /// Adds lines to a job's log.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn say(&self, job: i64, lines: &[String]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let lines = Value::Array(lines.iter().map(|line| json!({"line": storable(line)})).collect());
        let query = self.database.query(SAY).bind(job).bind(lines.to_string());
        query.execute(self.database.pool()).await.map(drop).map_err(|error| self.failed(error))
    }

    /// Lines of a job's log after another.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn log(&self, job: i64, after: i64) -> Result<Vec<Line>> {
        let statement = "SELECT id, said_ms, line FROM job_log WHERE job = $1 AND id > $2 ORDER BY id";
        let query = self.database.query(statement).bind(job).bind(after);
        let rows = query.fetch_all(self.database.pool()).await.map_err(|error| self.failed(error))?;
        let line =
            |row: &AnyRow| Ok(Line { id: row.try_get(0)?, said_ms: row.try_get(1)?, text: row.try_get(2)? });
        rows.iter()
            .map(line)
            .collect::<std::result::Result<_, sqlx::Error>>()
            .map_err(|error| self.failed(error))
    }

    /// Removes jobs that ended longer ago than this, with their logs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self, age: Duration) -> Result<()> {
        let failed = |error| self.failed(error);
        let mut transaction = self.database.begin().await?;
        let logs = "DELETE FROM job_log WHERE job IN
            (SELECT id FROM jobs WHERE ended_ms > 0 AND ended_ms < NOW_MS - $1)";
        self.database.query(logs).bind(millis(age)).execute(&mut *transaction).await.map_err(failed)?;
        let jobs = "DELETE FROM jobs WHERE ended_ms > 0 AND ended_ms < NOW_MS - $1";
        self.database.query(jobs).bind(millis(age)).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    fn job(&self, row: &AnyRow) -> Result<Job> {
        let read = || -> std::result::Result<Job, sqlx::Error> {
            let json = |at: usize| -> std::result::Result<Value, sqlx::Error> {
                Ok(serde_json::from_str(&row.try_get::<String, _>(at)?).unwrap_or_default())
            };
            let state: String = row.try_get(3)?;
            Ok(Job {
                id: row.try_get(0)?,
                kind: row.try_get(1)?,
                options: json(2)?,
                state: STATES
                    .iter()
                    .find(|(name, _)| *name == state)
                    .map_or(State::Failed, |(_, state)| *state),
                origin: row.try_get(4)?,
                attempts: row.try_get(5)?,
                attempts_max: row.try_get(6)?,
                worker: row.try_get(7)?,
                is_cancelled: row.try_get::<i64, _>(8)? == 1,
                progress: json(9)?,
                outcome: json(10)?,
                submitted_ms: row.try_get(11)?,
                started_ms: row.try_get(12)?,
                ended_ms: row.try_get(13)?,
            })
        };
        read().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: sqlx::Error) -> intendant_port::error::Error {
        self.database.failed("use the jobs of", error)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
