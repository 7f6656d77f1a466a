//! The card of a version: what it is for, what it was trained with, how good it is. Markdown, and HTML made of it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::archive::Model;
use crate::curves;
use crate::routes::Path;

/// Columns that are told by how much they matter.
const IMPORTANCE_MAX: usize = 20;

/// The card in Markdown.
pub fn markdown(model: &Model, version: &str, digest: &str) -> String {
    format!("{}{}", written(model, (version, digest)), curves::markdown(&model.curves))
}

/// The card as the body of a page, with pictures.
pub fn body(model: &Model, version: &str, digest: &str) -> String {
    format!("{}{}", html(&written(model, (version, digest))), curves::html(&model.curves))
}

/// The card as JSON.
pub fn json(model: &Model, version: &str, digest: &str) -> Value {
    let spec = &model.spec;
    let columns: Vec<Value> = model
        .predictor
        .signature()
        .fields
        .iter()
        .map(|field| json!({"name": field.name, "kind": field.kind.to_string(), "optional": field.is_optional}))
        .collect();
    let importance: Vec<Value> = model
        .predictor
        .importance()
        .into_iter()
        .map(|(name, weight)| json!({"column": name, "weight": weight}))
        .collect();
    json!({
        "name": spec.name, "version": version, "kind": spec.kind.name(), "description": spec.description,
        "owner": spec.owner, "licence": spec.licence, "limits": spec.limits, "target": spec.target,
        "classes": model.predictor.classes(), "threshold": model.predictor.threshold(), "model_id": model.model_id,
        "archive": digest, "data": model.fingerprints.get("data"), "metrics": model.figures, "gate": spec.gate,
        "columns": columns, "importance": importance, "curves": model.curves,
    })
}

fn written(model: &Model, (version, digest): (&str, &str)) -> String {
    let spec = &model.spec;
    let mut text = format!("# {}, version {version}\n\n", spec.name);
    if let Some(description) = &spec.description {
        let _ = writeln!(text, "{description}\n");
    }
    let mut table = String::from("| | |\n|---|---|\n");
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(table, "| {name} | {} |", value.replace('|', "\\|"));
        }
    };
    put("kind", spec.kind.name());
    put("predicts", spec.target.as_deref().unwrap_or_default());
    put("classes", &model.predictor.classes().join(", "));
    put(
        "threshold",
        &model.predictor.threshold().map(|threshold| format!("{threshold:.4}")).unwrap_or_default(),
    );
    put("owner", spec.owner.as_deref().unwrap_or_default());
    put("licence", spec.licence.as_deref().unwrap_or_default());
    put("limits", spec.limits.as_deref().unwrap_or_default());
    put("model", &model.model_id);
    put("archive", digest);
    put("data", model.fingerprints.get("data").map_or("", String::as_str));
    text.push_str(&table);
    figures(model, &mut text);
    columns(model, &mut text);
    if !spec.serve.routes.is_empty() {
        text.push_str("\n## Routes\n\n");
        for route in &spec.serve.routes {
            let path = Path::of(&route.path);
            let summary = route.summary.as_deref().unwrap_or_default();
            let _ = writeln!(text, "- `{} {}` {summary}", path.method, path.path);
        }
    }
    text
}

fn figures(model: &Model, text: &mut String) {
    if model.figures.is_empty() {
        return;
    }
    text.push_str("\n## On held-out rows\n\n| figure | value |\n|---|---|\n");
    let (slices, whole): (Vec<_>, Vec<_>) = model.figures.iter().partition(|(name, _)| name.contains('['));
    for (name, value) in whole.iter().chain(&slices) {
        let _ = writeln!(text, "| {name} | {value:.4} |");
    }
    for gate in &model.spec.gate {
        let bar = match (gate.at_least, gate.at_most) {
            (Some(bar), _) => format!("at least {bar}"),
            (None, Some(bar)) => format!("at most {bar}"),
            (None, None) => continue,
        };
        let _ = writeln!(text, "\nGate: {} {bar}.", gate.metric);
    }
}

fn columns(model: &Model, text: &mut String) {
    text.push_str("\n## Columns\n\n| column | kind | may be missing |\n|---|---|---|\n");
    for field in &model.predictor.signature().fields {
        let optional = if field.is_optional { "yes" } else { "no" };
        let _ = writeln!(text, "| {} | {} | {optional} |", field.name, field.kind);
    }
    let importance = model.predictor.importance();
    if !importance.is_empty() {
        text.push_str("\n## What matters\n\n| column | mean contribution |\n|---|---|\n");
        for (name, weight) in importance.iter().take(IMPORTANCE_MAX) {
            let _ = writeln!(text, "| {name} | {weight:.4} |");
        }
    }
}

/// Headings, tables, lists and paragraphs as HTML.
pub fn html(markdown: &str) -> String {
    let mut html = String::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            let _ = writeln!(html, "<h2>{}</h2>", inline(heading));
        } else if let Some(heading) = line.strip_prefix("# ") {
            let _ = writeln!(html, "<h1>{}</h1>", inline(heading));
        } else if line.starts_with('|') {
            html.push_str("<table>\n");
            let mut rows = vec![line];
            while let Some(next) = lines.next_if(|next| next.starts_with('|')) {
                rows.push(next);
            }
            for (at, row) in rows.iter().enumerate().filter(|(at, _)| *at != 1) {
                let tag = if at == 0 { "th" } else { "td" };
                let inner = row.trim_matches('|').replace("\\|", "\u{1}");
                let cells: String = inner
                    .split('|')
                    .map(|cell| format!("<{tag}>{}</{tag}>", inline(&cell.trim().replace('\u{1}', "|"))))
                    .collect();
                let _ = writeln!(html, "<tr>{cells}</tr>");
            }
            html.push_str("</table>\n");
        } else if let Some(item) = line.strip_prefix("- ") {
            let _ = writeln!(html, "<ul><li>{}</li></ul>", inline(item));
        } else if !line.trim().is_empty() {
            let _ = writeln!(html, "<p>{}</p>", inline(line));
        }
    }
    html
}

fn inline(text: &str) -> String {
    let parts: Vec<String> = escape(text)
        .split('`')
        .enumerate()
        .map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() })
        .collect();
    parts.concat()
}

/// A page with this body.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{}</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>\n",
        escape(title)
    )
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;\
    max-width:66rem;padding:0 1rem}table{border-collapse:collapse}td,th{border:1px solid #8884;padding:.25rem .6rem;\
    text-align:left}code{font-family:ui-monospace,monospace}.curves{display:flex;flex-wrap:wrap;gap:.5rem}\
    .curves svg{max-width:100%}";

/// Text that can stand in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_become_pages_without_markup_of_strangers() {
        let page = html("# a <b>\n\n| x | y |\n|---|---|\n| 1\\|2 | `c` |\n\n- `GET /x` does\n");
        assert_eq!(
            page,
            "<h1>a &lt;b&gt;</h1>\n<table>\n<tr><th>x</th><th>y</th></tr>\n<tr><td>1|2</td><td><code>c</code></td></tr>\n\
             </table>\n<ul><li><code>GET /x</code> does</li></ul>\n"
        );
    }
}
