//! The story graph in the browser, redrawn while one talks.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use futures_util::Stream;
use futures_util::stream::unfold;
use intendant_evaluate::story_graph::STYLE;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::failure::Failure;

/// Nothing is loaded from elsewhere, and no script but the page's own runs.
const POLICY: &str =
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'";
const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Story graph</title>\n\
    <link rel=\"stylesheet\" href=\"/style.css\">\n<script type=\"module\" src=\"/graph.js\"></script>\n</head>\n<body>\n\
    <header><h1>Story graph</h1><p id=\"state\" role=\"status\">connecting</p></header>\n<main id=\"graph\"></main>\n\
    </body>\n</html>\n";
const SCRIPT: &str = "\
const graph = document.getElementById('graph');
const state = document.getElementById('state');
const source = new EventSource('/updates');
source.onmessage = (event) => {
  graph.innerHTML = event.data;
  state.textContent = 'live';
  graph.querySelector('.open')?.scrollIntoView({ block: 'center', inline: 'center' });
};
source.onerror = () => { state.textContent = 'the session is over'; };
";

/// The page's server; ends when dropped.
pub struct GraphPage {
    picture: watch::Sender<String>,
    /// Where to look at it.
    pub url: String,
    task: tokio::task::JoinHandle<()>,
}

impl GraphPage {
    /// Serves the page on this port of this machine, or on a free one when it is taken.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(port: u16) -> Result<Self, Failure> {
        let listener = match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| unavailable(&error))?,
        };
        let url = format!("http://{}/", listener.local_addr().map_err(|error| unavailable(&error))?);
        let (picture, pictures) = watch::channel(String::new());
        let router = Router::new()
            .route("/", get(|| async { ([(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE)) }))
            .route("/style.css", get(|| async { ([(CONTENT_TYPE, "text/css")], STYLE) }))
            .route("/graph.js", get(|| async { ([(CONTENT_TYPE, "text/javascript")], SCRIPT) }))
            .route("/graph.svg", get(svg))
            .route("/updates", get(updates))
            .with_state(pictures);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the page of the story graph is gone");
            }
        });
        Ok(Self { picture, url, task })
    }

    /// Shows another picture.
    pub fn show(&self, svg: String) {
        self.picture.send_replace(svg);
    }
}

impl Drop for GraphPage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn unavailable(error: &std::io::Error) -> Failure {
    Failure::new("", format!("cannot serve the story graph: {error}; leave it out with --skip-visualization"))
}

async fn svg(State(pictures): State<watch::Receiver<String>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/svg+xml")], pictures.borrow().clone())
}

async fn updates(
    State(mut pictures): State<watch::Receiver<String>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    pictures.mark_changed();
    let stream = unfold(pictures, |mut pictures| async move {
        pictures.changed().await.ok()?;
        let svg = pictures.borrow_and_update().clone();
        Some((Ok(Event::default().data(svg)), pictures))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}
