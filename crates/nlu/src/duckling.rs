//! `DucklingEntityExtractor`: times, numbers, money and the like, found in process, or by a
//! Duckling server where `url` names one.
//!
//! Nothing here speaks HTTP: whoever serves asks the server first and hands the answer in (see
//! [`crate::Pipeline::questions`]).

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_component::stored::{Stored, Unreadable};
use intendant_component::training::Cancelled;
use intendant_entities::{Dimension, Found, Language, Locale, Zone, wire};
use intendant_talk::message::Entity;
use serde_json::{Value, json};

use crate::component::{Annotator, ComponentInfo, ComponentKind, OutsideExtractor, Slot, Training};
use crate::message::Message;
use crate::options::{OptionInfo, OptionKind, Options, option};

const NAME: &str = "DucklingEntityExtractor";

pub(crate) const INFO: ComponentInfo = ComponentInfo {
    name: NAME,
    kind: ComponentKind::EntityExtractor,
    requires: &[],
    options: &OPTIONS,
    about: "Finds times, numbers, money, e-mail addresses and the like by rules. It works in process: no Duckling \
            server is needed. Where `url`, or the variable `RASA_DUCKLING_HTTP_URL`, names one all the same, it is \
            asked instead; when it does not answer, nothing is found. Tests of understanding ask no server.",
    train,
    load,
};

const OPTIONS: [OptionInfo; 5] = [
    option(
        "dimensions",
        OptionKind::List,
        "null",
        "what to find, such as `time` or `number`; all of the language if missing",
    ),
    option(
        "locale",
        OptionKind::Text,
        "null",
        "language and region, `de_DE`; the project's language if missing",
    ),
    option(
        "timezone",
        OptionKind::Text,
        "null",
        "IANA name of the zone in which times are meant; UTC if missing",
    ),
    option(
        "url",
        OptionKind::Text,
        "null",
        "a Duckling server that is asked instead; entities are found in process if missing",
    ),
    option("timeout", OptionKind::Number, "3", "seconds that the server may take"),
];

struct Duckling {
    locale_name: String,
    locale: Locale,
    zone: Zone,
    dimensions: Vec<Dimension>,
    server: OutsideExtractor,
}

fn train(options: &Options, training: &mut Training<'_>) -> Result<Box<dyn Annotator>, Cancelled> {
    let mut report = |severity: Severity, message: String, hint: &str| {
        let source = options.source.clone();
        training.diagnostics.push(Diagnostic { severity, source, message, hint: Some(hint.to_owned()) });
    };
    let has_server = options.text("url").is_some();
    for name in
        options.texts("dimensions").iter().filter(|name| !has_server && Dimension::from_name(name).is_none())
    {
        report(
            Severity::Error,
            format!("`{NAME}` knows no dimension `{name}`"),
            "for example `time` or `number`",
        );
    }
    if let Some(zone) = options.text("timezone").filter(|zone| !has_server && Zone::named(zone).is_none()) {
        report(
            Severity::Error,
            format!("`{NAME}`: there is no time zone `{zone}`"),
            "for example `Europe/Berlin`",
        );
    }
    let language = training.language.to_owned();
    let name = options.text("locale").unwrap_or(&language).to_owned();
    if !has_server && locale(&name).is_none() {
        let codes: Vec<&str> = Language::ALL.iter().map(|language| language.code()).collect();
        let hint = format!("languages are {}", codes.join(", "));
        let source = options.source.clone();
        let message = format!("`{NAME}` has no rules for `{name}`");
        training.diagnostics.push(Diagnostic::error(source, message).with_hint(hint));
    }
    Ok(Box::new(Duckling::new(options, name)))
}

/// `de`, `de_DE` or `de-DE`.
fn locale(name: &str) -> Option<Locale> {
    let name = name.replace('-', "_");
    match name.split_once('_') {
        Some(_) => Locale::from_name(&name),
        None => Language::from_code(&name).map(Locale::plain),
    }
}

fn load(options: &Options, _: Slot, stored: Stored) -> Result<Box<dyn Annotator>, Unreadable> {
    let name = stored.state["locale"].as_str().unwrap_or("en");
    Ok(Box::new(Duckling::new(options, name.to_owned())))
}

impl Duckling {
    fn new(options: &Options, locale_name: String) -> Self {
        let dimensions = options.texts("dimensions");
        let timezone = options.text("timezone");
        Self {
            server: OutsideExtractor {
                url: options.text("url").map(str::to_owned),
                locale: locale_name.clone(),
                timezone: timezone.map(str::to_owned),
                dimensions: dimensions.clone(),
                timeout_secs: options.number("timeout"),
            },
            locale: locale(&locale_name).unwrap_or(Locale::plain(Language::En)),
            locale_name,
            zone: timezone.and_then(Zone::named).unwrap_or_else(Zone::utc),
            dimensions: dimensions.iter().filter_map(|name| Dimension::from_name(name)).collect(),
        }
    }
}

impl Annotator for Duckling {
    fn annotate(&self, message: &mut Message<'_>) {
        if let Some(told) = message.told {
            let wanted = |found: &&Value| {
                let dimension = found["dim"].as_str().unwrap_or_default();
                self.server.dimensions.is_empty()
                    || self.server.dimensions.iter().any(|name| name == dimension)
            };
            message.parse.entities.extend(told.iter().filter(wanted).map(told_entity));
            return;
        }
        if self.server.url.is_some() {
            return;
        }
        let options = intendant_entities::Options {
            locale: self.locale,
            dimensions: self.dimensions.clone(),
            reference_ms: message.now_ms.unwrap_or(0),
            zone: self.zone.clone(),
            latent: false,
        };
        let found = intendant_entities::parse(message.text, &options);
        // "Tomorrow" means nothing to a caller that does not say when now is.
        let means_something = |found: &&Found| message.now_ms.is_some() || found.dimension != Dimension::Time;
        let entities: Vec<Entity> = found.iter().filter(means_something).map(entity).collect();
        message.parse.entities.extend(entities);
    }

    fn outside(&self) -> Option<OutsideExtractor> {
        Some(self.server.clone())
    }

    fn store(&self) -> Stored {
        Stored { state: json!({"locale": self.locale_name}), ..Stored::default() }
    }
}

fn entity(found: &Found) -> Entity {
    let value = wire::value_to_json(&found.value);
    let mut entity = Entity {
        entity: found.dimension.name().to_owned(),
        value: plain_value(&value),
        start_chars: Some(found.start_chars),
        end_chars: Some(found.end_chars),
        extractor: Some(NAME.to_owned()),
        ..Entity::default()
    };
    entity.extra.insert("text".to_owned(), Value::from(found.body.clone()));
    entity.extra.insert("confidence".to_owned(), json!(1.0));
    entity.extra.insert("additional_info".to_owned(), value);
    entity
}

/// An item of a Duckling server's answer.
fn told_entity(found: &Value) -> Entity {
    let offset = |name: &str| found[name].as_u64().map(|offset| offset as usize);
    let mut entity = Entity {
        entity: found["dim"].as_str().unwrap_or_default().to_owned(),
        value: plain_value(&found["value"]),
        start_chars: offset("start"),
        end_chars: offset("end"),
        extractor: Some(NAME.to_owned()),
        ..Entity::default()
    };
    entity.extra.insert("text".to_owned(), found["body"].clone());
    entity.extra.insert("confidence".to_owned(), json!(1.0));
    entity.extra.insert("additional_info".to_owned(), found["value"].clone());
    entity
}

/// The one value, or both ends of an interval.
fn plain_value(value: &Value) -> Value {
    if value["type"] == "interval" {
        json!({"to": value["to"]["value"], "from": value["from"]["value"]})
    } else {
        value["value"].clone()
    }
}
