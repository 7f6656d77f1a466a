//! `twilio`: SMS and WhatsApp by Twilio.
//!
//! ```yaml
//! twilio:
//!   account_sid: "AC…"
//!   auth_token: "…"
//!   twilio_number: "+4915112345678"   # or whatsapp:+4915112345678
//!   webhook_url: "https://bot.example.org/webhooks/twilio/webhook"   # behind a proxy that rewrites paths
//! ```
//!
//! Source: Twilio, Messages resource, Webhook request, Security (validating requests).
//!
//! Differs from Rasa: which takes requests from anybody; here they must be signed with the
//! `auth_token`, as Twilio does. The entities of a location can be read.

use std::sync::Arc;

use http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::web::Request;
use intendant_talk::domain::python_text;
use intendant_talk::message::Object;
use serde_json::Value;

use crate::options::Fields;
use crate::parts::{Part, as_texts, paragraphs, parts};
use crate::platform::{Call, Platform, Reach, Reception, Reply, Said, To, field};
use crate::signature;

/// Name of the channel.
pub const NAME: &str = "twilio";

const API: &str = "https://api.twilio.com";
const TEXT_CHARS_MAX: usize = 1600;

struct Twilio {
    account: String,
    auth_token: String,
    number: String,
    webhook_url: Option<String>,
    api: String,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    Arc::new(Twilio {
        account: fields.required("account_sid", "in Twilio's console, AC…"),
        auth_token: fields.required("auth_token", "in Twilio's console"),
        number: fields.required("twilio_number", "the number that the bot writes from"),
        webhook_url: fields.url("webhook_url"),
        api: fields.api_base(API),
    })
}

/// Whether a form was sent by Twilio: signed with the token, over the URL as Twilio knows it. That is
/// `webhook_url`, or what the request and the proxies before us tell about it; whoever lies there
/// cannot sign the lie.
pub(crate) fn is_signed(call: &Call, auth_token: &str, webhook_url: Option<&str>) -> bool {
    let mut form = call.form();
    form.sort();
    let fields: String = form.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect();
    let given = call.header("x-twilio-signature");
    let fits = |url: &str| {
        let digest = signature::sha1(auth_token, &[url.as_bytes(), fields.as_bytes()]);
        signature::same(&signature::base64(&digest), given)
    };
    if let Some(url) = webhook_url {
        return fits(url);
    }
    let hosts = [call.header("x-forwarded-host"), call.header("host")];
    let hosts = hosts.into_iter().filter(|host| !host.is_empty());
    hosts
        .flat_map(|host| ["https", "http"].map(|scheme| (scheme, host)))
        .any(|(scheme, host)| fits(&format!("{scheme}://{host}{}", call.target)))
}

impl Twilio {
    fn read(&self, call: &Call) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        if !is_signed(call, &self.auth_token, self.webhook_url.as_deref()) {
            tracing::warn!(
                "a request whose X-Twilio-Signature does not fit is refused; if Twilio sent it, set `webhook_url` \
                 to the URL that Twilio calls"
            );
            return Reception::text(StatusCode::FORBIDDEN, "Not signed by Twilio");
        }
        let form = call.form();
        let reply = Reply::text(StatusCode::NO_CONTENT, "");
        let place = field(&form, "Latitude").zip(field(&form, "Longitude"));
        let text = match place {
            Some((latitude, longitude)) => Some(format!(
                "/locationData{{\"Latitude\": {}, \"Longitude\": {}}}",
                number(latitude),
                number(longitude)
            )),
            // Some carriers write another character for this one.
            None => field(&form, "Body").map(|text| text.replace('¡', "@")),
        };
        let (Some(sender), Some(text)) = (field(&form, "From"), text) else {
            tracing::debug!("a request of twilio without a message is ignored");
            return Reception::Reply(reply);
        };
        let id = field(&form, "MessageSid").or_else(|| field(&form, "SmsMessageSid")).map(str::to_owned);
        Reception::Take { reply, said: vec![Said::new(sender, text).known_by(id)] }
    }

    fn request(&self, fields: &[(String, String)]) -> Request {
        let url = format!("{}/2010-04-01/Accounts/{}/Messages.json", self.api, self.account);
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let secret = signature::base64(format!("{}:{}", self.account, self.auth_token).as_bytes());
        Request::form("twilio Messages", url, &fields).with("authorization", format!("Basic {secret}"))
    }

    fn message(&self, to: &str, content: (&str, &str)) -> Request {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        self.request(&[field("To", to), field("From", &self.number), field(content.0, content.1)])
    }

    /// The arguments of Twilio's Python library: `media_url` is the field `MediaUrl`.
    fn custom(&self, recipient: &str, custom: &Value) -> Request {
        let mut fields = custom.as_object().cloned().unwrap_or_default();
        fields.entry("to").or_insert_with(|| recipient.into());
        if !fields.contains_key("media_url") {
            fields.entry("body").or_insert_with(|| "".into());
        }
        if !fields.contains_key("messaging_service_sid") && !fields.contains_key("from") {
            fields.entry("from_").or_insert_with(|| self.number.as_str().into());
        }
        let mut form = Vec::new();
        for (name, value) in &fields {
            match value {
                Value::Null => {}
                Value::Array(items) => form.extend(items.iter().map(|item| (pascal(name), form_value(item)))),
                value => form.push((pascal(name), form_value(value))),
            }
        }
        self.request(&form)
    }
}

fn form_value(value: &Value) -> String {
    match value {
        Value::Bool(_) | Value::Object(_) | Value::Array(_) => value.to_string(),
        value => python_text(value),
    }
}

fn pascal(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let mut chars = word.chars();
            chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
        })
        .collect()
}

/// A number as it is, anything else in quotes.
fn number(text: &str) -> Value {
    serde_json::from_str(text).ok().filter(Value::is_number).unwrap_or_else(|| text.into())
}

impl Platform for Twilio {
    fn name(&self) -> &'static str {
        NAME
    }

    fn receive<'a>(&'a self, call: &'a Call, _reach: &'a Reach) -> BoxFuture<'a, Reception> {
        self.read(call).ready()
    }

    fn requests(&self, to: &To<'_>, message: &Object) -> Vec<Request> {
        let mut requests = Vec::new();
        for part in parts(message) {
            match &part {
                Part::Image(url) => requests.push(self.message(to.recipient_id, ("MediaUrl", url))),
                Part::Custom(custom) => requests.push(self.custom(to.recipient_id, custom)),
                _ => {
                    let texts = as_texts(&part);
                    let texts = texts.iter().flat_map(|text| paragraphs(text, TEXT_CHARS_MAX));
                    requests.extend(texts.map(|text| self.message(to.recipient_id, ("Body", &text))));
                }
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    #[test]
    fn signatures_are_those_of_the_documentation() {
        // Source: Twilio, Security, the example of a signature.
        let body = "CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212";
        let mut headers = HeaderMap::new();
        headers.insert("x-twilio-signature", "0/KCTR6DLpKmkAf8muzZqo1nDgQ=".parse().unwrap());
        headers.insert("host", "mycompany.com".parse().unwrap());
        let call = Call {
            method: Method::POST,
            tail: "webhook".to_owned(),
            target: "/myapp.php?foo=1&bar=2".to_owned(),
            query: Vec::new(),
            headers,
            body: body.into(),
        };
        assert!(is_signed(&call, "12345", Some("https://mycompany.com/myapp.php?foo=1&bar=2")));
        assert!(is_signed(&call, "12345", None));
        assert!(!is_signed(&call, "12346", None));
        assert!(!is_signed(&Call { target: "/other".to_owned(), ..call }, "12345", None));
    }

    #[test]
    fn arguments_become_fields() {
        let check = |name: &str, expected: &str| assert_eq!(pascal(name), expected);
        check("to", "To");
        check("from_", "From");
        check("media_url", "MediaUrl");
        check("messaging_service_sid", "MessagingServiceSid");
        check("MediaUrl", "MediaUrl");
    }
}
