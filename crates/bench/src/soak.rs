//! A server under half its load for some time, while everything it leans on is killed and started
//! again once: the action server, Redis, PostgreSQL, RabbitMQ. At the end every acknowledged
//! message must be in the database, in order, and every stored event must have reached the queue.

mod check;
mod client;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fixtures::process::{Server, free_port};
use fixtures::services::{Kind, Service};

use check::Queue;
use client::Talk;
pub use client::serve_actions;

/// Messages per second of all clients: half of what is promised with PostgreSQL.
const RATE: f64 = 750.0;
const CLIENTS: usize = 16;
/// How long what was killed stays away.
const AWAY: Duration = Duration::from_secs(2);
const MEMORY_INTERVAL: Duration = Duration::from_secs(5);
/// Memory counts from this share of the time on; before, caches fill.
const SETTLED_SHARE: f64 = 0.3;

const PROJECT: [(&str, &str); 4] = [
    ("config.yml", "recipe: default.v1\nassistant_id: soak\nlanguage: en\npipeline:\npolicies:\n"),
    (
        "domain.yml",
        "version: \"3.1\"\nintents: [greet, work]\nactions: [action_work]\nresponses:\n  utter_greet:\n  - text: hello\n",
    ),
    (
        "data/nlu.yml",
        "version: \"3.1\"\nnlu:\n- intent: greet\n  examples: |\n    - hello\n    - hello 1\n    - hello there 2\n\
         - intent: work\n  examples: |\n    - work\n    - work 1\n    - please work 2\n",
    ),
    (
        "data/rules.yml",
        "version: \"3.1\"\nrules:\n- rule: greet\n  steps:\n  - intent: greet\n  - action: utter_greet\n\
         - rule: work\n  steps:\n  - intent: work\n  - action: action_work\n",
    ),
];

/// What is left running while the clients talk.
struct World {
    postgres: Service,
    redis: Service,
    rabbitmq: Service,
    actions: Actions,
}

/// The action server, a process of its own.
struct Actions {
    port: u16,
    process: Child,
}

impl Actions {
    fn start(port: u16) -> Result<Self> {
        let own = std::env::current_exe()?;
        let mut command = Command::new(own);
        let process = command.args(["action-server", &port.to_string()]).stdin(Stdio::null()).spawn()?;
        Ok(Self { port, process })
    }

    fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs it and prints what happened.
///
/// # Errors
/// When something is missing that must not be.
pub fn run(binary: &Path, duration: Duration, has_faults: bool) -> Result<()> {
    let mut world = World::start()?;
    let folder = tempfile::tempdir()?;
    world.prepare(binary, folder.path())?;
    let server = Server::start(binary, folder.path(), &["run", "--enable-api"])?;
    let (is_over, start) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let mut queue = Queue::watch(world.rabbitmq.port);
    let talks: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let talk = Talk { number, port: server.port, per_second: RATE / CLIENTS as f64 };
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || talk.run(&is_over))
        })
        .collect();
    let memory = world.pass_time(&server, start, duration, has_faults)?;
    is_over.store(true, Ordering::Relaxed);
    let mut told = client::Told::default();
    for talk in talks {
        told.add(talk.join().map_err(|_| anyhow::anyhow!("a client panicked"))?);
    }
    println!("soak of {:.1} minutes, faults: {has_faults}: {told}", duration.as_secs_f64() / 60.0);
    println!(
        "resident memory after {:.0} % of the time and at the end: {:.1} MB, {:.1} MB",
        SETTLED_SHARE * 100.0,
        memory.0,
        memory.1
    );
    server.stop()?;
    let stored = check::stored(&world.postgres)?;
    let missing = check::acknowledged(&told, &stored)?;
    println!("acknowledged messages missing in PostgreSQL: {missing}");
    let unsent = queue.wait_for(&stored)?;
    println!("stored events that did not reach RabbitMQ: {unsent}; came twice: {}", queue.repeated());
    if missing > 0 || unsent > 0 || (!has_faults && told.failed() > 0) {
        let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        bail!("something is missing; the newest lines of the log:\n{}", tail.join("\n"));
    }
    Ok(())
}

impl World {
    fn start() -> Result<Self> {
        let service = |kind| Service::start(kind)?.with_context(|| format!("{kind:?} is not installed"));
        Ok(Self {
            postgres: service(Kind::Postgres)?,
            redis: service(Kind::Redis)?,
            rabbitmq: service(Kind::RabbitMq)?,
            actions: Actions::start(free_port()?)?,
        })
    }

    fn prepare(&self, binary: &Path, folder: &Path) -> Result<()> {
        for (path, content) in PROJECT {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().context("a file in a folder")?)?;
            std::fs::write(path, content)?;
        }
        let endpoints = format!(
            "action_endpoint:\n  url: http://127.0.0.1:{}/webhook\ntracker_store:\n  type: SQL\n  url: {}\n\
             lock_store:\n  type: redis\n  url: 127.0.0.1\n  port: {}\nevent_broker:\n  type: pika\n  url: {}\n  \
             queues: [{}]\n",
            self.actions.port,
            self.postgres.url(),
            self.redis.port,
            self.rabbitmq.url(),
            check::QUEUE
        );
        std::fs::write(folder.join("endpoints.yml"), endpoints)?;
        std::fs::write(folder.join("credentials.yml"), "rest:\n")?;
        crate::run(binary, &["train", "--quiet"], folder)
    }

    /// Waits for the end, killing what is to be killed; returns memory when settled and at the end.
    fn pass_time(
        &mut self,
        server: &Server,
        start: Instant,
        duration: Duration,
        has_faults: bool,
    ) -> Result<(f64, f64)> {
        let mut faults = [0.4, 0.55, 0.7, 0.85].into_iter().enumerate().peekable();
        let mut settled = None;
        while start.elapsed() < duration {
            let share = start.elapsed().as_secs_f64() / duration.as_secs_f64();
            if has_faults && let Some((number, _)) = faults.next_if(|(_, at)| share >= *at) {
                self.kill_and_restart(number)?;
            }
            if settled.is_none() && share >= SETTLED_SHARE {
                settled = Some(server.resident_mb()?);
            }
            let left = duration.saturating_sub(start.elapsed());
            std::thread::sleep(MEMORY_INTERVAL.min(duration / 50).min(left));
        }
        let end = server.resident_mb()?;
        Ok((settled.unwrap_or(end), end))
    }

    fn kill_and_restart(&mut self, number: usize) -> Result<()> {
        let start = Instant::now();
        let name = match number {
            0 => {
                self.actions.kill();
                std::thread::sleep(AWAY);
                self.actions = Actions::start(self.actions.port)?;
                "action server"
            }
            1 => restart(&mut self.redis, "redis")?,
            2 => restart(&mut self.postgres, "postgresql")?,
            _ => restart(&mut self.rabbitmq, "rabbitmq")?,
        };
        println!("{name} was away for {:.1} s", start.elapsed().as_secs_f64());
        Ok(())
    }
}

fn restart(service: &mut Service, name: &'static str) -> Result<&'static str> {
    service.kill();
    std::thread::sleep(AWAY);
    service.restart()?;
    Ok(name)
}
