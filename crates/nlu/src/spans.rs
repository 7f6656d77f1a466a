//! Annotated spans to token labels and back.

use intendant_talk::data::Example;
use intendant_talk::message::Entity;
use serde_json::Value;

use crate::message::Message;

/// What a tagger says about a token.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TokenLabel {
    /// The label; `None` outside of entities.
    pub(crate) label: Option<String>,
    /// Whether an entity starts here.
    pub(crate) is_start: bool,
    pub(crate) confidence: f32,
}

/// Which part of an annotation a tagger learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Entity,
    Role,
    Group,
}

impl Part {
    pub(crate) fn of(self, entity: &Entity) -> Option<&str> {
        match self {
            Self::Entity => Some(entity.entity.as_str()),
            Self::Role => entity.role.as_deref(),
            Self::Group => entity.group.as_deref(),
        }
    }
}

/// The entities of an example whose ends lie on token boundaries, as token ranges, and the others.
pub(crate) fn aligned<'e>(
    message: &Message<'_>,
    example: &'e Example,
) -> (Vec<(std::ops::Range<usize>, &'e Entity)>, Vec<&'e Entity>) {
    let (mut fitting, mut others) = (Vec::new(), Vec::new());
    for entity in &example.entities {
        let (Some(start), Some(end)) = (entity.start_chars, entity.end_chars) else { continue };
        let first = message.tokens.iter().position(|token| token.start_chars == start);
        let last = message.tokens.iter().position(|token| token.end_chars == end);
        match (first, last) {
            (Some(first), Some(last)) if first <= last => fitting.push((first..last + 1, entity)),
            _ => others.push(entity),
        }
    }
    (fitting, others)
}

/// Whether commas separate entities of a type.
#[derive(Clone, Debug)]
pub(crate) struct CommaRule {
    default: bool,
    by_entity: Vec<(String, bool)>,
}

impl CommaRule {
    /// Reads `split_entities_by_comma`: a flag, or a map from entity to flag.
    pub(crate) fn of(value: &Value) -> Self {
        let by_entity = value.as_object().into_iter().flatten();
        let by_entity = by_entity.filter_map(|(name, flag)| Some((name.clone(), flag.as_bool()?))).collect();
        Self { default: value.as_bool().unwrap_or(true), by_entity }
    }

    fn splits(&self, entity: &str) -> bool {
        let found = self.by_entity.iter().find(|(name, _)| name == entity);
        found.map_or(self.default, |(_, splits)| *splits)
    }
}

/// Labels of the three taggers for one message; roles and groups may be empty.
pub(crate) struct Labels<'a> {
    pub(crate) entities: &'a [TokenLabel],
    pub(crate) roles: &'a [TokenLabel],
    pub(crate) groups: &'a [TokenLabel],
}

/// Joins labelled tokens to entities.
pub(crate) fn assemble(
    message: &Message<'_>,
    labels: &Labels<'_>,
    commas: &CommaRule,
    extractor: &str,
) -> Vec<Entity> {
    let mut spans: Vec<Span> = Vec::new();
    let at = |labels: &[TokenLabel], token: usize| labels.get(token).cloned().unwrap_or_default();
    for (token, entity) in labels.entities.iter().enumerate() {
        let Some(name) = &entity.label else { continue };
        let (role, group) = (at(labels.roles, token), at(labels.groups, token));
        if let Some(last) = spans.last_mut() {
            let gap = message.tokens[token].start_chars - message.tokens[last.end - 1].end_chars;
            let is_near = gap <= 1 || (gap <= 3 && !commas.splits(name));
            let is_same = last.end == token
                && last.entity == *name
                && last.role.as_ref().map(|(name, _)| name) == role.label.as_ref()
                && last.group.as_ref().map(|(name, _)| name) == group.label.as_ref();
            if is_same && is_near && !entity.is_start {
                last.extend(token, entity, &role, &group);
                continue;
            }
        }
        let labelled = |label: TokenLabel| Some((label.label?, label.confidence));
        spans.push(Span {
            start: token,
            end: token + 1,
            entity: name.clone(),
            confidence: entity.confidence,
            role: labelled(role),
            group: labelled(group),
        });
    }
    spans.into_iter().map(|span| span.into_entity(message, extractor)).collect()
}

struct Span {
    start: usize,
    end: usize,
    entity: String,
    confidence: f32,
    role: Option<(String, f32)>,
    group: Option<(String, f32)>,
}

impl Span {
    fn extend(&mut self, token: usize, entity: &TokenLabel, role: &TokenLabel, group: &TokenLabel) {
        self.end = token + 1;
        self.confidence = self.confidence.min(entity.confidence);
        for (mine, other) in [(&mut self.role, role), (&mut self.group, group)] {
            if let Some((_, confidence)) = mine {
                *confidence = confidence.min(other.confidence);
            }
        }
    }

    fn into_entity(self, message: &Message<'_>, extractor: &str) -> Entity {
        let (first, last) = (message.tokens[self.start], message.tokens[self.end - 1]);
        let mut entity = Entity {
            entity: self.entity,
            value: Value::from(message.text.get(first.start_bytes..last.end_bytes).unwrap_or_default()),
            start_chars: Some(first.start_chars),
            end_chars: Some(last.end_chars),
            extractor: Some(extractor.to_owned()),
            ..Entity::default()
        };
        entity.extra.insert("confidence_entity".to_owned(), confidence(self.confidence));
        if let Some((role, sure)) = self.role {
            entity.role = Some(role);
            entity.extra.insert("confidence_role".to_owned(), confidence(sure));
        }
        if let Some((group, sure)) = self.group {
            entity.group = Some(group);
            entity.extra.insert("confidence_group".to_owned(), confidence(sure));
        }
        entity
    }
}

fn confidence(confidence: f32) -> Value {
    Value::from(f64::from(confidence.clamp(0.0, 1.0)))
}
