//! From the setting `event_broker` to a broker.

use std::path::Path;
use std::sync::Arc;

use intendant_port::broker::EventBroker;
use intendant_port::error::{Error, Kind, Result};
use intendant_rasa_format::endpoints::EndpointConfig;
use intendant_store::open::sqlite_path;
use intendant_talk::domain::python_text;

use crate::file::FileBroker;
use crate::sql::SqlBroker;

/// What the setting means without a type.
const DEFAULT_KIND: &str = "pika";

/// Opens the broker that `event_broker` names; none when there is no such setting.
pub async fn event_broker(config: Option<&EndpointConfig>) -> Result<Option<Arc<dyn EventBroker>>> {
    let Some(config) = config else {
        return Ok(None);
    };
    let kind = config.kind.as_deref().unwrap_or(DEFAULT_KIND);
    match kind.to_ascii_lowercase().as_str() {
        "file" => {
            let path = config.extra.get("path").map_or_else(|| "rasa_event.log".to_owned(), python_text);
            Ok(Some(Arc::new(FileBroker::open(Path::new(&path))?)))
        }
        "sql" => {
            let path = sqlite_path(config, "event_broker", "events.db")?;
            Ok(Some(Arc::new(SqlBroker::open(&path).await?)))
        }
        _ => {
            let message = format!(
                "event_broker: the type '{kind}' is not there yet; use `type: sql` with `dialect: sqlite` or \
                 `type: file`"
            );
            Err(Error::new(Kind::Unsupported, message))
        }
    }
}
