//! The listener: connections, limits, and an end that finishes what was begun.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How long a client may take to send its headers.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(60);
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

/// Serves connections until `stop` resolves, then finishes the requests in hand.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_READ_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    builder.pipeline_flush(true);
    let end = watch::Sender::new(());
    let mut stop = pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
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
        let service = TowerToHyperService::new(router.clone());
        // An upgraded connection counts as ended; the channel that uses it ends it.
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::spawn(carry(connection, end.subscribe()));
    }
    drop(listener);
    end.send_replace(());
    // Every connection holds a receiver.
    if tokio::time::timeout(FINISH_TIMEOUT, end.closed()).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
}

type Connection = UpgradeableConnection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

/// Serves a connection until it ends, or the request in hand when the end is asked for is finished.
async fn carry(connection: Connection, mut end: watch::Receiver<()>) {
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = end.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}
