//! Partial dependence: how the mean prediction moves with one column, all else as in training rows. Computed when a
//! model is trained, kept in its archive, drawn on its card.

use std::fmt::Write as _;

use intendant_component::predictor::Predictor;
use intendant_table::{Kind, Moment, Table};
use serde::{Deserialize, Serialize};

use crate::card::escape;
use crate::spec::Spec;

/// Columns that are drawn, the most important ones.
const COLUMNS_MAX: usize = 6;
/// Rows over which predictions are averaged.
const ROWS_MAX: usize = 100;
/// Names of a category that are drawn.
const BARS_MAX: usize = 12;

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 28.0;

/// How the mean prediction moves with one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The column.
    pub column: String,
    /// Whether its values lie on a line.
    pub is_line: bool,
    /// Values, as written, with the mean prediction.
    pub points: Vec<(String, f64)>,
}

/// Curves of the columns that matter most; values that are declared to be mistakes are left out.
pub fn of(spec: &Spec, predictor: &dyn Predictor, rows: &Table) -> Vec<Curve> {
    let step = rows.rows().div_ceil(ROWS_MAX).max(1);
    let some: Vec<usize> = (0..rows.rows()).step_by(step).collect();
    let rows = rows.take(&some);
    let columns = predictor.importance().into_iter().filter_map(|(name, weight)| {
        let field = predictor.signature().field(&name)?;
        (weight > 0.0).then(|| (name.clone(), matches!(field.kind, Kind::Number | Kind::Date)))
    });
    let curve = |(column, is_line): (String, bool)| {
        let mut points = predictor.curve(&rows, &column);
        let declared = spec.features.get(&column);
        let is_mistake = |value: &str| {
            let (Some(declared), Ok(number)) = (declared, value.parse::<f64>()) else { return false };
            declared.minimum.is_some_and(|least| number < least)
                || declared.maximum.is_some_and(|most| number > most)
        };
        points.retain(|(value, mean)| mean.is_finite() && !is_mistake(value));
        if !is_line {
            points.truncate(BARS_MAX);
        }
        (points.len() > 1).then_some(Curve { column, is_line, points })
    };
    columns.filter_map(curve).take(COLUMNS_MAX).collect()
}

/// Curves in words, a line each.
pub fn markdown(curves: &[Curve]) -> String {
    let mut text = String::new();
    if !curves.is_empty() {
        text.push_str(
            "\n## How predictions move\n\nThe mean prediction as one column changes, all else as it is.\n\n",
        );
    }
    for curve in curves {
        let points: Vec<String> =
            curve.points.iter().map(|(value, mean)| format!("{value}: {mean:.3}")).collect();
        let _ = writeln!(text, "- `{}` {}", curve.column, points.join(", "));
    }
    text
}

/// Curves as pictures, all on one scale.
pub fn html(curves: &[Curve]) -> String {
    if curves.is_empty() {
        return String::new();
    }
    let means = curves.iter().flat_map(|curve| &curve.points).map(|(_, mean)| *mean);
    let (low, high) =
        means.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(mean), high.max(mean)));
    // Bars and lines begin at zero where that is near, as probabilities do.
    let low = if low >= 0.0 && low < high { 0.0 } else { low };
    let high = if high > low { high } else { low + 1.0 };
    let pictures: String = curves.iter().map(|curve| svg(curve, (low, high))).collect();
    format!(
        "<h2>How predictions move</h2>\n<p>The mean prediction as one column changes, all else as it is.</p>\n\
         <div class=\"curves\">\n{pictures}</div>\n"
    )
}

/// One picture; `low` and `high` are the ends of the scale.
pub fn svg(curve: &Curve, (low, high): (f64, f64)) -> String {
    let height = HEIGHT - TOP - BOTTOM;
    let y = |mean: f64| TOP + height * (1.0 - (mean - low) / (high - low));
    let name = escape(&curve.column);
    let mut drawn = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\" aria-label=\"mean prediction by {name}\" font-size=\"11\" \
         font-family=\"system-ui, sans-serif\" fill=\"currentColor\">\n<text x=\"{LEFT}\" y=\"16\" \
         font-weight=\"bold\">{name}</text>\n"
    );
    for mean in [low, (low + high) / 2.0, high] {
        let at = y(mean);
        let _ = writeln!(
            drawn,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"currentColor\" \
             stroke-opacity=\"0.2\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            short(mean)
        );
    }
    match curve.is_line {
        true => line(curve, &y, &mut drawn),
        false => bars(curve, &y, &mut drawn),
    }
    drawn.push_str("</svg>\n");
    drawn
}

fn line(curve: &Curve, y: &dyn Fn(f64) -> f64, drawn: &mut String) {
    let values: Vec<f64> = curve.points.iter().map(|(value, _)| position(value)).collect();
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return };
    let span = if last > first { last - first } else { 1.0 };
    let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value - first) / span;
    let points: Vec<String> = values
        .iter()
        .zip(&curve.points)
        .map(|(value, (_, mean))| format!("{:.1},{:.1}", x(*value), y(*mean)))
        .collect();
    let _ = writeln!(
        drawn,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2a78d6\" stroke-width=\"2\"/>",
        points.join(" ")
    );
    for point in &points {
        let (x, y) = point.split_once(',').unwrap_or_default();
        let _ = write!(drawn, "<circle cx=\"{x}\" cy=\"{y}\" r=\"2\" fill=\"#2a78d6\"/>");
    }
    let middle = curve.points.len() / 2;
    for (at, anchor) in [(0, "start"), (middle, "middle"), (curve.points.len() - 1, "end")] {
        let (place, label) = (x(values[at]), label(&curve.points[at].0));
        // Values crowd at one end at times; then the middle one would cover the others.
        if at != middle || (place > LEFT + 60.0 && place < WIDTH - RIGHT - 60.0) {
            let _ = writeln!(
                drawn,
                "<text x=\"{place:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>",
                HEIGHT - 10.0
            );
        }
    }
}

fn bars(curve: &Curve, y: &dyn Fn(f64) -> f64, drawn: &mut String) {
    let step = (WIDTH - LEFT - RIGHT) / curve.points.len() as f64;
    let letters = ((step / 6.5) as usize).max(2);
    let floor = HEIGHT - BOTTOM;
    for (at, (value, mean)) in curve.points.iter().enumerate() {
        let left = LEFT + step * at as f64;
        let top = y(*mean);
        let mut name: String = value.chars().take(letters).collect();
        if name.chars().count() < value.chars().count() {
            name.pop();
            name.push('…');
        }
        let _ = writeln!(
            drawn,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#2a78d6\"><title>{}: \
             {mean:.4}</title></rect><text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            left + step * 0.15,
            step * 0.7,
            (floor - top).max(0.0),
            escape(value),
            left + step / 2.0,
            HEIGHT - 10.0,
            escape(&name)
        );
    }
}

/// Where a number or a date lies.
fn position(value: &str) -> f64 {
    let number = value.parse().ok().filter(|number: &f64| number.is_finite());
    number.or_else(|| Moment::parse(value).map(Moment::days)).unwrap_or_default()
}

fn label(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) => short(number),
        Err(_) => escape(value.get(..10).unwrap_or(value)),
    }
}

/// A number with as many digits as matter in a picture.
fn short(number: f64) -> String {
    let size = number.abs();
    let digits = if size >= 100.0 || number == 0.0 {
        0
    } else if size >= 1.0 {
        1
    } else {
        2
    };
    let text = format!("{number:.digits$}");
    match digits {
        0 => text,
        _ => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_on_one_scale() {
        let age = Curve {
            column: "AGE <b>".to_owned(),
            is_line: true,
            points: vec![("20".into(), 0.1), ("40".into(), 0.2), ("80".into(), 0.5)],
        };
        let land = Curve {
            column: "PAYS".to_owned(),
            is_line: false,
            points: vec![("France".into(), 0.25), ("a name far too long for a bar & more".into(), 0.1)],
        };
        let page = html(&[age.clone(), land.clone()]);
        assert_eq!(page.matches("<svg").count(), 2);
        assert!(page.contains("AGE &lt;b&gt;") && !page.contains("<b>"), "{page}");
        // 0.5 is the top of the scale, 0.1 a fifth of it.
        assert!(page.contains("points=\"48.0,143.2 134.7,114.4 308.0,28.0\""), "{page}");
        assert!(page.contains("height=\"72.0\"") && page.contains("…</text>"), "{page}");
        assert!(markdown(&[age]).contains("- `AGE <b>` 20: 0.100, 40: 0.200, 80: 0.500\n"));
        assert_eq!((html(&[]), markdown(&[])), (String::new(), String::new()));
        let flat = Curve { points: vec![("1".into(), 0.0), ("1".into(), 0.0)], ..land };
        assert!(!svg(&flat, (0.0, 1.0)).contains("NaN"));
    }

    #[test]
    fn numbers_are_short() {
        let check = |number: f64, text: &str| assert_eq!(short(number), text);
        check(0.0, "0");
        check(0.25, "0.25");
        check(0.3, "0.3");
        check(12.34, "12.3");
        check(93259.57, "93260");
        check(-2.0, "-2");
    }
}
