//! The listener: connections, limits, TLS, and an end that finishes what was begun.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How long a client may take to send its headers.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take to agree on keys.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long requests in hand may take after the end was asked for.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait after the system refused a connection, for example for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Opens the port; the error says in one sentence what is in the way.
pub async fn bind(interface: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((interface, port)).await.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "port {port} on {interface} is already in use; stop the other server or choose another with --port"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("port {port} on {interface} may not be opened by this user; choose one above 1023")
            }
            _ => format!("cannot listen on {interface}:{port}: {error}"),
        };
        io::Error::new(error.kind(), why)
    })
}

/// A port that is open, and how connections to it are secured.
pub struct Listener {
    /// The port.
    pub tcp: TcpListener,
    /// TLS, unless connections are plain.
    pub tls: Option<Arc<ServerConfig>>,
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp, tls: None }
    }
}

/// Serves connections until `stop` resolves, then finishes the requests in hand.
pub async fn serve(listener: impl Into<Listener>, router: Router, stop: impl Future<Output = ()>) {
    let Listener { tcp: listener, tls } = listener.into();
    let acceptor = tls.map(TlsAcceptor::from);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    builder.pipeline_flush(true);
    let end = watch::Sender::new(());
    let mut stop = pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        // Answers are small and waited for; a failure costs latency, nothing else.
        let _ = stream.set_nodelay(true);
        let service = Told { service: TowerToHyperService::new(router.clone()), peer: Peer(peer) };
        let carrier = Carrier { builder: builder.clone(), service, end: end.subscribe() };
        match acceptor.clone() {
            None => drop(tokio::spawn(carrier.carry(stream))),
            Some(acceptor) => drop(tokio::spawn(async move {
                match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => carrier.carry(stream).await,
                    Ok(Err(error)) => tracing::debug!(%error, "no TLS with a client"),
                    Err(_) => tracing::debug!("a client took too long to agree on keys"),
                }
            })),
        }
    }
    drop(listener);
    end.send_replace(());
    // Every connection holds a receiver.
    if tokio::time::timeout(FINISH_TIMEOUT, end.closed()).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
}

/// Who is at the other end of a connection; every request carries it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The routes, told with every request who sent it.
#[derive(Clone)]
struct Told {
    service: TowerToHyperService<Router>,
    peer: Peer,
}

impl Service<hyper::Request<Incoming>> for Told {
    type Response = <TowerToHyperService<Router> as Service<hyper::Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<hyper::Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<hyper::Request<Incoming>>>::Future;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.service.call(request)
    }
}

/// What one connection needs to be served.
struct Carrier {
    builder: http1::Builder,
    service: Told,
    end: watch::Receiver<()>,
}

impl Carrier {
    /// Serves a connection until it ends, or the request in hand when the end is asked for is
    /// finished. An upgraded connection counts as ended; the channel that uses it ends it.
    async fn carry(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let connection = self.builder.serve_connection(TokioIo::new(stream), self.service).with_upgrades();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            _ = self.end.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended early");
        }
    }
}
