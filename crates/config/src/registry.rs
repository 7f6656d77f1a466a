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
    /// Where `models push` and `models pull` send and fetch: an object store or another server.
    pub remote: Option<String>,
    /// The token of that server.
    pub remote_token: Option<String>,
}
