//! Additive models: one curve per input and surfaces for a few pairs, boosted in turn.
//!
//! Every prediction is a sum of readable terms, which makes its explanation exact.
//!
//! Sources: Lou, Caruana, Gehrke, Hooker, "Accurate Intelligible Models with Pairwise Interactions" (2013); Nori et
//! al., "InterpretML" (2019).

use super::bins::{Binned, bin_of};
use super::objective::{Goal, sigmoid};

/// One part of the sum.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    /// One or two.
    pub axes: Vec<Axis>,
    /// What is added, by output and cell; cells of the second axis lie beside each other.
    pub values: Vec<Vec<f64>>,
    /// Training rows by cell.
    pub rows: Vec<f64>,
}

/// How an input's values become cells of a term.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub input: usize,
    /// Between neighbouring cells, for numbers.
    pub cuts: Vec<f64>,
    /// Number of codes, for categories; 0 for numbers.
    pub codes: usize,
}

impl Axis {
    /// Cells of known values; missing values have the one after.
    pub fn known(&self) -> usize {
        if self.codes > 0 { self.codes } else { self.cuts.len() + 1 }
    }

    /// The cell of a value.
    pub fn cell(&self, value: f64) -> usize {
        match self.codes {
            0 => bin_of(&self.cuts, value),
            codes if value.is_nan() => codes,
            codes => (value.max(0.0) as usize).min(codes - 1),
        }
    }

    /// An axis of at most `cells` cells, and which of them each bin belongs to.
    fn coarse(input: usize, binned: &Binned, cells: usize) -> (Self, Vec<u8>) {
        let known = binned.count.min(cells);
        if binned.is_code {
            let mut of: Vec<u8> = (0..binned.count).map(|bin| bin.min(known - 1) as u8).collect();
            of.push(known as u8);
            return (Self { input, cuts: Vec::new(), codes: known }, of);
        }
        let mut counts = vec![0usize; binned.count + 1];
        for bin in &binned.bins {
            counts[usize::from(*bin)] += 1;
        }
        let total: usize = counts[..binned.count].iter().sum();
        let (mut cuts, mut of, mut seen) = (Vec::new(), Vec::with_capacity(binned.count + 1), 0);
        for (bin, count) in counts[..binned.count].iter().enumerate() {
            of.push(cuts.len() as u8);
            seen += count;
            let is_due = binned.count <= cells || seen * cells >= total * (cuts.len() + 1);
            if is_due && bin + 1 < binned.count && cuts.len() + 1 < known {
                cuts.push(binned.cuts[bin]);
            }
        }
        of.push(cuts.len() as u8 + 1);
        (Self { input, cuts, codes: 0 }, of)
    }
}

impl Term {
    /// The cell of a row.
    pub fn cell(&self, row: &[f64]) -> usize {
        self.axes.iter().fold(0, |cell, axis| cell * (axis.known() + 1) + axis.cell(row[axis.input]))
    }

    /// Number of cells its axes span.
    pub fn cells(&self) -> usize {
        self.axes.iter().map(|axis| axis.known() + 1).product()
    }
}

/// How curves are fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub rounds: usize,
    pub rate: f64,
    pub leaf_rows: f64,
    pub ridge: f64,
    /// Gain that a step must have, in units of what chance gives one step: without it curves of inputs that tell
    /// nothing would follow noise, and stop the others early.
    pub gain_min: f64,
    pub patience: usize,
}

/// A term while it is fitted: the cell of every row of the table.
pub(super) struct Draft {
    pub axes: Vec<Axis>,
    pub cells: Vec<u16>,
    /// Cells along the second axis; 0 for curves.
    width: usize,
    count: usize,
    is_code: bool,
}

/// Cells along one axis of a surface.
const PAIR_CELLS: usize = 16;

/// Inputs among which pairs are looked for.
const PAIR_INPUTS_MAX: usize = 16;

/// Terms fitted on one part of the data.
pub(super) struct Fitted {
    pub base: Vec<f64>,
    /// `[terms][outputs][cells]`.
    pub values: Vec<Vec<Vec<f64>>>,
    /// Held-out loss of the best round.
    pub loss: f64,
}

/// One draft per input.
pub(super) fn curves(inputs: &[Binned]) -> Vec<Draft> {
    let draft = |(input, binned): (usize, &Binned)| Draft {
        axes: vec![Axis {
            input,
            cuts: binned.cuts.clone(),
            codes: if binned.is_code { binned.count } else { 0 },
        }],
        cells: binned.bins.iter().map(|bin| u16::from(*bin)).collect(),
        width: 0,
        count: binned.count + 1,
        is_code: binned.is_code,
    };
    inputs.iter().enumerate().map(draft).collect()
}

/// A draft of a pair of inputs.
fn surface(inputs: &[Binned], pair: (usize, usize)) -> Draft {
    let (first, of_first) = Axis::coarse(pair.0, &inputs[pair.0], PAIR_CELLS);
    let (second, of_second) = Axis::coarse(pair.1, &inputs[pair.1], PAIR_CELLS);
    let width = second.known() + 1;
    let cell = |(first, second): (&u8, &u8)| {
        u16::from(of_first[usize::from(*first)]) * width as u16 + u16::from(of_second[usize::from(*second)])
    };
    let cells = inputs[pair.0].bins.iter().zip(&inputs[pair.1].bins).map(cell).collect();
    let count = (first.known() + 1) * width;
    Draft { axes: vec![first, second], cells, width, count, is_code: false }
}

/// The pairs that explain most of what the fitted curves leave over, best first.
pub(super) fn pairs(
    inputs: &[Binned],
    goal: &Goal,
    parts: (&[Draft], &[Fitted], &[Vec<usize>]),
    wanted: usize,
) -> Vec<Draft> {
    let (drafts, fitted, trains) = parts;
    // Pairs are looked for among the inputs whose curves move most.
    let swing = |term: usize| {
        let values = fitted.iter().flat_map(|fitted| fitted.values[term].iter().flatten());
        values.fold(0.0, |most: f64, value| most.max(value.abs()))
    };
    let mut ranked: Vec<(usize, f64)> = (0..inputs.len()).map(|input| (input, swing(input))).collect();
    ranked.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    let mut chosen: Vec<usize> = ranked.iter().take(PAIR_INPUTS_MAX).map(|(input, _)| *input).collect();
    chosen.sort_unstable();
    // One part is enough to rank them: the slopes that its curves leave over.
    let (Some(fitted), Some(train)) = (fitted.first(), trains.first()) else { return Vec::new() };
    let mut state = State::new(goal, train, &fitted.base);
    for (draft, values) in drafts.iter().zip(&fitted.values) {
        state.apply(draft, values, train);
    }
    let shape = Shape { rounds: 1, rate: 1.0, leaf_rows: 20.0, ridge: 1.0, gain_min: 0.0, patience: 1 };
    let mut found = Vec::new();
    for (at, first) in chosen.iter().enumerate() {
        for second in &chosen[at + 1..] {
            let draft = surface(inputs, (*first, *second));
            let gain = plane(&state.histogram(&draft, 0, train), draft.width, shape).1;
            found.push((gain, draft));
        }
    }
    found.sort_by(|left, right| right.0.total_cmp(&left.0));
    found.truncate(wanted);
    found.into_iter().map(|(_, draft)| draft).collect()
}

/// Boosts terms in turn on `train` until loss on `held` no longer falls, on top of `fixed` terms.
pub(super) fn fit(
    goal: &Goal,
    drafts: &[Draft],
    parts: (&[usize], &[usize]),
    shape: Shape,
    fixed: Option<(&[Draft], &Fitted)>,
) -> Fitted {
    let (train, held) = parts;
    let base = fixed.map_or_else(|| goal.base(train), |(_, fitted)| fitted.base.clone());
    let mut state = State::new(goal, train, &base);
    let mut held_scores: Vec<Vec<f64>> = base.iter().map(|base| vec![*base; goal.target.len()]).collect();
    for (draft, values) in fixed.iter().flat_map(|(drafts, fitted)| drafts.iter().zip(&fitted.values)) {
        state.apply(draft, values, train);
        add(&mut held_scores, draft, values, held);
    }
    let zero: Vec<Vec<Vec<f64>>> =
        drafts.iter().map(|draft| vec![vec![0.0; draft.count]; goal.outputs]).collect();
    let mut best = Fitted { base, values: zero.clone(), loss: goal.loss(&held_scores, held) };
    let mut values = zero;
    let mut best_round = 0;
    for round in 0..shape.rounds {
        let mut has_moved = false;
        let shape = Shape { gain_min: shape.gain_min * state.dispersion(), ..shape };
        for (draft, values) in drafts.iter().zip(&mut values) {
            let mut step = Vec::with_capacity(goal.outputs);
            for output in 0..goal.outputs {
                let histogram = state.histogram(draft, output, train);
                let grown = match (draft.width, draft.is_code) {
                    (0, false) => line(&histogram, shape),
                    (0, true) => codes(&histogram, shape),
                    (width, _) => plane(&histogram, width, shape).0,
                };
                step.push(grown);
            }
            if step.iter().flatten().all(|step| *step == 0.0) {
                continue;
            }
            has_moved = true;
            state.apply(draft, &step, train);
            add(&mut held_scores, draft, &step, held);
            for (values, step) in values.iter_mut().zip(&step) {
                values.iter_mut().zip(step).for_each(|(value, step)| *value += step);
            }
        }
        let loss = goal.loss(&held_scores, held);
        if loss < best.loss {
            best.loss = loss;
            best.values.clone_from(&values);
            best_round = round;
        } else if !has_moved || round - best_round >= shape.patience {
            break;
        }
    }
    best
}

/// The mean of the same terms fitted on several parts, each centred on the training rows; what was taken out of
/// the terms goes to the base.
pub(super) fn averaged(drafts: Vec<Draft>, fitted: &[Vec<Vec<Vec<f64>>>], base: &mut [f64]) -> Vec<Term> {
    let mut terms = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.into_iter().enumerate() {
        let mut rows = vec![0.0; draft.count];
        for cell in &draft.cells {
            rows[usize::from(*cell)] += 1.0;
        }
        let total: f64 = rows.iter().sum();
        let mut values = vec![vec![0.0; draft.count]; base.len()];
        for (output, values) in values.iter_mut().enumerate() {
            for part in fitted {
                values.iter_mut().zip(&part[at][output]).for_each(|(value, part)| *value += part);
            }
            values.iter_mut().for_each(|value| *value /= fitted.len().max(1) as f64);
            let mean =
                values.iter().zip(&rows).map(|(value, rows)| value * rows).sum::<f64>() / total.max(1.0);
            values.iter_mut().for_each(|value| *value -= mean);
            base[output] += mean;
        }
        terms.push(Term { axes: draft.axes, values, rows });
    }
    terms
}

/// Adds the values of these rows' cells to their scores.
pub(super) fn add(scores: &mut [Vec<f64>], draft: &Draft, values: &[Vec<f64>], rows: &[usize]) {
    for (scores, values) in scores.iter_mut().zip(values) {
        for row in rows {
            scores[*row] += values[usize::from(draft.cells[*row])];
        }
    }
}

/// Scores and slopes of the training rows, kept up to date term by term.
struct State<'a> {
    goal: &'a Goal,
    /// Scores; for two classes the odds, so that a step is a product and needs no exponential per row.
    scores: Vec<Vec<f64>>,
    slopes: Vec<Vec<[f64; 2]>>,
    is_odds: bool,
    all: Vec<usize>,
    local: Option<Goal>,
}

impl<'a> State<'a> {
    fn new(goal: &'a Goal, train: &[usize], base: &[f64]) -> Self {
        let is_odds = goal.outputs == 1 && goal.task == super::settings::Task::Binary;
        let start = |base: &f64| vec![if is_odds { base.exp() } else { *base }; train.len()];
        let local = (!is_odds).then(|| Goal {
            task: goal.task,
            target: train.iter().map(|row| goal.target[*row]).collect(),
            weights: train.iter().map(|row| goal.weights[*row]).collect(),
            outputs: goal.outputs,
        });
        let mut state = Self {
            goal,
            scores: base.iter().map(start).collect(),
            slopes: vec![vec![[0.0; 2]; train.len()]; goal.outputs],
            is_odds,
            all: if is_odds { Vec::new() } else { (0..train.len()).collect() },
            local,
        };
        if state.is_odds {
            let share = sigmoid(base[0]);
            for (slope, row) in state.slopes[0].iter_mut().zip(train) {
                let weight = goal.weights[*row];
                *slope = [weight * (share - goal.target[*row]), weight * share * (1.0 - share)];
            }
        } else {
            state.refresh();
        }
        state
    }

    fn refresh(&mut self) {
        if let Some(local) = &self.local {
            local.slopes(&self.scores, &self.all, &mut self.slopes);
        }
    }

    /// Adds a step to the scores and brings the slopes up to date.
    fn apply(&mut self, draft: &Draft, step: &[Vec<f64>], train: &[usize]) {
        if self.is_odds {
            let factors: Vec<f64> = step[0].iter().map(|step| step.exp()).collect();
            let (odds, slopes) = (&mut self.scores[0], &mut self.slopes[0]);
            for ((odds, slope), row) in odds.iter_mut().zip(slopes).zip(train) {
                *odds = (*odds * factors[usize::from(draft.cells[*row])]).clamp(1e-12, 1e12);
                let share = *odds / (1.0 + *odds);
                let weight = self.goal.weights[*row];
                *slope = [weight * (share - self.goal.target[*row]), weight * share * (1.0 - share)];
            }
            return;
        }
        for (scores, step) in self.scores.iter_mut().zip(step) {
            for (score, row) in scores.iter_mut().zip(train) {
                *score += step[usize::from(draft.cells[*row])];
            }
        }
        self.refresh();
    }

    /// What a step gains by chance alone: about one for classes, the variance left over for numbers.
    fn dispersion(&self) -> f64 {
        let (mut squares, mut curves) = (0.0, 0.0);
        for [slope, curve] in self.slopes.iter().flatten() {
            squares += slope * slope;
            curves += curve;
        }
        if curves > 0.0 { squares / curves } else { 1.0 }
    }

    /// Slopes, curvatures and rows by cell.
    fn histogram(&self, draft: &Draft, output: usize, train: &[usize]) -> Vec<[f64; 3]> {
        let mut histogram = vec![[0.0; 3]; draft.count];
        for ([slope, curve], row) in self.slopes[output].iter().zip(train) {
            let cell = &mut histogram[usize::from(draft.cells[*row])];
            cell[0] += slope;
            cell[1] += curve;
            cell[2] += 1.0;
        }
        histogram
    }
}

fn plus(left: [f64; 3], right: [f64; 3]) -> [f64; 3] {
    [left[0] + right[0], left[1] + right[1], left[2] + right[2]]
}

fn minus(left: [f64; 3], right: [f64; 3]) -> [f64; 3] {
    [left[0] - right[0], left[1] - right[1], left[2] - right[2]]
}

fn gain(cell: [f64; 3], shape: Shape) -> f64 {
    cell[0] * cell[0] / (cell[1] + shape.ridge)
}

fn step(cell: [f64; 3], shape: Shape) -> f64 {
    let step = -cell[0] / (cell[1] + shape.ridge) * shape.rate;
    if step.is_finite() { step } else { 0.0 }
}

/// Where to cut a run of cells in two, and what is gained.
fn cut(cells: &[[f64; 3]], total: [f64; 3], shape: Shape) -> Option<(usize, f64)> {
    let mut best = None;
    let mut left = [0.0; 3];
    let whole = gain(total, shape);
    for (at, cell) in cells.iter().enumerate().take(cells.len().saturating_sub(1)) {
        left = plus(left, *cell);
        let right = minus(total, left);
        if cell[2] == 0.0 || left[2] < shape.leaf_rows || right[2] < shape.leaf_rows {
            continue;
        }
        let gained = gain(left, shape) + gain(right, shape) - whole;
        if gained > best.map_or(shape.gain_min.max(1e-12), |(_, best)| best) {
            best = Some((at + 1, gained));
        }
    }
    best
}

/// A step of at most three levels along an axis, and one of its own for missing values.
fn line(histogram: &[[f64; 3]], shape: Shape) -> Vec<f64> {
    let known = histogram.len() - 1;
    let mut steps = levels(&histogram[..known], shape);
    steps.push(alone(histogram[known], shape));
    steps
}

/// The same over codes, put into the order of their slopes first.
fn codes(histogram: &[[f64; 3]], shape: Shape) -> Vec<f64> {
    let mut order: Vec<usize> = (0..histogram.len()).collect();
    let rank = |cell: &usize| histogram[*cell][0] / (histogram[*cell][1] + 10.0);
    order.sort_by(|left, right| rank(left).total_cmp(&rank(right)).then(left.cmp(right)));
    let sorted: Vec<[f64; 3]> = order.iter().map(|cell| histogram[*cell]).collect();
    let mut steps = vec![0.0; histogram.len()];
    for (cell, step) in order.iter().zip(levels(&sorted, shape)) {
        // A name that was not seen stays neutral.
        steps[*cell] = if histogram[*cell][2] > 0.0 { step } else { 0.0 };
    }
    steps
}

fn alone(cell: [f64; 3], shape: Shape) -> f64 {
    if cell[2] >= shape.leaf_rows && gain(cell, shape) > shape.gain_min { step(cell, shape) } else { 0.0 }
}

fn levels(cells: &[[f64; 3]], shape: Shape) -> Vec<f64> {
    let total = cells.iter().fold([0.0; 3], |total, cell| plus(total, *cell));
    let Some((middle, _)) = cut(cells, total, shape) else {
        return vec![0.0; cells.len()];
    };
    let left = cells[..middle].iter().fold([0.0; 3], |total, cell| plus(total, *cell));
    let right = minus(total, left);
    let second = [(0, middle, left), (middle, cells.len(), right)].map(|(start, end, total)| {
        cut(&cells[start..end], total, shape).map(|(at, gained)| (start + at, gained))
    });
    let extra = match second {
        [Some(left), Some(right)] => Some(if left.1 >= right.1 { left.0 } else { right.0 }),
        [left, right] => left.or(right).map(|(at, _)| at),
    };
    let mut borders = vec![0, middle, cells.len()];
    borders.extend(extra);
    borders.sort_unstable();
    let mut steps = Vec::with_capacity(cells.len());
    for border in borders.windows(2) {
        let part = &cells[border[0]..border[1]];
        let total = part.iter().fold([0.0; 3], |total, cell| plus(total, *cell));
        steps.extend(std::iter::repeat_n(step(total, shape), part.len()));
    }
    steps
}

/// A step over a surface: one cut along an axis, and on either side one along the other. With what it gains.
fn plane(histogram: &[[f64; 3]], width: usize, shape: Shape) -> (Vec<f64>, f64) {
    let height = histogram.len() / width;
    let total = histogram.iter().fold([0.0; 3], |total, cell| plus(total, *cell));
    let whole = gain(total, shape);
    let mut best: (f64, Vec<f64>) = (shape.gain_min.max(1e-12), vec![0.0; histogram.len()]);
    for is_turned in [false, true] {
        let (rows, columns) = if is_turned { (width, height) } else { (height, width) };
        let at =
            |row: usize, column: usize| if is_turned { column * width + row } else { row * width + column };
        let sum = |range: std::ops::Range<usize>| -> Vec<[f64; 3]> {
            let over =
                |column| range.clone().fold([0.0; 3], |sum, row| plus(sum, histogram[at(row, column)]));
            (0..columns).map(over).collect()
        };
        let all = sum(0..rows);
        let mut above = vec![[0.0; 3]; columns];
        for row in 1..rows {
            for (column, above) in above.iter_mut().enumerate() {
                *above = plus(*above, histogram[at(row - 1, column)]);
            }
            let below: Vec<[f64; 3]> =
                all.iter().zip(&above).map(|(all, above)| minus(*all, *above)).collect();
            let halves = [&above, &below].map(|cells| {
                let total = cells.iter().fold([0.0; 3], |total, cell| plus(total, *cell));
                (total, cut(cells, total, shape))
            });
            let [(top, top_cut), (bottom, bottom_cut)] = halves;
            if top[2] < shape.leaf_rows || bottom[2] < shape.leaf_rows {
                continue;
            }
            let extra = |cut: Option<(usize, f64)>| cut.map_or(0.0, |(_, gained)| gained);
            let gained = gain(top, shape) + gain(bottom, shape) - whole + extra(top_cut) + extra(bottom_cut);
            if gained <= best.0 {
                continue;
            }
            let mut steps = vec![0.0; histogram.len()];
            for (range, cells, total, cut) in
                [(0..row, &above, top, top_cut), (row..rows, &below, bottom, bottom_cut)]
            {
                let border = cut.map_or(columns, |(border, _)| border);
                let left = cells[..border].iter().fold([0.0; 3], |sum, cell| plus(sum, *cell));
                let (left, right) = (step(left, shape), step(minus(total, left), shape));
                for row in range {
                    for column in 0..columns {
                        steps[at(row, column)] = if column < border { left } else { right };
                    }
                }
            }
            best = (gained, steps);
        }
    }
    (best.1, best.0)
}
