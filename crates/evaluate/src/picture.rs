//! Pictures of evaluations as SVG text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Bars of a histogram.
const BINS: usize = 20;

/// A confusion matrix: rows are targets, columns predictions, darker is more.
pub fn confusion_matrix(pairs: &[(&str, &str)], title: &str) -> String {
    let labels: BTreeSet<&str> = pairs.iter().flat_map(|(target, predicted)| [*target, *predicted]).collect();
    let labels: Vec<&str> = labels.into_iter().collect();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for (target, predicted) in pairs {
        *counts.entry((target, predicted)).or_default() += 1;
        *totals.entry(target).or_default() += 1;
    }
    let cell = 24;
    let margin = 20 + labels.iter().map(|label| label.chars().count()).max().unwrap_or(0) * 7;
    let size = margin + labels.len() * cell + 20;
    let mut svg = open(size, size + 30, title);
    for (row, target) in labels.iter().enumerate() {
        let y = 30 + margin + row * cell;
        text(&mut svg, (margin - 6, y + 16), "end", target);
        let x = margin + row * cell + 16;
        let top = 30 + margin - 6;
        let _ = writeln!(
            svg,
            r#"<text x="{x}" y="{top}" transform="rotate(-90 {x} {top})">{}</text>"#,
            escape(target)
        );
        for (column, predicted) in labels.iter().enumerate() {
            let Some(count) = counts.get(&(*target, *predicted)) else { continue };
            let share = *count as f64 / totals[target] as f64;
            let x = margin + column * cell;
            let _ = writeln!(
                svg,
                r##"<rect x="{x}" y="{y}" width="{cell}" height="{cell}" fill="#1f5fa8" fill-opacity="{:.3}"/>"##,
                0.1 + 0.9 * share
            );
            let ink = if share > 0.5 { "#fff" } else { "#222" };
            let _ = writeln!(
                svg,
                r#"<text x="{}" y="{}" text-anchor="middle" fill="{ink}">{count}</text>"#,
                x + cell / 2,
                y + 16
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A histogram of confidences: right answers to the right, wrong ones to the left.
pub fn confidence_histogram(outcomes: &[(f64, bool)], title: &str) -> String {
    let mut bins = [(0usize, 0usize); BINS];
    for (confidence, is_right) in outcomes {
        let bin = &mut bins[((confidence.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1)];
        if *is_right {
            bin.0 += 1;
        } else {
            bin.1 += 1;
        }
    }
    let most = bins.iter().map(|(right, wrong)| *right.max(wrong)).max().unwrap_or(0).max(1);
    let (middle, reach, height) = (320usize, 260usize, 16usize);
    let mut svg = open(640, 60 + BINS * height, title);
    for (row, (right, wrong)) in bins.iter().rev().enumerate() {
        let y = 36 + row * height;
        let bar = |svg: &mut String, x: usize, width: usize, fill: &str| {
            let _ = writeln!(
                svg,
                r#"<rect x="{x}" y="{y}" width="{width}" height="{}" fill="{fill}"/>"#,
                height - 2
            );
        };
        let (right_width, wrong_width) = (right * reach / most, wrong * reach / most);
        bar(&mut svg, middle + 24, right_width, "#2e7d32");
        bar(&mut svg, middle - 24 - wrong_width, wrong_width, "#b3402e");
        let low = (BINS - 1 - row) as f64 / BINS as f64;
        text(&mut svg, (middle, y + 12), "middle", &format!("{low:.2}"));
        text(&mut svg, (middle + 28 + right_width, y + 12), "start", &right.to_string());
        text(&mut svg, (middle - 28 - wrong_width, y + 12), "end", &wrong.to_string());
    }
    let y = 52 + BINS * height;
    text(&mut svg, (middle - 24, y), "end", "wrong");
    text(&mut svg, (middle + 24, y), "start", "right");
    svg.push_str("</svg>\n");
    svg
}

fn open(width: usize, height: usize, title: &str) -> String {
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">"#
    );
    let _ = writeln!(svg, r##"<rect width="100%" height="100%" fill="#fff"/>"##);
    let _ =
        writeln!(svg, r#"<title>{0}</title><text x="10" y="18" font-size="14">{0}</text>"#, escape(title));
    svg
}

fn text(svg: &mut String, (x, y): (usize, usize), anchor: &str, content: &str) {
    let _ = writeln!(svg, r#"<text x="{x}" y="{y}" text-anchor="{anchor}">{}</text>"#, escape(content));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_show_counts_and_escape_labels() {
        let matrix = confusion_matrix(&[("a<b", "a<b"), ("a<b", "c")], "Intents & more");
        assert!(matrix.starts_with("<svg ") && matrix.ends_with("</svg>\n"));
        assert!(
            matrix.contains("a&lt;b") && matrix.contains("Intents &amp; more") && !matrix.contains("a<b")
        );
        let histogram = confidence_histogram(&[(0.97, true), (0.2, false), (1.0, true)], "Confidence");
        assert!(histogram.contains(">2</text>") && histogram.contains(">0.95</text>"));
        assert!(confusion_matrix(&[], "empty").contains("empty"));
    }
}
