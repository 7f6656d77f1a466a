//! Streams that work beside a server, in its process: `intendant up`.

use std::sync::Arc;

use intendant_api::stream::Role;
use intendant_config::Environment;
use intendant_streams::consumer::Until;
use tokio::task::JoinHandle;

use super::roles::{Consuming, Producing, asked_with};
use super::wire::{Running, Wire, streams};
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::terminal::say;

/// Streams at work.
#[derive(Default)]
pub struct Beside {
    /// Their roles, as they are asked about.
    pub roles: Arc<Vec<Role>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Beside {
    /// Starts every stream that is declared: its producer if it has a source, its consumer if anything scores. They end
    /// with the process.
    ///
    /// # Errors
    /// When one is declared wrongly, or its database cannot be used; then none works.
    pub async fn start(running: &Running, stop: &Stop, environment: &Environment) -> Result<Self, Failure> {
        let (mut producing, mut consuming) = (Vec::new(), Vec::new());
        for (name, stream) in streams(environment)? {
            let has_source = !stream.source.is_empty();
            let wire = Wire::of(name, stream, environment).await?;
            if has_source {
                producing.push(Producing::open(&wire).await?);
            }
            if wire.is_scored() {
                let scorer = wire.scorer(running, stop).await?;
                consuming.push(Consuming::open(&wire, scorer).await?);
            }
        }
        let of_producers = producing.iter().map(|producing| producing.role.clone());
        let of_consumers = consuming.iter().map(|consuming| consuming.role.clone());
        let mut beside =
            Self { roles: Arc::new(of_producers.chain(of_consumers).collect()), tasks: Vec::new() };
        for role in beside.roles.iter() {
            say!("The {} of the stream {} works.", role.role, role.stream);
        }
        let stop = asked_with(stop);
        for producing in producing {
            let stop = stop.clone();
            beside.tasks.push(tokio::spawn(async move {
                let stream = producing.role.stream.clone();
                if let Err(failure) = producing.run(&stop).await {
                    tracing::error!(stream, error = failure.message(), "the producer ended");
                }
            }));
        }
        for consuming in consuming {
            let stop = stop.clone();
            beside.tasks.push(tokio::spawn(async move { consuming.run(Until::Stopped, &stop).await }));
        }
        Ok(beside)
    }

    /// Waits until all have finished what they have in hand; they must have been asked to end.
    pub async fn ended(self) {
        for task in self.tasks {
            let _ = task.await;
        }
    }
}
