//! An agent as values: what its author wrote, free of files.
//!
//! The words are those of Dialogflow ES, whose agents these are. Every value keeps the members that
//! nothing here reads (`rest`), so that an agent that was read can be written without loss.

use std::collections::BTreeMap;

use intendant_talk::message::Object;
use serde_json::Value;

/// The priority of an intent that names none.
pub const NORMAL_PRIORITY: i64 = 500_000;
/// The language of an agent that names none.
pub const DEFAULT_LANGUAGE: &str = "en";
/// How long an output context lives that does not say it, in turns.
pub const DEFAULT_LIFESPAN: u32 = 5;

/// An agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agent {
    /// What holds for all of it.
    pub settings: Settings,
    /// Its intents.
    pub intents: Vec<Intent>,
    /// Its own entity types.
    pub entities: Vec<EntityType>,
    /// Further files of the format by name, such as small talk; kept, not answered from.
    pub others: BTreeMap<String, Value>,
}

/// What holds for all of an agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The agent's name.
    pub display_name: Option<String>,
    /// The language in which everything without a language is written.
    pub language: Option<String>,
    /// Further languages that it is meant to speak.
    pub supported_languages: Vec<String>,
    /// IANA name of the zone in which times are meant.
    pub time_zone: Option<String>,
    /// A match below this is none, from 0 to 1.
    pub min_confidence: Option<f64>,
    /// `use.after`: phrases literally first; `use.instead`: learning alone.
    pub classifier_mode: Option<String>,
    /// Where fulfilment is asked for.
    pub webhook: Webhook,
    /// Members that nothing reads.
    pub rest: Object,
}

/// Where fulfilment is asked for. Secrets never come here; they belong to the settings of the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Webhook {
    /// The address.
    pub url: String,
    /// Whether it is to be asked.
    pub is_available: bool,
    /// Members that nothing reads.
    pub rest: Object,
}

/// An intent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intent {
    /// The id that clients see.
    pub id: Option<String>,
    /// The name that people see.
    pub name: String,
    /// Whether learning may find it; otherwise only its phrases, literally.
    pub is_learned: bool,
    /// Contexts that must all be active.
    pub input_contexts: Vec<String>,
    /// The id of the intent that this one follows, for display.
    pub parent_id: Option<String>,
    /// The id of the first intent of the chain, for display.
    pub root_parent_id: Option<String>,
    /// As written: absent and 0 mean [`NORMAL_PRIORITY`], negative means off.
    pub priority: Option<i64>,
    /// Whether it answers what nothing else does.
    pub is_fallback: bool,
    /// Whether the webhook makes its answer.
    pub uses_webhook: bool,
    /// Whether the webhook is asked while parameters are.
    pub uses_webhook_for_slot_filling: bool,
    /// Whether the conversation ends with it.
    pub ends_interaction: bool,
    /// Events that start it.
    pub events: Vec<Event>,
    /// What follows; the format has a list of one.
    pub responses: Vec<Response>,
    /// Example phrases by language, as its author spelled it.
    pub phrases: BTreeMap<String, Vec<Phrase>>,
    /// Members that nothing reads.
    pub rest: Object,
}

/// An event that starts an intent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Members that nothing reads.
    pub rest: Object,
}

/// What follows when an intent was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// Whether all contexts end first.
    pub resets_contexts: bool,
    /// A word for clients and webhooks.
    pub action: Option<String>,
    /// Contexts that begin, or end with lifespan 0.
    pub output_contexts: Vec<OutputContext>,
    /// What is taken from the message.
    pub parameters: Vec<Parameter>,
    /// What is said.
    pub messages: Vec<Message>,
    /// Members that nothing reads.
    pub rest: Object,
}

/// A context that an intent sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputContext {
    /// Its name, as written.
    pub name: String,
    /// Turns that it lives; [`DEFAULT_LIFESPAN`] unless given; 0 ends it.
    pub lifespan: Option<u32>,
    /// Members that nothing reads.
    pub rest: Object,
}

/// Something that is taken from a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// `@sys.date`, `@tool`; empty for none.
    pub data_type: String,
    /// Where its value comes from: `$name`, `#context.name`, or text with such references.
    pub value: Option<String>,
    /// Used when `value` gives nothing.
    pub default_value: Option<String>,
    /// Whether it is asked for until it is there.
    pub is_required: bool,
    /// Whether it holds all values that were said.
    pub is_list: bool,
    /// Questions that ask for it.
    pub prompts: Vec<Prompt>,
    /// Members that nothing reads.
    pub rest: Object,
}

/// A question that asks for a parameter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Its language; the agent's unless given.
    pub language: Option<String>,
    /// The question.
    pub text: String,
    /// Members that nothing reads.
    pub rest: Object,
}

/// Something that is said or shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// A number, a number as text, or a word, as written.
    pub kind: Option<Value>,
    /// Its language; the agent's unless given.
    pub language: Option<String>,
    /// Only for this platform.
    pub platform: Option<String>,
    /// Variants of a text, of which one is said.
    pub texts: Vec<String>,
    /// Everything else, by kind.
    pub body: Object,
}

/// An example of what users say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phrase {
    /// Its text in pieces.
    pub parts: Vec<Part>,
    /// Whether its text names entities (`@tool:tool`) instead of giving examples of them.
    pub is_template: bool,
    /// Members that nothing reads.
    pub rest: Object,
}

/// A piece of a phrase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// The piece.
    pub text: String,
    /// The type of what it is an example of.
    pub meta: Option<String>,
    /// The parameter it is an example of.
    pub alias: Option<String>,
    /// Whether its author marked it.
    pub is_user_defined: bool,
    /// Members that nothing reads.
    pub rest: Object,
}

/// A kind of entity that the agent defines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EntityType {
    /// Its id.
    pub id: Option<String>,
    /// Its name, without `@`.
    pub name: String,
    /// Whether a session may change its entries.
    pub is_overridable: bool,
    /// Whether entries have no synonyms; they may name other entities then.
    pub is_list: bool,
    /// Whether entries are regular expressions.
    pub is_regexp: bool,
    /// Whether values that are not listed are found, too.
    pub expands: bool,
    /// Whether misspelled values are found, too.
    pub is_fuzzy: bool,
    /// Entries by language, as its author spelled it.
    pub entries: BTreeMap<String, Vec<Entry>>,
    /// Members that nothing reads.
    pub rest: Object,
}

/// A value of an entity type with the ways to say it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// The value that parameters get.
    pub value: String,
    /// Ways to say it.
    pub synonyms: Vec<String>,
    /// Members that nothing reads.
    pub rest: Object,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MessageKind {
    Text,
    Card,
    QuickReplies,
    Image,
    Payload,
    SimpleResponse,
    Suggestions,
    BasicCard,
    List,
    Carousel,
    LinkOut,
    Media,
    BrowseCarousel,
    Table,
    Unknown,
}

impl Settings {
    /// The agent's own language.
    pub fn own_language(&self) -> &str {
        self.language.as_deref().filter(|language| !language.is_empty()).unwrap_or(DEFAULT_LANGUAGE)
    }
}

impl Intent {
    /// The priority that counts; negative means off.
    pub fn effective_priority(&self) -> i64 {
        match self.priority {
            None | Some(0) => NORMAL_PRIORITY,
            Some(priority) => priority,
        }
    }

    /// Whether it can be found at all.
    pub fn is_on(&self) -> bool {
        self.effective_priority() >= 0
    }

    /// What follows when it was found.
    pub fn response(&self) -> Option<&Response> {
        self.responses.first()
    }

    /// The parameters in order.
    pub fn parameters(&self) -> &[Parameter] {
        self.response().map_or(&[], |response| &response.parameters)
    }
}

impl Phrase {
    /// The whole text.
    pub fn text(&self) -> String {
        self.parts.iter().map(|part| part.text.as_str()).collect()
    }
}

impl Message {
    /// What kind it is, whether written as a number or a word.
    pub fn kind(&self) -> MessageKind {
        let word = match &self.kind {
            Some(Value::String(word)) => word.clone(),
            Some(other) => other.to_string(),
            None => return MessageKind::Text,
        };
        match word.as_str() {
            "0" => MessageKind::Text,
            "1" | "card" => MessageKind::Card,
            "2" | "quick_replies" => MessageKind::QuickReplies,
            "3" | "image" => MessageKind::Image,
            "4" | "custom_payload" => MessageKind::Payload,
            "simple_response" => MessageKind::SimpleResponse,
            "suggestion_chips" => MessageKind::Suggestions,
            "basic_card" => MessageKind::BasicCard,
            "list_card" => MessageKind::List,
            "carousel_card" => MessageKind::Carousel,
            "link_out_chip" => MessageKind::LinkOut,
            "media_content" => MessageKind::Media,
            "browse_carousel_card" => MessageKind::BrowseCarousel,
            "table_card" => MessageKind::Table,
            _ => MessageKind::Unknown,
        }
    }
}
