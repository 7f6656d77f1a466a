//! `models serving`: which models a running server answers with, and which one it tries.

use std::process::ExitCode;

use axum::http::Method;
use clap::{Args, Subcommand};
use intendant_client::http::HttpClient;
use intendant_client::model_server::ModelServer;
use intendant_config::Environment;
use serde_json::{Value, json};

use super::registry;
use crate::failure::Failure;
use crate::terminal::say;

/// Which server, and what it shall do.
#[derive(Debug, Args)]
pub struct ServingArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// The server's address.
    #[arg(long, global = true, default_value = "http://localhost:5005", value_name = "URL")]
    url: String,
    /// Its token [default: `registry.token` of intendant.yml].
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<String>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lets a model answer silently beside the one in use, and tells what it would have done differently.
    Shadow(TriedArgs),
    /// Lets a model answer a share of the conversations, always the same ones.
    Canary(TriedArgs),
    /// Ends what is tried.
    End,
    /// Puts the model that is tried into use.
    Promote,
    /// Puts the model before back into use, if `serving.keep_previous` keeps it in memory.
    Rollback,
}

#[derive(Debug, Args)]
struct TriedArgs {
    /// A tag, `name:version`, a file's name, or the beginning of a digest.
    #[arg(value_name = "MODEL")]
    model: String,
    /// In how many percent of the conversations.
    #[arg(long, default_value_t = 100.0, value_name = "PERCENT")]
    percent: f64,
}

/// Runs `models serving`.
pub async fn serving(arguments: &ServingArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let failed = |error: intendant_port::error::Error| Failure::of("", &error);
    let token = match &arguments.token {
        Some(token) => Some(token.clone()),
        None => registry(environment)?.token,
    };
    let client = HttpClient::new().map_err(failed)?;
    let server = ModelServer::new(&arguments.url, token, client).map_err(failed)?;
    let trial = |role: &str, tried: &TriedArgs| {
        (Method::PUT, "/trial", Some(json!({"model": tried.model, "role": role, "percent": tried.percent})))
    };
    let (method, path, body) = match &arguments.what {
        None => (Method::GET, "", None),
        Some(What::Shadow(tried)) => trial("shadow", tried),
        Some(What::Canary(tried)) => trial("canary", tried),
        Some(What::End) => (Method::DELETE, "/trial", None),
        Some(What::Promote) => (Method::POST, "/trial/promote", None),
        Some(What::Rollback) => (Method::POST, "/rollback", None),
    };
    let standing = server.serving(method, path, body.as_ref()).await.map_err(failed)?;
    if arguments.json {
        say!("{standing}");
    } else {
        print(&standing);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(standing: &Value) {
    let model = |value: &Value| value["model_file"].as_str().unwrap_or("none").to_owned();
    say!("in use: {}", model(&standing["model"]));
    if !standing["previous"].is_null() {
        say!("before: {}", model(&standing["previous"]));
    }
    let trial = &standing["trial"];
    if !trial.is_null() {
        let role = trial["role"].as_str().unwrap_or_default();
        say!("{role}: {}, {} % of conversations", model(&trial["model"]), trial["percent"]);
        print_figures(trial);
    }
    let last = &standing["last_trial"];
    if !last.is_null() {
        let what = if last["is_rollback"] == true { "taken out" } else { "ended" };
        say!("{what}: {}: {}", model(&last["model"]), last["reason"].as_str().unwrap_or_default());
    }
    for one in standing["unloadable"].as_array().into_iter().flatten() {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        say!("cannot be loaded: {}: {}", text("model"), text("reason"));
    }
}

fn print_figures(trial: &Value) {
    let comparison = &trial["comparison"];
    if !comparison.is_null() {
        let different = comparison["different"].as_object().into_iter().flatten();
        let different: Vec<String> = different.map(|(what, count)| format!("{what} in {count}")).collect();
        let different = if different.is_empty() { "nothing".to_owned() } else { different.join(", ") };
        say!("  different: {different}, of {} messages", comparison["messages"]);
    }
    for whose in ["current", "candidate"] {
        let figures = &trial[whose];
        if figures.is_null() {
            continue;
        }
        let percent = |key: &str| figures[key].as_f64().unwrap_or_default() * 100.0;
        say!(
            "  {whose}: {} messages, {:.1} % failed, {:.1} % without an answer, 95 % within {:.1} ms",
            figures["messages"],
            percent("error_rate"),
            percent("fallback_rate"),
            figures["latency_p95_ms"].as_f64().unwrap_or_default()
        );
    }
}
