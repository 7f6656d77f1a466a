//! How well recommendations would have foreseen ratings that were held out.

use intendant_numeric::parallel;
use intendant_numeric::random::Random;
use intendant_numeric::sparse::Rows;

use crate::recommender::{Profile, Scorer, Scores};

/// Users whose ratings are held out, at most.
const USERS_MAX: usize = 3000;
/// One in so many of a user's ratings is held out.
const HELD_OUT_SHARE: usize = 5;
/// Users with fewer ratings are not tested.
const HISTORY_MIN: usize = 3;
/// Recommendations that are looked at.
const LENGTH: usize = 10;
/// Users that a thread takes at a time.
const BATCH: usize = 64;

/// Ratings cut in two.
pub(crate) struct Split {
    /// What is trained on, `[users][items]`.
    pub(crate) trained: Rows,
    /// Users and the items that they turn out to like.
    liked: Vec<(usize, Vec<u32>)>,
}

/// Holds out some of the ratings of some users.
pub(crate) fn split(by_user: &Rows, liked_from: f32, seed: u64) -> Split {
    let mut random = Random::new(seed);
    let mut users: Vec<usize> =
        (0..by_user.len()).filter(|user| by_user.row(*user).0.len() >= HISTORY_MIN).collect();
    random.shuffle(&mut users);
    users.truncate(USERS_MAX);
    users.sort_unstable();
    let mut split = Split { trained: Rows::default(), liked: Vec::new() };
    for user in 0..by_user.len() {
        let (items, ratings) = by_user.row(user);
        let mut is_held_out = vec![false; items.len()];
        if users.binary_search(&user).is_ok() {
            let mut order: Vec<usize> = (0..items.len()).collect();
            random.shuffle(&mut order);
            order.truncate((items.len() / HELD_OUT_SHARE).max(1));
            order.iter().for_each(|at| is_held_out[*at] = true);
            let liked = order.iter().filter(|at| ratings[**at] >= liked_from).map(|at| items[*at]);
            let liked: Vec<u32> = liked.collect();
            if !liked.is_empty() {
                split.liked.push((user, liked));
            }
        }
        let kept = (0..items.len()).filter(|at| !is_held_out[*at]);
        split.trained.push(kept.map(|at| (items[at], ratings[at])));
    }
    split
}

impl Split {
    /// Users who are tested.
    pub(crate) fn users(&self) -> usize {
        self.liked.len()
    }

    /// NDCG and recall at ten with each share of content.
    ///
    /// Gains are one for what is liked; recall is the share of what is liked among the ten.
    pub(crate) fn test(&self, scorer: &Scorer<'_>, shares: &[f32], threads: usize) -> Vec<(f64, f64)> {
        let parts = parallel::map(threads, self.liked.len().div_ceil(BATCH), |batch| {
            let mut scores = Scores::new(scorer.items);
            let mut sums = vec![(0.0, 0.0); shares.len()];
            for (user, liked) in &self.liked[batch * BATCH..((batch + 1) * BATCH).min(self.liked.len())] {
                let (seen, ratings) = self.trained.row(*user);
                let history: Vec<(u32, f32)> =
                    seen.iter().copied().zip(ratings.iter().map(|_| 1.0)).collect();
                let keeps = |item: u32| seen.binary_search(&item).is_err();
                let profile = Profile { history: &history, text: &[], count: LENGTH };
                scorer.score(&profile, &keeps, &mut scores);
                for (sum, share) in sums.iter_mut().zip(shares) {
                    let best =
                        best(scores.blended(*share, |item| seen.binary_search(&item).is_err()), LENGTH);
                    let (ndcg, recall) = judge(&best, liked);
                    *sum = (sum.0 + ndcg, sum.1 + recall);
                }
            }
            sums
        });
        let users = self.liked.len().max(1) as f64;
        let sum =
            |at: usize| parts.iter().fold((0.0, 0.0), |sum, part| (sum.0 + part[at].0, sum.1 + part[at].1));
        (0..shares.len()).map(sum).map(|(ndcg, recall)| (ndcg / users, recall / users)).collect()
    }
}

/// The `count` best, best first, equal ones by number.
pub(crate) fn best(mut scored: Vec<(u32, f32)>, count: usize) -> Vec<(u32, f32)> {
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if scored.len() > count && count > 0 {
        scored.select_nth_unstable_by(count - 1, order);
    }
    scored.truncate(count);
    scored.sort_unstable_by(order);
    scored
}

fn judge(best: &[(u32, f32)], liked: &[u32]) -> (f64, f64) {
    let gain = |place: usize| 1.0 / ((place + 2) as f64).log2();
    let hits = || best.iter().enumerate().filter(|(_, (item, _))| liked.contains(item));
    let ideal: f64 = (0..liked.len().min(LENGTH)).map(gain).sum();
    (hits().map(|(place, _)| gain(place)).sum::<f64>() / ideal, hits().count() as f64 / liked.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_fall_with_places() {
        let best = [(4, 0.9), (2, 0.8), (7, 0.1)];
        assert_eq!(judge(&best, &[4, 2]), (1.0, 1.0));
        let (ndcg, recall) = judge(&best, &[2, 9]);
        assert!((ndcg - 0.6309 / 1.6309).abs() < 1e-4 && recall == 0.5);
        assert_eq!(super::best(vec![(1, 0.5), (0, 0.5), (2, 0.7)], 2), [(2, 0.7), (0, 0.5)]);
    }
}
