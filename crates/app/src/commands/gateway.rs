//! `intendant gateway`: the gateway alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use intendant_api::gateway::lone_router;
use intendant_api::webhooks::Channels;
use intendant_config::Environment;
use intendant_train::models;

use crate::commands::run::{House, listen_until_stopped};
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::systemd::Notifier;
use crate::{gateway_wiring, model, wiring};

/// Where `intendant gateway` listens.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// Address to listen on.
    #[arg(short, long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub interface: String,
    /// Port to listen on.
    #[arg(short, long, default_value_t = 5006)]
    pub port: u16,
    /// The model of our own assistant, or a folder of which the newest is taken, where the settings want one.
    #[arg(short, long, default_value = "models", value_name = "PATH")]
    pub model: PathBuf,
    /// The file that names action server, tracker store and the like of our own assistant.
    #[arg(long, value_name = "FILE")]
    pub endpoints: Option<PathBuf>,
}

/// Serves the gateway until it is asked to stop.
///
/// # Errors
/// When the settings cannot be used, or the port is taken.
pub fn run(arguments: &GatewayArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let runtime = wiring::runtime()?;
    runtime.block_on(serve(arguments, environment))
}

async fn serve(arguments: &GatewayArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let timeout = super::up::default_server_arguments()?.request_timeout();
    let wiring = wiring::server(arguments.endpoints.as_deref(), timeout, environment).await?;
    if let Some(file) = models::newest(&arguments.model).map_err(|error| Failure::of("", &error))? {
        wiring.server.put_model(Arc::new(model::serving(model::load_file(&file)?, &file)));
    }
    let Some(front) = gateway_wiring::front(environment, &wiring.client, &wiring.server).await? else {
        let message = "intendant.yml names no upstream: say who is asked, like `gateway: {upstream: {type: \
                       dialogflow, project: my-agent, credentials: key.json}}` (docs/gateway.md)";
        return Err(Failure::new("", message));
    };
    let house = House {
        server: wiring.server,
        router: lone_router(front),
        channels: Channels::default(),
        stop: Stop::on_signals(),
        tls: None,
        notifier: Notifier::of(environment),
    };
    listen_until_stopped(house, &arguments.interface, arguments.port).await
}
