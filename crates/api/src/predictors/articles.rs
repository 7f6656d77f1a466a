//! Declared routes over articles that are kept.

use std::collections::HashMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use intendant_predictor::articles::{Action, Do};
use intendant_predictor::routes;
use intendant_predictor::spec::Route;
use intendant_score::articles::asked::{Order, Wishes, figures};
use intendant_score::articles::{Articles, Failed};
use intendant_score::database;
use intendant_score::service::{Served, Service};
use serde_json::{Map, Value, json};

use super::declared::{Shape, failed, invalid, is_ndjson, message, ndjson};
use super::json_body;
use crate::early::Early;

/// What is asked of a route.
pub struct Asked<'a> {
    /// Parameters of the path.
    pub parameters: &'a HashMap<&'a str, &'a str>,
    /// The query, decoded.
    pub query: &'a [(String, String)],
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// Values of an answer's placeholders.
type Told = Vec<(&'static str, Value)>;

/// Answers a route.
pub async fn answer(
    service: &Service,
    (predictor, route): (&Served, &Route),
    action: &Action,
    asked: Asked<'_>,
) -> Response {
    let Some(articles) = &predictor.articles else { return no_database() };
    let told = match action.does {
        Do::Add => add(service, (predictor, articles), &asked).await,
        does => match wishes(route, action, &asked) {
            Ok(wishes) => look(articles, does, &wishes).await,
            Err(early) => Err(early),
        },
    };
    let told = match told {
        Ok(told) => told,
        Err(early) => return early.into_response(),
    };
    let find = |name: &str| told.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let body = match &route.answer {
        Some(template) => routes::fill(template, &find),
        None => action.placeholders.first().and_then(|(name, _)| find(name)).unwrap_or_default(),
    };
    json_body(StatusCode::OK, &body)
}

async fn add(
    service: &Service,
    (predictor, articles): (&Served, &Articles),
    asked: &Asked<'_>,
) -> Result<Told, Early> {
    let (rows, shape) = rows(asked)?;
    let given: Vec<&Map<String, Value>> = rows.iter().collect();
    let taken =
        service.take_articles(articles, predictor, &given).await.map_err(|refused| match refused {
            Failed::Invalid(problems) => {
                let details: Vec<Value> = problems
                    .iter()
                    .map(|(row, field, problem)| {
                        let place = shape.place(*row, field);
                        json!({"loc": place, "msg": format!("`{field}` {problem}"), "type": "value_error"})
                    })
                    .collect();
                json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": details}))
            }
            Failed::Judging(failure) => failed(failure, shape),
            labels @ Failed::Labels(_) => message(StatusCode::INTERNAL_SERVER_ERROR, &labels.to_string()),
            Failed::Database(error) => away(predictor, &error),
        })?;
    let counts = [("$added", taken.added), ("$updated", taken.updated), ("$known", taken.known)];
    let kept = json!({"added": taken.added, "updated": taken.updated, "known": taken.known});
    Ok([("$kept", kept)].into_iter().chain(counts.map(|(name, count)| (name, count.into()))).collect())
}

/// Articles of a body, and how they came.
fn rows(asked: &Asked<'_>) -> Result<(Vec<Map<String, Value>>, Shape), Early> {
    let media_type = asked
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if is_ndjson(media_type) {
        return ndjson(asked.body).map(|lines| (lines, Shape::Lines));
    }
    let expected = || {
        invalid(json!(["body"]), "Input should be an article, or a list of articles", "model_attributes_type")
    };
    match serde_json::from_slice(asked.body) {
        Ok(Value::Object(article)) => Ok((vec![article], Shape::One)),
        Ok(Value::Array(items)) => {
            let articles = items.into_iter().map(|item| match item {
                Value::Object(article) => Ok(article),
                _ => Err(expected().into()),
            });
            articles.collect::<Result<_, _>>().map(|articles| (articles, Shape::List))
        }
        Ok(_) => Err(expected().into()),
        Err(error) => Err(invalid(
            json!(["body", error.column()]),
            format!("JSON decode error: {error}"),
            "json_invalid",
        )
        .into()),
    }
}

/// What is asked for: as the route declares, then the path, then the query.
fn wishes(route: &Route, action: &Action, asked: &Asked<'_>) -> Result<Wishes, Early> {
    let mut wishes = Wishes {
        label: route.label.clone(),
        support_min: route.min_support.unwrap_or_default(),
        most: route.top.map(|top| top as u64),
        ..Wishes::default()
    };
    let path = asked.parameters.iter().map(|(name, value)| ("path", *name, *value));
    let query = asked.query.iter().map(|(name, value)| ("query", name.as_str(), value.as_str()));
    let mut problems = Vec::new();
    for (place, name, value) in path.chain(query) {
        if !action.query.iter().any(|(known, _)| *known == name) {
            continue;
        }
        if let Err(problem) = wishes.take(name, value) {
            problems.push(
                json!({"loc": [place, name], "msg": format!("`{name}` {problem}"), "type": "value_error"}),
            );
        }
    }
    match problems.is_empty() {
        true => Ok(wishes),
        false => Err(json_body(StatusCode::UNPROCESSABLE_ENTITY, &json!({"detail": problems})).into()),
    }
}

async fn look(articles: &Articles, does: Do, wishes: &Wishes) -> Result<Told, Early> {
    let away = |error: database::Error| {
        tracing::warn!(%error, "articles cannot be told of");
        no_database()
    };
    let objects = |rows: Vec<Map<String, Value>>| rows.into_iter().map(Value::Object).collect::<Value>();
    Ok(match does {
        Do::Latest => match articles.latest(wishes).await.map_err(away)? {
            Some(article) => vec![("$article", Value::Object(article))],
            None => return Err(message(StatusCode::NOT_FOUND, "no article is kept").into()),
        },
        Do::List => vec![("$articles", objects(articles.list(wishes).await.map_err(away)?))],
        Do::Entities => vec![("$names", articles.entities().await.map_err(away)?.into())],
        Do::Counts => figures(&articles.shares(wishes, Order::Most).await.map_err(away)?),
        Do::Shares => figures(&articles.shares(wishes, Order::Surest).await.map_err(away)?),
        Do::Books => vec![("$books", objects(articles.books_of(wishes).await.map_err(away)?))],
        Do::Add => Vec::new(),
    })
}

fn away(predictor: &Served, error: &database::Error) -> Response {
    tracing::warn!(predictor = predictor.spec.name, %error, "articles cannot be kept");
    no_database()
}

fn no_database() -> Response {
    message(StatusCode::INTERNAL_SERVER_ERROR, "No SQL connection")
}
