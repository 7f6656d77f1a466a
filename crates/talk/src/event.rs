//! Everything that can happen in a conversation.

use serde_json::Value;

use crate::message::{Entity, Object, Parse};
use crate::time::Timestamp;

/// One thing that happened, with when and with open metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it happened.
    pub timestamp: Timestamp,
    /// `model_id`, `assistant_id` and whatever the maker of the event added.
    pub metadata: Object,
    /// What happened.
    pub kind: EventKind,
}

impl Event {
    /// An event without metadata.
    pub fn new(timestamp: Timestamp, kind: EventKind) -> Self {
        Self { timestamp, metadata: Object::new(), kind }
    }
}

/// The kinds of events (`spec: dialogue.md §1.2`). Legacy `form` and `form_validation` events are
/// read as [`EventKind::ActiveLoop`] and [`EventKind::LoopInterrupted`].
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum EventKind {
    /// A message of the user.
    User(Box<UserMessage>),
    /// A message of the bot.
    Bot(Box<BotUtterance>),
    /// An action that ran; exactly one of `name` and `action_text` is set.
    Action(ActionExecuted),
    /// A slot was set.
    Slot {
        name: String,
        value: Value,
    },
    /// Entities found by a policy.
    Entities {
        entities: Vec<Entity>,
    },
    /// Whether policies read the last message by its text (`true`) or by its intent.
    UserFeaturization {
        use_text: Option<bool>,
    },
    Restart,
    SessionStarted,
    ResetSlots,
    /// The last user message is undone.
    Rewind,
    /// The last action is undone.
    Undo,
    Reminder(Reminder),
    CancelReminder {
        name: Option<String>,
        intent: Option<String>,
        entities: Option<Value>,
    },
    /// Forces the next action.
    Followup {
        name: Option<String>,
    },
    Pause,
    Resume,
    Export {
        path: Option<String>,
    },
    /// A human agent spoke.
    Agent {
        text: Option<String>,
        data: Value,
    },
    /// A form or other loop was activated (`Some`) or deactivated.
    ActiveLoop {
        name: Option<String>,
    },
    LoopInterrupted {
        is_interrupted: bool,
    },
    ActionExecutionRejected {
        name: String,
        policy: Option<String>,
        confidence: Option<f64>,
    },
}

/// A user's message with what was understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserMessage {
    /// The text as written; `None` for stories by intent.
    pub text: Option<String>,
    /// What understanding made of it.
    pub parse: Parse,
    /// The channel it came by.
    pub input_channel: Option<String>,
    /// The message's id, unique per message.
    pub message_id: Option<String>,
}

/// What the bot said. The event's metadata carries `utter_action` and leftover response keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BotUtterance {
    /// The text, if any.
    pub text: Option<String>,
    /// `elements`, `quick_replies`, `buttons`, `attachment`, `image`, `custom`; absent means null.
    pub data: Object,
}

/// An action that ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActionExecuted {
    /// The action's name.
    pub name: Option<String>,
    /// The policy that chose it.
    pub policy: Option<String>,
    /// That policy's probability.
    pub confidence: Option<f64>,
    /// The text of an end-to-end bot turn.
    pub action_text: Option<String>,
    /// Machine-learned policies do not see this turn.
    pub hide_rule_turn: bool,
}

/// A wake-up call: an external user event with `intent` at `date_time`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reminder {
    /// The intent to trigger.
    pub intent: String,
    /// Entities to give with it, as posted.
    pub entities: Option<Value>,
    /// When, ISO 8601 as posted.
    pub date_time: String,
    /// Unique name; a reminder of the same name replaces it.
    pub name: String,
    /// A user message before `date_time` cancels it.
    pub kill_on_user_message: bool,
}

impl EventKind {
    /// The event's name on the wire.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Bot(_) => "bot",
            Self::Action(_) => "action",
            Self::Slot { .. } => "slot",
            Self::Entities { .. } => "entities",
            Self::UserFeaturization { .. } => "user_featurization",
            Self::Restart => "restart",
            Self::SessionStarted => "session_started",
            Self::ResetSlots => "reset_slots",
            Self::Rewind => "rewind",
            Self::Undo => "undo",
            Self::Reminder(_) => "reminder",
            Self::CancelReminder { .. } => "cancel_reminder",
            Self::Followup { .. } => "followup",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Export { .. } => "export",
            Self::Agent { .. } => "agent",
            Self::ActiveLoop { .. } => "active_loop",
            Self::LoopInterrupted { .. } => "loop_interrupted",
            Self::ActionExecutionRejected { .. } => "action_execution_rejected",
        }
    }

    /// An action by name, without policy.
    pub fn action(name: impl Into<String>) -> Self {
        Self::Action(ActionExecuted { name: Some(name.into()), ..ActionExecuted::default() })
    }
}
