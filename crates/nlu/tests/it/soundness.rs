//! What must hold of every answer, whatever was asked. The fuzz target checks the same.

use intendant_talk::message::Parse;

/// Checks spans, values and confidences of what was understood of `input`.
pub fn check(input: &str, parse: &Parse) {
    let text = parse.text.as_deref().unwrap_or_default();
    assert!(input.contains(text), "{input:?}: {text:?} is no part of it");
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let slice = |start: usize, end: usize| {
        assert!(start < end && end < starts.len(), "{input:?}: span {start} to {end}");
        &text[starts[start]..starts[end]]
    };
    let mut tokens = parse.text_tokens.as_deref().unwrap_or_default();
    if text.is_empty() && tokens == [(0, 0)] {
        tokens = &[]; // As Rasa answers an empty text.
    }
    for (at, (start, end)) in tokens.iter().enumerate() {
        assert!(!slice(*start, *end).trim().is_empty(), "{input:?}: token {at} is blank");
        let is_in_order = at == 0 || tokens[at - 1].1 <= *start;
        assert!(is_in_order, "{input:?}: token {at} begins before the one before it ends");
    }
    for (at, entity) in parse.entities.iter().enumerate() {
        let (Some(start), Some(end)) = (entity.start_chars, entity.end_chars) else {
            assert!(text.starts_with('/'), "{input:?}: {entity:?} has no place");
            continue;
        };
        slice(start, end);
        // Patterns of one name, and what one learner or rule engine finds, come from left to right.
        let before = parse.entities[..at].iter().rfind(|before| {
            before.extractor == entity.extractor
                && (before.entity == entity.entity
                    || entity.extractor.as_deref() != Some("RegexEntityExtractor"))
        });
        let is_in_order = before.is_none_or(|before| before.start_chars <= Some(start));
        assert!(is_in_order, "{input:?}: {entity:?} stands left of {before:?}");
    }
    for intent in parse.intent_ranking.iter().flatten().chain([&parse.intent]) {
        let confidence = intent.confidence.unwrap_or_default();
        assert!((0.0..=1.0).contains(&confidence), "{input:?}: {intent:?}");
    }
}
