//! Shapes as SVG.

use std::fmt::Write;

use super::{Anchor, Colour, Direction, Picture, Shape};

pub(super) fn write(picture: &Picture) -> String {
    let (width, height) = (picture.width, picture.height);
    // Writing to a string cannot fail.
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="monospace" font-size="12" role="img">"#
    );
    let _ = write!(svg, "\n<title>{}</title>\n", escape(&picture.title));
    let _ = writeln!(svg, r##"<rect width="100%" height="100%" fill="#fff"/>"##);
    for shape in &picture.shapes {
        match shape {
            Shape::Box { at, size, fill } => {
                let _ = writeln!(
                    svg,
                    r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" fill="{}"/>"#,
                    at.0,
                    at.1,
                    size.0,
                    size.1,
                    hex(*fill)
                );
            }
            Shape::Stroke { from, to, width, ink } => {
                let _ = writeln!(
                    svg,
                    r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{}" stroke-width="{width}"/>"#,
                    from.0,
                    from.1,
                    to.0,
                    to.1,
                    hex(*ink)
                );
            }
            Shape::Text { at: (x, y), content, anchor, direction, ink } => {
                let anchor = match anchor {
                    Anchor::Start => "start",
                    Anchor::Middle => "middle",
                    Anchor::End => "end",
                };
                let turn = match direction {
                    Direction::Right => String::new(),
                    Direction::Up => format!(r#" transform="rotate(-90 {x:.1} {y:.1})""#),
                };
                let _ = writeln!(
                    svg,
                    r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{}"{turn}>{}</text>"#,
                    hex(*ink),
                    escape(content)
                );
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
