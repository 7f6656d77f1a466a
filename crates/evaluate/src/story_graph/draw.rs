//! The laid out graph as SVG, and a page around it.

use std::fmt::Write;

use super::layout::{LABEL_CHARS_MAX, Layout, Place, Route, label_width};
use super::{Node, Role, StoryGraph};

/// Height of a node, in pixels.
const NODE_HEIGHT: f64 = 30.0;

/// The colours, light and dark; the picture uses them by class.
pub const STYLE: &str = "\
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2430; --faint: #8a94a3; --bot: #e8eefc; --bot-line: #4468b8;
  --user: #fdf3dc; --user-line: #b07d18; --end: #eceff3; --current: #0b7a4b; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181f; --ink: #e6eaf0; --faint: #7d8899; --bot: #1f2c4a;
  --bot-line: #7f9de0; --user: #3d3117; --user-line: #d8a945; --end: #2a303a; --current: #4cc38a; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
header { padding: 12px 20px 0; } h1 { font-size: 18px; margin: 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 4px 0 0; padding: 0; list-style: none; }
.legend span { display: inline-block; width: 14px; height: 14px; margin-right: 6px; vertical-align: -2px;
  border: 1.5px solid; box-sizing: border-box; }
.legend .bot { background: var(--bot); border-color: var(--bot-line); border-radius: 7px; }
.legend .user { background: var(--user); border-color: var(--user-line); }
main { overflow: auto; text-align: center; }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); text-anchor: middle; }
svg .edge { fill: none; stroke: var(--faint); stroke-width: 1.3; } svg .tip { fill: var(--faint); }
svg rect { stroke-width: 1.3; } svg .bot rect { fill: var(--bot); stroke: var(--bot-line); }
svg .user rect { fill: var(--user); stroke: var(--user-line); }
svg .end rect { fill: var(--end); stroke: var(--faint); } svg .more rect { fill: none; stroke: none; }
svg .open rect { fill: none; stroke: var(--current); stroke-dasharray: 4 3; }
svg .current rect, svg .edge.current { stroke: var(--current); stroke-width: 2.4; } svg .current-tip { fill: var(--current); }
";

pub(super) fn svg(graph: &StoryGraph, layout: &Layout) -> String {
    let (width, height) = (layout.width.ceil(), layout.height.ceil());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"story graph\">\n"
    );
    for (id, class) in [("tip", "tip"), ("current-tip", "current-tip")] {
        let _ = writeln!(
            svg,
            "<marker id=\"{id}\" class=\"{class}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
             markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\">\
             <path d=\"M0 0L8 4L0 8z\"/></marker>"
        );
    }
    for (ends, edge) in &graph.edges {
        match layout.routes.get(ends) {
            Some(route) => draw_edge(&mut svg, route, edge.is_current),
            None => draw_loop(&mut svg, layout.places[ends.0], edge.is_current),
        }
    }
    for (node, place) in graph.nodes.iter().zip(&layout.places) {
        draw_node(&mut svg, node, *place);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw_edge(svg: &mut String, route: &Route, is_current: bool) {
    let mut points = route.points.clone();
    if let Some(first) = points.first_mut() {
        first.1 += NODE_HEIGHT / 2.0;
    }
    if let Some(last) = points.last_mut() {
        last.1 -= NODE_HEIGHT / 2.0;
    }
    let mut path = String::new();
    for (idx, (x, y)) in points.iter().enumerate() {
        let _ = match idx.checked_sub(1).map(|before| points[before]) {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some((from_x, from_y)) => {
                let middle = (from_y + y) / 2.0;
                write!(path, "C{from_x:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}")
            }
        };
    }
    let end = if route.is_upwards { "marker-start" } else { "marker-end" };
    finish_edge(svg, &path, end, is_current);
}

/// From the right side of a node back to it.
fn draw_loop(svg: &mut String, place: Place, is_current: bool) {
    let (x, y) = (place.x + place.width / 2.0, place.y);
    let (top, bottom, far) = (y - 7.0, y + 7.0, x + 20.0);
    let path = format!("M{x:.1} {top:.1}C{far:.1} {top:.1} {far:.1} {bottom:.1} {x:.1} {bottom:.1}");
    finish_edge(svg, &path, "marker-end", is_current);
}

fn finish_edge(svg: &mut String, path: &str, end: &str, is_current: bool) {
    let (class, tip) = if is_current { ("edge current", "current-tip") } else { ("edge", "tip") };
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\" {end}=\"url(#{tip})\"/>");
}

fn draw_node(svg: &mut String, node: &Node, place: Place) {
    let class = match node.role {
        Role::Start | Role::End => "end",
        Role::Action => "bot",
        Role::User => "user",
        Role::More => "more",
        Role::Open => "open",
    };
    let current = if node.is_current { " current" } else { "" };
    let radius = if node.role == Role::User { 3.0 } else { NODE_HEIGHT / 2.0 };
    let width = label_width(&node.label);
    let (x, y) = (place.x - width / 2.0, place.y - NODE_HEIGHT / 2.0);
    let _ = writeln!(
        svg,
        "<g class=\"{class}{current}\"><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
         height=\"{NODE_HEIGHT}\" rx=\"{radius}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        escape(&node.label),
        place.x,
        place.y + 4.5,
        escape(&shortened(&node.label)),
    );
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LABEL_CHARS_MAX {
        return label.to_owned();
    }
    label.chars().take(LABEL_CHARS_MAX - 1).chain(['…']).collect()
}

pub(super) fn page(svg: &str, title: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<ul class=\"legend\">\
         <li><span class=\"bot\"></span>the assistant does</li><li><span class=\"user\"></span>the user says</li>\
         </ul>\n</header>\n<main>\n{svg}</main>\n</body>\n</html>\n"
    )
}

/// Text as it may stand in HTML, quotes included; characters that no document may hold are left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() && !c.is_whitespace() => {}
            c => escaped.push(c),
        }
    }
    escaped
}
