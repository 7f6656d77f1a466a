//! What callers may ask with: the predictor's columns, loosened and tightened as declared.

use intendant_component::predictor::Predictor;
use intendant_table::{Field, Kind as ColumnKind, Problem, Signature, Table};
use serde_json::{Map, Value};

use crate::files;
use crate::spec::{Kind, Spec};

/// The signature for callers: columns of rows may be left out unless declared `required`, columns that are declared but
/// not learnt from are checked too.
pub fn signature(spec: &Spec, predictor: &dyn Predictor) -> Signature {
    let mut signature = predictor.signature().clone();
    if matches!(spec.kind, Kind::Tabular | Kind::Foreign) {
        for field in &mut signature.fields {
            field.is_optional = !spec.features.get(&field.name).is_some_and(|feature| feature.required);
        }
        for (name, kind) in files::kinds(spec) {
            if spec.features.contains_key(&name) && signature.field(&name).is_none() {
                let is_optional = !spec.features[&name].required;
                signature.fields.push(Field { name, kind, is_optional, categories: Vec::new() });
            }
        }
    }
    signature
}

/// JSON rows as a table; keys that nobody knows are left out.
///
/// # Errors
/// Every value that does not fit, by row and field.
pub fn rows(spec: &Spec, signature: &Signature, rows: &[&Map<String, Value>]) -> Result<Table, Vec<Problem>> {
    let read = signature.read_json(rows);
    let problems = beyond(spec, rows);
    match read {
        Ok(table) if problems.is_empty() => Ok(table),
        Ok(_) => Err(problems),
        Err(mut all) => {
            all.extend(problems);
            all.sort_by_key(|problem| problem.row);
            Err(all)
        }
    }
}

/// Values beyond those that a feature's declaration lists.
fn beyond(spec: &Spec, rows: &[&Map<String, Value>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, feature) in spec.features.iter().filter(|(_, feature)| !feature.values.is_empty()) {
        for (row, object) in rows.iter().enumerate() {
            let Some(value) = object.get(name).and_then(Value::as_str) else { continue };
            if !feature.values.iter().any(|known| known == value) {
                let message = format!("must be one of {}, found `{value}`", feature.values.join(", "));
                problems.push(Problem { row, field: name.clone(), message });
            }
        }
    }
    for (name, _) in spec.features.iter().filter(|(_, feature)| feature.type_.as_deref() == Some("integer")) {
        for (row, object) in rows.iter().enumerate() {
            let Some(number) = object.get(name).and_then(Value::as_f64) else { continue };
            if number.fract() != 0.0 {
                let message = format!("must be a whole number, found `{number}`");
                problems.push(Problem { row, field: name.clone(), message });
            }
        }
    }
    problems
}

/// The JSON Schema of one row, for descriptions of APIs.
pub fn row_schema(spec: &Spec, signature: &Signature) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &signature.fields {
        let feature = spec.features.get(&field.name);
        let is_whole = feature.and_then(|feature| feature.type_.as_deref()) == Some("integer");
        let mut property = match field.kind {
            ColumnKind::Number if is_whole => serde_json::json!({"type": ["integer", "null"]}),
            ColumnKind::Number => serde_json::json!({"type": ["number", "null"]}),
            ColumnKind::Boolean => serde_json::json!({"type": ["boolean", "string", "null"]}),
            ColumnKind::Date => serde_json::json!({"type": ["string", "null"], "format": "date-time"}),
            ColumnKind::Category | ColumnKind::Text => serde_json::json!({"type": ["string", "null"]}),
        };
        if let Some(values) = feature.map(|feature| &feature.values).filter(|values| !values.is_empty()) {
            property["enum"] = values.iter().cloned().map(Value::from).chain([Value::Null]).collect();
        }
        if !field.is_optional {
            required.push(Value::from(field.name.clone()));
        }
        properties.insert(field.name.clone(), property);
    }
    serde_json::json!({"type": "object", "properties": properties, "required": required})
}
