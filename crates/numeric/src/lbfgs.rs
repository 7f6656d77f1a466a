//! Limited-memory BFGS with backtracking for smooth functions of many variables.
//!
//! Source: Nocedal and Wright, "Numerical Optimization", algorithms 3.1 and 7.4.

use crate::svm::dispatch;

/// Products that are summed side by side.
const LANES: usize = 16;
/// Steps that are remembered of the way.
const MEMORY: usize = 8;
/// Times that a step which does not lead down enough is halved.
const HALVINGS: usize = 20;

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Tolerance {
    /// When the gradient's length has fallen to this share of what it was at the start.
    OfStart(f32),
    /// When no entry of the gradient is larger.
    Largest(f32),
}

/// How to go down.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Steps, at most.
    pub steps_max: usize,
    /// When to stop before.
    pub tolerance: Tolerance,
}

/// Where the way ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The place.
    pub point: Vec<f32>,
    /// Whether it is as low as the tolerance asks, or as single precision can tell.
    pub is_settled: bool,
}

/// A step, the change of the gradient along it, and their product.
type Step = (Vec<f32>, Vec<f32>, f64);

/// Goes down from zero in `size` variables; `None` when `go_on`, which is told the number of each step
/// before it, says no. `evaluate` gives the value and the gradient at a point.
pub fn minimize(
    size: usize,
    options: &Options,
    evaluate: impl Fn(&[f32]) -> (f64, Vec<f32>),
    go_on: impl Fn(usize) -> bool,
) -> Option<Minimum> {
    let mut point = vec![0.0f32; size];
    let (mut value, mut gradient) = evaluate(&point);
    let at_start = length(&gradient);
    let is_flat = |gradient: &[f32]| match options.tolerance {
        Tolerance::OfStart(share) => length(gradient) <= f64::from(share) * at_start,
        Tolerance::Largest(limit) => gradient.iter().all(|slope| slope.abs() <= limit),
    };
    let mut history: Vec<Step> = Vec::new();
    for step in 0..options.steps_max {
        if !go_on(step) {
            return None;
        }
        if is_flat(&gradient) {
            return Some(Minimum { point, is_settled: true });
        }
        let direction = downhill(&gradient, &mut history);
        let slope = dot(&direction, &gradient);
        let mut share = if history.is_empty() { 1.0 / length(&gradient).max(1e-12) } else { 1.0 };
        let mut found = None;
        for _ in 0..HALVINGS {
            let candidate: Vec<f32> =
                point.iter().zip(&direction).map(|(at, along)| at + share as f32 * along).collect();
            let (new_value, new_gradient) = evaluate(&candidate);
            if new_value <= value + 1e-4 * share * slope {
                found = Some((candidate, new_value, new_gradient));
                break;
            }
            share *= 0.5;
        }
        let Some((candidate, new_value, new_gradient)) = found else {
            return Some(Minimum { point, is_settled: true });
        };
        let moved: Vec<f32> = candidate.iter().zip(&point).map(|(new, old)| new - old).collect();
        let turned: Vec<f32> = new_gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        let curvature = dot(&moved, &turned);
        if curvature > 1e-12 {
            if history.len() == MEMORY {
                history.remove(0);
            }
            history.push((moved, turned, curvature));
        }
        (point, value, gradient) = (candidate, new_value, new_gradient);
    }
    let is_settled = is_flat(&gradient);
    Some(Minimum { point, is_settled })
}

/// Where the remembered steps point downhill; the steepest way where they do not, and they are forgotten.
fn downhill(gradient: &[f32], history: &mut Vec<Step>) -> Vec<f32> {
    let direction = two_loops(gradient, history);
    if dot(&direction, gradient) < 0.0 {
        return direction;
    }
    history.clear();
    gradient.iter().map(|value| -value).collect()
}

/// The two-loop recursion: the gradient times the inverse curvature of the last steps.
fn two_loops(gradient: &[f32], history: &[Step]) -> Vec<f32> {
    let mut direction: Vec<f32> = gradient.iter().map(|value| -value).collect();
    let mut shares = Vec::with_capacity(history.len());
    for (moved, turned, curvature) in history.iter().rev() {
        let share = dot(moved, &direction) / curvature;
        shares.push(share);
        direction.iter_mut().zip(turned).for_each(|(at, turn)| *at -= share as f32 * turn);
    }
    if let Some((_, turned, curvature)) = history.last() {
        let scale = (curvature / dot(turned, turned).max(1e-30)) as f32;
        direction.iter_mut().for_each(|at| *at *= scale);
    }
    for ((moved, turned, curvature), share) in history.iter().zip(shares.into_iter().rev()) {
        let change = (share - dot(turned, &direction) / curvature) as f32;
        direction.iter_mut().zip(moved).for_each(|(at, step)| *at += change * step);
    }
    direction
}

dispatch! {
    /// The product of two vectors of one length, summed in double precision.
    pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
        let mut sums = [0.0f64; LANES];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
            }
        }
        let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        sums.iter().sum::<f64>() + rest
    }
}

pub(crate) fn length(vector: &[f32]) -> f64 {
    dot(vector, vector).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bowl whose axes differ a thousandfold, around (1, 2, 3, …).
    fn bowl(point: &[f32]) -> (f64, Vec<f32>) {
        let steep = |at: usize| 1000f32.powf(at as f32 / 9.0);
        let off = |at: usize| point[at] - (at + 1) as f32;
        let value = (0..point.len()).map(|at| f64::from(0.5 * steep(at) * off(at) * off(at))).sum();
        (value, (0..point.len()).map(|at| steep(at) * off(at)).collect())
    }

    #[test]
    fn the_bottom_of_a_bowl_is_found_or_said_to_be_missed() {
        for tolerance in [Tolerance::Largest(1e-2), Tolerance::OfStart(1e-6)] {
            let found = minimize(10, &Options { steps_max: 200, tolerance }, bowl, |_| true).unwrap();
            assert!(found.is_settled);
            for (at, value) in found.point.iter().enumerate() {
                assert!((value - (at + 1) as f32).abs() < 0.02, "{at}: {value}");
            }
        }
        let options = Options { steps_max: 3, tolerance: Tolerance::Largest(1e-2) };
        assert!(!minimize(10, &options, bowl, |_| true).unwrap().is_settled);
        assert_eq!(minimize(10, &options, bowl, |step| step < 2), None);
    }
}
