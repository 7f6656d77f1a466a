//! Amazon's files beside its variables: `~/.aws/credentials` and `~/.aws/config`.
//!
//! As with Amazon's own tools a variable wins over a file, `AWS_PROFILE` names the section,
//! `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` name other files.
//! Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Environment;

/// What a profile may say, and the variable that says the same.
const KEYS: [(&str, &str); 8] = [
    ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
    ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("aws_session_token", "AWS_SESSION_TOKEN"),
    ("region", "AWS_REGION"),
    ("endpoint_url", "AWS_ENDPOINT_URL"),
    ("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("role_arn", "AWS_ROLE_ARN"),
    ("role_session_name", "AWS_ROLE_SESSION_NAME"),
];
/// The first of [`KEYS`] are keys, which belong together.
const SECRETS: usize = 3;
/// Ways to get keys that only Amazon's own tools know.
const UNKNOWN_WAYS: [&str; 5] =
    ["credential_process", "sso_session", "sso_start_url", "source_profile", "credential_source"];

type Profile = BTreeMap<String, String>;

impl Environment {
    /// All variables, completed by the profile in Amazon's files.
    ///
    /// # Errors
    /// When a file cannot be read, the profile that is named is in none, or it gets its keys in a way that is
    /// not known here.
    pub fn with_aws_profile(&self) -> Result<BTreeMap<String, String>, String> {
        let set = |name: &str| self.get(name).filter(|value| !value.is_empty());
        let home = set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from);
        let file = |variable: &str, name: &str| match set(variable) {
            Some(path) => Some(expanded(path, home.as_deref())),
            None => home.as_ref().map(|home| home.join(".aws").join(name)),
        };
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let config = file("AWS_CONFIG_FILE", "config");
        let named = set("AWS_PROFILE").or_else(|| set("AWS_DEFAULT_PROFILE"));
        let profile = named.unwrap_or("default");
        let section = if profile == "default" { profile.to_owned() } else { format!("profile {profile}") };
        let mut found: Option<Profile> = None;
        // Keys in the file that is for them win over those in the other.
        for (path, section) in [(&config, section.as_str()), (&credentials, profile)] {
            let Some(path) = path else { continue };
            if let Some(keys) = read(path)?.remove(section) {
                found.get_or_insert_default().extend(keys);
            }
        }
        let mut variables = self.all().clone();
        let Some(found) = found else {
            return match named {
                Some(name) => {
                    let shown = |path: Option<PathBuf>| path.unwrap_or_default().display().to_string();
                    Err(format!("no profile `{name}` is in {} or {}", shown(config), shown(credentials)))
                }
                None => Ok(variables),
            };
        };
        let is_given = |name: &str| set(name).is_some();
        let has_keys = is_given("AWS_ACCESS_KEY_ID") || is_given("AWS_WEB_IDENTITY_TOKEN_FILE");
        let brings_keys =
            ["aws_access_key_id", "web_identity_token_file"].iter().any(|key| found.contains_key(*key));
        if let Some(way) = UNKNOWN_WAYS.iter().find(|way| found.contains_key(**way))
            && !has_keys
            && !brings_keys
        {
            return Err(format!(
                "the profile `{profile}` gets its keys by `{way}`, which is not known here; set AWS_ACCESS_KEY_ID, \
                 AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, as `aws configure export-credentials --format env` tells \
                 them"
            ));
        }
        for (at, (key, variable)) in KEYS.iter().enumerate() {
            let is_set = match *variable {
                _ if at < SECRETS => has_keys,
                "AWS_REGION" => is_given("AWS_REGION") || is_given("AWS_DEFAULT_REGION"),
                variable => is_given(variable),
            };
            if let Some(value) = found.get(*key).filter(|_| !is_set) {
                variables.insert((*variable).to_owned(), value.clone());
            }
        }
        Ok(variables)
    }
}

fn expanded(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// The sections of a file; of one that is not there none.
fn read(path: &Path) -> Result<BTreeMap<String, Profile>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text).map_err(|(line, why)| format!("{}:{line}: {why}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Sections of `key = value`. What is indented belongs to the key above, and to settings that mean nothing here.
fn parse(text: &str) -> Result<BTreeMap<String, Profile>, (usize, &'static str)> {
    let mut sections: BTreeMap<String, Profile> = BTreeMap::new();
    let mut section = None;
    for (at, line) in text.lines().enumerate() {
        let wrong = |why| (at + 1, why);
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with(['#', ';']) || line.starts_with([' ', '\t']) {
            continue;
        }
        if let Some(rest) = bare.strip_prefix('[') {
            let name = rest.split_once(']').ok_or_else(|| wrong("a section ends with `]`"))?.0;
            let words = name.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
            section = Some(words.collect::<Vec<_>>().join(" "));
            continue;
        }
        let (key, value) = bare.split_once('=').ok_or_else(|| wrong("expected `key = value`"))?;
        let value = value.split(" #").next().unwrap_or_default();
        let value = value.split(" ;").next().unwrap_or_default().trim();
        let section = section.clone().ok_or_else(|| wrong("a key before the first section"))?;
        sections.entry(section).or_default().insert(key.trim().to_lowercase(), value.to_owned());
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "\
# kept by hand\n[default]\naws_access_key_id = one\naws_secret_access_key=secret # not this\n\n[work]\n\
AWS_ACCESS_KEY_ID = two\naws_secret_access_key = other\naws_session_token = t==\n";
    const CONFIG: &str = "\
[default]\nregion = eu-west-3\ns3 =\n  max_concurrent_requests = 20\n[profile work]\nregion = eu-central-1\n\
endpoint_url = http://127.0.0.1:9000\n[profile role]\nrole_arn = arn:1\nsource_profile = work\n\
[profile pod]\nrole_arn = arn:2\nweb_identity_token_file = /token\n";

    /// The variables that the files add or change.
    fn check(given: &[(&str, &str)], expected: Result<&[(&str, &str)], &str>) {
        let home = std::env::temp_dir().join(format!("intendant-aws-{}", std::process::id()));
        std::fs::create_dir_all(home.join(".aws")).unwrap();
        std::fs::write(home.join(".aws/credentials"), CREDENTIALS).unwrap();
        std::fs::write(home.join(".aws/config"), CONFIG).unwrap();
        let shown = home.display().to_string();
        let environment = Environment::of(&[given, &[("HOME", &shown)]].concat());
        let found = environment.with_aws_profile();
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                let added = found.iter().filter(|(name, value)| environment.get(name) != Some(value));
                let added: Vec<_> = added.map(|(name, value)| (name.as_str(), value.as_str())).collect();
                assert_eq!(added, expected, "{given:?}");
            }
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (found, expected) => panic!("{given:?}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn files_complete_variables() {
        let default =
            [("AWS_ACCESS_KEY_ID", "one"), ("AWS_REGION", "eu-west-3"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        check(&[], Ok(&default));
        check(&[("AWS_PROFILE", "")], Ok(&default));
        check(&[("AWS_DEFAULT_REGION", "us-east-2")], Ok(&[default[0], default[2]]));
        // Keys of different origins do not go together.
        check(&[("AWS_ACCESS_KEY_ID", "mine"), ("AWS_SECRET_ACCESS_KEY", "s")], Ok(&[default[1]]));
        check(
            &[("AWS_PROFILE", "work")],
            Ok(&[
                ("AWS_ACCESS_KEY_ID", "two"),
                ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"),
                ("AWS_REGION", "eu-central-1"),
                ("AWS_SECRET_ACCESS_KEY", "other"),
                ("AWS_SESSION_TOKEN", "t=="),
            ]),
        );
        check(
            &[("AWS_PROFILE", "pod")],
            Ok(&[("AWS_ROLE_ARN", "arn:2"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")]),
        );
        check(&[("AWS_PROFILE", "nobody")], Err("no profile `nobody` is in "));
        check(&[("AWS_PROFILE", "role")], Err("the profile `role` gets its keys by `source_profile`"));
        check(&[("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/config")], Ok(&[default[1]]));
        check(&[("AWS_SHARED_CREDENTIALS_FILE", "~/.aws")], Err("cannot read "));
    }

    #[test]
    fn lines_that_mean_nothing_are_named() {
        assert_eq!(parse("[a]\nkey\n"), Err((2, "expected `key = value`")));
        assert_eq!(parse("\nkey = 1\n"), Err((2, "a key before the first section")));
        assert_eq!(parse("[a\n"), Err((1, "a section ends with `]`")));
    }
}
