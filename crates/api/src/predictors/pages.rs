//! Pages about predictors: the card of a version, and whether what is asked has drifted.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use intendant_predictor::card;
use intendant_score::service::Service;
use serde_json::json;

use super::{Predictors, json_body, unknown};

type Shared = State<Arc<Predictors>>;

pub fn router() -> Router<Arc<Predictors>> {
    Router::new()
        .route("/predictors/{name}/card", get(card_of))
        .route("/predictors/{name}/drift", get(drift_of))
}

#[derive(serde::Deserialize)]
struct Wishes {
    format: Option<String>,
}

async fn card_of(
    State(predictors): Shared,
    Path(name): Path<String>,
    Query(wishes): Query<Wishes>,
) -> Response {
    let Some(version) = predictors.service.get(&name).and_then(|predictor| predictor.version()) else {
        return json_body(StatusCode::NOT_FOUND, &json!({"error": unknown(&predictors, &name)}));
    };
    let (model, number, digest) = (&version.model, &version.number, &version.digest);
    match wishes.format.as_deref() {
        Some("markdown" | "md") => {
            let text = card::markdown(model, number, digest);
            ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response()
        }
        Some("json") => json_body(StatusCode::OK, &card::json(model, number, digest)),
        _ => html(&format!("{name}, version {number}"), &card::body(model, number, digest)),
    }
}

async fn drift_of(
    State(predictors): Shared,
    Path(name): Path<String>,
    Query(wishes): Query<Wishes>,
) -> Response {
    let Some(version) = predictors.service.get(&name).and_then(|predictor| predictor.version()) else {
        return json_body(StatusCode::NOT_FOUND, &json!({"error": unknown(&predictors, &name)}));
    };
    let Some(watch) = &version.watch else {
        let message = "predictors of this kind keep no profile of their training rows";
        return json_body(StatusCode::NOT_FOUND, &json!({"error": message}));
    };
    let (rows, shifts) = watch.shifts();
    if wishes.format.as_deref() == Some("json") {
        let fields: Vec<_> = shifts
            .iter()
            .map(|shift| {
                json!({
                    "name": shift.name, "stability": shift.stability, "verdict": shift.verdict(),
                    "missing": {"training": shift.missing.0, "now": shift.missing.1},
                    "mean": {"training": shift.mean.0, "now": shift.mean.1},
                })
            })
            .collect();
        return json_body(StatusCode::OK, &json!({"rows": rows, "fields": fields}));
    }
    let mut text =
        format!("# Drift of {name}\n\n{rows} rows asked since version {} is in use.\n\n", version.number);
    text.push_str("| column | stability index | verdict | missing then | missing now | mean then | mean now |\n|---|---|---|---|---|---|---|\n");
    for shift in &shifts {
        let mean = |mean: Option<f64>| mean.map_or_else(|| "-".to_owned(), |mean| format!("{mean:.4}"));
        let _ = writeln!(
            text,
            "| {} | {:.4} | {} | {:.1} % | {:.1} % | {} | {} |",
            shift.name,
            shift.stability,
            shift.verdict(),
            shift.missing.0 * 100.0,
            shift.missing.1 * 100.0,
            mean(shift.mean.0),
            mean(shift.mean.1)
        );
    }
    html(&format!("Drift of {name}"), &card::html(&text))
}

/// Drift as gauges.
pub fn write_drift(service: &Service, text: &mut String) {
    let watched: Vec<_> = service
        .all()
        .filter_map(|predictor| {
            let version = predictor.version()?;
            let (rows, shifts) = version.watch.as_ref()?.shifts();
            Some((predictor.spec.name.clone(), rows, shifts))
        })
        .collect();
    let gauge = |text: &mut String, name: &str, help: &str| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    };
    gauge(text, "intendant_predictor_drift_rows", "Rows compared with the training rows.");
    for (name, rows, _) in &watched {
        let _ = writeln!(text, "intendant_predictor_drift_rows{{predictor=\"{name}\"}} {rows}");
    }
    gauge(
        text,
        "intendant_predictor_drift_stability_index",
        "Population stability index of a column or the score.",
    );
    for (name, _, shifts) in &watched {
        for shift in shifts {
            let labels = format!("predictor=\"{name}\",column=\"{}\"", escaped(&shift.name));
            let _ =
                writeln!(text, "intendant_predictor_drift_stability_index{{{labels}}} {}", shift.stability);
        }
    }
    gauge(text, "intendant_predictor_drift_missing_share", "Share of missing values among rows asked.");
    for (name, _, shifts) in &watched {
        for shift in shifts {
            let labels = format!("predictor=\"{name}\",column=\"{}\"", escaped(&shift.name));
            let _ = writeln!(text, "intendant_predictor_drift_missing_share{{{labels}}} {}", shift.missing.1);
        }
    }
    for predictor in service.all() {
        if let Some(keeper) = &predictor.keeper {
            let (written, lost) = keeper.counts().read();
            let name = &predictor.spec.name;
            let _ = writeln!(
                text,
                "intendant_predictions_kept_total{{predictor=\"{name}\",outcome=\"written\"}} {written}"
            );
            let _ = writeln!(
                text,
                "intendant_predictions_kept_total{{predictor=\"{name}\",outcome=\"lost\"}} {lost}"
            );
        }
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn html(title: &str, body: &str) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    let headers =
        [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, card::page(title, body)).into_response()
}
