//! Predictors in service: alone, or beside an assistant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use intendant_api::auth::Auth;
use intendant_api::listen;
use intendant_api::predictors::{self, Pending, Predictors, Versions};
use intendant_config::Environment;
use intendant_config::service;
use intendant_predictor::routes;
use intendant_predictor::spec::{Kind, Spec};
use intendant_registry::catalog::{Catalog, Version as Recorded};
use intendant_registry::gates::Values;
use intendant_score::service::{Served, Service, Version};

use super::train::{HELD_OUT, gates};
use super::{FOLDER, failed, model, specs};
use crate::cli::RunArgs;
use crate::commands::models::registry;
use crate::failure::Failure;
use crate::stopping::Stop;
use crate::{project, report, wiring};

/// How often it is looked whether another version shall be used.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long a version that a caller named stays loaded when nobody asks for it.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// The tag whose version is served.
const TAG: &str = "production";
/// The port of an assistant, which a service's own configuration replaces.
const PORT: u16 = 5005;

/// Whether this project has predictors.
pub fn are_there() -> bool {
    Path::new(FOLDER).is_dir()
}

/// Whether this project has predictors and no assistant.
pub fn are_alone(environment: &Environment) -> bool {
    let config = Path::new(service::FILE);
    let is_assistant =
        config.exists() && project::source_file(config).is_ok_and(|file| !service::is_service(&file));
    are_there() && (!is_assistant || environment.get(service::PATH_VARIABLE).is_some())
}

/// The settings of a service that was taken over, if there are any.
///
/// # Errors
/// When they cannot be understood.
pub fn settings(specs: &[Spec], environment: &Environment) -> Result<service::Service, Failure> {
    let path =
        environment.get(service::PATH_VARIABLE).map_or_else(|| PathBuf::from(service::FILE), PathBuf::from);
    let file = match path.exists() {
        true => Some(project::source_file(&path)?).filter(service::is_service),
        false => None,
    };
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    let mut warnings = Vec::new();
    let read = service::read(file.as_ref(), &names, environment, &mut warnings);
    report::print(&warnings);
    read.map_err(|findings| {
        report::print(&findings);
        Failure::new("", format!("{} cannot be used", path.display()))
    })
}

/// Predictors with their versions, followed until `stop`. Needs a runtime.
///
/// # Errors
/// When a declaration has mistakes.
pub async fn open(
    folder: &Path,
    (auth, stop): (Auth, &Stop),
    environment: &Environment,
) -> Result<(Predictors, service::Service), Failure> {
    let specs = specs(environment)?;
    refuse_doubles(&specs)?;
    refuse_strangers(&specs)?;
    let settings = settings(&specs, environment)?;
    let mut served = Vec::with_capacity(specs.len());
    for spec in specs {
        let name = spec.name.clone();
        let predictor = Served::new(spec, settings.database.as_deref())
            .map_err(|error| Failure::new("", format!("{FOLDER}/{name}.yml: {error}")))?;
        served.push(predictor);
    }
    let service = Arc::new(Service::new(served));
    let database = registry(environment)?.database;
    let follow = Arc::new(Follow {
        service: Arc::clone(&service),
        folder: folder.to_owned(),
        database,
        environment: environment.clone(),
    });
    follow.once().await;
    let (followed, stop) = (Arc::clone(&follow), stop.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => followed.once().await,
                () = stop.asked() => return,
            }
        }
    });
    Ok((Predictors { service, auth, versions: follow, streams: Arc::default() }, settings))
}

/// The recommenders that are named must be there.
fn refuse_strangers(specs: &[Spec]) -> Result<(), Failure> {
    for spec in specs {
        let books = spec.serve.articles.as_ref().and_then(|articles| articles.books.as_ref());
        let Some(books) = books else { continue };
        if !specs.iter().any(|other| other.name == *books && other.kind == Kind::Recommender) {
            let recommenders = specs.iter().filter(|other| other.kind == Kind::Recommender);
            let known: Vec<&str> = recommenders.map(|other| other.name.as_str()).collect();
            let message = format!(
                "{FOLDER}/{}.yml: `serve.articles.books`: no recommender is called `{books}`; there are: {}",
                spec.name,
                known.join(", ")
            );
            return Err(Failure::new("", message));
        }
    }
    Ok(())
}

/// Two routes must not want the same path.
fn refuse_doubles(specs: &[Spec]) -> Result<(), Failure> {
    let mut known: BTreeMap<String, (String, String)> = BTreeMap::new();
    for spec in specs {
        for route in &spec.serve.routes {
            let path = routes::Path::of(&route.path);
            let written = (path.method.to_owned(), path.path.trim_end_matches('/').to_owned());
            let shape = routes::shape(path.path);
            let earlier = known.get(&shape);
            // Another method may share a path, not its parameters under other names.
            if earlier.is_some_and(|(methods, path)| methods.contains(&written.0) || *path != written.1) {
                let message =
                    format!("{FOLDER}/{}.yml: the route `{}` is declared already", spec.name, route.path);
                return Err(Failure::new("", message));
            }
            let entry = known.entry(shape).or_insert((String::new(), written.1));
            entry.0.push_str(&written.0);
        }
    }
    Ok(())
}

/// Looks which versions shall be in use.
struct Follow {
    service: Arc<Service>,
    folder: PathBuf,
    database: Option<String>,
    environment: Environment,
}

impl Versions for Follow {
    fn look<'a>(&'a self, name: &'a str) -> Pending<'a, ()> {
        Box::pin(async move {
            let catalog = self.catalog().await;
            let Some(predictor) = self.service.get(name) else { return Err(format!("there is no `{name}`")) };
            self.follow(predictor, catalog.as_ref()).await.map_err(|failure| failure.message().to_owned())
        })
    }

    fn numbers<'a>(&'a self, name: &'a str) -> Pending<'a, Vec<String>> {
        Box::pin(async move {
            let Some(catalog) = self.catalog().await else { return Ok(Vec::new()) };
            let versions = self.recorded(name, &catalog).await?;
            Ok(versions.into_iter().map(|version| version.version.to_string()).collect())
        })
    }

    fn load<'a>(&'a self, name: &'a str, number: &'a str) -> Pending<'a, Version> {
        Box::pin(async move {
            let Some(catalog) = self.catalog().await else { return Err("there are no models".to_owned()) };
            let versions = self.recorded(name, &catalog).await?;
            let wanted = versions.into_iter().find(|version| version.version.to_string() == number);
            let wanted = wanted.ok_or("there is none of this number")?;
            load(&catalog, wanted).await.map_err(|failure| failure.message().to_owned())
        })
    }
}

impl Follow {
    /// All versions of a predictor whose archives are there.
    async fn recorded(&self, name: &str, catalog: &Catalog) -> Result<Vec<Recorded>, String> {
        let Some(predictor) = self.service.get(name) else { return Err(format!("there is no `{name}`")) };
        let versions = catalog.versions().await.map_err(|error| error.to_string())?;
        Ok(of_it(&predictor.spec, catalog, versions).collect())
    }

    async fn once(&self) {
        let catalog = self.catalog().await;
        for predictor in self.service.all() {
            for version in predictor.shelf.forget_idle(IDLE_MAX) {
                tracing::info!(predictor = predictor.spec.name, version, "let go, as nobody asks for it");
            }
            if let Err(failure) = self.follow(predictor, catalog.as_ref()).await {
                tracing::error!(
                    predictor = predictor.spec.name,
                    error = failure.message(),
                    "no other version is put into use"
                );
            }
        }
    }

    async fn catalog(&self) -> Option<Catalog> {
        let catalog = match self.folder.is_dir() {
            true => Catalog::open(&self.folder, self.database.as_deref()).await.ok(),
            false => None,
        };
        if let Some(catalog) = &catalog
            && let Err(error) = catalog.adopt().await
        {
            tracing::warn!(%error, "the models folder cannot be read");
        }
        catalog
    }

    async fn follow(&self, predictor: &Arc<Served>, catalog: Option<&Catalog>) -> Result<(), Failure> {
        if predictor.is_unloaded() {
            return Ok(());
        }
        let current = predictor.version();
        let wanted = match catalog {
            Some(catalog) => wanted(&predictor.spec, catalog).await?,
            None => None,
        };
        let spec = predictor.spec.clone();
        let version = match (wanted, catalog) {
            (Some(recorded), Some(catalog)) => {
                if current.as_ref().is_some_and(|version| version.digest == recorded.digest) {
                    return Ok(());
                }
                load(catalog, recorded).await?
            }
            _ if predictor.spec.kind == Kind::Foreign && current.is_none() => {
                let (folder, environment) = (self.folder.clone(), self.environment.clone());
                let loading = tokio::task::spawn_blocking(move || {
                    model::load(&spec, &folder, &environment)
                        .map(|model| Version::new(model, "1", String::new()))
                });
                loading.await.map_err(|error| failed(&error))??
            }
            _ => return Ok(()),
        };
        tracing::info!(predictor = predictor.spec.name, version = version.number, "now in use");
        predictor.put(version);
        Ok(())
    }
}

/// The version under the tag, else the newest one that passes its gates.
async fn wanted(spec: &Spec, catalog: &Catalog) -> Result<Option<Recorded>, Failure> {
    let tag = format!("{}.{}", spec.name, spec.serve.tag.as_deref().unwrap_or(TAG));
    if let Some(version) = catalog.tagged(&tag).await.map_err(|error| failed(&error))? {
        return Ok(Some(version));
    }
    let versions = catalog.versions().await.map_err(|error| failed(&error))?;
    let gates = gates(spec);
    let passes = |version: &Recorded| {
        let figures =
            version.metrics.get(HELD_OUT).map(|measured| measured.values.clone()).unwrap_or_default();
        let values = Values::from([(HELD_OUT.to_owned(), figures)]);
        gates.iter().all(|gate| gate.judge(&values, None).passed)
    };
    let of_it = of_it(spec, catalog, versions);
    Ok(of_it.filter(passes).max_by_key(|version| (version.trained_at, version.version)))
}

/// The versions of a predictor, of all that there are, whose archives are there.
fn of_it(spec: &Spec, catalog: &Catalog, versions: Vec<Recorded>) -> impl Iterator<Item = Recorded> {
    versions.into_iter().filter(|version| {
        version.name == spec.name && version.kind == spec.kind.name() && catalog.file(version).is_some()
    })
}

/// Loads a version on a thread of its own.
async fn load(catalog: &Catalog, recorded: Recorded) -> Result<Version, Failure> {
    let file = catalog.file(&recorded).ok_or_else(|| Failure::new("", "its archive is removed"))?;
    let number = recorded.version.to_string();
    let loading = tokio::task::spawn_blocking(move || {
        model::read(&file).map(|model| Version::new(model, number, recorded.digest))
    });
    loading.await.map_err(|error| failed(&error))?
}

/// `intendant run` in a project of predictors alone.
///
/// # Errors
/// When they cannot be served.
pub fn run(arguments: &RunArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let server = &arguments.server;
    let auth = Auth::new(server.auth_token.clone(), server.jwt_secret.as_deref(), &server.jwt_method);
    let auth = auth.map_err(|error| failed(&error))?;
    let folder = arguments.model.path();
    wiring::runtime()?.block_on(async {
        let stop = Stop::on_signals();
        let (predictors, settings) = open(&folder, (auth, &stop), environment).await?;
        let interface = settings.host.clone().filter(|_| server.interface == "0.0.0.0");
        let port = settings.port.filter(|_| server.port == PORT).unwrap_or(server.port);
        let router = predictors::standalone(&predictors);
        let at = (interface.as_deref().unwrap_or(&server.interface), port);
        listen_until_stopped((&predictors, router), at, stop).await
    })
}

/// Listens until the process is asked to end.
///
/// # Errors
/// When the port cannot be opened.
pub async fn listen_until_stopped(
    (predictors, router): (&Predictors, Router),
    (interface, port): (&str, u16),
    stop: Stop,
) -> Result<ExitCode, Failure> {
    let listener = listen::bind(interface, port).await.map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    tracing::info!("listening on http://{address}");
    listen::serve(listener, router, async { stop.asked().await }).await;
    predictors.service.stop().await;
    Ok(ExitCode::SUCCESS)
}
