//! Routes that a predictor declares: methods, paths with parameters, templates of answers.

use serde_json::{Map, Value};

use crate::articles;
use crate::spec::{Kind, Route, Spec};

/// Methods that a route can have.
pub const METHODS: [&str; 2] = ["GET", "POST"];

/// What a template can name, and what it stands for.
pub const PLACEHOLDERS: &[(&str, &str)] = &[
    ("$probability", "the probability of the positive class"),
    ("$label", "the predicted class"),
    ("$value", "the predicted number"),
    ("$probabilities", "the probability of every class"),
    ("$threshold", "the probability from which on the positive class is told"),
    ("$entities", "what is said of each entity: `entity`, `prediction`, `scores`, `mentions`"),
    ("$opinions", "what is said of each entity: `entity` and `prediction` only"),
    ("$items", "recommended items with score and reason"),
    ("$shown", "recommended items with the columns that the catalogue shows"),
    ("$mode", "how items were recommended"),
    ("$row", "the row that was predicted"),
    ("$model", "the predictor's name"),
    ("$version", "the model's version"),
    ("$request_id", "the request's id"),
];

/// A path, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path, parameters as `{name}`.
    pub path: &'a str,
    /// Names of the parameters.
    pub parameters: Vec<&'a str>,
}

impl<'a> Path<'a> {
    /// Takes `POST /detect/` apart; without a method `POST` is meant.
    pub fn of(written: &'a str) -> Self {
        let (method, path) = match written.trim().split_once(char::is_whitespace) {
            Some((method, path)) => (method, path.trim()),
            None => ("POST", written.trim()),
        };
        let parameters = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')))
            .collect();
        Path { method, path, parameters }
    }
}

/// Paths that a server has for itself.
const TAKEN: [&str; 13] = [
    "/",
    "/docs",
    "/health",
    "/healthz",
    "/invocations",
    "/metrics",
    "/openapi.json",
    "/ping",
    "/predictors",
    "/readyz",
    "/redoc",
    "/v2",
    "/version",
];

/// What a path looks like to a router: parameters without their names.
pub fn shape(path: &str) -> String {
    let segments = path.trim_end_matches('/').split('/');
    segments
        .map(|segment| if segment.starts_with('{') { "{}" } else { segment })
        .collect::<Vec<_>>()
        .join("/")
}

/// What is wrong with where a route stands.
fn misplaced(path: &Path<'_>) -> Option<(String, String)> {
    if !METHODS.contains(&path.method) || !path.path.starts_with('/') {
        let hint = "write `POST /detect/` or `GET /customer/{id}`".to_owned();
        return Some((format!("`{} {}` is no path of a route", path.method, path.path), hint));
    }
    let bare = path.path.trim_end_matches('/');
    let is_plain = |segment: &str| !segment.contains(['{', '}', '*', '?', '#', ' ']);
    let is_parameter = |segment: &str| {
        let name = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        })
    };
    if let Some(segment) = bare.split('/').find(|segment| !is_plain(segment) && !is_parameter(segment)) {
        let hint = "a part of a path is plain, or one parameter: `{id}`".to_owned();
        return Some((format!("`{segment}` cannot be a part of a path"), hint));
    }
    let is_taken = bare.is_empty()
        || TAKEN.contains(&bare)
        || bare.starts_with("/v2/")
        || bare.starts_with("/predictors/");
    is_taken
        .then(|| (format!("the path `{}` is the server's own", path.path), "choose another one".to_owned()))
}

/// What is wrong with a route: field, message, hint.
pub(crate) fn problems(spec: &Spec, route: &Route) -> Vec<(&'static str, String, String)> {
    let mut problems = Vec::new();
    let path = Path::of(&route.path);
    problems.extend(misplaced(&path).map(|(message, hint)| ("path", message, hint)));
    let lookup = route.lookup.as_ref().map(|name| (name, spec.lookups.get(name)));
    match lookup {
        Some((name, None)) => {
            let known: Vec<&str> = spec.lookups.keys().map(String::as_str).collect();
            problems.push((
                "lookup",
                format!("there is no look-up `{name}`"),
                format!("there are: {}", known.join(", ")),
            ));
        }
        Some((name, Some(lookup))) => {
            for parameter in parameters(&lookup.query) {
                if !path.parameters.contains(&parameter.as_str()) && !route.query.contains_key(&parameter) {
                    let message = format!(
                        "the look-up `{name}` asks for `:{parameter}`, which is neither in the path nor in `query`"
                    );
                    let hint = format!("add `{{{parameter}}}` to the path, or a value to `query`");
                    problems.push(("path", message, hint));
                }
            }
        }
        None if path.method == "GET" && route.articles.is_none() => {
            let hint = "name a `lookup`, or make it a POST route".to_owned();
            problems.push(("path", "a GET route has no row to predict from".to_owned(), hint));
        }
        None => {}
    }
    problems.extend(articles::problems(spec, route, &path));
    let known = match route.articles.as_deref().and_then(articles::action) {
        Some(action) => action.placeholders,
        None => PLACEHOLDERS,
    };
    for name in route.answer.iter().chain(&route.empty).flat_map(placeholders) {
        if !known.iter().any(|(known, _)| *known == name) {
            let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            problems.push((
                "answer",
                format!("`{name}` stands for nothing"),
                format!("there are {}", known.join(", ")),
            ));
        }
    }
    if route.text.is_some() && matches!(spec.kind, Kind::Tabular | Kind::Foreign) {
        let hint = "remove it".to_owned();
        problems.push(("text", "`text` has no meaning for rows".to_owned(), hint));
    }
    problems
}

/// The names of `:name` parameters of a query, each once, in order. Texts, comments and casts (`::type`) are skipped.
pub fn parameters(query: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    rewrite(query, |name| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        String::new()
    });
    names
}

/// Puts something else in place of every `:name` of a query.
pub fn rewrite(query: &str, mut parameter: impl FnMut(&str) -> String) -> String {
    let mut written = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(character) = rest.chars().next() {
        let quoted = match character {
            '\'' | '"' => rest[1..].find(character).map(|end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n'),
            '/' if rest.starts_with("/*") => rest.find("*/").map(|end| end + 2),
            ':' if rest.starts_with("::") => Some(2),
            ':' => {
                let name_ends = rest[1..]
                    .find(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                    .unwrap_or(rest.len() - 1);
                if name_ends > 0 {
                    written.push_str(&parameter(&rest[1..=name_ends]));
                    rest = &rest[1 + name_ends..];
                    continue;
                }
                Some(1)
            }
            other => Some(other.len_utf8()),
        };
        let end = quoted.unwrap_or(rest.len());
        written.push_str(&rest[..end]);
        rest = &rest[end..];
    }
    written
}

fn placeholders(template: &Value) -> Vec<&str> {
    match template {
        Value::String(text) if text.starts_with('$') => vec![text],
        Value::Array(items) => items.iter().flat_map(placeholders).collect(),
        Value::Object(map) => map.values().flat_map(placeholders).collect(),
        _ => Vec::new(),
    }
}

/// A template with its placeholders replaced; those that nothing stands for become null.
pub fn fill(template: &Value, lookup: &impl Fn(&str) -> Option<Value>) -> Value {
    match template {
        Value::String(text) if text.starts_with('$') => lookup(text).unwrap_or(Value::Null),
        Value::Array(items) => Value::Array(items.iter().map(|item| fill(item, lookup)).collect()),
        Value::Object(map) => {
            let filled: Map<String, Value> =
                map.iter().map(|(key, value)| (key.clone(), fill(value, lookup))).collect();
            Value::Object(filled)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_queries_are_found_and_nothing_else() {
        let check = |query: &str, names: &[&str], rewritten: &str| {
            assert_eq!(parameters(query), names, "{query}");
            assert_eq!(rewrite(query, |name| format!("<{name}>")), rewritten);
        };
        check("select * from t where id = :id", &["id"], "select * from t where id = <id>");
        check(
            "select ':no', x::text from t where a=:a and b=:b_2 or c=:a",
            &["a", "b_2"],
            "select ':no', x::text from t where a=<a> and b=<b_2> or c=<a>",
        );
        check("select 1 -- :no\n, :yes /* :no */", &["yes"], "select 1 -- :no\n, <yes> /* :no */");
        check("select 'open", &[], "select 'open");
        check("é :ü :", &[], "é :ü :");
    }

    #[test]
    fn paths_are_taken_apart() {
        let path = Path::of("GET /customer/{id}");
        assert_eq!((path.method, path.path, path.parameters), ("GET", "/customer/{id}", vec!["id"]));
        assert_eq!(Path::of("/detect/").method, "POST");
        assert_eq!(shape("/customer/{id}/"), shape("/customer/{customer_id}"));
        let check =
            |path: &str, is_fine: bool| assert_eq!(misplaced(&Path::of(path)).is_none(), is_fine, "{path}");
        check("POST /detect/", true);
        check("GET /a/{id}/b", true);
        check("PUT /a", false);
        check("detect", false);
        check("GET /a{b}", false);
        check("GET /{}", false);
        check("GET /{*rest}", false);
        check("POST /metrics/", false);
        check("POST /v2/models/x", false);
    }
}
