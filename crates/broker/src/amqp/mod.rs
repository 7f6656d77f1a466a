//! As much of AMQP 0-9-1 as a publisher with confirms and a consumer need: one connection, one channel.
//!
//! Source: AMQP 0-9-1 specification, sections 2.2 and 4.2; RabbitMQ's `confirm` extension. The
//! protocol is frozen; libraries for it bring forty crates or a second TLS.

mod consume;
mod frame;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use intendant_port::error::{Error, Kind, Result};
use intendant_port::stream::Message;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use consume::Consumer;
use frame::{Method, Properties, Received, Writer};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Seconds without a frame after which either side takes the other for dead.
const HEARTBEAT_SECS: u16 = 60;
/// Received frames that wait to be looked at; the broker waits beyond that.
const RECEIVED_MAX: usize = 1024;
/// Most payloads sent before they are confirmed.
const UNCONFIRMED_MAX: usize = 512;

/// The header of messages that `export` publishes.
const EXPORT_PROCESS_ID: &str = "rasa-export-process-id";

const CAPABILITIES: [&str; 3] =
    ["publisher_confirms", "authentication_failure_close", "consumer_cancel_notify"];

/// Where a broker is and who asks.
#[derive(Clone)]
pub struct Address {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub username: String,
    /// Password.
    pub password: String,
    /// Virtual host.
    pub vhost: String,
    /// TLS, where it is wanted.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// What is published to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// A fanout exchange.
    pub exchange: String,
    /// Durable queues bound to it.
    pub queues: Vec<String>,
}

/// What tells consumers where messages come from.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// The application.
    pub app_id: Option<String>,
    /// The `export` that publishes stored events again.
    pub export_process_id: Option<String>,
}

impl Labels {
    fn properties(&self) -> Properties<'_> {
        let id = self.export_process_id.as_deref();
        Properties {
            message_id: None,
            app_id: self.app_id.as_deref(),
            header: id.map(|id| (EXPORT_PROCESS_ID, id)),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection.
pub struct Connection {
    sink: tokio::io::WriteHalf<Box<dyn Stream>>,
    received: mpsc::Receiver<Result<Received>>,
    reader: AbortHandle,
    frame_bytes_max: usize,
    /// The delivery tag of the newest message.
    newest_tag: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Connection {
    /// Connects, logs in, opens a channel with confirms.
    pub async fn open(address: &Address) -> Result<Self> {
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, Self::try_open(address)).await;
        opened.unwrap_or_else(|_| Err(failed(address, "no answer in time")))
    }

    async fn try_open(address: &Address) -> Result<Self> {
        let stream = connect(address).await?;
        let (source, sink) = tokio::io::split(stream);
        let (sender, received) = mpsc::channel(RECEIVED_MAX);
        let reader = tokio::spawn(frame::read_all(source, sender)).abort_handle();
        let mut connection =
            Self { sink, received, reader, frame_bytes_max: frame::FRAME_BYTES_MAX, newest_tag: 0 };
        connection.log_in(address).await?;
        Ok(connection)
    }

    async fn log_in(&mut self, address: &Address) -> Result<()> {
        self.write(b"AMQP\x00\x00\x09\x01".to_vec()).await?;
        self.expect(frame::CONNECTION_START).await?;
        let mut start_ok = Writer::method(0, frame::CONNECTION_START_OK);
        start_ok.table(&[("product", "intendant")], &CAPABILITIES);
        start_ok.short("PLAIN");
        start_ok.long(format!("\0{}\0{}", address.username, address.password).as_bytes());
        start_ok.short("en_US");
        self.write(start_ok.end()).await?;
        let tune = self.expect(frame::CONNECTION_TUNE).await?;
        let (server_max, heartbeat) = tune.tuning().ok_or_else(unreadable)?;
        if server_max != 0 {
            self.frame_bytes_max =
                self.frame_bytes_max.min((server_max as usize).max(frame::FRAME_BYTES_MIN));
        }
        let heartbeat = if heartbeat == 0 { HEARTBEAT_SECS } else { heartbeat.min(HEARTBEAT_SECS) };
        let mut tune_ok = Writer::method(0, frame::CONNECTION_TUNE_OK);
        tune_ok.u16(1);
        tune_ok.u32(u32::try_from(self.frame_bytes_max).unwrap_or(u32::MAX));
        tune_ok.u16(heartbeat);
        let mut open = Writer::method(0, frame::CONNECTION_OPEN);
        open.short(&address.vhost);
        open.short("");
        open.u8(0);
        self.write([tune_ok.end(), open.end()].concat()).await?;
        self.expect(frame::CONNECTION_OPEN_OK).await?;
        self.open_channel().await
    }

    async fn open_channel(&mut self) -> Result<()> {
        let mut open = Writer::method(1, frame::CHANNEL_OPEN);
        open.short("");
        let mut select = Writer::method(1, frame::CONFIRM_SELECT);
        select.u8(0);
        self.write([open.end(), select.end()].concat()).await?;
        self.expect(frame::CHANNEL_OPEN_OK).await?;
        self.expect(frame::CONFIRM_SELECT_OK).await?;
        self.newest_tag = 0;
        Ok(())
    }

    /// Declares exchange and queues and binds them. An exchange that is there with other properties
    /// is used as it is.
    pub async fn declare(&mut self, topology: &Topology) -> Result<()> {
        let mut exchange = Writer::method(1, frame::EXCHANGE_DECLARE);
        exchange.u16(0);
        exchange.short(&topology.exchange);
        exchange.short("fanout");
        // Neither passive nor durable nor anything else: as Rasa declares it.
        exchange.u8(0);
        exchange.table(&[], &[]);
        self.write(exchange.end()).await?;
        if let Err(error) = self.expect(frame::EXCHANGE_DECLARE_OK).await {
            if error.kind != Kind::Refused {
                return Err(error);
            }
            self.open_channel().await?;
        }
        for queue in &topology.queues {
            let declare = declaration(queue, frame::DURABLE);
            let mut bind = Writer::method(1, frame::QUEUE_BIND);
            bind.u16(0);
            bind.short(queue);
            bind.short(&topology.exchange);
            bind.short("");
            bind.u8(0);
            bind.table(&[], &[]);
            self.write([declare, bind.end()].concat()).await?;
            self.expect(frame::QUEUE_DECLARE_OK).await?;
            self.expect(frame::QUEUE_BIND_OK).await?;
        }
        Ok(())
    }

    /// Declares a durable queue. One that is there with other properties is used as it is.
    pub async fn declare_queue(&mut self, queue: &str) -> Result<()> {
        self.write(declaration(queue, frame::DURABLE)).await?;
        match self.expect(frame::QUEUE_DECLARE_OK).await {
            Err(error) if error.kind == Kind::Refused => self.open_channel().await,
            outcome => outcome.map(drop),
        }
    }

    /// Publishes persistent messages in order; the broker has them all when it returns.
    pub async fn publish(&mut self, exchange: &str, labels: &Labels, bodies: &[String]) -> Result<()> {
        let properties = labels.properties();
        let messages = bodies.iter().map(|body| (body.as_str(), properties));
        self.publish_all((exchange, ""), &messages.collect::<Vec<_>>()).await
    }

    /// Publishes persistent messages to a queue, each with its key as id; the broker has them all when
    /// it returns.
    pub async fn publish_to(&mut self, queue: &str, messages: &[Message]) -> Result<()> {
        let messages = messages.iter().map(|message| {
            let message_id = message.key.as_deref();
            (message.body.as_str(), Properties { message_id, ..Properties::default() })
        });
        self.publish_all(("", queue), &messages.collect::<Vec<_>>()).await
    }

    async fn publish_all(
        &mut self,
        (exchange, routing_key): (&str, &str),
        messages: &[(&str, Properties<'_>)],
    ) -> Result<()> {
        for messages in messages.chunks(UNCONFIRMED_MAX) {
            let mut bytes = Vec::new();
            for (body, properties) in messages {
                let mut publish = Writer::method(1, frame::BASIC_PUBLISH);
                publish.u16(0);
                publish.short(exchange);
                publish.short(routing_key);
                publish.u8(0);
                bytes.extend(publish.end());
                bytes.extend(frame::content(body.as_bytes(), *properties, self.frame_bytes_max));
            }
            let oldest_tag = self.newest_tag + 1;
            self.newest_tag += messages.len() as u64;
            self.write(bytes).await?;
            self.confirmed((oldest_tag..=self.newest_tag).collect()).await?;
        }
        Ok(())
    }

    /// Waits until all messages under way are confirmed.
    async fn confirmed(&mut self, mut under_way: BTreeSet<u64>) -> Result<()> {
        while !under_way.is_empty() {
            let Received::Method(method) = self.receive().await? else { continue };
            match method.id {
                frame::BASIC_ACK => {
                    let (tag, is_multiple) = method.confirmation().ok_or_else(unreadable)?;
                    match is_multiple {
                        true => under_way = under_way.split_off(&(tag + 1)),
                        false => drop(under_way.remove(&tag)),
                    }
                }
                frame::BASIC_NACK => {
                    return Err(Error::new(Kind::Unavailable, "the broker could not take a message"));
                }
                _ => self.not_expected(&method).await?,
            }
        }
        Ok(())
    }

    /// Tells the broker that we are alive, and finds out whether it is.
    pub async fn beat(&mut self) -> Result<()> {
        while let Ok(received) = self.received.try_recv() {
            if let Received::Method(method) = received? {
                self.not_expected(&method).await?;
            }
        }
        if self.received.is_closed() {
            return Err(Error::new(Kind::Unavailable, "the broker has closed the connection"));
        }
        self.write(frame::HEARTBEAT.to_vec()).await
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<()> {
        let written = async {
            self.sink.write_all(&bytes).await?;
            self.sink.flush().await
        };
        written
            .await
            .map_err(|error| Error::new(Kind::Unavailable, "cannot write to the broker").because(error))
    }

    async fn receive(&mut self) -> Result<Received> {
        let gone = || Error::new(Kind::Unavailable, "the broker has closed the connection");
        self.received.recv().await.unwrap_or_else(|| Err(gone()))
    }

    async fn expect(&mut self, id: (u16, u16)) -> Result<Method> {
        loop {
            if let Received::Method(method) = self.receive().await? {
                if method.id == id {
                    return Ok(method);
                }
                self.not_expected(&method).await?;
            }
        }
    }

    /// What the broker says without being asked: mostly that it closes something.
    async fn not_expected(&mut self, method: &Method) -> Result<()> {
        match method.id {
            frame::CONNECTION_CLOSE => Err(Error::new(
                Kind::Unavailable,
                format!("the broker closes the connection: {}", method.reason()),
            )),
            frame::CHANNEL_CLOSE => {
                self.write(Writer::method(1, frame::CHANNEL_CLOSE_OK).end()).await?;
                Err(Error::new(Kind::Refused, format!("the broker refuses: {}", method.reason())))
            }
            _ => Ok(()),
        }
    }
}

fn declaration(queue: &str, bits: u8) -> Vec<u8> {
    let mut declare = Writer::method(1, frame::QUEUE_DECLARE);
    declare.u16(0);
    declare.short(queue);
    declare.u8(bits);
    declare.table(&[], &[]);
    declare.end()
}

async fn connect(address: &Address) -> Result<Box<dyn Stream>> {
    let connected = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = connected.map_err(|error| failed(address, "cannot connect").because(error))?;
    stream.set_nodelay(true).map_err(|error| failed(address, "cannot connect").because(error))?;
    let Some(tls) = &address.tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(address.host.clone())
        .map_err(|error| failed(address, "no name that a certificate can have").because(error))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
    let stream = connector.connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| failed(address, "no TLS").because(error))?))
}

fn failed(address: &Address, what: &str) -> Error {
    Error::new(Kind::Unavailable, format!("the broker at {}:{}: {what}", address.host, address.port))
}

fn unreadable() -> Error {
    Error::new(Kind::Invalid, "the broker's answer cannot be read")
}
