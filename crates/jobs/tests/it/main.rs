//! Jobs with real databases, and with workers that die.

// A test may stop where it stands.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fixtures::services::{Kind, Service};
use intendant_jobs::schedule::Schedule;
use intendant_jobs::worker::{Desk, Scheduled, Settings, Work, Worker};
use intendant_store::jobs::{Job, Jobs, State};
use serde_json::{Value, json};
use tokio::sync::watch;

const DEADLINE: Duration = Duration::from_secs(120);
const ROLE: &str = "INTENDANT_TEST_JOBS_DATABASE";

/// Does what the options say: waits for files, tells, fails, panics.
struct Scripted;

impl Work for Scripted {
    fn run(&self, job: &Job, desk: &Arc<Desk>) -> Result<Value, String> {
        let text = |key: &str| job.options[key].as_str().map(str::to_owned);
        desk.log(format!("attempt {}", job.attempts));
        desk.progress("waiting", 1, 2);
        if let Some(path) = text("begun") {
            std::fs::write(format!("{path}-{}", job.attempts), "").unwrap();
        }
        while text("until").is_some_and(|path| !Path::new(&path).exists()) {
            if desk.is_cancelled() {
                return Err("stopped on request".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        match text("then").as_deref() {
            Some("fail") => Err("it went wrong".to_owned()),
            Some("panic") => panic!("it fell over"),
            _ => Ok(json!({"answer": 42})),
        }
    }
}

fn settings(name: &str, lease_ms: u64) -> Settings {
    Settings {
        name: name.to_owned(),
        lease: Duration::from_millis(lease_ms),
        attempts: 3,
        keep: Duration::from_secs(3600),
        schedules: Vec::new(),
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it does not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ended(jobs: &Jobs, id: i64) -> Job {
    until(&format!("job {id} ends"), async || jobs.get(id).await.unwrap().unwrap().state.is_final()).await;
    jobs.get(id).await.unwrap().unwrap()
}

async fn lines(jobs: &Jobs, id: i64) -> Vec<String> {
    jobs.log(id, 0).await.unwrap().into_iter().map(|line| line.text).collect()
}

/// Nothing, unless this process is a worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_worker() {
    let Ok(database) = std::env::var(ROLE) else { return };
    let jobs = Arc::new(Jobs::open(&database).await.unwrap());
    let name = format!("process {}", std::process::id());
    let (_running, stopped) = watch::channel(false);
    Worker::new(jobs, Arc::new(Scripted), settings(&name, 600)).run(stopped).await;
}

struct Process(Child);

impl Process {
    fn start(database: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "as_a_worker"]).env(ROLE, database);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Process {
    /// Without warning, as a power cut would.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A worker in this process that is asked to end when dropped.
struct Here(watch::Sender<bool>);

impl Here {
    fn start(jobs: &Arc<Jobs>, settings: Settings) -> Self {
        let (running, stopped) = watch::channel(false);
        let worker = Worker::new(Arc::clone(jobs), Arc::new(Scripted), settings);
        let (timing, at) = (worker.clone(), stopped.clone());
        tokio::spawn(async move { timing.keep_time(at).await });
        tokio::spawn(async move { worker.run(stopped).await });
        Self(running)
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

async fn a_job_of_a_dead_worker_is_done_once_more(database: &str, folder: &Path) {
    let jobs = Jobs::open(database).await.unwrap();
    let (begun, go) = (folder.join("begun"), folder.join("go"));
    let options = json!({"begun": begun, "until": go});
    let id = jobs.submit("wait", &options, ("test", 3)).await.unwrap();
    let first = Process::start(database);
    until("it is begun", async || folder.join("begun-1").exists()).await;
    until("it tells", async || jobs.get(id).await.unwrap().unwrap().progress["phase"] == "waiting").await;
    drop(first);
    let _second = Process::start(database);
    until("it is begun again", async || folder.join("begun-2").exists()).await;
    std::fs::write(&go, "").unwrap();
    let job = ended(&jobs, id).await;
    assert_eq!((job.state, job.attempts, &job.outcome), (State::Done, 2, &json!({"answer": 42})));
    assert!(!folder.join("begun-3").exists());
    let lines = lines(&jobs, id).await;
    let again = "begun again, for the 2. time: the worker before has died";
    assert_eq!(lines, ["attempt 1", again, "attempt 2", "done"]);
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_done_once_more_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("jobs.db").display().to_string();
    a_job_of_a_dead_worker_is_done_once_more(&database, folder.path()).await;
}

#[tokio::test]
async fn a_job_of_a_dead_worker_is_done_once_more_in_postgres() {
    let Some(server) = Service::start(Kind::Postgres).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    a_job_of_a_dead_worker_is_done_once_more(&server.url(), folder.path()).await;
}

#[tokio::test]
async fn jobs_end_in_one_of_four_ways() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("jobs.db").display().to_string();
    let jobs = Arc::new(Jobs::open(&database).await.unwrap());
    let submit = async |options: Value| jobs.submit("wait", &options, ("test", 3)).await.unwrap();
    let early = submit(json!({})).await;
    assert_eq!(jobs.cancel(early).await.unwrap().unwrap().state, State::Cancelled);
    assert!(jobs.cancel(999).await.unwrap().is_none());
    let (done, failed, panicked) = (
        submit(json!({})).await,
        submit(json!({"then": "fail"})).await,
        submit(json!({"then": "panic"})).await,
    );
    let late = submit(json!({"until": folder.path().join("never")})).await;
    let _worker = Here::start(&jobs, settings("here", 5000));
    assert_eq!(ended(&jobs, done).await.state, State::Done);
    let job = ended(&jobs, failed).await;
    assert_eq!((job.state, job.attempts, job.outcome), (State::Failed, 1, json!("it went wrong")));
    assert_eq!(lines(&jobs, failed).await, ["attempt 1", "it went wrong", "failed"]);
    let job = ended(&jobs, panicked).await;
    assert_eq!((job.state, job.outcome), (State::Failed, json!("it panicked; the server's log has more")));
    until("it is begun", async || jobs.get(late).await.unwrap().unwrap().state == State::Running).await;
    assert!(jobs.cancel(late).await.unwrap().unwrap().is_cancelled);
    assert_eq!(ended(&jobs, late).await.state, State::Cancelled);
    let of_state = |state| jobs.list(Some(state), 10);
    assert_eq!(of_state(State::Failed).await.unwrap().len(), 2);
    assert_eq!(
        jobs.list(None, 2).await.unwrap().iter().map(|job| job.id).collect::<Vec<_>>(),
        [late, panicked]
    );
    jobs.forget(Duration::ZERO).await.unwrap();
    until("old ones are removed", async || {
        jobs.forget(Duration::ZERO).await.unwrap();
        jobs.list(None, 10).await.unwrap().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_ends_gives_its_job_back() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("jobs.db").display().to_string();
    let jobs = Arc::new(Jobs::open(&database).await.unwrap());
    let go = folder.path().join("go");
    let id = jobs.submit("wait", &json!({"until": go}), ("test", 1)).await.unwrap();
    let worker = Here::start(&jobs, settings("first", 5000));
    until("it is begun", async || jobs.get(id).await.unwrap().unwrap().state == State::Running).await;
    drop(worker);
    until("it waits again", async || jobs.get(id).await.unwrap().unwrap().state == State::Queued).await;
    std::fs::write(&go, "").unwrap();
    let _worker = Here::start(&jobs, settings("second", 5000));
    let job = ended(&jobs, id).await;
    assert_eq!((job.state, job.attempts, job.worker.as_str()), (State::Done, 1, "second"));
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("jobs.db").display().to_string();
    let jobs = Jobs::open(&database).await.unwrap();
    let id = jobs.submit("wait", &json!({}), ("test", 2)).await.unwrap();
    for attempt in 1..=2 {
        until("it is taken", async || {
            let taken = jobs.take("mortal", Duration::from_millis(1)).await.unwrap();
            taken.is_some_and(|job| job.attempts == attempt)
        })
        .await;
    }
    until("it is given up", async || {
        assert!(jobs.take("next", Duration::from_millis(1)).await.unwrap().is_none());
        jobs.get(id).await.unwrap().unwrap().state == State::Failed
    })
    .await;
    let job = jobs.get(id).await.unwrap().unwrap();
    assert_eq!(job.outcome, "its worker died, and it may not be begun once more");
    // One that was only slow cannot write over that.
    let slow = Job { worker: "mortal".to_owned(), attempts: 2, ..job };
    jobs.end(&slow, State::Done, &json!({})).await.unwrap();
    assert_eq!(jobs.renew(&slow, Duration::from_secs(1), &json!({})).await.unwrap(), None);
    assert_eq!(jobs.get(id).await.unwrap().unwrap().state, State::Failed);
}

#[tokio::test]
async fn a_schedule_submits_once_however_many_look() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("jobs.db").display().to_string();
    let scheduled = Scheduled {
        name: "often".to_owned(),
        schedule: Schedule::new("* * * * * *", None).unwrap(),
        kind: "wait".to_owned(),
        options: json!({}),
    };
    let settings = |name: &str| Settings { schedules: vec![scheduled.clone()], ..settings(name, 5000) };
    let jobs = Arc::new(Jobs::open(&database).await.unwrap());
    let others = Arc::new(Jobs::open(&database).await.unwrap());
    let started = Instant::now();
    let workers = (Here::start(&jobs, settings("one")), Here::start(&others, settings("two")));
    until("it comes three times", async || jobs.list(Some(State::Done), 10).await.unwrap().len() >= 3).await;
    drop(workers);
    let found = jobs.list(None, 100).await.unwrap();
    assert!(found.len() as u64 <= started.elapsed().as_secs() + 2, "{}", found.len());
    assert!(found.iter().all(|job| job.origin == "schedule often"));
}
