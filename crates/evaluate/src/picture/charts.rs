//! The charts of evaluations.

use std::collections::{BTreeMap, BTreeSet};

use super::{Anchor, BLUE, CAPITAL_HEIGHT, CHAR_WIDTH, FAINT, GREEN, INK, Picture, RED, SERIES, WHITE, tint};

/// Bars of a histogram.
const BINS: usize = 20;
/// Labels that a confusion matrix shows at most; of more those with the most confusions are shown.
const LABELS_MAX: usize = 150;
/// Side of a matrix's cell.
const CELL: f64 = 26.0;
/// Pixels above a chart, for its title.
const HEAD: f64 = 36.0;

/// A confusion matrix: rows are targets, columns predictions, darker is more.
pub fn confusion_matrix(pairs: &[(&str, &str)], title: &str) -> Picture {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for (target, predicted) in pairs {
        *counts.entry((target, predicted)).or_default() += 1;
        *totals.entry(target).or_default() += 1;
    }
    let (labels, n_labels) = shown_labels(&counts);
    let title = match labels.len() {
        shown if shown < n_labels => {
            format!("{title}: the {shown} of {n_labels} labels with the most confusions")
        }
        _ => title.to_owned(),
    };
    let name_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0) as f64 * CHAR_WIDTH;
    let side = labels.len() as f64 * CELL;
    let (left, top) = (name_width + 50.0, HEAD + name_width + 10.0);
    let mut picture = Picture::new((left + side + 20.0, top + side + 40.0), &title);
    for (row, target) in labels.iter().enumerate() {
        let y = top + row as f64 * CELL;
        picture.text((left - 8.0, y + (CELL + CAPITAL_HEIGHT) / 2.0), Anchor::End, target);
        let x = left + row as f64 * CELL + (CELL + CAPITAL_HEIGHT) / 2.0;
        picture.upward_text((x, top - 8.0), Anchor::Start, target);
        for (column, predicted) in labels.iter().enumerate() {
            let Some(count) = counts.get(&(*target, *predicted)) else { continue };
            let share = *count as f64 / totals[target] as f64;
            let x = left + column as f64 * CELL;
            let colour = if row == column { BLUE } else { RED };
            picture.rect((x, y), (CELL - 1.0, CELL - 1.0), tint(colour, 0.12 + 0.88 * share));
            let ink = if share > 0.45 { WHITE } else { INK };
            let position = (x + CELL / 2.0, y + (CELL + CAPITAL_HEIGHT) / 2.0);
            picture.inked_text(position, Anchor::Middle, (&short(*count), ink));
        }
    }
    picture.stroke((left, top), (left, top + side), 1.0, FAINT);
    picture.stroke((left, top), (left + side, top), 1.0, FAINT);
    picture.upward_text((20.0, top + side / 2.0), Anchor::Middle, "wanted");
    picture.text((left + side / 2.0, top + side + 24.0), Anchor::Middle, "found");
    picture
}

/// A count in at most three characters.
fn short(count: usize) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..100_000 => format!("{}k", count / 1000),
        _ => "max".to_owned(),
    }
}

fn shown_labels<'a>(counts: &BTreeMap<(&'a str, &'a str), usize>) -> (Vec<&'a str>, usize) {
    let labels: BTreeSet<&str> =
        counts.keys().flat_map(|(target, predicted)| [*target, *predicted]).collect();
    let n_labels = labels.len();
    if n_labels <= LABELS_MAX {
        return (labels.into_iter().collect(), n_labels);
    }
    let mut confusions: BTreeMap<&str, usize> = labels.into_iter().map(|label| (label, 0)).collect();
    for ((target, predicted), count) in counts.iter().filter(|((target, predicted), _)| target != predicted) {
        for label in [target, predicted] {
            if let Some(total) = confusions.get_mut(label) {
                *total += count;
            }
        }
    }
    let mut ordered: Vec<(&str, usize)> = confusions.into_iter().collect();
    ordered.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(right.0)));
    ordered.truncate(LABELS_MAX);
    let mut shown: Vec<&str> = ordered.into_iter().map(|(label, _)| label).collect();
    shown.sort_unstable();
    (shown, n_labels)
}

/// A histogram of confidences: right answers to the right, wrong ones to the left.
pub fn confidence_histogram(outcomes: &[(f64, bool)], title: &str) -> Picture {
    let mut bins = [(0usize, 0usize); BINS];
    for (confidence, is_right) in outcomes {
        let bin = &mut bins[((confidence.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1)];
        if *is_right {
            bin.0 += 1;
        } else {
            bin.1 += 1;
        }
    }
    let most = bins.iter().map(|(right, wrong)| *right.max(wrong)).max().unwrap_or(0).max(1) as f64;
    let (middle, reach, height) = (330.0, 230.0, 18.0);
    let bottom = HEAD + BINS as f64 * height;
    let mut picture = Picture::new((660.0, bottom + 34.0), title);
    for (row, (right, wrong)) in bins.iter().rev().enumerate() {
        let y = HEAD + row as f64 * height;
        let (right_width, wrong_width) = (*right as f64 * reach / most, *wrong as f64 * reach / most);
        picture.rect((middle + 28.0, y), (right_width, height - 2.0), GREEN);
        picture.rect((middle - 28.0 - wrong_width, y), (wrong_width, height - 2.0), RED);
        let low = (BINS - 1 - row) as f64 / BINS as f64;
        picture.text((middle, y + 13.0), Anchor::Middle, &format!("{low:.2}"));
        picture.text((middle + 34.0 + right_width, y + 13.0), Anchor::Start, &right.to_string());
        picture.text((middle - 34.0 - wrong_width, y + 13.0), Anchor::End, &wrong.to_string());
    }
    picture.inked_text((middle - 28.0, bottom + 18.0), Anchor::End, ("wrong", RED));
    picture.inked_text((middle + 28.0, bottom + 18.0), Anchor::Start, ("right", GREEN));
    picture
}

/// How often predictions of some confidence are right: bins of mean confidence, share of right ones, and number. On
/// the diagonal confidence is what it says.
pub fn calibration(bins: &[(f64, f64, usize)], title: &str) -> Picture {
    let (left, top, side) = (70.0, HEAD + 10.0, 360.0);
    let mut picture = Picture::new((left + side + 40.0, top + side + 60.0), title);
    let place = |x: f64, y: f64| (left + x * side, top + (1.0 - y) * side);
    for step in 0..=5 {
        let at = f64::from(step) / 5.0;
        picture.stroke(place(0.0, at), place(1.0, at), 1.0, FAINT);
        picture.stroke(place(at, 0.0), place(at, 1.0), 1.0, FAINT);
        let (x, y) = place(0.0, at);
        picture.text((x - 8.0, y + 5.0), Anchor::End, &format!("{at:.1}"));
        let (x, y) = place(at, 0.0);
        picture.text((x, y + 18.0), Anchor::Middle, &format!("{at:.1}"));
    }
    let most = bins.iter().map(|(.., count)| *count).max().unwrap_or(0).max(1) as f64;
    for (confidence, _, count) in bins {
        let (x, y) = place(*confidence, 0.0);
        let height = *count as f64 / most * side * 0.3;
        picture.rect((x - 6.0, y - height), (12.0, height), tint(BLUE, 0.2));
    }
    picture.stroke(place(0.0, 0.0), place(1.0, 1.0), 1.0, INK);
    let points: Vec<(f64, f64)> =
        bins.iter().map(|(confidence, right, _)| place(*confidence, *right)).collect();
    joined(&mut picture, &points, BLUE);
    picture.text((left + side / 2.0, top + side + 40.0), Anchor::Middle, "confidence (bars: how many)");
    picture.upward_text((20.0, top + side / 2.0), Anchor::Middle, "share of right answers");
    picture
}

/// Lines between points, each marked.
fn joined(picture: &mut Picture, points: &[(f64, f64)], ink: super::Colour) {
    for pair in points.windows(2) {
        picture.stroke(pair[0], pair[1], 2.0, ink);
    }
    for (x, y) in points {
        picture.rect((x - 3.0, y - 3.0), (6.0, 6.0), ink);
    }
}

/// A figure with its deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What it was measured at.
    pub x: f64,
    /// The mean.
    pub y: f64,
    /// The standard deviation.
    pub deviation: f64,
}

/// A named line of points.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it shows.
    pub name: String,
    /// Its points.
    pub points: Vec<Point>,
}

/// Lines over a common axis, deviations as bars.
pub fn curves(lines: &[Line], (x_label, y_label): (&str, &str)) -> Picture {
    let (left, top, width, height) = (90.0, HEAD, 560.0, 340.0);
    let legend = lines.len() as f64 * 20.0;
    let mut picture = Picture::new((left + width + 40.0, top + height + 70.0 + legend), y_label);
    let points = || lines.iter().flat_map(|line| &line.points);
    let (x_low, x_high) = range(points().map(|point| point.x));
    let (y_low, y_high) =
        range(points().flat_map(|point| [point.y - point.deviation, point.y + point.deviation]));
    let place = |x: f64, y: f64| {
        (left + (x - x_low) / (x_high - x_low) * width, top + (y_high - y) / (y_high - y_low) * height)
    };
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let (x, y) = (x_low + share * (x_high - x_low), y_low + share * (y_high - y_low));
        picture.stroke(place(x_low, y), place(x_high, y), 1.0, FAINT);
        picture.text((left - 8.0, place(x, y).1 + 5.0), Anchor::End, &figure(y, y_high - y_low));
        picture.text((place(x, y).0, top + height + 18.0), Anchor::Middle, &figure(x, x_high - x_low));
    }
    for (idx, line) in lines.iter().enumerate() {
        let ink = SERIES[idx % SERIES.len()];
        for point in &line.points {
            let (low, high) =
                (place(point.x, point.y - point.deviation), place(point.x, point.y + point.deviation));
            picture.stroke(low, high, 1.0, ink);
        }
        let places: Vec<(f64, f64)> = line.points.iter().map(|point| place(point.x, point.y)).collect();
        joined(&mut picture, &places, ink);
        let y = top + height + 62.0 + idx as f64 * 20.0;
        picture.rect((left, y - CAPITAL_HEIGHT), (14.0, CAPITAL_HEIGHT), ink);
        picture.text((left + 22.0, y), Anchor::Start, &line.name);
    }
    picture.text((left + width / 2.0, top + height + 40.0), Anchor::Middle, x_label);
    picture
}

/// The least and greatest value, apart.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    match (low.is_finite(), high - low > f64::EPSILON) {
        (false, _) => (0.0, 1.0),
        (true, false) => (low - 0.5, low + 0.5),
        (true, true) => (low, high),
    }
}

/// A figure with as many digits as its axis needs.
fn figure(value: f64, range: f64) -> String {
    let decimals = if range >= 20.0 {
        0
    } else if range >= 2.0 {
        1
    } else {
        3
    };
    format!("{value:.decimals$}")
}
