//! `intendant gateway`: the gateway alone.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use intendant_api::gateway::lone_router;
use intendant_api::webhooks::Channels;
use intendant_config::Environment;
use intendant_train::models;

use crate::cli::front::{FrontArgs, TlsArgs};
use crate::commands::run::{House, listen_until_stopped};
use crate::failure::Failure;
use crate::gateway_wiring::Own;
use crate::model::Loaded;
use crate::stopping::Stop;
use crate::systemd::Notifier;
use crate::{agent_wiring, front, gateway_wiring, model, wiring};

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
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub front: FrontArgs,
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
    let own = match models::newest(&arguments.model).map_err(|error| Failure::of("", &error))? {
        None => Own::Assistant(wiring.server.clone()),
        Some(file) => match model::load_any(&file)? {
            Loaded::Assistant(assistant) => {
                wiring.server.put_model(Arc::new(model::serving(*assistant, &file)));
                Own::Assistant(wiring.server.clone())
            }
            Loaded::Agent(assistant) => Own::Agent(agent_wiring::service(*assistant, environment).await?),
        },
    };
    let Some(gateway) = gateway_wiring::front(environment, &wiring.client, own).await? else {
        let message = "intendant.yml names no upstream: say who is asked, like `gateway: {upstream: {type: \
                       dialogflow, project: my-agent, credentials: key.json}}` (docs/gateway.md)";
        return Err(Failure::new("", message));
    };
    let (interface, port) = (arguments.interface.as_str(), arguments.port);
    let mut security = front::security(&arguments.tls, &arguments.front, &wiring.client)?;
    let router = lone_router(gateway, security.figures())
        .merge(intendant_console::guest_router())
        .merge(intendant_console::assets());
    let router = front::dressed(router, &arguments.front)?;
    let stop = Stop::on_signals();
    security.start(&arguments.front, (interface, port), &stop).await?;
    let house = House {
        server: wiring.server,
        router,
        channels: Channels::default(),
        stop,
        tls: security.tls,
        notifier: Notifier::of(environment),
    };
    listen_until_stopped(house, interface, port).await
}
