//! Every path and method of Rasa's HTTP API, in one table.

/// An operation of the HTTP API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    Hello,
    Version,
    Status,
    RetrieveTracker,
    AppendEvents,
    ReplaceEvents,
    RetrieveStory,
    ExecuteAction,
    TriggerIntent,
    PredictConversation,
    AddMessage,
    Train,
    TestStories,
    TestIntents,
    PredictEvents,
    Parse,
    LoadModel,
    UnloadModel,
    Domain,
    Metrics,
    /// `GET /healthz`: the process lives.
    Alive,
    /// `GET /readyz`: messages can be answered.
    Ready,
    /// `GET /openapi.json`.
    OpenApi,
    /// `GET /docs`: the same for people.
    Docs,
    /// `POST /auth`: tokens are not issued here.
    Login,
    /// `GET /auth/me`.
    Me,
    /// `GET /auth/verify`: whether the caller's token is good.
    VerifyToken,
    /// `GET /webhooks/<channel>/`.
    ChannelHealth,
    /// `POST /webhooks/<channel>/webhook`.
    ChannelMessage,
}

impl Operation {
    /// Called again and again by machines that watch; nobody wants to see it in a trace.
    pub(crate) fn is_for_operators(self) -> bool {
        matches!(self, Self::Metrics | Self::Alive | Self::Ready)
    }
}

/// Who may call an operation, and what must be there for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Anybody, always, also without `--enable-api`.
    Open,
    /// Who is authenticated, always, also without `--enable-api`.
    Guarded,
    /// Anybody, when the API is enabled.
    Public,
    /// Anybody, when the API is enabled and tokens are checked.
    Tokens,
    /// Who is authenticated.
    Authenticated,
    /// Who is authenticated, while a model is loaded.
    WithModel,
}

/// One operation with its path and method.
pub(crate) struct Row {
    pub path: &'static str,
    pub method: &'static str,
    pub operation: Operation,
    pub gate: Gate,
}

const fn row(path: &'static str, method: &'static str, operation: Operation, gate: Gate) -> Row {
    Row { path, method, operation, gate }
}

/// `{id}` stands for one or more segments, `{channel}` for one.
pub(crate) const ROUTES: &[Row] = &[
    row("/", "GET", Operation::Hello, Gate::Open),
    row("/version", "GET", Operation::Version, Gate::Public),
    row("/status", "GET", Operation::Status, Gate::WithModel),
    row("/conversations/{id}/tracker", "GET", Operation::RetrieveTracker, Gate::WithModel),
    row("/conversations/{id}/tracker/events", "POST", Operation::AppendEvents, Gate::WithModel),
    row("/conversations/{id}/tracker/events", "PUT", Operation::ReplaceEvents, Gate::WithModel),
    row("/conversations/{id}/story", "GET", Operation::RetrieveStory, Gate::WithModel),
    row("/conversations/{id}/execute", "POST", Operation::ExecuteAction, Gate::WithModel),
    row("/conversations/{id}/trigger_intent", "POST", Operation::TriggerIntent, Gate::WithModel),
    row("/conversations/{id}/predict", "POST", Operation::PredictConversation, Gate::WithModel),
    row("/conversations/{id}/messages", "POST", Operation::AddMessage, Gate::WithModel),
    row("/model/train", "POST", Operation::Train, Gate::Authenticated),
    row("/model/test/stories", "POST", Operation::TestStories, Gate::WithModel),
    row("/model/test/intents", "POST", Operation::TestIntents, Gate::Authenticated),
    row("/model/predict", "POST", Operation::PredictEvents, Gate::WithModel),
    row("/model/parse", "POST", Operation::Parse, Gate::WithModel),
    row("/model", "PUT", Operation::LoadModel, Gate::Authenticated),
    row("/model", "DELETE", Operation::UnloadModel, Gate::Authenticated),
    row("/domain", "GET", Operation::Domain, Gate::WithModel),
    row("/metrics", "GET", Operation::Metrics, Gate::Guarded),
    row("/healthz", "GET", Operation::Alive, Gate::Open),
    row("/readyz", "GET", Operation::Ready, Gate::Open),
    row("/openapi.json", "GET", Operation::OpenApi, Gate::Public),
    row("/docs", "GET", Operation::Docs, Gate::Public),
    row("/auth", "POST", Operation::Login, Gate::Tokens),
    row("/auth/me", "GET", Operation::Me, Gate::Tokens),
    row("/auth/verify", "GET", Operation::VerifyToken, Gate::Tokens),
    row("/webhooks/{channel}", "GET", Operation::ChannelHealth, Gate::Open),
    row("/webhooks/{channel}/webhook", "POST", Operation::ChannelMessage, Gate::Open),
];

/// What a path and method mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched<'a> {
    /// An operation with its gate and the path's parameter, as sent.
    Route {
        /// What to do.
        operation: Operation,
        /// Who may.
        gate: Gate,
        /// Conversation id or channel name.
        parameter: Option<&'a str>,
        /// The path's pattern in the table.
        path: &'static str,
    },
    /// The path is known, the method is not.
    WrongMethod {
        /// The methods that are.
        allow: &'static [&'static str],
    },
    /// No such path.
    Unknown,
}

/// Looks a request up. A trailing slash makes no difference.
pub fn find<'a>(method: &str, path: &'a str) -> Matched<'a> {
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    let mut allowed: Option<&'static str> = None;
    for row in ROUTES {
        let Some(parameter) = match_pattern(row.path, path) else {
            continue;
        };
        if row.method == method {
            return Matched::Route { operation: row.operation, gate: row.gate, parameter, path: row.path };
        }
        allowed = Some(row.path);
    }
    match allowed {
        Some(path) => Matched::WrongMethod { allow: methods_of(path) },
        None => Matched::Unknown,
    }
}

fn methods_of(path: &'static str) -> &'static [&'static str] {
    match path {
        "/model" => &["PUT", "DELETE"],
        "/conversations/{id}/tracker/events" => &["POST", "PUT"],
        _ if ROUTES.iter().any(|row| row.path == path && row.method == "GET") => &["GET"],
        _ => &["POST"],
    }
}

/// `Some(parameter)` when the path fits the pattern.
fn match_pattern<'a>(pattern: &str, path: &'a str) -> Option<Option<&'a str>> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return (pattern == path).then_some(None);
    };
    let (name, after) = rest.split_once('}')?;
    let parameter = path.strip_prefix(before)?.strip_suffix(after)?;
    let fits = !parameter.is_empty() && (name == "id" || !parameter.contains('/'));
    fits.then_some(Some(parameter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_and_names_its_methods() {
        for row in ROUTES {
            let path = row.path.replace("{id}", "a/b").replace("{channel}", "rest");
            match find(row.method, &path) {
                Matched::Route { operation, .. } => assert_eq!(operation, row.operation, "{path}"),
                other => panic!("{path}: {other:?}"),
            }
            assert!(methods_of(row.path).contains(&row.method), "{path}");
            for method in methods_of(row.path) {
                assert!(
                    ROUTES.iter().any(|other| other.path == row.path && other.method == *method),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn paths_are_matched_as_rasa_does() {
        let check = |method: &str, path: &str, expected: &str| {
            let found = match find(method, path) {
                Matched::Route { operation, parameter, .. } => {
                    format!("{operation:?} {}", parameter.unwrap_or("-"))
                }
                Matched::WrongMethod { allow } => format!("405 {}", allow.join(", ")),
                Matched::Unknown => "404".to_owned(),
            };
            assert_eq!(found, expected, "{method} {path}");
        };
        check("GET", "/", "Hello -");
        check("HEAD", "/", "405 GET");
        check("GET", "/status/", "Status -");
        check("POST", "/status", "405 GET");
        check("GET", "/conversations/a/b/tracker", "RetrieveTracker a/b");
        check("GET", "/conversations/h%C3%A9%20llo/tracker", "RetrieveTracker h%C3%A9%20llo");
        check("GET", "/conversations//tracker", "404");
        check("PUT", "/conversations/a/tracker/events/", "ReplaceEvents a");
        check("GET", "/conversations/a/tracker/events", "405 POST, PUT");
        check("GET", "/model", "405 PUT, DELETE");
        check("GET", "/webhooks/", "404");
        check("GET", "/webhooks/rest", "ChannelHealth rest");
        check("GET", "/webhooks/rest/", "ChannelHealth rest");
        check("GET", "/webhooks/rest/webhook", "405 POST");
        check("GET", "/nope", "404");
    }
}
