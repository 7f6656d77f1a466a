//! Parse results in the formats of other services.

use intendant_rasa_format::wire;
use intendant_talk::message::{Entity, Object, Parse};
use serde_json::{Value, json};

use crate::error::ApiError;

/// The format of a parse result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulation {
    /// Rasa's own.
    None,
    /// wit.ai.
    Wit,
    /// Microsoft LUIS, version 3.
    Luis,
    /// Dialogflow, version 2.
    Dialogflow,
}

impl Emulation {
    /// Reads the query parameter `emulation_mode`.
    pub fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        let Some(text) = text else {
            return Ok(Self::None);
        };
        match text.to_ascii_uppercase().as_str() {
            "WIT" => Ok(Self::Wit),
            "LUIS" => Ok(Self::Luis),
            "DIALOGFLOW" => Ok(Self::Dialogflow),
            _ => {
                let message = "Invalid parameter value for 'emulation_mode'. Should be one of 'WIT', 'LUIS', \
                               'DIALOGFLOW'.";
                Err(ApiError::bad_parameter(message, "emulation_mode", "query"))
            }
        }
    }

    /// Writes a parse result.
    pub fn write(self, parse: &Parse) -> Value {
        match self {
            Self::None => wire::parse_to_json(parse),
            Self::Wit => wit(parse),
            Self::Luis => luis(parse),
            Self::Dialogflow => dialogflow(parse),
        }
    }
}

fn confidence(entity: &Entity) -> Value {
    entity
        .extra
        .get("confidence_entity")
        .filter(|value| !value.is_null())
        .cloned()
        .unwrap_or_else(|| json!(1))
}

fn push(map: &mut Object, key: String, value: Value) {
    if let Value::Array(items) = map.entry(key).or_insert_with(|| json!([])) {
        items.push(value);
    }
}

fn wit(parse: &Parse) -> Value {
    let text = parse.text.as_deref().unwrap_or("");
    let mut entities = Object::new();
    for entity in &parse.entities {
        let role = entity.role.as_deref().unwrap_or(&entity.entity);
        let (start, end) = (entity.start_chars.unwrap_or(0), entity.end_chars.unwrap_or(0));
        let body: String = text.chars().skip(start).take(end.saturating_sub(start)).collect();
        let value = json!({
            "confidence": confidence(entity),
            "name": entity.entity,
            "value": entity.value,
            "body": body,
            "start": start,
            "end": end,
            "role": role,
            "entities": [],
        });
        push(&mut entities, format!("{}:{role}", entity.entity), value);
    }
    let intent = json!({"name": parse.intent.name, "confidence": parse.intent.confidence});
    json!({"text": text, "intents": [intent], "entities": entities})
}

fn luis(parse: &Parse) -> Value {
    let single = [parse.intent.clone()];
    let ranking = parse.intent_ranking.as_deref().filter(|ranking| !ranking.is_empty()).unwrap_or(&single);
    let scores: Object = ranking
        .iter()
        .filter_map(|intent| Some((intent.name.clone()?, json!({"score": intent.confidence}))))
        .collect();
    let (mut entities, mut instances) = (Object::new(), Object::new());
    for entity in &parse.entities {
        let key = entity.role.as_deref().unwrap_or(&entity.entity);
        let (start, end) = (entity.start_chars.unwrap_or(0), entity.end_chars.unwrap_or(0));
        let instance = json!({
            "role": entity.role,
            "type": entity.entity,
            "text": entity.value,
            "startIndex": entity.start_chars,
            "length": end.saturating_sub(start),
            "score": confidence(entity),
            "modelType": entity.extractor,
        });
        push(&mut entities, key.to_owned(), entity.value.clone());
        push(&mut instances, key.to_owned(), instance);
    }
    entities.insert("$instance".to_owned(), Value::Object(instances));
    json!({
        "query": parse.text,
        "prediction": {
            "normalizedQuery": parse.text,
            "topIntent": parse.intent.name,
            "intents": scores,
            "entities": entities,
        },
    })
}

fn dialogflow(parse: &Parse) -> Value {
    let mut parameters = Object::new();
    for entity in &parse.entities {
        push(&mut parameters, entity.entity.clone(), entity.value.clone());
    }
    json!({
        "responseId": uuid::Uuid::new_v4().to_string(),
        "queryResult": {
            "queryText": parse.text,
            "action": parse.intent.name,
            "parameters": parameters,
            "fulfillmentText": "",
            "fulfillmentMessages": [],
            "outputContexts": [],
            "intent": {"name": parse.intent.name, "displayName": parse.intent.name},
            "intentDetectionConfidence": parse.intent.confidence,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_talk::message::Intent;

    #[test]
    fn results_are_written_in_each_format() {
        let entity = Entity {
            entity: "city".to_owned(),
            value: json!("Köln"),
            start_chars: Some(2),
            end_chars: Some(6),
            role: Some("from".to_owned()),
            extractor: Some("E".to_owned()),
            ..Entity::default()
        };
        let parse = Parse {
            text: Some("é köln".to_owned()),
            intent: Intent::new("go", 0.5),
            entities: vec![entity],
            ..Parse::default()
        };
        let check = |emulation: &str, pointer: &str, expected: Value| {
            let written = Emulation::parse(Some(emulation)).unwrap().write(&parse);
            assert_eq!(written.pointer(pointer), Some(&expected), "{emulation} {written}");
        };
        check("wit", "/entities/city:from/0/body", json!("köln"));
        check("wit", "/intents", json!([{"name": "go", "confidence": 0.5}]));
        check("LUIS", "/prediction/intents", json!({"go": {"score": 0.5}}));
        check("Luis", "/prediction/entities/from", json!(["Köln"]));
        check("luis", "/prediction/entities/$instance/from/0/length", json!(4));
        check("dialogflow", "/queryResult/parameters", json!({"city": ["Köln"]}));
        assert!(Emulation::parse(Some("bogus")).is_err());
    }
}
