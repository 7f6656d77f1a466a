//! The JSON Schema of a predictor's file, for editors; made from the table of keys.

use serde_json::{Map, Value, json};

use crate::articles;
use crate::keys::{FEATURE_TYPES, IMPUTATIONS, KEYS, Key, METRICS, OUTLIERS, STREAM_KEYS, Shape};
use crate::spec::Kind;

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let properties: Map<String, Value> =
        KEYS.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let kinds: Vec<Value> = Kind::ALL
        .iter()
        .map(|kind| {
            let needed: Vec<&str> =
                KEYS.iter().filter(|key| key.needed_by.contains(kind)).map(|key| key.name).collect();
            json!({
                "if": {"properties": {"kind": {"const": kind.name()}}},
                "then": {"required": needed},
            })
        })
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A predictor of Intendant",
        "type": "object",
        "required": ["kind"],
        "additionalProperties": false,
        "properties": properties,
        "allOf": kinds,
        "$defs": definitions(),
    })
}

fn property(key: &Key) -> Value {
    let mut property = match key.shape {
        Shape::Text => json!({"type": "string"}),
        Shape::Number => json!({"type": "number"}),
        Shape::Integer => json!({"type": "integer", "minimum": 0}),
        Shape::Texts => texts(),
        Shape::Definition(name) => json!({"$ref": format!("#/$defs/{name}")}),
    };
    property["description"] = key.about.into();
    property
}

fn texts() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

fn map(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

fn definitions() -> Value {
    let text = json!({"type": "string"});
    let number = json!({"type": "number"});
    let count = json!({"type": "integer", "minimum": 0});
    let flag = json!({"type": "boolean"});
    let metrics: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();
    let data = map(
        json!({
            "file": text, "format": {"enum": ["csv", "ndjson", "parquet"]}, "separator": text, "encoding": text,
            "join": {"type": "array", "items": map(json!({"file": text, "on": text}), &["file", "on"])},
            "sql": map(json!({"database": text, "query": text}), &["database", "query"]),
        }),
        &[],
    );
    let feature = map(
        json!({
            "type": {"enum": FEATURE_TYPES}, "minimum": number, "maximum": number, "missing": {"enum": IMPUTATIONS},
            "outliers": {"enum": OUTLIERS},
            "zero_is_missing": flag, "values": texts(), "required": flag,
        }),
        &[],
    );
    let gate = map(
        json!({"metric": {"enum": metrics}, "at_least": number, "at_most": number, "slice": text}),
        &["metric"],
    );
    let route = map(
        json!({
            "path": text, "summary": text, "token": flag, "lookup": text, "query": {"type": "object"}, "answer": {}, "empty": {}, "not_found": text,
            "text": text, "required": {"type": "object", "additionalProperties": text}, "batch": flag,
            "filter": {"type": "object", "additionalProperties": text}, "top": count, "label": text, "min_support": count,
            "articles": {"enum": articles::ACTIONS.map(|action| action.name)},
        }),
        &["path"],
    );
    let store = map(json!({"database": text, "table": text, "prediction": text, "setup": texts()}), &[]);
    let kept = map(
        json!({
            "database": text, "source": text, "books": text,
            "filter": {"type": "object", "additionalProperties": text},
        }),
        &[],
    );
    let tokens = map(
        json!({"path": text, "secret": text, "minutes": count, "users": {"type": "object", "additionalProperties": text}}),
        &[],
    );
    let stream: Map<String, Value> = STREAM_KEYS.iter().map(|key| ((*key).to_owned(), json!({}))).collect();
    let stream = map(Value::Object(stream), &[]);
    json!({
        "kind": {"enum": Kind::ALL.map(Kind::name)},
        "data": {"oneOf": [text, data]},
        "features": {"oneOf": [texts(), {
            "type": "object",
            "additionalProperties": {"oneOf": [{"enum": FEATURE_TYPES}, {"type": "null"}, feature]},
        }]},
        "gazetteer": {"oneOf": [text, map(json!({
            "entities": {"type": "object", "additionalProperties": texts()}, "file": text, "year_of": text,
        }), &[])]},
        "catalogue": map(json!({
            "file": text, "item": text, "title": text, "author": text, "genre": text, "description": text,
            "show": texts(),
        }), &["file", "item"]),
        "model": {"oneOf": [text, {
            "type": "object", "properties": {"algorithm": text, "file": text, "format": text, "sha256": text},
        }]},
        "split": {"oneOf": [number, map(json!({"share": number, "column": text, "file": text, "date": text}), &[])]},
        "gate": {"oneOf": [
            {"type": "object", "additionalProperties": number}, gate, {"type": "array", "items": gate},
        ]},
        "tables": {
            "type": "object", "additionalProperties": map(json!({"file": text, "key": text}), &["key"]),
        },
        "lookups": {"type": "object", "additionalProperties": map(json!({
            "database": text, "query": text, "cache_secs": count,
            "parameters": {"type": "object", "additionalProperties": {"enum": ["integer", "number", "text"]}},
        }), &["query"])},
        "stream": stream,
        "serve": map(json!({
            "tag": text, "routes": {"type": "array", "items": route}, "concurrency": count, "queue": count,
            "batch_rows_max": count, "batch_wait_micros": count, "cache_rows": count, "versions_max": count,
            "store": store, "tokens": tokens,
            "articles": kept,
        }), &[]),
    })
}
