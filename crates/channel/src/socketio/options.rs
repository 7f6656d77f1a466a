//! The channel's options in `credentials.yml`.

use intendant_talk::message::Object;
use serde_json::Value;

/// The namespace of sockets that name none.
pub const ROOT_NAMESPACE: &str = "/";

const NAMES: [&str; 8] = [
    "user_message_evt",
    "bot_message_evt",
    "namespace",
    "session_persistence",
    "socketio_path",
    "jwt_key",
    "jwt_method",
    "metadata_key",
];

/// How the channel behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The event by which users speak.
    pub user_message_event: String,
    /// The event by which the bot speaks.
    pub bot_message_event: String,
    /// The namespace to connect to, with its slash.
    pub namespace: String,
    /// Whose conversation a message belongs to.
    pub conversation: Conversation,
    /// Where sockets connect, with a slash before and none after it.
    pub path: String,
    /// The key that tokens of connecting clients are signed with.
    pub jwt_key: Option<String>,
    /// How they are signed.
    pub jwt_method: String,
    /// The field of a message that holds its metadata.
    pub metadata_key: String,
}

/// Whose conversation a message belongs to (`session_persistence`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversation {
    /// The socket's; it ends with the connection.
    OfSocket,
    /// That of the `session_id` that the client sends, from any connection.
    OfSession,
}

impl Options {
    /// Reads the options; the error says in one sentence which one cannot be used.
    pub fn read(options: &Object) -> Result<Self, String> {
        let text = |name: &str| match options.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(format!("`{name}` must be a text that is not empty")),
        };
        let text_or = |name: &str, default: &str| Ok::<_, String>(text(name)?.unwrap_or(default.to_owned()));
        let conversation = match options.get("session_persistence") {
            None | Some(Value::Null | Value::Bool(false)) => Conversation::OfSocket,
            Some(Value::Bool(true)) => Conversation::OfSession,
            Some(_) => return Err("`session_persistence` must be true or false".to_owned()),
        };
        let path = text_or("socketio_path", "/socket.io")?;
        if path.trim_matches('/').is_empty() {
            return Err("`socketio_path` must be a path below /".to_owned());
        }
        Ok(Self {
            user_message_event: text_or("user_message_evt", "user_uttered")?,
            bot_message_event: text_or("bot_message_evt", "bot_uttered")?,
            namespace: format!("/{}", text_or("namespace", ROOT_NAMESPACE)?.trim_start_matches('/')),
            conversation,
            path: format!("/{}", path.trim_matches('/')),
            jwt_key: text("jwt_key")?,
            jwt_method: text_or("jwt_method", "HS256")?,
            metadata_key: text_or("metadata_key", "metadata")?,
        })
    }

    /// Names among the options that mean nothing.
    pub fn unknown(options: &Object) -> Vec<&str> {
        options.keys().map(String::as_str).filter(|name| !NAMES.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_are_read() {
        let read = |value: Value| Options::read(value.as_object().unwrap());
        let defaults = read(json!({})).unwrap();
        assert_eq!((defaults.namespace.as_str(), defaults.path.as_str()), ("/", "/socket.io"));
        assert_eq!(defaults.conversation, Conversation::OfSocket);
        let given = json!({"namespace": "chat", "socketio_path": "ws/", "session_persistence": true});
        let given = read(given).unwrap();
        assert_eq!((given.namespace.as_str(), given.path.as_str()), ("/chat", "/ws"));
        assert_eq!(given.conversation, Conversation::OfSession);
        let message = |value| read(value).unwrap_err();
        assert_eq!(message(json!({"jwt_key": 7})), "`jwt_key` must be a text that is not empty");
        assert_eq!(message(json!({"socketio_path": "/"})), "`socketio_path` must be a path below /");
        assert_eq!(
            message(json!({"session_persistence": "yes"})),
            "`session_persistence` must be true or false"
        );
    }
}
