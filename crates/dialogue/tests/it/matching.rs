//! Compares JSON with an expectation in which marks stand for values that differ from run to run.

use serde_json::Value;

/// Where and how `found` differs from `expected`; `None` when it does not.
pub fn difference(expected: &Value, found: &Value) -> Option<String> {
    differ(expected, found, "$")
}

fn differ(expected: &Value, found: &Value, path: &str) -> Option<String> {
    let wrong = || Some(format!("{path}: expected {}, found {}", short(expected), short(found)));
    match (expected, found) {
        (Value::String(mark), found) if mark.starts_with('@') => {
            let is_fine = match mark.as_str() {
                "@ts" | "@number" | "@conf" => found.is_number(),
                "@id" | "@version" | "@str" => found.is_string(),
                "@list" => found.is_array(),
                "@dict" => found.is_object(),
                _ => true,
            };
            if is_fine { None } else { wrong() }
        }
        (Value::Object(expected_map), found) => {
            if let Some((mark, argument)) = expected_map.iter().next().filter(|(key, _)| key.starts_with('@'))
            {
                return marked(mark, argument, found, path);
            }
            let Value::Object(found_map) = found else { return wrong() };
            for (key, value) in expected_map {
                let Some(other) = found_map.get(key) else {
                    return Some(format!("{path}.{key}: missing, expected {}", short(value)));
                };
                if let Some(difference) = differ(value, other, &format!("{path}.{key}")) {
                    return Some(difference);
                }
            }
            let extra = found_map.keys().find(|key| !expected_map.contains_key(*key))?;
            Some(format!("{path}.{extra}: unexpected {}", short(&found_map[extra])))
        }
        (Value::Array(expected_items), Value::Array(found_items)) => {
            for (idx, value) in expected_items.iter().enumerate() {
                let Some(other) = found_items.get(idx) else {
                    return Some(format!("{path}[{idx}]: missing, expected {}", short(value)));
                };
                if let Some(difference) = differ(value, other, &format!("{path}[{idx}]")) {
                    return Some(difference);
                }
            }
            let extra = found_items.get(expected_items.len())?;
            Some(format!("{path}[{}]: unexpected {}", expected_items.len(), short(extra)))
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        (a, b) if a == b => None,
        _ => wrong(),
    }
}

fn marked(mark: &str, argument: &Value, found: &Value, path: &str) -> Option<String> {
    let is_fine = match (mark, argument) {
        ("@oneof", Value::Array(options)) => {
            options.iter().any(|option| differ(option, found, path).is_none())
        }
        ("@prefix", Value::String(prefix)) => found.as_str().is_some_and(|text| text.starts_with(prefix)),
        ("@events", argument) => {
            let head = argument.get("head").and_then(Value::as_array);
            let found = found.as_array();
            let (Some(head), Some(found)) = (head, found) else { return None };
            let common = Value::Array(found.iter().take(head.len()).cloned().collect());
            return differ(&Value::Array(head.clone()), &common, path);
        }
        _ => true,
    };
    if is_fine {
        None
    } else {
        Some(format!("{path}: {mark} {} does not fit {}", short(argument), short(found)))
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(500).collect()
}
