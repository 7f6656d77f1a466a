//! `stream produce` and `stream consume`: the two roles of a stream, each a process of its own.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use intendant_api::listen;
use intendant_api::stream::{self, Role};
use intendant_config::Environment;
use intendant_port::stream::Subscription;
use intendant_streams::consumer::{Consumer, Settings, Until};
use intendant_streams::counters::Counters;
use intendant_streams::producer::{self, Producer};
use intendant_streams::relay::Relay;
use intendant_streams::score::Score;
use intendant_streams::source::Source;
use intendant_streams::stop::Stop;

use super::wire::{Running, Wire};
use crate::failure::Failure;
use crate::stopping;
use crate::terminal::say;

/// Which stream is produced.
#[derive(Debug, Args)]
pub struct ProduceArgs {
    /// The stream's name in `intendant.yml`.
    #[arg(value_name = "STREAM")]
    stream: String,
    #[command(flatten)]
    watched: Watched,
}

/// Which stream is consumed.
#[derive(Debug, Args)]
pub struct ConsumeArgs {
    /// The stream's name in `intendant.yml`.
    #[arg(value_name = "STREAM")]
    stream: String,
    /// End when no message waits.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    watched: Watched,
}

/// Where a role can be asked about.
#[derive(Debug, Args)]
pub struct Watched {
    /// Answer /health, /readyz and /metrics on this port.
    #[arg(short, long, value_name = "PORT")]
    port: Option<u16>,
    /// The network interface of that port.
    #[arg(short, long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    interface: String,
}

impl Watched {
    /// Answers while the role works.
    async fn serve(&self, role: Role, stop: &Stop) -> Result<(), Failure> {
        let Some(port) = self.port else { return Ok(()) };
        let listener = listen::bind(&self.interface, port).await.map_err(|error| Failure::of("", &error))?;
        let address = listener.local_addr().map_err(|error| Failure::of("", &error))?;
        tracing::info!("listening on http://{address}");
        let stop = stop.clone();
        tokio::spawn(async move {
            listen::serve(listener, stream::router(role), async move { stop.asked().await }).await;
        });
        Ok(())
    }
}

/// A producer and what it needs, ready to work.
pub struct Producing {
    producer: Producer,
    source: Box<dyn Source>,
    relay: Option<Relay>,
    /// How it is asked about.
    pub role: Role,
}

impl Producing {
    /// The producer of a stream.
    ///
    /// # Errors
    /// When its settings cannot be used.
    pub async fn open(wire: &Wire<'_>) -> Result<Self, Failure> {
        let source = wire.source().await?;
        let transport = &wire.stream.transport;
        let has_outbox = !wire.is_own_queue(transport);
        let topic = match has_outbox {
            true => Relay::topic("producer", &wire.name),
            false => wire.topic().to_owned(),
        };
        let settings = producer::Settings {
            stream: wire.name.clone(),
            key: wire.stream.key.clone(),
            repeats: wire.repeats(),
            topic: topic.clone(),
        };
        let producer = Producer::new(wire.books.clone(), settings);
        let counters = Arc::clone(producer.counters());
        let relay = match has_outbox {
            true => {
                let publisher = wire.publisher(transport, wire.topic()).await?;
                Some(Relay::new(&wire.books, &topic, publisher, Arc::clone(&counters)))
            }
            false => None,
        };
        let role = Role { stream: wire.name.clone(), role: "producer", counters, hook: None };
        Ok(Self { producer, source, relay, role })
    }

    /// Sends what is new until the source ends or the end is asked for.
    ///
    /// # Errors
    /// When the books cannot be read.
    pub async fn run(self, stop: &Stop) -> Result<(), Failure> {
        let Self { producer, mut source, relay, .. } = self;
        let ended = Stop::default();
        let sending = relay.map(|relay| {
            let ended = ended.clone();
            tokio::spawn(async move { relay.run(&ended).await })
        });
        let produced = producer.run(&mut *source, stop).await;
        if let (Ok(()), Some(sending)) = (&produced, sending) {
            producer.settle(stop).await.map_err(|error| Failure::of("", &error))?;
            ended.ask();
            let _ = sending.await;
        }
        produced.map_err(|error| Failure::of("", &error))
    }
}

/// A consumer and what it needs, ready to work.
pub struct Consuming {
    consumer: Arc<Consumer>,
    subscription: Box<dyn Subscription>,
    relay: Option<Relay>,
    /// How it is asked about.
    pub role: Role,
}

impl Consuming {
    /// The consumer of a stream.
    ///
    /// # Errors
    /// When its settings cannot be used.
    pub async fn open(wire: &Wire<'_>, scorer: Arc<dyn Score>) -> Result<Self, Failure> {
        let output = wire.stream.output.as_ref();
        let carrier = output.map(|output| output.transport.as_ref().unwrap_or(&wire.stream.transport));
        let has_outbox = carrier.is_some_and(|transport| !wire.is_own_queue(transport));
        let topic = output.map(|output| match has_outbox {
            true => Relay::topic("consumer", &wire.name),
            false => output.topic.clone(),
        });
        let remembers = wire.stream.remember_days;
        let settings = Settings {
            stream: wire.name.clone(),
            key: wire.stream.key.clone(),
            repeats: wire.repeats(),
            batch: wire.stream.batch,
            keeps_input: wire.stream.keep_input,
            output: topic.clone(),
            remembers: remembers.map(|days| Duration::from_secs_f64((days * 86_400.0).max(0.0))),
        };
        let consumer = Arc::new(Consumer::new(wire.books.clone(), scorer, settings));
        let relay = match (carrier, output, &topic) {
            (Some(carrier), Some(output), Some(topic)) if has_outbox => {
                let publisher = wire.publisher(carrier, &output.topic).await?;
                Some(Relay::new(&wire.books, topic, publisher, Arc::<Counters>::default()))
            }
            _ => None,
        };
        let subscription = wire.subscription().await?;
        let counters = Arc::clone(consumer.counters());
        let hook = wire.stream.test_hook.then(|| Arc::clone(&consumer));
        let role = Role { stream: wire.name.clone(), role: "consumer", counters, hook };
        Ok(Self { consumer, subscription, relay, role })
    }

    /// Scores messages until none waits, if that is the end, or the end is asked for. What is in hand is finished.
    pub async fn run(self, until: Until, stop: &Stop) {
        if let Some(relay) = self.relay {
            let stop = stop.clone();
            tokio::spawn(async move { relay.run(&stop).await });
        }
        self.consumer.run(self.subscription, until, stop).await;
    }
}

/// Asks streams to end when the process is asked to end.
pub fn asked_with(process: &stopping::Stop) -> Stop {
    let stop = Stop::default();
    let (asked, waits) = (stop.clone(), process.clone());
    tokio::spawn(async move {
        waits.asked().await;
        asked.ask();
    });
    stop
}

/// Runs `stream produce`.
pub async fn produce(arguments: &ProduceArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let wire = Wire::open(&arguments.stream, environment).await?;
    let producing = Producing::open(&wire).await?;
    let stop = asked_with(&stopping::Stop::on_signals());
    arguments.watched.serve(producing.role.clone(), &stop).await?;
    let counters = Arc::clone(&producing.role.counters);
    producing.run(&stop).await?;
    let (sent, repeated) = (count(&counters.done), count(&counters.repeated));
    say!("{sent} sent, {repeated} known before.");
    Ok(ExitCode::SUCCESS)
}

/// Runs `stream consume`.
pub async fn consume(arguments: &ConsumeArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let wire = Wire::open(&arguments.stream, environment).await?;
    let signals = stopping::Stop::on_signals();
    let scorer = wire.scorer(&Running::default(), &signals).await?;
    let stop = asked_with(&signals);
    let consuming = Consuming::open(&wire, scorer).await?;
    arguments.watched.serve(consuming.role.clone(), &stop).await?;
    let counters = Arc::clone(&consuming.role.counters);
    consuming.run(if arguments.once { Until::Empty } else { Until::Stopped }, &stop).await;
    let (scored, repeated, dead) = (count(&counters.done), count(&counters.repeated), count(&counters.dead));
    say!("{scored} scored, {repeated} known before, {dead} dead.");
    Ok(ExitCode::SUCCESS)
}

fn count(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(std::sync::atomic::Ordering::Relaxed)
}
