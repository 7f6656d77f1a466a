//! Items in lists by the direction of their factors: the index that large catalogues are searched with.
//!
//! Each list has a centre; an item is in the list whose centre is nearest in direction, the longest factors first. A
//! search looks into the lists that promise most, in each until its items are too short to matter, and every score is
//! exact. The fewer items a filter lets pass, the more lists are looked into, all of them if need be.
//!
//! Graphs of neighbours (HNSW), which libraries offer, find less here and cost more: what is looked for is the largest
//! product, not the nearest point, and lengths differ by orders of magnitude; BENCHMARKS.md has the figures.
//!
//! Source: Jégou, Douze, Schmid 2011, "Product Quantization for Nearest Neighbor Search" (inverted lists); Auvolat et
//! al. 2015, "Clustering is Efficient for Approximate Maximum Inner Product Search".

use intendant_numeric::cluster::{self, Centres};
use intendant_numeric::parallel;
use intendant_numeric::positive::dot;

/// From how many items on they are divided: fewer are looked through as fast.
pub(crate) const ITEMS_MIN: usize = 100_000;
/// Items of every list that its centre is found from, on average.
const SAMPLE: usize = 40;
/// Rounds of finding centres.
const ROUNDS: usize = 8;
/// Lists that are looked into.
const PROBES: usize = 64;
/// Items that must have passed for every item wanted, before fewer than all lists are enough.
const PASSED_MIN: usize = 20;
/// Items that a thread takes at a time.
const BATCH: usize = 2048;

/// Items in lists.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lists {
    /// None when there is one list only.
    centres: Option<Centres>,
    /// Where lists begin, and the end of the last.
    starts: Vec<usize>,
    /// Items with the length of their factors, list by list, the longest first.
    order: Vec<(f32, u32)>,
}

impl Lists {
    /// All items in one list: a search through it is exact.
    pub(crate) fn one(items: &[f32], width: usize) -> Self {
        let count = items.len() / width.max(1);
        Self::sorted(None, &vec![0; count], (items, width))
    }

    /// Items divided by direction; the result does not depend on `threads`.
    pub(crate) fn divided((items, width): (&[f32], usize), (seed, threads): (u64, usize)) -> Self {
        let count = items.len() / width.max(1);
        let lists = count.isqrt().clamp(1, usize::from(u16::MAX));
        let step = (count / (lists * SAMPLE)).max(1);
        let sample: Vec<f32> = items.chunks_exact(width).step_by(step).flatten().copied().collect();
        let options = cluster::Options { groups: lists, rounds: ROUNDS, seed, threads };
        let centres = cluster::centres(&sample, width, &options);
        let own = parallel::map(threads, count.div_ceil(BATCH), |batch| {
            let rows = items[batch * BATCH * width..].chunks_exact(width).take(BATCH);
            rows.map(|item| centres.nearest(item).unwrap_or_default()).collect::<Vec<u16>>()
        });
        Self::sorted(Some(centres), &own.concat(), (items, width))
    }

    /// Lists as they were stored; `None` when the parts do not fit each other.
    pub(crate) fn of(centres: Vec<f32>, own: &[u32], (items, width): (&[f32], usize)) -> Option<Self> {
        let lists = centres.len() / width.max(1);
        let own: Option<Vec<u16>> = own
            .iter()
            .map(|list| u16::try_from(*list).ok().filter(|list| usize::from(*list) < lists))
            .collect();
        let own = own.filter(|own| own.len() * width == items.len() && lists * width == centres.len())?;
        Some(Self::sorted(Some(Centres { width, values: centres }), &own, (items, width)))
    }

    /// Centres and the list of every item; `None` when there is one list only.
    pub(crate) fn parts(&self) -> Option<(&[f32], Vec<u32>)> {
        let centres = self.centres.as_ref()?;
        let mut own = vec![0; self.order.len()];
        for list in 0..self.count() {
            self.list(list).iter().for_each(|(_, item)| own[*item as usize] = list as u32);
        }
        Some((&centres.values, own))
    }

    fn sorted(centres: Option<Centres>, own: &[u16], (items, width): (&[f32], usize)) -> Self {
        let lists = centres.as_ref().map_or(1, |centres| centres.values.len() / width.max(1));
        let mut starts = vec![0; lists + 1];
        own.iter().for_each(|list| starts[usize::from(*list) + 1] += 1);
        (0..lists).for_each(|list| starts[list + 1] += starts[list]);
        let mut next = starts.clone();
        let mut order = vec![(0.0, 0); own.len()];
        for ((item, factors), list) in items.chunks_exact(width.max(1)).enumerate().zip(own) {
            let place = &mut next[usize::from(*list)];
            order[*place] = (dot(factors, factors).sqrt(), item as u32);
            *place += 1;
        }
        for list in starts.windows(2) {
            order[list[0]..list[1]].sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        }
        Self { centres, starts, order }
    }

    fn count(&self) -> usize {
        self.starts.len() - 1
    }

    fn list(&self, list: usize) -> &[(f32, u32)] {
        &self.order[self.starts[list]..self.starts[list + 1]]
    }

    /// Lists in the order in which they are looked into: by what the longest item would score at the centre.
    fn promising(&self, user: &[f32]) -> Vec<usize> {
        let Some(centres) = &self.centres else { return vec![0] };
        let promise = |(list, centre): (usize, &[f32])| {
            let longest = self.list(list).first().map_or(0.0, |(length, _)| *length);
            (dot(user, centre) * longest, list)
        };
        let mut lists: Vec<(f32, usize)> =
            centres.values.chunks_exact(centres.width.max(1)).enumerate().map(promise).collect();
        lists.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        lists.into_iter().map(|(_, list)| list).collect()
    }

    /// The `count` items of the highest scores of those that `keeps` lets pass, in no order.
    ///
    /// Of one list exactly: an item's score is at most the product of both lengths, so that the shortest items, which
    /// are most of a large catalogue, are never looked at. Of more lists, of those that promise most.
    pub(crate) fn best(
        &self,
        user: &[f32],
        count: usize,
        keeps: &dyn Fn(u32) -> bool,
        score: &dyn Fn(u32) -> f32,
    ) -> Vec<(u32, f32)> {
        let length = dot(user, user).sqrt();
        let (mut least, mut looked_at, mut passed) = (f32::NEG_INFINITY, 0_u32, 0_u32);
        let mut found: Vec<(u32, f32)> = Vec::with_capacity(2 * count + 1);
        for (probe, list) in self.promising(user).into_iter().enumerate() {
            // What passes a filter may lie in other directions than the user does: the less passes, the more lists.
            let probes = PROBES as f64 * (f64::from(looked_at) / f64::from(passed.max(1))).sqrt();
            if probe as f64 >= probes && passed as usize >= PASSED_MIN * count {
                break;
            }
            for (of_item, item) in self.list(list) {
                // Rounding must not leave out what is equal.
                if found.len() >= count && length * of_item * 1.000_1 < least {
                    break;
                }
                looked_at += 1;
                if !keeps(*item) {
                    continue;
                }
                passed += 1;
                let score = score(*item);
                if score > least || found.len() < count {
                    found.push((*item, score));
                }
                if found.len() > 2 * count {
                    least = keep_highest(&mut found, count);
                }
            }
        }
        keep_highest(&mut found, count);
        found
    }
}

/// Keeps the `count` highest scores, equal ones by number, and tells the least of them.
fn keep_highest(found: &mut Vec<(u32, f32)>, count: usize) -> f32 {
    if found.len() > count && count > 0 {
        found.select_nth_unstable_by(count - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(count);
    }
    found.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min)
}

#[cfg(test)]
mod tests {
    use intendant_numeric::random::Random;

    use super::*;

    const WIDTH: usize = 16;

    /// Items about so many directions, of lengths that differ as those of rated items do.
    fn made_up(items: usize, directions: usize) -> Vec<f32> {
        let mut random = Random::new(8);
        let mut number = move || (0..6).map(|_| random.unit() as f32 - 0.5).sum::<f32>();
        let centres: Vec<f32> = (0..directions * WIDTH).map(|_| number()).collect();
        let item = |item: usize| {
            let length = (number() * 2.0).exp();
            let centre = &centres[item % directions * WIDTH..][..WIDTH];
            centre.iter().map(|along| length * (along + 0.5 * number())).collect::<Vec<_>>()
        };
        (0..items).flat_map(item).collect()
    }

    fn score<'a>(items: &'a [f32], user: &'a [f32]) -> impl Fn(u32) -> f32 + 'a {
        |item| dot(user, &items[item as usize * WIDTH..][..WIDTH])
    }

    fn in_order(mut found: Vec<(u32, f32)>) -> Vec<u32> {
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.into_iter().map(|(item, _)| item).collect()
    }

    #[test]
    fn one_list_is_exact_without_looking_at_all() {
        let items = made_up(4000, 50);
        let user = &items[..WIDTH];
        let looked_at = std::cell::Cell::new(0);
        let keeps = |item: u32| {
            looked_at.set(looked_at.get() + 1);
            !item.is_multiple_of(3)
        };
        let score = score(&items, user);
        let found = Lists::one(&items, WIDTH).best(user, 10, &keeps, &score);
        let kept = (0..4000).filter(|item: &u32| !item.is_multiple_of(3));
        let all = in_order(kept.map(|item| (item, score(item))).collect());
        assert_eq!(in_order(found), all[..10]);
        assert!(looked_at.get() < 2000, "{}", looked_at.get());
    }

    #[test]
    fn many_lists_find_nearly_all_and_the_same_on_any_number_of_threads() {
        let items = made_up(20_000, 300);
        let lists = Lists::divided((&items, WIDTH), (1, 1));
        assert_eq!(lists, Lists::divided((&items, WIDTH), (1, 2)));
        let (centres, own) = lists.parts().unwrap();
        assert_eq!(Lists::of(centres.to_vec(), &own, (&items, WIDTH)), Some(lists.clone()));
        let one = Lists::one(&items, WIDTH);
        let check = |keeps: &dyn Fn(u32) -> bool, least: usize| {
            let hits = |user: &[f32]| {
                let score = score(&items, user);
                let exact = in_order(one.best(user, 10, keeps, &score));
                let found = in_order(lists.best(user, 10, keeps, &score));
                assert_eq!(found.len(), exact.len());
                exact.iter().filter(|item| found.contains(item)).count()
            };
            let hits: usize = items.chunks_exact(WIDTH).take(100).map(hits).sum();
            assert!(hits >= least, "{hits} of 1000");
        };
        check(&|_| true, 900);
        check(&|item| item % 10 == 3, 880);
        // So few pass that all lists are looked into.
        check(&|item| item < 30, 1000);
        check(&|item| item < 3, 300);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let items = made_up(40, 4);
        let check = |centres: usize, own: &[u32]| Lists::of(vec![0.1; centres], own, (&items, WIDTH));
        assert!(check(2 * WIDTH, &[1; 40]).is_some());
        assert!(check(2 * WIDTH, &[2; 40]).is_none());
        assert!(check(2 * WIDTH, &[1; 39]).is_none());
        assert!(check(2 * WIDTH + 1, &[1; 40]).is_none());
        assert!(check(0, &[0; 40]).is_none());
    }
}
