//! Section `registry`.

use serde::Deserialize;

/// Where versions and tags are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// URL of the index, `postgres://…` or `sqlite://…`; a file in the models folder unless said otherwise.
    pub database: Option<String>,
    /// Who fetches models over HTTP must give this token.
    pub token: Option<String>,
}
