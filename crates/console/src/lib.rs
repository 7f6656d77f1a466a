//! The pages to talk to an assistant: `/console` with the reasons beside each answer, `/chat` through
//! the gateway, as its guests do.
//!
//! `POST /api/chat` handles one message of `/console` and tells what was understood, which policy
//! chose which action, and which slots were set. Everything is embedded in the binary and served
//! without inline script under a strict content security policy. Neighbours: `serve` answers the
//! messages, `api` serves everything else, the gateway's messages included.

mod agent;
mod chat;
mod pages;

pub use agent::Partner;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use intendant_serve::server::Server;

/// The page that talks to an assistant; everything else is left to other routers.
pub fn router(server: Server) -> Router {
    let message = post(chat::message).layer(from_fn(chat::refuse_other_origins));
    let answers = Router::new()
        .route("/api/chat/about", get(chat::about))
        .route("/api/chat", message)
        .with_state(server);
    answers.merge(console())
}

/// The page that talks to an agent.
pub fn agent_router(partner: Partner) -> Router {
    let message = post(agent::message).layer(from_fn(chat::refuse_other_origins));
    let answers = Router::new()
        .route("/api/chat/about", get(agent::about))
        .route("/api/chat", message)
        .with_state(partner);
    answers.merge(console())
}

/// The page that talks to the gateway.
pub fn guest_router() -> Router {
    Router::new().route("/chat", get(pages::chat)).route("/chat/", get(pages::chat))
}

/// The style and the script of all pages.
pub fn assets() -> Router {
    Router::new().route("/console/style.css", get(pages::style)).route("/console/chat.js", get(pages::script))
}

fn console() -> Router {
    Router::new().route("/console", get(pages::chat)).route("/console/", get(pages::chat))
}
