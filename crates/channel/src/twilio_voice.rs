//! `twilio_voice`: phone calls by Twilio.
//!
//! ```yaml
//! twilio_voice:
//!   initial_prompt: "hello"       # said for the caller when the bot picks up
//!   assistant_voice: "woman"
//!   speech_timeout: "5"
//!   auth_token: "…"               # with it, requests must be signed
//! ```
//!
//! Source: Twilio, TwiML for Programmable Voice, `<Gather>`, `<Say>`.

use std::sync::Arc;

use http::StatusCode;
use intendant_port::BoxFuture;
use intendant_port::web::Request;
use intendant_talk::message::Object;

use crate::options::Fields;
use crate::parts::{Part, element_part, element_text, paragraphs, parts, title};
use crate::platform::{Call, Platform, Reach, Reception, Reply, Said, To, field};
use crate::twilio::is_signed;

/// Name of the channel.
pub const NAME: &str = "twilio_voice";

const WEBHOOK: &str = "/webhooks/twilio_voice/webhook";
const SPEECH_MODELS: [&str; 3] = ["default", "numbers_and_commands", "phone_call"];
const PLAIN_VOICES: [&str; 3] = ["man", "woman", "alice"];

struct Voice {
    initial_prompt: String,
    fallback: String,
    auth_token: Option<String>,
    webhook_url: Option<String>,
    speech: Speech,
}

#[derive(Clone)]
struct Speech {
    voice: String,
    timeout: String,
    model: String,
    enhanced: String,
}

/// Reads the options.
pub fn open(fields: &mut Fields<'_>) -> Arc<dyn Platform> {
    let speech = Speech {
        voice: fields.text_or("assistant_voice", "woman"),
        timeout: fields.text_or("speech_timeout", "5"),
        model: fields.text_or("speech_model", "default"),
        enhanced: fields.text_or("enhanced", "false").to_lowercase(),
    };
    let is_voice = PLAIN_VOICES.contains(&speech.voice.as_str())
        || speech.voice.starts_with("Polly.")
        || speech.voice.starts_with("Google.");
    if !is_voice {
        fields.problem(format!("`assistant_voice` '{}' is not a voice of Twilio", speech.voice));
    }
    let is_automatic = speech.timeout.eq_ignore_ascii_case("auto");
    if !is_automatic && speech.timeout.parse::<u32>().is_err() {
        fields.problem("`speech_timeout` must be a number of seconds or auto");
    }
    if !SPEECH_MODELS.contains(&speech.model.as_str()) {
        fields.problem(format!("`speech_model` must be one of {}", SPEECH_MODELS.join(", ")));
    }
    if is_automatic && speech.model != "numbers_and_commands" {
        fields.problem("`speech_timeout: auto` needs `speech_model: numbers_and_commands`");
    }
    match speech.enhanced.as_str() {
        "false" => {}
        "true" if speech.model == "phone_call" => {}
        "true" => fields.problem("`enhanced: \"true\"` needs `speech_model: phone_call`"),
        _ => fields.problem("`enhanced` must be \"true\" or \"false\""),
    }
    Arc::new(Voice {
        initial_prompt: fields.text_or("initial_prompt", "hello"),
        fallback: fields
            .text_or("reprompt_fallback_phrase", "I'm sorry I didn't get that could you rephrase."),
        auth_token: fields.text("auth_token"),
        webhook_url: fields.url("webhook_url"),
        speech,
    })
}

impl Voice {
    fn read(&self, call: &Call) -> Reception {
        if call.tail != "webhook" {
            return Reception::text(StatusCode::NOT_FOUND, "");
        }
        if let Some(token) = &self.auth_token
            && !is_signed(call, token, self.webhook_url.as_deref())
        {
            tracing::warn!(
                "a request whose X-Twilio-Signature does not fit is refused; if Twilio sent it, set `webhook_url` \
                 to the URL that Twilio calls"
            );
            return Reception::text(StatusCode::FORBIDDEN, "Not signed by Twilio");
        }
        let form = call.form();
        let sender_id = field(&form, "From").unwrap_or(crate::rest::DEFAULT_SENDER).to_owned();
        let is_ringing = field(&form, "CallStatus") == Some("ringing");
        let heard =
            field(&form, "SpeechResult").or_else(|| is_ringing.then_some(self.initial_prompt.as_str()));
        let speech = self.speech.clone();
        let compose = Box::new(move |messages: &[Object]| speech.reply(messages));
        match heard {
            Some(text) => Reception::Converse { said: Said::new(sender_id, text), compose },
            None => Reception::Repeat { sender_id, otherwise: self.fallback.clone(), compose },
        }
    }
}

impl Speech {
    fn reply(&self, messages: &[Object]) -> Reply {
        let mut body = String::new();
        let texts: Vec<String> = messages.iter().flat_map(spoken).collect();
        if let Some((last, first)) = texts.split_last() {
            for text in first {
                body.push_str(&self.say(text));
                body.push_str("<Pause length=\"1\" />");
            }
            let (enhanced, model, timeout) =
                (&self.enhanced, attribute(&self.model), attribute(&self.timeout));
            body.push_str(&format!(
                "<Gather action=\"{WEBHOOK}\" actionOnEmptyResult=\"true\" enhanced=\"{enhanced}\" input=\"speech\" \
                 speechModel=\"{model}\" speechTimeout=\"{timeout}\">{}</Gather>",
                self.say(last)
            ));
        }
        let body = match body.as_str() {
            "" => "<Response />".to_owned(),
            body => format!("<Response>{body}</Response>"),
        };
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}");
        Reply { status: StatusCode::OK, content_type: "text/xml", header: None, body }
    }

    fn say(&self, text: &str) -> String {
        format!("<Say voice=\"{}\">{}</Say>", attribute(&self.voice), escape(text))
    }
}

/// What of a message can be said aloud: words, and the titles of buttons.
fn spoken(message: &Object) -> Vec<String> {
    let mut texts = Vec::new();
    for part in parts(message) {
        match &part {
            Part::Elements(elements) => {
                for element in *elements {
                    speak(&element_part(element, &element_text(element)), &mut texts);
                }
            }
            part => speak(part, &mut texts),
        }
    }
    texts
}

fn speak(part: &Part<'_>, texts: &mut Vec<String>) {
    match part {
        Part::Text(text) => texts.extend(paragraphs(text, usize::MAX)),
        Part::Buttons { text, buttons, .. } => {
            texts.push((*text).to_owned());
            texts.extend(buttons.iter().map(title));
        }
        Part::Image(_) | Part::Custom(_) | Part::Attachment(_) | Part::Elements(_) => {
            tracing::warn!("an image, a file or a custom message cannot be said on the phone");
        }
    }
}

fn attribute(text: &str) -> String {
    escape(text).replace('"', "&quot;")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Platform for Voice {
    fn name(&self) -> &'static str {
        NAME
    }

    fn receive<'a>(&'a self, call: &'a Call, _reach: &'a Reach) -> BoxFuture<'a, Reception> {
        self.read(call).ready()
    }

    /// Nobody is on the line.
    fn reaches(&self, _metadata: &Object) -> bool {
        false
    }

    fn requests(&self, _to: &To<'_>, _message: &Object) -> Vec<Request> {
        Vec::new()
    }
}
