//! Items by items: what users of one item have in common with users of another.

use intendant_numeric::parallel;
use intendant_numeric::positive::solve;
use intendant_numeric::sparse::Rows;

use crate::ratings::Sums;

/// Items that a thread takes at a time.
const BATCH: usize = 64;
/// Whoever rated more items than this tells nothing of how alike they are.
const HISTORY_MAX: usize = 2000;
/// Added to the denominator of the cosine, so that few common users do not count as much as many.
const SHRINKAGE: f32 = 20.0;
/// Users of many items count less: by this power of their number.
const USER_POWER: f32 = 0.25;

/// What items have in common with their neighbours.
pub(crate) struct Neighbours {
    /// `[items][items]`: the nearest items by the cosine of their users.
    pub(crate) cosines: Rows,
    /// The weight of common users with the same items and with the item itself.
    common: Rows,
}

impl Neighbours {
    /// Finds up to `count` neighbours of every item.
    pub(crate) fn find((by_user, by_item): (&Rows, &Rows), count: usize, threads: usize) -> Self {
        let weight = |user: usize| (by_user.row(user).0.len().max(1) as f32).powf(-USER_POWER);
        let weights: Vec<f32> = (0..by_user.len()).map(weight).collect();
        let norm = |item: usize| by_item.row(item).0.iter().map(|user| weights[*user as usize]).sum::<f32>();
        let norms: Vec<f32> = (0..by_item.len()).map(norm).collect();
        let found = for_items(by_item.len(), threads, |item, sums| {
            for user in by_item.row(item).0 {
                let (items, _) = by_user.row(*user as usize);
                if items.len() <= HISTORY_MAX {
                    items.iter().for_each(|other| sums.add(*other, weights[*user as usize]));
                }
            }
            let others = sums.touched().iter().filter(|other| **other as usize != item);
            let mut near: Vec<(u32, f32)> = others
                .map(|other| {
                    let length = (norms[item] * norms[*other as usize]).sqrt();
                    (*other, sums.get(*other) / (length + SHRINKAGE))
                })
                .collect();
            keep_best(&mut near, count);
            let mut common: Vec<(u32, f32)> =
                near.iter().map(|(other, _)| (*other, sums.get(*other))).collect();
            let own = common.partition_point(|(other, _)| (*other as usize) < item);
            common.insert(own, (item as u32, norms[item]));
            (near, common)
        });
        let (mut cosines, mut common) = (Rows::default(), Rows::default());
        for (near, with) in found {
            cosines.push(near);
            common.push(with);
        }
        Self { cosines, common }
    }

    /// Item weights that together predict an item from its neighbours, `[from][to]`.
    ///
    /// Source: Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data". Differs from it: the weights to
    /// an item are solved on its nearest neighbours instead of all items, so that cost is linear in items.
    pub(crate) fn regression(&self, penalty: f32, threads: usize) -> Rows {
        let items = self.cosines.len();
        let solved = for_items(items, threads, |item, _| {
            let (near, _) = self.cosines.row(item);
            let size = near.len();
            let mut matrix = vec![0.0f32; size * size];
            for (row, other) in near.iter().enumerate() {
                self.common_with(*other, near, |column, value| {
                    matrix[row * size + column] = value;
                    matrix[column * size + row] = value;
                });
                matrix[row * size + row] += penalty;
            }
            let mut solution = vec![0.0; size];
            self.common_with(item as u32, near, |row, value| solution[row] = value);
            solve(&mut matrix, &mut solution);
            near.iter().copied().zip(solution).collect::<Vec<_>>()
        });
        let mut rows = Rows::default();
        solved.into_iter().for_each(|row| rows.push(row));
        rows.transposed(items)
    }

    /// Calls `found` with the place in `others`, which are sorted, of every item that has users in common.
    fn common_with(&self, item: u32, others: &[u32], mut found: impl FnMut(usize, f32)) {
        let (columns, values) = self.common.row(item as usize);
        let mut at = 0;
        for (place, other) in others.iter().enumerate() {
            while columns.get(at).is_some_and(|column| column < other) {
                at += 1;
            }
            if columns.get(at) == Some(other) {
                found(place, values[at]);
            }
        }
    }
}

/// Keeps the `count` highest values, sorted by item.
pub(crate) fn keep_best(found: &mut Vec<(u32, f32)>, count: usize) {
    if found.len() > count && count > 0 {
        found.select_nth_unstable_by(count - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(count);
    }
    found.sort_unstable_by_key(|(item, _)| *item);
}

fn for_items<T: Send>(items: usize, threads: usize, work: impl Fn(usize, &mut Sums) -> T + Sync) -> Vec<T> {
    let batches = parallel::map(threads, items.div_ceil(BATCH), |batch| {
        let mut sums = Sums::new(items);
        let own = batch * BATCH..((batch + 1) * BATCH).min(items);
        own.map(|item| {
            let result = work(item, &mut sums);
            sums.clear();
            result
        })
        .collect::<Vec<T>>()
    });
    batches.into_iter().flatten().collect()
}
