//! Features of messages that come from configured featurizers.

use std::collections::BTreeSet;

use intendant_numeric::random::mix;

use crate::message::Message;

/// Appends a hash for every count of the vectors of the given featurizers; all of them if none is given.
pub(crate) fn emit(message: &Message<'_>, origins: &[usize], features: &mut Vec<u64>) {
    for vector in &message.vectors {
        if !origins.is_empty() && !origins.contains(&vector.origin) {
            continue;
        }
        for (column, value) in &vector.items {
            let hash = mix((vector.origin as u64) << 32 | u64::from(*column) ^ 0xC0DE_0000_0000_0000);
            // Counts are small whole numbers; a feature's weight grows with the logarithm anyway.
            for _ in 0..(value.round().clamp(1.0, 64.0) as usize) {
                features.push(hash);
            }
        }
    }
}

/// Appends a hash for every named pattern that matches anywhere.
pub(crate) fn emit_patterns(message: &Message<'_>, features: &mut Vec<u64>) {
    let mut seen = BTreeSet::new();
    for hit in &message.patterns {
        if seen.insert(hit.pattern) {
            features.push(mix(hit.name ^ 0x9A77_E125));
        }
    }
}
