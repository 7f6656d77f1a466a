//! The pages: for now one to talk to the assistant, with the reasons beside each answer.
//!
//! `GET /console` is the page; `POST /api/chat` handles one message and tells what was understood,
//! which policy chose which action, and which slots were set. Everything is embedded in the binary
//! and served without inline script under a strict content security policy. Neighbours: `serve`
//! answers the messages, `api` serves everything else.

mod chat;
mod pages;

use axum::Router;
use axum::routing::{get, post};
use intendant_serve::server::Server;

/// The console's routes; everything else is left to other routers.
pub fn router(server: Server) -> Router {
    Router::new()
        .route("/console", get(pages::chat))
        .route("/console/", get(pages::chat))
        .route("/console/style.css", get(pages::style))
        .route("/console/chat.js", get(pages::script))
        .route("/api/chat/about", get(chat::about))
        .route("/api/chat", post(chat::message))
        .with_state(server)
}
