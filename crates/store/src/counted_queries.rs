//! The counter of an older middleware in Redis: keys `queries` and `start_time`.

use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::endpoints::EndpointConfig;
use redis::AsyncCommands;

use crate::redis_link::{self, failed};

/// What the keys hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedQueries {
    /// Where the Redis is.
    pub address: String,
    /// `queries`.
    pub queries: u64,
    /// `start_time` as it is written there.
    pub start_time: Option<String>,
}

/// Reads the keys of a Redis at a URL or host.
///
/// # Errors
/// When there is no Redis, or `queries` is not there or no number.
pub async fn read(url: &str) -> Result<CountedQueries> {
    let config = EndpointConfig { url: Some(url.to_owned()), ..EndpointConfig::default() };
    let settings = redis_link::read(&config, "--redis", 0, "")?;
    let mut connection = settings.connect()?;
    let queries: Option<String> =
        connection.get("queries").await.map_err(|error| failed("read `queries` in", error))?;
    let start_time: Option<String> =
        connection.get("start_time").await.map_err(|error| failed("read `start_time` in", error))?;
    let address = settings.address();
    let Some(queries) = queries else {
        return Err(Error::new(Kind::Invalid, format!("there is no key `queries` in redis {address}")));
    };
    let number = queries.trim().parse().map_err(|_| {
        Error::new(Kind::Invalid, format!("`queries` in redis {address} is no count: '{queries}'"))
    })?;
    Ok(CountedQueries { address, queries: number, start_time })
}
