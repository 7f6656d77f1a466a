//! Evaluation of entities as a user counts them: found with the right place, type, role and group, or not.

use std::collections::BTreeMap;

use intendant_talk::message::Entity;

use crate::entities::EntityOutcome;
use crate::interval::{self, Figure};

/// How often an entity was found rightly, found wrongly, missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Found where and as it is annotated.
    pub right: usize,
    /// Found but not annotated so.
    pub wrong: usize,
    /// Annotated but not found so.
    pub missed: usize,
}

impl Tally {
    /// Share of found ones that are right.
    pub fn precision(self) -> f64 {
        share(self.right, self.right + self.wrong)
    }

    /// Share of annotated ones that are found.
    pub fn recall(self) -> f64 {
        share(self.right, self.right + self.missed)
    }

    /// Their harmonic mean.
    pub fn f1(self) -> f64 {
        share(2 * self.right, 2 * self.right + self.wrong + self.missed)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The evaluation of one extractor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanEvaluation {
    /// Over all entities.
    pub total: Tally,
    /// F1 with its interval.
    pub f1: Figure,
    /// By entity type.
    pub by_type: BTreeMap<String, Tally>,
}

impl SpanEvaluation {
    /// Compares what one extractor found with what is annotated.
    pub fn of(outcomes: &[EntityOutcome], extractor: &str, seed: u64) -> Self {
        let mut evaluation = Self::default();
        let mut messages = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            let is_own = |entity: &&Entity| entity.extractor.as_deref() == Some(extractor);
            let found: Vec<&Entity> = outcome.predicted.iter().filter(is_own).collect();
            let mut message = Tally::default();
            for entity in &found {
                let is_right = outcome.targets.iter().any(|target| is_same(target, entity));
                let entry = evaluation.by_type.entry(entity.entity.clone()).or_default();
                for tally in [entry, &mut message] {
                    tally.right += usize::from(is_right);
                    tally.wrong += usize::from(!is_right);
                }
            }
            for target in
                outcome.targets.iter().filter(|target| !found.iter().any(|one| is_same(target, one)))
            {
                evaluation.by_type.entry(target.entity.clone()).or_default().missed += 1;
                message.missed += 1;
            }
            evaluation.total.right += message.right;
            evaluation.total.wrong += message.wrong;
            evaluation.total.missed += message.missed;
            messages.push((message.right, message.wrong, message.missed));
        }
        evaluation.f1 = interval::found_f1(&messages, seed);
        evaluation
    }
}

fn is_same(left: &Entity, right: &Entity) -> bool {
    (left.start_chars, left.end_chars, &left.entity, &left.role, &left.group)
        == (right.start_chars, right.end_chars, &right.entity, &right.role, &right.group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_finds_count() {
        let entity = |span: (usize, usize), role: Option<&str>| Entity {
            entity: "city".into(),
            start_chars: Some(span.0),
            end_chars: Some(span.1),
            role: role.map(str::to_owned),
            extractor: Some("E".into()),
            ..Entity::default()
        };
        let outcome = EntityOutcome {
            targets: vec![entity((0, 3), None), entity((4, 9), Some("to"))],
            predicted: vec![entity((0, 3), None), entity((4, 9), None), entity((10, 12), None)],
            ..EntityOutcome::default()
        };
        let evaluation = SpanEvaluation::of(std::slice::from_ref(&outcome), "E", 1);
        assert_eq!(evaluation.total, Tally { right: 1, wrong: 2, missed: 1 });
        assert_eq!(evaluation.by_type["city"], evaluation.total);
        assert!((evaluation.f1.value - 0.4).abs() < 1e-9);
        assert_eq!(SpanEvaluation::of(&[outcome], "other", 1).total, Tally { right: 0, wrong: 0, missed: 2 });
    }
}
