//! Entity annotations in example texts (`spec: training-data.md §2.2`).

use intendant_talk::domain::python_text;
use intendant_talk::message::Entity;
use serde_json::{Map, Value};

/// A text without its annotations, and what they said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotated {
    /// The plain text.
    pub text: String,
    /// Entities in order, with spans in code points of the plain text.
    pub entities: Vec<Entity>,
    /// Annotations that cannot be read.
    pub mistakes: Vec<Mistake>,
}

/// An annotation that cannot be read; it counts as plain text of its span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where the annotation starts, in bytes of the annotated text.
    pub start_bytes: usize,
    /// What is wrong.
    pub message: String,
}

impl Annotated {
    /// Annotated texts that differ from their values: synonyms.
    pub fn synonyms(&self) -> impl Iterator<Item = (String, String)> {
        self.entities.iter().filter_map(|entity| {
            let (start, end) = (entity.start_chars?, entity.end_chars?);
            let text: String = self.text.chars().skip(start).take(end - start).collect();
            let value = python_text(&entity.value);
            (value != text).then_some((text, value))
        })
    }
}

/// What follows the bracketed text of an annotation.
enum Label<'a> {
    Short { entity: &'a str, value: Option<&'a str> },
    Object(&'a str),
    Objects(&'a str),
}

/// Reads `[text](entity)`, `[text](entity:value)`, `[text]{json}` and `[text][{json}, …]`,
/// leftmost first, without overlaps. Never fails: what is no annotation is text.
pub fn parse(annotated: &str) -> Annotated {
    let mut result = Annotated { text: String::with_capacity(annotated.len()), ..Annotated::default() };
    let mut chars = 0;
    let mut position = 0;
    while let Some((start, text, label, end)) = next_annotation(annotated, position) {
        let before = &annotated[position..start];
        result.text.push_str(before);
        chars += before.chars().count();
        let span = (chars, chars + text.chars().count());
        match read_label(label, text) {
            Ok(entities) => result.entities.extend(entities.into_iter().map(|entity| Entity {
                start_chars: Some(span.0),
                end_chars: Some(span.1),
                ..entity
            })),
            Err(message) => result.mistakes.push(Mistake { start_bytes: start, message }),
        }
        result.text.push_str(text);
        chars = span.1;
        position = end;
    }
    result.text.push_str(&annotated[position..]);
    result
}

/// The next annotation from `from` on: its start, its text, its label, its end.
fn next_annotation(text: &str, from: usize) -> Option<(usize, &str, Label<'_>, usize)> {
    let mut search = from;
    let mut close = from;
    loop {
        let open = search + text[search..].find('[')?;
        // Brackets between `open` and the first closing one belong to the text.
        if close <= open {
            close = open + 1 + text[open + 1..].find(']')?;
        }
        if close > open + 1
            && let Some((label, length)) = label(window(&text[close + 1..]))
        {
            return Some((open, &text[open + 1..close], label, close + 1 + length));
        }
        search = open + 1;
    }
}

/// What a label may take up; a bound, so that broken texts are read in linear time.
const LABEL_BYTES_MAX: usize = 4_096;

fn window(text: &str) -> &str {
    let mut end = text.len().min(LABEL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The label at the start of `text`, with its length.
fn label(text: &str) -> Option<(Label<'_>, usize)> {
    let rest = text.get(1..)?;
    match text.as_bytes().first()? {
        b'(' => {
            let end = rest.find([':', ')']).filter(|end| *end > 0)?;
            let entity = &rest[..end];
            if rest.as_bytes()[end] == b')' {
                return Some((Label::Short { entity, value: None }, end + 2));
            }
            let value_end = rest[end + 1..].find(')').filter(|length| *length > 0)?;
            let value = &rest[end + 1..end + 1 + value_end];
            Some((Label::Short { entity, value: Some(value) }, end + value_end + 3))
        }
        b'{' => {
            let end = rest.find('}').filter(|end| *end > 0)?;
            Some((Label::Object(&text[..end + 2]), end + 2))
        }
        b'[' => {
            let end = rest.find([']', '\n']).filter(|end| rest.as_bytes()[*end] == b']')?;
            Some((Label::Objects(&rest[..end]), end + 2))
        }
        _ => None,
    }
}

fn read_label(label: Label<'_>, text: &str) -> Result<Vec<Entity>, String> {
    match label {
        Label::Short { entity, value } => Ok(vec![Entity {
            entity: entity.to_owned(),
            value: value.unwrap_or(text).into(),
            ..Entity::default()
        }]),
        Label::Object(json) => Ok(vec![read_object(json, text)?]),
        Label::Objects(list) => {
            let mut entities = Vec::new();
            let mut rest = list;
            while let Some(open) = rest.find('{') {
                let Some(length) = rest[open..].find('}') else { break };
                entities.push(read_object(&rest[open..=open + length], text)?);
                rest = &rest[open + length + 1..];
            }
            Ok(entities)
        }
    }
}

fn read_object(json: &str, text: &str) -> Result<Entity, String> {
    let object: Map<String, Value> = serde_json::from_str(json)
        .map_err(|_| format!("the entity annotation `{json}` is not valid JSON"))?;
    let label = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(Value::String(label)) => Ok(Some(label.clone())),
        Some(_) => Err(format!("`{key}` in the entity annotation `{json}` must be a text")),
    };
    let value = match object.get("value") {
        None => Value::String(text.to_owned()),
        Some(value @ (Value::String(_) | Value::Number(_))) => value.clone(),
        Some(_) => {
            return Err(format!("`value` in the entity annotation `{json}` must be a text or a number"));
        }
    };
    let not_empty = |label: &String| !label.is_empty();
    Ok(Entity {
        entity: label("entity")?
            .ok_or_else(|| format!("the entity annotation `{json}` has no key `entity`"))?,
        value,
        role: label("role")?.filter(not_empty),
        group: label("group")?.filter(not_empty),
        ..Entity::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(annotated: &str, text: &str, entities: &[(usize, usize, &str, Value)]) {
        let found = parse(annotated);
        assert_eq!(found.text, text, "{annotated}");
        assert_eq!(found.mistakes, [], "{annotated}");
        let summary: Vec<(usize, usize, &str, Value)> = found
            .entities
            .iter()
            .map(|entity| {
                let (start, end) = (entity.start_chars.unwrap(), entity.end_chars.unwrap());
                (start, end, entity.entity.as_str(), entity.value.clone())
            })
            .collect();
        assert_eq!(summary, entities, "{annotated}");
    }

    #[test]
    fn every_form_of_annotation_is_read() {
        check("plain", "plain", &[]);
        check("to [Ulm](city)!", "to Ulm!", &[(3, 6, "city", json!("Ulm"))]);
        check("[NY](city:New York)", "NY", &[(0, 2, "city", json!("New York"))]);
        check("ü [ß](a) [b](c)", "ü ß b", &[(2, 3, "a", json!("ß")), (4, 5, "c", json!("b"))]);
        check(r#"[two]{"entity": "n", "value": 2}"#, "two", &[(0, 3, "n", json!(2))]);
        let both = [(0, 2, "a", json!("LA")), (0, 2, "b", json!("x"))];
        check(r#"[LA][{"entity": "a"}, {"entity": "b", "value": "x"}]"#, "LA", &both);
        check("[x][]", "x", &[]);
        check("[a [b](c)", "a [b", &[(0, 4, "c", json!("a [b"))]);
    }

    #[test]
    fn what_is_no_annotation_stays_text() {
        for text in
            ["[", "[]", "[](a)", "[a]", "[a](", "[a]()", "[a](:b)", "[a](b:)", "[a]{}", "[a]{", "[a] (b)"]
        {
            check(text, text, &[]);
        }
        check("[a] then [b](c)", "[a] then b", &[(9, 10, "c", json!("b"))]);
    }

    #[test]
    fn roles_and_groups_are_kept_unless_empty() {
        let found = parse(r#"[a]{"entity": "e", "role": "r", "group": ""}"#);
        assert_eq!(
            (found.entities[0].role.as_deref(), found.entities[0].group.as_deref()),
            (Some("r"), None)
        );
    }

    #[test]
    fn mistakes_say_what_is_wrong() {
        let cases = [
            (r#"x [a]{"entity": }"#, r#"the entity annotation `{"entity": }` is not valid JSON"#),
            (r#"x [a]{"role": "r"}"#, r#"the entity annotation `{"role": "r"}` has no key `entity`"#),
            (r#"x [a]{"entity": 1}"#, r#"`entity` in the entity annotation `{"entity": 1}` must be a text"#),
            (
                r#"x [a]{"entity": "e", "value": []}"#,
                r#"`value` in the entity annotation `{"entity": "e", "value": []}` must be a text or a number"#,
            ),
        ];
        for (text, message) in cases {
            let found = parse(text);
            assert_eq!(found.text, "x a");
            assert_eq!(found.mistakes, [Mistake { start_bytes: 2, message: message.to_owned() }]);
        }
    }

    #[test]
    fn values_that_differ_are_synonyms() {
        let found = parse(r#"[NY](city:New York) [Ulm](city) [two]{"entity": "n", "value": 2}"#);
        let expected = [("NY", "New York"), ("two", "2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(found.synonyms().collect::<Vec<_>>(), expected);
    }
}
