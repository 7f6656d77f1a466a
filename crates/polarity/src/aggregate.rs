//! Shares of polarities over many judgements, with how sure they are.

use std::collections::BTreeMap;

use intendant_evaluate::interval;

/// One judgement: what was said of an entity.
#[derive(Clone, Copy, Debug)]
pub struct Judgement<'a> {
    /// Whom it is about.
    pub entity: &'a str,
    /// One of the labels.
    pub label: &'a str,
    /// What it is counted under: a month, a year, a source; the caller's choice. Empty for all together.
    pub group: &'a str,
}

/// How often an entity got a label within a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The entity.
    pub entity: String,
    /// The group.
    pub group: String,
    /// The label.
    pub label: String,
    /// Judgements of the entity with the label in the group.
    pub count: usize,
    /// Judgements of the entity in the group.
    pub total: usize,
    /// `count / total` with its 95 % interval (Wilson).
    pub share: interval::Figure,
}

/// Counts every label of every entity in every group that has at least `support_min` judgements of the entity; each
/// judgement comes with how often it was made.
///
/// Sorted by group, then entity, then label; labels that an entity never got are not listed.
pub fn shares<'a>(
    judgements: impl IntoIterator<Item = (Judgement<'a>, usize)>,
    support_min: usize,
) -> Vec<Share> {
    let mut counts: BTreeMap<(&str, &str), BTreeMap<&str, usize>> = BTreeMap::new();
    for (Judgement { entity, label, group }, count) in judgements {
        *counts.entry((group, entity)).or_default().entry(label).or_default() += count;
    }
    let mut shares = Vec::new();
    for ((group, entity), labels) in counts {
        let total: usize = labels.values().sum();
        if total < support_min {
            continue;
        }
        shares.extend(labels.into_iter().map(|(label, count)| Share {
            entity: entity.to_owned(),
            group: group.to_owned(),
            label: label.to_owned(),
            count,
            total,
            share: interval::share(count, total),
        }));
    }
    shares
}

/// The largest shares of one label, surest first: by the lower end of the interval, then by entity.
pub fn top(mut shares: Vec<Share>, label: &str, count: usize) -> Vec<Share> {
    shares.retain(|share| share.label == label);
    shares.sort_by(|a, b| {
        b.share.low.total_cmp(&a.share.low).then_with(|| (&a.entity, &a.group).cmp(&(&b.entity, &b.group)))
    });
    shares.truncate(count);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_article_is_not_a_hundred_per_cent() {
        let judgement = |entity, label, group, count| (Judgement { entity, label, group }, count);
        let judgements = [
            judgement("Once", "positive", "2024", 1),
            judgement("Often", "positive", "2024", 5),
            judgement("Often", "positive", "2024", 3),
            judgement("Often", "negative", "2024", 2),
            judgement("Often", "negative", "2023", 1),
        ];
        let all = shares(judgements.iter().copied(), 1);
        assert_eq!(all.len(), 4);
        let best = top(all, "positive", 5);
        assert_eq!(best.iter().map(|share| share.entity.as_str()).collect::<Vec<_>>(), ["Often", "Once"]);
        assert_eq!((best[0].count, best[0].total), (8, 10));
        assert!((best[0].share.low - 0.490).abs() < 0.001 && (best[0].share.high - 0.943).abs() < 0.001);
        let supported = shares(judgements, 5);
        assert!(supported.iter().all(|share| share.entity == "Often" && share.group == "2024"));
        assert_eq!(shares([], 0), []);
    }
}
