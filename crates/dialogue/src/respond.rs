//! Responses: which variation is said, and what stands in its placeholders.
//!
//! Source: `spec: dialogue.md §8`.

use intendant_talk::domain::{Domain, ResponseVariation, python_text};
use intendant_talk::message::Object;
use intendant_talk::tracker::Tracker;
use serde_json::Value;

use crate::action::Refusal;
use crate::conversation::Conversation;
use crate::turn::{Answer, GenerateCall, Generator, Level, Question};

/// Keys whose texts may have placeholders.
const FILLED_KEYS: [&str; 6] = ["text", "image", "custom", "buttons", "attachment", "quick_replies"];

/// Where a response is to be said, and with what.
#[derive(Clone, Debug)]
pub struct Occasion<'a> {
    /// The conversation whose slots fill placeholders and decide conditions.
    pub tracker: &'a Tracker,
    /// The channel's name.
    pub channel: &'a str,
    /// Values that come before slots.
    pub arguments: &'a Object,
    /// Decides among equally fitting variations.
    pub chance: u64,
}

/// Makes a response of the domain: a variation that fits, placeholders filled, with `utter_action`
/// still to be added. `None` when there is no such response or no variation fits.
pub fn generate(domain: &Domain, response: &str, occasion: &Occasion) -> Option<Object> {
    let fitting = fitting(domain.response(response)?, occasion.tracker, occasion.channel);
    let chosen = match fitting.as_slice() {
        [] => return None,
        [one] => one,
        several => several[(occasion.chance % several.len() as u64) as usize],
    };
    let mut message = chosen.dict.clone();
    for key in FILLED_KEYS {
        if let Some(value) = message.get_mut(key) {
            fill(value, occasion);
        }
    }
    Some(message)
}

/// The variations to choose from: conditional ones before others, those for the channel before
/// those for all.
fn fitting<'a>(
    variations: &'a [ResponseVariation],
    tracker: &Tracker,
    channel: &str,
) -> Vec<&'a ResponseVariation> {
    let holds = |variation: &ResponseVariation| {
        variation.conditions.iter().all(|(slot, expected)| {
            let value = tracker.slot_value(slot).unwrap_or(&Value::Null);
            match (value, expected) {
                (Value::String(value), Value::String(expected)) => {
                    value.to_lowercase() == expected.to_lowercase()
                }
                (Value::Number(value), Value::Number(expected)) => value.as_f64() == expected.as_f64(),
                (value, expected) => value == expected,
            }
        })
    };
    for (is_conditional, is_for_channel) in [(true, true), (false, true), (true, false), (false, false)] {
        let group: Vec<&ResponseVariation> = variations
            .iter()
            .filter(|variation| match &variation.channel {
                Some(wanted) => is_for_channel && wanted == channel,
                None => !is_for_channel,
            })
            .filter(|variation| variation.conditions.is_empty() != is_conditional && holds(variation))
            .collect();
        if !group.is_empty() {
            return group;
        }
    }
    Vec::new()
}

fn fill(value: &mut Value, occasion: &Occasion) {
    match value {
        Value::String(text) => {
            if let Some(filled) = fill_text(text, occasion) {
                *text = filled;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, occasion)),
        Value::Object(map) => map.values_mut().for_each(|item| fill(item, occasion)),
        _ => {}
    }
}

/// `None` when nothing is to be filled or something cannot be: then the text stays as it is.
fn fill_text(text: &str, occasion: &Occasion) -> Option<String> {
    if !text.contains(['{', '}']) {
        return None;
    }
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find(['{', '}']) {
        filled.push_str(&rest[..position]);
        rest = &rest[position..];
        if let Some(after) = rest.strip_prefix("{{") {
            filled.push('{');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("}}") {
            filled.push('}');
            rest = after;
        } else {
            let inner = rest.strip_prefix('{')?;
            let end = inner.find(['{', '}', '\n'])?;
            let after = inner[end..].strip_prefix('}')?;
            filled.push_str(&lookup(&inner[..end], occasion)?);
            rest = after;
        }
    }
    filled.push_str(rest);
    Some(filled)
}

fn lookup(name: &str, occasion: &Occasion) -> Option<String> {
    let value = occasion.arguments.get(name).or_else(|| occasion.tracker.slot_value(name))?;
    Some(python_text(value))
}

impl Conversation {
    /// Makes a response's message, `utter_action` included; `None` when there is none to make.
    pub(crate) async fn respond(
        &mut self,
        response: &str,
        tracker: &Tracker,
        arguments: Object,
    ) -> Result<Option<Object>, Refusal> {
        let message = match self.settings.generator {
            Generator::Domain => {
                let chance = self.roll();
                let channel = &self.settings.output_channel;
                let occasion = Occasion { tracker, channel, arguments: &arguments, chance };
                generate(&self.mind.domain, response, &occasion)
            }
            Generator::Outside => Some(self.ask_generator(response, tracker, arguments).await?),
        };
        Ok(message.map(|mut message| {
            message.insert("utter_action".to_owned(), response.into());
            message
        }))
    }

    async fn ask_generator(
        &mut self,
        response: &str,
        tracker: &Tracker,
        arguments: Object,
    ) -> Result<Object, Refusal> {
        let id = self.response_id(response, tracker).await;
        let call = GenerateCall {
            response: response.to_owned(),
            id,
            arguments,
            tracker: tracker.clone(),
            channel: self.settings.output_channel.clone(),
        };
        match self.line.ask(Question::Generate(call)).await {
            Some(Answer::Generated(Ok(message))) => Ok(message),
            Some(Answer::Generated(Err(message))) => Err(Refusal::Failed(message)),
            _ => Err(Refusal::Failed(format!("nobody generated the response `{response}`"))),
        }
    }

    /// The id of the first fitting variation, unless ids are not unique.
    async fn response_id(&self, response: &str, tracker: &Tracker) -> Option<String> {
        let variations = self.mind.domain.response(response)?;
        let fitting = fitting(variations, tracker, &self.settings.output_channel);
        let id = fitting.first()?.id.as_ref()?;
        if variations.iter().filter(|variation| variation.id.as_ref() == Some(id)).count() > 1 {
            let message =
                format!("the id `{id}` occurs more than once in response `{response}`; none is sent");
            self.log(Level::Warn, message).await;
            return None;
        }
        Some(id.clone())
    }

    fn roll(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.chance ^ (self.chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 16
    }
}
