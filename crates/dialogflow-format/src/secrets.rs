//! What an agent does not keep: keys, passwords, values of headers; and what it keeps and should not.

use intendant_talk::message::Object;
use serde_json::Value;

/// Parameters of addresses that hold keys, by their usual names.
const KEYS: [&str; 11] = [
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "code",
    "key",
    "password",
    "secret",
    "sig",
    "signature",
    "token",
];

/// Takes a secret, or an object of secrets, out of an object; gives the places of those that were not empty.
pub(crate) fn take(object: &mut Object, name: &str, place: &str) -> Vec<String> {
    match object.shift_remove(name) {
        Some(Value::Object(headers)) => {
            let full = headers.iter().filter(|(_, value)| !is_empty(value));
            full.map(|(header, _)| format!("{place}/{header}")).collect()
        }
        Some(value) if !is_empty(&value) => vec![place.to_owned()],
        _ => Vec::new(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// What looks like a secret in an address, by name: the user, and parameters that are called like keys.
pub(crate) fn in_address(url: &str) -> Vec<&str> {
    let address = url.split('#').next().unwrap_or_default();
    let (place, query) = address.split_once('?').unwrap_or((address, ""));
    let authority = place.split_once("://").map_or(place, |(_, rest)| rest).split('/').next();
    let user = authority.and_then(|authority| Some(authority.rsplit_once('@')?.0));
    let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let keys = parameters
        .filter(|(name, value)| !value.is_empty() && KEYS.contains(&name.to_lowercase().as_str()))
        .map(|(name, _)| name);
    user.map(|_| "user").into_iter().chain(keys).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_in_addresses() {
        let check = |url: &str, expected: &[&str]| assert_eq!(in_address(url), expected, "{url}");
        for harmless in
            ["", "https://a.example", "https://a.example/x@y?b=1&token=#key=1", "a.example/?", "?"]
        {
            check(harmless, &[]);
        }
        check("https://bob:pw@a.example/h", &["user"]);
        check("bob@a.example", &["user"]);
        check("https://a.example/h?b=1&Key=s&c", &["Key"]);
        check("https://u@a.example?code=s#f", &["user", "code"]);
    }
}
