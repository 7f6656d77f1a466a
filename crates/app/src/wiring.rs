//! Names in `endpoints.yml` to adapters, adapters to a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use intendant_config::Environment;
use intendant_port::clock::SystemClock;
use intendant_rasa_format::endpoints::{self, Endpoints};
use intendant_serve::server::{Outside, Server, Settings};
use intendant_store::lock::MemoryLocks;
use intendant_store::memory::MemoryStore;
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::{project, report};

/// The file looked for when none is named.
const DEFAULT_ENDPOINTS: &str = "endpoints.yml";

/// A server with its outside.
pub struct Wiring {
    /// The server, without a model.
    pub server: Server,
}

/// The runtime of commands that serve.
pub fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::new("", format!("cannot start worker threads: {error}")))
}

/// Builds a server from `endpoints.yml`.
///
/// # Errors
/// When the file is not as it should be, or something it names cannot be reached.
pub async fn server(path: Option<&Path>, environment: &Environment) -> Result<Wiring, Failure> {
    let endpoints = read_endpoints(path, environment)?;
    let _ = endpoints;
    let outside = Outside {
        store: Arc::new(MemoryStore::default()),
        locks: Arc::new(MemoryLocks::default()),
        broker: None,
        actions: None,
        generator: None,
        clock: Arc::new(SystemClock),
    };
    let predictions_max =
        environment.predictions_max().map_err(|error| Failure::of("SettingError", &error))?;
    let server = Server::new(outside, Settings { predictions_max, seed: None });
    Ok(Wiring { server })
}

fn read_endpoints(path: Option<&Path>, environment: &Environment) -> Result<Endpoints, Failure> {
    let path = match path {
        Some(path) if !path.exists() => {
            tracing::error!(path = %path.display(), "the endpoints file does not exist; going on without");
            return Ok(Endpoints::default());
        }
        Some(path) => path.to_owned(),
        None => PathBuf::from(DEFAULT_ENDPOINTS),
    };
    if !path.exists() {
        return Ok(Endpoints::default());
    }
    let file = project::source_file(&path)?;
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut findings = Vec::new();
    let endpoints = endpoints::read(&file, &lookup, &mut findings);
    report::print(&findings);
    if project::has_errors(&findings) {
        return Err(Failure::new("", format!("{} cannot be used", path.display())));
    }
    Ok(endpoints)
}
