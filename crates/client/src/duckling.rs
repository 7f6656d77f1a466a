//! A Duckling server: times, numbers and the like over HTTP (`spec: duckling.md`).

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, Method, header};
use intendant_port::error::{Error, Kind, Result};
use intendant_port::web::form_encode;
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::http::{HttpClient, Outgoing};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The server, without `/parse`.
    pub url: &'a str,
    /// The text.
    pub text: &'a str,
    /// Language and region.
    pub locale: &'a str,
    /// Name of the zone in which times are meant.
    pub timezone: Option<&'a str>,
    /// What to find; everything if empty.
    pub dimensions: &'a [String],
    /// Now, in milliseconds since 1970 UTC.
    pub reference_ms: i64,
    /// The time limit.
    pub timeout: Duration,
}

/// Asks a server; the answer is a list.
///
/// # Errors
/// When it cannot be reached, takes too long, or answers something else.
pub async fn ask(client: &HttpClient, question: &Question<'_>) -> Result<Value> {
    let endpoint = Endpoint::bare(&format!("{}/parse", question.url.trim_end_matches('/')))?;
    let mut headers = HeaderMap::new();
    let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8");
    headers.insert(header::CONTENT_TYPE, form);
    let outgoing =
        Outgoing { method: Method::POST, headers, body: form_of(question).into(), timeout: question.timeout };
    let answer = client.send(&endpoint, outgoing).await?;
    if !answer.status.is_success() {
        return Err(Error::new(Kind::Refused, format!("{} answered {}", endpoint.url(), answer.status)));
    }
    match serde_json::from_slice(&answer.body) {
        Ok(found @ Value::Array(_)) => Ok(found),
        Ok(_) => Err(Error::new(Kind::Invalid, format!("{} answered with no list", endpoint.url()))),
        Err(error) => {
            Err(Error::new(Kind::Invalid, format!("{} answered with no JSON", endpoint.url())).because(error))
        }
    }
}

fn form_of(question: &Question<'_>) -> String {
    let dimensions = match question.dimensions {
        [] => Value::Null,
        names => Value::from(names),
    };
    let mut fields = vec![("text", question.text.to_owned()), ("locale", question.locale.to_owned())];
    fields.extend(question.timezone.map(|zone| ("tz", zone.to_owned())));
    fields.extend([("dims", dimensions.to_string()), ("reftime", question.reference_ms.to_string())]);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    form_encode(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_forms_as_rasa_sends_them() {
        let dimensions = ["time".to_owned(), "number".to_owned()];
        let question = Question {
            url: "http://x",
            text: "um 5 & ä",
            locale: "de_DE",
            timezone: Some("Europe/Berlin"),
            dimensions: &dimensions,
            reference_ms: 1_000,
            timeout: Duration::from_secs(3),
        };
        let expected = "text=um%205%20%26%20%C3%A4&locale=de_DE&tz=Europe%2FBerlin\
                        &dims=%5B%22time%22%2C%22number%22%5D&reftime=1000";
        assert_eq!(form_of(&question), expected);
        let question = Question { timezone: None, dimensions: &[], ..question };
        assert_eq!(form_of(&question), "text=um%205%20%26%20%C3%A4&locale=de_DE&dims=null&reftime=1000");
    }
}
