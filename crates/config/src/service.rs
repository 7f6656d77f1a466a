//! `config.yml` of a prediction service that is taken over: where its database is, and where it listens.
//!
//! The file is read as it stands: `postgresql`, `external_postgres`, `api`, `gcs`. What else it holds is told and has
//! no meaning. `CHURN_POSTGRESQL__PASSWORD` stands for `postgresql: {password: …}` of the predictor `churn`,
//! `…_FILE` names a file that holds the value, and `CHURN_DATABASE` is the database's whole URL.

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_rasa_format::yaml::{self, SourceFile};
use serde_json::Value;

use crate::Environment;

/// The variable that names the file.
pub const PATH_VARIABLE: &str = "YOTTA_ML3_CONFIGURATION_PATH";
/// The file looked for without it.
pub const FILE: &str = "config.yml";

const SECTIONS: [&str; 4] = ["postgresql", "external_postgres", "api", "gcs"];
const EXPORT: &str = "export the model where it was trained, with skl2onnx.to_onnx say, and declare it as a predictor \
                      of the kind `foreign`";

/// What such a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// URL of the database.
    pub database: Option<String>,
    /// Address to listen on.
    pub host: Option<String>,
    /// Port to listen on.
    pub port: Option<u16>,
}

/// Whether a file is of this kind, and no configuration of an assistant.
pub fn is_service(file: &SourceFile) -> bool {
    let node = yaml::parse(file, &|_| None, &mut Vec::new());
    node.is_some_and(|node| SECTIONS.iter().any(|section| node.get(section).is_some()))
}

/// Reads the file with the environment over it; `prefixes` are names of predictors.
///
/// # Errors
/// What cannot be understood; warnings are added to `warnings`.
pub fn read(
    file: Option<&SourceFile>,
    prefixes: &[&str],
    environment: &Environment,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Service, Vec<Diagnostic>> {
    let lookup = |name: &str| environment.get(name).map(str::to_owned);
    let mut findings = Vec::new();
    let node = file.and_then(|file| yaml::parse(file, &lookup, &mut findings));
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(findings);
    }
    let place = file.map_or("", |file| file.path.as_str());
    for entry in node.iter().flat_map(|node| node.entries()) {
        if !SECTIONS.contains(&entry.key.as_str()) {
            let message = format!("`{}` has no meaning here", entry.key);
            warnings.push(Diagnostic::warning(entry.mark.source(place), message));
        }
    }
    let written = node.map_or(Value::Null, |node| node.to_json());
    let get = |section: &str, key: &str| -> Option<String> {
        for prefix in prefixes {
            let prefix = prefix.to_uppercase().replace(['-', '.'], "_");
            let variable = format!("{prefix}_{}__{}", section.to_uppercase(), key.to_uppercase());
            if let Some(value) = environment.get(&variable) {
                return Some(value.to_owned());
            }
            if let Some(path) = environment.get(&format!("{variable}_FILE")) {
                return std::fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned());
            }
        }
        match &written[section][key] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    };
    if let Some(blob) = get("gcs", "blob") {
        let hint = match blob.ends_with(".pkl") || blob.ends_with(".pickle") || blob.ends_with(".joblib") {
            true => format!("a pickle is a program and is never run: {EXPORT}"),
            false => "train the predictor, or declare it as one of the kind `foreign`".to_owned(),
        };
        let message = format!("`gcs`: the model `{blob}` is not fetched");
        warnings.push(
            Diagnostic::warning(
                intendant_talk::data::Source { file: place.to_owned(), line: 0, column: 0 },
                message,
            )
            .with_hint(hint),
        );
    }
    let port = get("api", "port").map(|port| {
        port.parse().map_err(|_| {
            let source = intendant_talk::data::Source { file: place.to_owned(), line: 0, column: 0 };
            vec![Diagnostic::error(source, format!("`api.port` must be a port, found `{port}`"))]
        })
    });
    let section =
        if get("external_postgres", "hostname").is_some() { "external_postgres" } else { "postgresql" };
    let database = get(section, "hostname").map(|host| {
        let port = get(section, "port").unwrap_or_else(|| "5432".to_owned());
        let name = get(section, "database").unwrap_or_default();
        let user = encoded(&get(section, "username").unwrap_or_default());
        match get(section, "password") {
            Some(password) => format!("postgres://{user}:{}@{host}:{port}/{name}", encoded(&password)),
            None => format!("postgres://{user}@{host}:{port}/{name}"),
        }
    });
    let variables =
        prefixes.iter().map(|prefix| format!("{}_DATABASE", prefix.to_uppercase().replace(['-', '.'], "_")));
    let own = variables.into_iter().find_map(|variable| environment.get(&variable).map(str::to_owned));
    Ok(Service { database: own.or(database), host: get("api", "host"), port: port.transpose()? })
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_service_is_read_as_it_stands() {
        let yaml = "postgresql:\n  username: us\n  password: 'p@ss'\n  hostname: db\n  port: 5432\n  database: churnapi\n\
                    api:\n  port: 8000\n  host: 0.0.0.0\ngcs:\n  bucket: b\n  blob: model/Final.pkl\nother: 1\n";
        let file = SourceFile::new("config.yml", yaml);
        assert!(is_service(&file));
        assert!(!is_service(&SourceFile::new("config.yml", "language: en\npipeline: []\n")));
        let mut warnings = Vec::new();
        let read = |variables: &[(&str, &str)], warnings: &mut Vec<Diagnostic>| {
            super::read(Some(&file), &["churn"], &Environment::of(variables), warnings).unwrap()
        };
        let service = read(&[], &mut warnings);
        assert_eq!(service.database.as_deref(), Some("postgres://us:p%40ss@db:5432/churnapi"));
        assert_eq!((service.host.as_deref(), service.port), (Some("0.0.0.0"), Some(8000)));
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert!(told[0].contains("`other` has no meaning here") && told[1].contains("skl2onnx"), "{told:?}");
        let other = read(&[("CHURN_POSTGRESQL__PASSWORD", "s")], &mut warnings);
        assert_eq!(other.database.as_deref(), Some("postgres://us:s@db:5432/churnapi"));
    }
}
