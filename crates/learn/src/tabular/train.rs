//! Training: families are tried by cross-validation, blended where that helps, calibrated, given a threshold.
//!
//! Every row has a score from models that had not seen it; those scores choose, calibrate and set the threshold.
//! Curves and lines of the parts are averaged, trees are grown again on all rows.

use intendant_component::training::TrainContext;
use intendant_numeric::parallel;
use intendant_table::Table;

use super::additive;
use super::bins::Binned;
use super::boost;
use super::calibrate::{self, Curve};
use super::encode::{Encoder, Targets};
use super::evaluate::{Candidate, Evaluation, Report};
use super::linear::{self, Linear};
use super::model::Model;
use super::objective::{Goal, softmax};
use super::prepare::{Prepared, prepare};
use super::settings::{Calibration, Family, Metric, Settings, Task, Threshold};
use crate::drift::Reference;
use crate::forest::Forest;
use crate::measure::Outcomes;
use crate::{Error, ErrorKind};

/// A model and how it came about.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// What was tried and how good it is.
    pub report: Report,
}

/// Bins for trees and curves.
const BINS: usize = 254;

/// Pairs of inputs that are tried in an additive model.
const PAIRS: usize = 36;

/// How curves are fitted: many small steps, each more than chance would give.
const CURVES: additive::Shape =
    additive::Shape { rounds: 600, rate: 0.04, leaf_rows: 8.0, ridge: 0.5, gain_min: 0.5, patience: 12 };

/// How surfaces of pairs are fitted.
const SURFACES: additive::Shape =
    additive::Shape { rounds: 600, rate: 0.04, leaf_rows: 20.0, ridge: 2.0, gain_min: 1.0, patience: 12 };

/// Rows whose contributions give the importance of features.
const IMPORTANCE_ROWS: usize = 100;

/// How much better, as a share of the loss, a blend must be than its best member.
const BLEND_GAIN: f64 = 0.001;

/// Shapes of trees whose loss is this close to the best are used beside it.
const SHAPE_TOLERANCE: f64 = 0.01;

/// Times trees are grown on all rows, each on other samples.
const REFITS: usize = 4;

/// Families whose loss is this close to the best share half of the blend evenly: what cross-validation found best is
/// partly chance.
const FAMILY_TOLERANCE: f64 = 0.03;

/// Penalties of linear models that are tried.
const RIDGES: [f64; 3] = [0.1, 3.0, 100.0];

/// Rows beyond which trees are grown once, not in two shapes.
const TRY_ROWS_MAX: usize = 60_000;

/// Everything the families are trained on.
struct Data<'a> {
    prepared: &'a Prepared,
    encoder: Encoder,
    inputs: Vec<Vec<f64>>,
    binned: Vec<Binned>,
    /// Training and held-out rows of each part.
    parts: Vec<(Vec<usize>, Vec<usize>)>,
    seed: u64,
    threads: usize,
}

/// A shape of trees and how well it did.
struct Tried {
    shape: boost::Shape,
    rounds: usize,
    scores: Vec<Vec<f64>>,
    loss: f64,
}

/// A family's model, and its scores for rows it had not seen.
struct Member {
    family: Family,
    base: Vec<f64>,
    forest: Option<Forest>,
    terms: Vec<additive::Term>,
    linear: Option<Linear>,
    scores: Vec<Vec<f64>>,
    loss: f64,
}

/// Trains a model on a table.
///
/// # Errors
/// When columns are missing, the target cannot be learnt, rows are too few, or training is cancelled.
pub fn train(table: &Table, settings: &Settings, context: &TrainContext<'_>) -> Result<Trained, Error> {
    let prepared = prepare(table, settings, context.seed)?;
    let data = Data::new(&prepared, settings, context);
    let families: &[Family] = match settings.family {
        Family::Auto => &[Family::Boosting, Family::Additive, Family::Linear],
        Family::Boosting => &[Family::Boosting],
        Family::Additive => &[Family::Additive],
        Family::Linear => &[Family::Linear],
    };
    let mut members = Vec::with_capacity(families.len());
    for (at, family) in families.iter().enumerate() {
        if context.progress.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "training was cancelled"));
        }
        context.progress.report(family.name(), at as u64, families.len() as u64);
        members.push(data.member(*family));
    }
    let metric = settings.metric.unwrap_or(match prepared.goal.task {
        Task::Regression => Metric::Rmse,
        Task::Binary | Task::Multiclass => Metric::LogLoss,
    });
    let shares = choose(&members, &prepared.goal, metric);
    let scores = blended(&members, &shares, prepared.goal.target.len());
    let curve = curve(settings.calibration, &scores, &prepared.goal);
    let (curve, threshold) = threshold(settings, curve, &scores, &prepared.goal);
    let candidates = candidates(&members, &shares, &prepared.goal);
    let model = assemble(members, &shares, &data, (settings, curve, threshold));
    let outcomes = outcomes(&model, &scores, &prepared.goal);
    let score = |row: usize| outcomes.scores[row * outcomes.classes + usize::from(outcomes.classes == 2)];
    let shown: Vec<f64> = (0..outcomes.rows()).map(score).collect();
    let model = Model {
        importance: importance(&model, &prepared.table),
        reference: Reference::of(&prepared.table, &shown),
        ..model
    };
    let report = Report {
        rows: prepared.goal.target.len(),
        metric,
        candidates,
        validation: Evaluation::of(&outcomes, model.threshold, context.seed),
        warnings: prepared.warnings.clone(),
    };
    Ok(Trained { model, report })
}

impl<'a> Data<'a> {
    fn new(prepared: &'a Prepared, settings: &Settings, context: &TrainContext<'_>) -> Self {
        let goal = &prepared.goal;
        let columns: Vec<Vec<f64>> = match goal.task {
            Task::Regression | Task::Binary => vec![goal.target.clone()],
            Task::Multiclass => (1..goal.outputs)
                .map(|class| {
                    goal.target.iter().map(|target| f64::from(u8::from(*target as usize == class))).collect()
                })
                .collect(),
        };
        let targets = Targets { columns: &columns, folds: &prepared.folds };
        let (encoder, inputs) = Encoder::fit(&prepared.table, &settings.features, &targets);
        let binned = parallel::map(context.threads, inputs.len(), |input| {
            if encoder.is_code(input) {
                Binned::codes(&inputs[input], encoder.codes(input))
            } else {
                Binned::numbers(&inputs[input], BINS)
            }
        });
        let parts = (0..prepared.parts)
            .map(|part| (0..prepared.folds.len()).partition(|row| prepared.folds[*row] != part))
            .collect();
        Self { prepared, encoder, inputs, binned, parts, seed: context.seed, threads: context.threads }
    }

    fn member(&self, family: Family) -> Member {
        match family {
            Family::Additive => self.additive(),
            Family::Linear => self.linear(),
            Family::Boosting | Family::Auto => self.boosting(),
        }
    }

    fn empty_scores(&self) -> Vec<Vec<f64>> {
        vec![vec![0.0; self.prepared.goal.target.len()]; self.prepared.goal.outputs]
    }

    /// Trees of the shapes whose held-out loss is best, grown again on all rows.
    fn boosting(&self) -> Member {
        let goal = &self.prepared.goal;
        let rows = goal.target.len();
        let shapes = shapes(rows);
        let runs = parallel::map(self.threads, shapes.len() * self.parts.len(), |unit| {
            let (shape, part) = (shapes[unit / self.parts.len()], unit % self.parts.len());
            let (train, held) = &self.parts[part];
            boost::boost(&self.binned, goal, (train, held), shape, self.seed.wrapping_add(unit as u64))
        });
        let mut tried: Vec<Tried> = runs
            .chunks(self.parts.len())
            .zip(&shapes)
            .map(|(runs, shape)| {
                let rounds = best_rounds(runs);
                let scores = self.boosted_scores(runs, rounds);
                let loss = goal.loss(&scores, &all(rows));
                Tried { shape: *shape, rounds, scores, loss }
            })
            .collect();
        tried.sort_by(|left, right| left.loss.total_cmp(&right.loss));
        // Shapes that are about as good are better together.
        let best = tried.first().map_or(0.0, |tried| tried.loss);
        tried.retain(|tried| tried.loss <= best * (1.0 + SHAPE_TOLERANCE));
        let refits = if rows > TRY_ROWS_MAX { 1 } else { REFITS / tried.len() };
        let everything = all(rows);
        let again = parallel::map(self.threads, tried.len() * refits, |unit| {
            let tried = &tried[unit % tried.len()];
            // More rows than in cross-validation carry somewhat more rounds.
            let rounds = tried.rounds + tried.rounds / self.parts.len().max(8);
            let shape = boost::Shape { rounds, ..tried.shape };
            boost::boost(
                &self.binned,
                goal,
                (&everything, &[]),
                shape,
                self.seed.wrapping_add(1000 + unit as u64),
            )
        });
        let mut forest = Forest::new(self.inputs.len(), goal.outputs);
        let mut base = vec![0.0; goal.outputs];
        for run in &again {
            forest.append(&run.forest(self.inputs.len(), usize::MAX, 1.0 / again.len() as f64));
            base.iter_mut().zip(&run.base).for_each(|(base, own)| *base += own / again.len() as f64);
        }
        let mut scores = self.empty_scores();
        let count = tried.len() as f64;
        for tried in &tried {
            for (scores, own) in scores.iter_mut().zip(&tried.scores) {
                scores.iter_mut().zip(own).for_each(|(score, own)| *score += own / count);
            }
        }
        let loss = goal.loss(&scores, &everything);
        Member {
            family: Family::Boosting,
            base,
            forest: Some(forest),
            terms: Vec::new(),
            linear: None,
            scores,
            loss,
        }
    }

    /// Held-out scores after this many rounds.
    fn boosted_scores(&self, runs: &[boost::Boosted], rounds: usize) -> Vec<Vec<f64>> {
        let mut scores = self.empty_scores();
        for (run, (_, held)) in runs.iter().zip(&self.parts) {
            for (output, scores) in scores.iter_mut().enumerate() {
                for (at, row) in held.iter().enumerate() {
                    let steps = run.steps.iter().take(rounds).map(|step| f64::from(step[output][at]));
                    scores[*row] = run.base[output] + steps.sum::<f64>();
                }
            }
        }
        scores
    }

    fn additive(&self) -> Member {
        let goal = &self.prepared.goal;
        let rows = goal.target.len();
        let curves = additive::curves(&self.binned);
        let fitted = parallel::map(self.threads, self.parts.len(), |part| {
            let (train, held) = &self.parts[part];
            additive::fit(goal, &curves, (train, held), CURVES, None)
        });
        let trains: Vec<Vec<usize>> = self.parts.iter().take(1).map(|(train, _)| train.clone()).collect();
        let pairs = if goal.outputs == 1 {
            additive::pairs(&self.binned, goal, (&curves, &fitted, &trains), PAIRS)
        } else {
            Vec::new()
        };
        let mains = self.term_scores(&curves, &fitted, true);
        let surfaces = self.surfaces(&curves, &fitted, &pairs);
        // A pair stays when scores of unseen rows are worse without it; the others had fitted noise.
        let with = sum(&mains, &self.term_scores(&pairs, &surfaces, false));
        let whole = goal.loss(&with, &all(rows));
        let kept: Vec<usize> = (0..pairs.len())
            .filter(|pair| {
                let own = |fitted: &additive::Fitted| additive::Fitted {
                    base: fitted.base.clone(),
                    values: vec![fitted.values[*pair].clone()],
                    loss: fitted.loss,
                };
                let alone: Vec<additive::Fitted> = surfaces.iter().map(own).collect();
                let alone = self.term_scores(&pairs[*pair..=*pair], &alone, false);
                goal.loss(&difference(&with, &alone), &all(rows)) > whole
            })
            .collect();
        let (pairs, surfaces) = if kept.len() < pairs.len() {
            let kept: Vec<additive::Draft> = pairs
                .into_iter()
                .enumerate()
                .filter(|(at, _)| kept.contains(at))
                .map(|(_, draft)| draft)
                .collect();
            let surfaces = self.surfaces(&curves, &fitted, &kept);
            (kept, surfaces)
        } else {
            (pairs, surfaces)
        };
        let scores = sum(&mains, &self.term_scores(&pairs, &surfaces, false));
        let mut base = vec![0.0; goal.outputs];
        for fitted in &fitted {
            base.iter_mut().zip(&fitted.base).for_each(|(base, own)| *base += own / self.parts.len() as f64);
        }
        let values: Vec<Vec<Vec<Vec<f64>>>> = fitted
            .into_iter()
            .zip(surfaces)
            .map(|(curves, surfaces)| curves.values.into_iter().chain(surfaces.values).collect())
            .collect();
        let drafts = curves.into_iter().chain(pairs).collect();
        let terms = additive::averaged(drafts, &values, &mut base);
        let loss = goal.loss(&scores, &all(rows));
        Member { family: Family::Additive, base, forest: None, terms, linear: None, scores, loss }
    }

    /// Surfaces of pairs on top of fitted curves, part by part.
    fn surfaces(
        &self,
        curves: &[additive::Draft],
        fitted: &[additive::Fitted],
        pairs: &[additive::Draft],
    ) -> Vec<additive::Fitted> {
        parallel::map(self.threads, self.parts.len(), |part| {
            let (train, held) = &self.parts[part];
            additive::fit(&self.prepared.goal, pairs, (train, held), SURFACES, Some((curves, &fitted[part])))
        })
    }

    /// Held-out scores of terms, each part's from its own fit.
    fn term_scores(
        &self,
        drafts: &[additive::Draft],
        fitted: &[additive::Fitted],
        has_base: bool,
    ) -> Vec<Vec<f64>> {
        let mut scores = self.empty_scores();
        for (fitted, (_, held)) in fitted.iter().zip(&self.parts) {
            if has_base {
                for (scores, base) in scores.iter_mut().zip(&fitted.base) {
                    held.iter().for_each(|row| scores[*row] = *base);
                }
            }
            for (draft, values) in drafts.iter().zip(&fitted.values) {
                additive::add(&mut scores, draft, values, held);
            }
        }
        scores
    }

    fn linear(&self) -> Member {
        let goal = &self.prepared.goal;
        let rows = goal.target.len();
        let (columns, design) = linear::design(&self.encoder, &self.inputs);
        let fits = parallel::map(self.threads, RIDGES.len() * self.parts.len(), |unit| {
            let (ridge, part) = (RIDGES[unit / self.parts.len()], unit % self.parts.len());
            linear::fit(&design, goal, &self.parts[part].0, ridge)
        });
        let tried = fits.chunks(self.parts.len()).map(|fits| {
            let mut scores = self.empty_scores();
            for ((weights, base), (_, held)) in fits.iter().zip(&self.parts) {
                let all = linear::scores(&design, weights, base, rows);
                for (scores, all) in scores.iter_mut().zip(&all) {
                    held.iter().for_each(|row| scores[*row] = all[*row]);
                }
            }
            let loss = goal.loss(&scores, &all(rows));
            (fits, scores, loss)
        });
        let best = tried.min_by(|left, right| left.2.total_cmp(&right.2));
        let (fits, scores, loss) = best.expect("invariant: there is a penalty");
        let share = 1.0 / fits.len() as f64;
        let mut weights = vec![vec![0.0; columns.len()]; goal.outputs];
        let mut base = vec![0.0; goal.outputs];
        for (fitted, fitted_base) in fits {
            for output in 0..goal.outputs {
                base[output] += fitted_base[output] * share;
                let pairs = weights[output].iter_mut().zip(&fitted[output]);
                pairs.for_each(|(weight, fitted)| *weight += fitted * share);
            }
        }
        let linear = Some(Linear { columns, weights, base: Vec::new() });
        Member { family: Family::Linear, base, forest: None, terms: Vec::new(), linear, scores, loss }
    }
}

/// The number of rounds, one for all parts, where their mean loss is least.
fn best_rounds(runs: &[boost::Boosted]) -> usize {
    let longest = runs.iter().map(|run| run.losses.len()).max().unwrap_or(0);
    let mean = |round: usize| {
        let loss = |run: &boost::Boosted| run.losses.get(round).or(run.losses.last()).copied().unwrap_or(0.0);
        runs.iter().map(loss).sum::<f64>()
    };
    (0..longest).min_by(|left, right| mean(*left).total_cmp(&mean(*right))).unwrap_or(0) + 1
}

fn sum(left: &[Vec<f64>], right: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let add = |(left, right): (&Vec<f64>, &Vec<f64>)| {
        left.iter().zip(right).map(|(left, right)| left + right).collect()
    };
    left.iter().zip(right).map(add).collect()
}

fn difference(left: &[Vec<f64>], right: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let take = |(left, right): (&Vec<f64>, &Vec<f64>)| {
        left.iter().zip(right).map(|(left, right)| left - right).collect()
    };
    left.iter().zip(right).map(take).collect()
}

fn all(rows: usize) -> Vec<usize> {
    (0..rows).collect()
}

/// Shapes of trees that are tried: fewer and larger leaves where rows are few.
fn shapes(rows: usize) -> Vec<boost::Shape> {
    let shape = boost::Shape {
        rounds: 400,
        rate: 0.08,
        leaves: 8,
        leaf_rows: (rows / 200).clamp(5, 20),
        ridge: 1.0,
        inputs_share: 0.9,
        rows_share: 0.8,
        patience: 25,
    };
    let deep = boost::Shape { leaves: 20, ..shape };
    if rows > TRY_ROWS_MAX {
        vec![boost::Shape { leaves: 31, rows_share: 0.7, rounds: 600, rate: 0.1, ..shape }]
    } else {
        vec![shape, deep]
    }
}

/// The share of each member in the blend: one alone unless together they are better.
fn choose(members: &[Member], goal: &Goal, metric: Metric) -> Vec<f64> {
    let alone =
        |at: usize| (0..members.len()).map(|other| f64::from(u8::from(other == at))).collect::<Vec<f64>>();
    let rows = all(goal.target.len());
    let loss = |shares: &[f64]| goal.loss(&blended(members, shares, rows.len()), &rows);
    let judged = |shares: &[f64]| {
        if matches!(metric, Metric::LogLoss | Metric::Rmse | Metric::Brier | Metric::Mae | Metric::R2) {
            return loss(shares);
        }
        let value = ranked(&blended(members, shares, rows.len()), goal, metric);
        1.0 - value
    };
    let singles: Vec<f64> = (0..members.len()).map(|at| judged(&alone(at))).collect();
    let Some(best) = (0..members.len()).min_by(|left, right| singles[*left].total_cmp(&singles[*right]))
    else {
        return Vec::new();
    };
    if members.len() == 1 {
        return alone(0);
    }
    // Every mixture in tenths; the loss is smooth, so finer steps change little.
    let mut mixture = (alone(best), loss(&alone(best)));
    for first in 0..=10 {
        for second in 0..=(10 - first) {
            let mut shares = vec![0.0; members.len()];
            shares[0] = f64::from(first) / 10.0;
            shares[1] = f64::from(second) / 10.0;
            if let Some(third) = shares.get_mut(2) {
                *third = f64::from(10 - first - second) / 10.0;
            } else if first + second != 10 {
                continue;
            }
            let loss = loss(&shares);
            if loss < mixture.1 {
                mixture = (shares, loss);
            }
        }
    }
    let limit = members[best].loss * (1.0 + FAMILY_TOLERANCE);
    let close = members.iter().filter(|member| member.loss <= limit).count() as f64;
    if close < 2.0 && judged(&mixture.0) >= singles[best] * (1.0 - BLEND_GAIN) {
        return alone(best);
    }
    let even = |member: &Member| if member.loss <= limit { 1.0 / close } else { 0.0 };
    mixture.0.iter().zip(members).map(|(share, member)| (share + even(member)) / 2.0).collect()
}

/// A metric of scores that only their order, or the best class, decides.
fn ranked(scores: &[Vec<f64>], goal: &Goal, metric: Metric) -> f64 {
    let shares = match goal.task {
        Task::Binary => calibrate::shares(&Curve::PLAIN, &scores[0]),
        _ => Vec::new(),
    };
    let threshold = if shares.is_empty() { 0.5 } else { calibrate::threshold(&shares, goal, metric) };
    outcomes_of(scores, goal, &Curve::PLAIN, threshold).metric(metric)
}

fn blended(members: &[Member], shares: &[f64], rows: usize) -> Vec<Vec<f64>> {
    let outputs = members.first().map_or(0, |member| member.scores.len());
    let mut scores = vec![vec![0.0; rows]; outputs];
    for (member, share) in members.iter().zip(shares).filter(|(_, share)| **share > 0.0) {
        for (scores, own) in scores.iter_mut().zip(&member.scores) {
            scores.iter_mut().zip(own).for_each(|(score, own)| *score += share * own);
        }
    }
    scores
}

fn curve(calibration: Calibration, scores: &[Vec<f64>], goal: &Goal) -> Curve {
    // Weights that even out classes would teach wrong probabilities: calibration counts rows as they are.
    let plain = Goal { weights: vec![1.0; goal.target.len()], ..goal.clone() };
    match (goal.task, calibration) {
        (Task::Regression, _) | (_, Calibration::Off) => Curve::PLAIN,
        (Task::Multiclass, _) => calibrate::temperature(scores, &plain),
        (Task::Binary, Calibration::Isotonic) => calibrate::isotonic(&scores[0], &plain),
        (Task::Binary, Calibration::Platt | Calibration::Centred) => calibrate::platt(&scores[0], &plain),
        (Task::Binary, Calibration::Auto) if scores[0].len() >= calibrate::STEPS_ROWS_MIN => {
            calibrate::isotonic(&scores[0], &plain)
        }
        (Task::Binary, Calibration::Auto) => calibrate::platt(&scores[0], &plain),
    }
}

fn threshold(settings: &Settings, curve: Curve, scores: &[Vec<f64>], goal: &Goal) -> (Curve, f64) {
    if goal.task != Task::Binary {
        return (curve, 0.5);
    }
    let threshold = match settings.threshold {
        Threshold::At(threshold) => threshold,
        Threshold::Best(metric) => calibrate::threshold(&calibrate::shares(&curve, &scores[0]), goal, metric),
    };
    if settings.calibration == Calibration::Centred {
        return (curve.moved(-super::objective::logit(threshold)), 0.5);
    }
    (curve, threshold)
}

fn candidates(members: &[Member], shares: &[f64], goal: &Goal) -> Vec<Candidate> {
    let candidate = |(member, share): (&Member, &f64)| {
        let threshold = if goal.task == Task::Binary {
            calibrate::threshold(&calibrate::shares(&Curve::PLAIN, &member.scores[0]), goal, Metric::F1)
        } else {
            0.5
        };
        let outcomes = outcomes_of(&member.scores, goal, &Curve::PLAIN, threshold);
        let metrics = Outcomes::metrics(goal.task).iter();
        Candidate {
            family: member.family,
            share: *share,
            loss: member.loss,
            metrics: metrics.map(|metric| (*metric, outcomes.metric(*metric))).collect(),
        }
    };
    members.iter().zip(shares).map(candidate).collect()
}

/// One model of the members' shares.
fn assemble(members: Vec<Member>, shares: &[f64], data: &Data<'_>, ending: (&Settings, Curve, f64)) -> Model {
    let goal = &data.prepared.goal;
    let (settings, curve, threshold) = ending;
    let mut model = Model {
        task: goal.task,
        target: settings.target.clone(),
        classes: data.prepared.classes.clone(),
        threshold,
        blend: Vec::new(),
        encoder: data.encoder.clone(),
        base: vec![0.0; goal.outputs],
        forest: Forest::new(data.inputs.len(), goal.outputs),
        terms: Vec::new(),
        linear: Linear { columns: Vec::new(), weights: vec![Vec::new(); goal.outputs], base: Vec::new() },
        curve,
        importance: Vec::new(),
        reference: Reference::default(),
    };
    for (member, share) in members.into_iter().zip(shares).filter(|(_, share)| **share > 0.0) {
        model.blend.push((member.family, *share));
        model.base.iter_mut().zip(&member.base).for_each(|(base, own)| *base += share * own);
        if let Some(forest) = member.forest {
            model.forest.append(&forest.scaled(*share));
        }
        for mut term in member.terms {
            term.values.iter_mut().flatten().for_each(|value| *value *= share);
            model.terms.push(term);
        }
        if let Some(mut linear) = member.linear {
            linear.weights.iter_mut().flatten().for_each(|weight| *weight *= share);
            model.linear = linear;
        }
    }
    model
}

fn outcomes(model: &Model, scores: &[Vec<f64>], goal: &Goal) -> Outcomes {
    outcomes_of(scores, goal, &model.curve, model.threshold)
}

/// Held-out scores as outcomes.
fn outcomes_of(scores: &[Vec<f64>], goal: &Goal, curve: &Curve, threshold: f64) -> Outcomes {
    let rows = goal.target.len();
    let mut outcomes = Outcomes {
        task: goal.task,
        truth: goal.target.clone(),
        scores: Vec::with_capacity(rows * goal.outputs),
        classes: match goal.task {
            Task::Regression => 1,
            Task::Binary => 2,
            Task::Multiclass => goal.outputs,
        },
        labels: Vec::new(),
    };
    match goal.task {
        Task::Regression => outcomes.scores.clone_from(&scores[0]),
        Task::Binary => {
            for share in calibrate::shares(curve, &scores[0]) {
                outcomes.scores.extend([1.0 - share, share]);
                outcomes.labels.push(u32::from(share >= threshold));
            }
        }
        Task::Multiclass => {
            let mut shares = vec![0.0; goal.outputs];
            for row in 0..rows {
                shares.iter_mut().zip(scores).for_each(|(share, scores)| *share = curve.of(scores[row]));
                softmax(&mut shares);
                let best = (0..shares.len()).rev().max_by(|a, b| shares[*a].total_cmp(&shares[*b]));
                outcomes.labels.push(best.unwrap_or(0) as u32);
                outcomes.scores.extend_from_slice(&shares);
            }
        }
    }
    outcomes
}

/// Mean absolute contribution of each field over some training rows.
fn importance(model: &Model, table: &Table) -> Vec<(String, f64)> {
    let step = table.rows().div_ceil(IMPORTANCE_ROWS).max(1);
    let rows: Vec<usize> = (0..table.rows()).step_by(step).collect();
    let names = model.signature().fields.iter().map(|field| field.name.clone());
    let mut importance: Vec<(String, f64)> = names.map(|name| (name, 0.0)).collect();
    for explanation in model.explain(&table.take(&rows)) {
        for (name, value) in explanation.contributions {
            // A pair counts half for either.
            let fields: Vec<&str> = name.split(" & ").collect();
            for (field, sum) in &mut importance {
                if *field == name || (fields.len() == 2 && fields.contains(&field.as_str())) {
                    let share = if *field == name { 1.0 } else { 0.5 };
                    *sum += value.abs() * share / rows.len() as f64;
                }
            }
        }
    }
    importance.sort_by(|left, right| right.1.total_cmp(&left.1));
    importance
}
