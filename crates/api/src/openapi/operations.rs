//! What each operation takes and answers.

use serde_json::{Value, json};

use crate::route::Operation;

/// What the table of routes does not say about an operation.
pub(super) struct About {
    pub tag: &'static str,
    pub summary: &'static str,
    pub description: &'static str,
    /// Query and header parameters.
    pub parameters: Vec<Value>,
    pub body: Option<Value>,
    pub answers: Vec<Answer>,
}

/// One possible answer.
pub(super) struct Answer {
    pub status: u16,
    pub description: &'static str,
    /// Media types with schemas.
    pub content: Vec<(&'static str, Value)>,
}

const JSON: &str = "application/json";
const YAML: &str = "application/x-yaml";
const TEXT: &str = "text/plain";

impl Answer {
    fn json(schema: &str) -> Self {
        Self { status: 200, description: "As asked.", content: vec![(JSON, reference(schema))] }
    }

    fn media(media_type: &'static str) -> Self {
        Self { status: 200, description: "As asked.", content: vec![(media_type, json!({"type": "string"}))] }
    }

    fn no_content(description: &'static str) -> Self {
        Self { status: 204, description, content: Vec::new() }
    }

    /// An error in Rasa's format.
    pub(super) fn error(status: u16, description: &'static str) -> Self {
        Self { status, description, content: vec![(JSON, reference("Error"))] }
    }

    /// An error in the framework's formats.
    pub(super) fn framework_error(status: u16, description: &'static str) -> Self {
        let text = (TEXT, json!({"type": "string"}));
        Self { status, description, content: vec![(JSON, reference("FrameworkError")), text] }
    }

    /// An error in the token library's format.
    pub(super) fn token_error(status: u16, description: &'static str) -> Self {
        Self { status, description, content: vec![(JSON, reference("TokenError"))] }
    }

    /// Errors of operations that work on a conversation with a JSON body.
    fn of_conversations() -> Vec<Self> {
        vec![
            Self::error(400, "A parameter or the body is wrong."),
            Self::framework_error(400, "The body is no JSON."),
            Self::error(500, "The request makes no sense for this conversation or model."),
            Self::framework_error(500, "The body is not of the shape that is asked for."),
        ]
    }
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn body(media_type: &str, schema: Value) -> Option<Value> {
    Some(json!({"required": true, "content": {media_type: {"schema": schema}}}))
}

fn json_body(schema: &str) -> Option<Value> {
    body(JSON, reference(schema))
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema})
}

/// Any other word than `true` means false.
fn flag(name: &str, description: &str, default: bool) -> Value {
    let schema = json!({"anyOf": [{"type": "boolean"}, {"type": "string"}], "default": default});
    query(name, description, schema)
}

fn include_events() -> Value {
    let words = json!({"type": "string", "enum": ["NONE", "APPLIED", "AFTER_RESTART", "ALL"]});
    query("include_events", "Which events the answer lists; AFTER_RESTART unless given.", words)
}

fn until() -> Value {
    let schema = json!({"anyOf": [{"type": "number"}, {"type": "string"}]});
    query("until", "Only events up to this time, in seconds since 1970; anything else is ignored.", schema)
}

fn output_channel() -> Value {
    let description = "The channel that messages go to, or `latest` for that of the last message.";
    query("output_channel", description, json!({"type": "string"}))
}

fn callback_url() -> Value {
    let description = "Answer at once, and post the result to this URL when it is there.";
    query("callback_url", description, json!({"type": "string"}))
}

/// Describes an operation.
pub(super) fn about(operation: Operation) -> About {
    match operation {
        Operation::Hello
        | Operation::Version
        | Operation::Status
        | Operation::Domain
        | Operation::Metrics
        | Operation::Alive
        | Operation::Ready
        | Operation::OpenApi
        | Operation::Docs => server(operation),
        Operation::Login | Operation::Me | Operation::VerifyToken => tokens(operation),
        Operation::ChannelHealth | Operation::ChannelMessage => channels(operation),
        Operation::Train
        | Operation::TestStories
        | Operation::TestIntents
        | Operation::PredictEvents
        | Operation::Parse
        | Operation::LoadModel
        | Operation::UnloadModel => models(operation),
        _ => conversations(operation),
    }
}

fn simple(tag: &'static str, summary: &'static str, answers: Vec<Answer>) -> About {
    About { tag, summary, description: "", parameters: Vec::new(), body: None, answers }
}

fn server(operation: Operation) -> About {
    let simple = |summary, answers| simple("Server", summary, answers);
    match operation {
        Operation::Version => simple("The versions of the API", vec![Answer::json("Version")]),
        Operation::Status => simple("The model in use", vec![Answer::json("Status")]),
        Operation::Domain => {
            let mut content = Answer::json("Domain");
            content.content.push((YAML, json!({"type": "string"})));
            let not_acceptable = Answer::error(406, "Neither JSON nor YAML was asked for.");
            About {
                description: "As JSON, or as YAML to an `Accept` header that ends with `yml` or `yaml`.",
                ..simple("The domain of the model in use", vec![content, not_acceptable])
            }
        }
        Operation::Metrics => simple("Metrics for Prometheus", vec![Answer::media(TEXT)]),
        Operation::Alive => simple("Whether the process lives", vec![Answer::json("Health")]),
        Operation::Ready => {
            let not_ready = (JSON, reference("NotReady"));
            let not_ready = Answer {
                status: 503,
                description: "No model is loaded, or the server is stopping.",
                content: vec![not_ready],
            };
            simple("Whether messages can be answered", vec![Answer::json("Health"), not_ready])
        }
        Operation::OpenApi => {
            let content = vec![(JSON, json!({"type": "object"}))];
            let answer = Answer { status: 200, description: "This document.", content };
            simple("This description", vec![answer])
        }
        Operation::Docs => simple("This description for people", vec![Answer::media("text/html")]),
        _ => simple("A greeting", vec![Answer::media(TEXT)]),
    }
}

fn tokens(operation: Operation) -> About {
    let valid = json!({"type": "object", "required": ["valid"], "properties": {"valid": {"const": true}}});
    let valid = Answer { status: 200, description: "It is good.", content: vec![(JSON, valid)] };
    let simple = |summary, answers| simple("Tokens", summary, answers);
    match operation {
        Operation::Login => simple("Tokens are not issued here", vec![Answer::token_error(401, "Always.")]),
        Operation::Me => simple("Users are not known here", vec![Answer::token_error(500, "Always.")]),
        _ => simple(
            "Whether the caller's token is good",
            vec![
                valid,
                Answer::error(401, "It is not."),
                Answer::token_error(400, "The `Authorization` header is not of the form `Bearer …`."),
            ],
        ),
    }
}

fn channels(operation: Operation) -> About {
    let unknown = Answer::framework_error(404, "No channel of this name is open.");
    if operation == Operation::ChannelHealth {
        return simple("Channels", "Whether a channel is open", vec![Answer::json("Health"), unknown]);
    }
    let messages = json!({"type": "array", "items": reference("BotMessage")});
    let content = vec![
        (JSON, messages),
        (TEXT, json!({"type": "string"})),
        ("text/event-stream", json!({"type": "string"})),
    ];
    let answered =
        Answer { status: 200, description: "The bot's messages, or that they are on their way.", content };
    About {
        tag: "Channels",
        summary: "A user's message",
        description: "What the body holds is the channel's business; described is that of `rest`, which answers \
                      with the bot's messages.",
        parameters: vec![flag("stream", "Send each message as it is made, one JSON object a line.", false)],
        body: json_body("UserMessage"),
        answers: vec![
            answered,
            Answer { status: 204, description: "Received.", content: Vec::new() },
            Answer::framework_error(400, "The body cannot be read."),
            Answer::framework_error(401, "The channel does not know the sender."),
            Answer::framework_error(403, "The message is not signed as it should be."),
            unknown,
            Answer::framework_error(500, "The body is not of the shape that is asked for."),
        ],
    }
}

fn conversations(operation: Operation) -> About {
    let (summary, body, first) = match operation {
        Operation::AppendEvents => ("Append events", json_body("EventsGiven"), "Tracker"),
        Operation::ReplaceEvents => ("Replace all events", json_body("EventList"), "Tracker"),
        Operation::RetrieveStory => return story(),
        Operation::ExecuteAction => ("Run an action", json_body("ActionRequest"), "TrackerAndMessages"),
        Operation::TriggerIntent => (
            "Let an intent come from outside and answer it",
            json_body("IntentRequest"),
            "TrackerAndMessages",
        ),
        Operation::PredictConversation => ("Predict the next action", None, "Prediction"),
        Operation::AddMessage => {
            ("Record a user's message without answering", json_body("MessageRequest"), "Tracker")
        }
        _ => ("The conversation's state", None, "Tracker"),
    };
    let parameters = match operation {
        Operation::PredictConversation => Vec::new(),
        Operation::AddMessage | Operation::ReplaceEvents => vec![include_events()],
        Operation::AppendEvents => vec![
            include_events(),
            output_channel(),
            flag("execute_side_effects", "Send bot messages, schedule and cancel reminders.", false),
        ],
        Operation::ExecuteAction | Operation::TriggerIntent => vec![include_events(), output_channel()],
        _ => vec![include_events(), until()],
    };
    let mut answers = vec![Answer::json(first)];
    answers.extend(Answer::of_conversations());
    match operation {
        Operation::ExecuteAction | Operation::PredictConversation => {
            answers.push(Answer::error(404, "The conversation is not known."));
        }
        Operation::TriggerIntent => answers.push(Answer::error(404, "The intent is not known.")),
        _ => {}
    }
    let description = match operation {
        Operation::ExecuteAction => "Deprecated in Rasa; trigger an intent instead.",
        _ => "",
    };
    About { tag: "Conversations", summary, description, parameters, body, answers }
}

fn story() -> About {
    let content = vec![(TEXT, json!({"type": "string", "description": "YAML."}))];
    About {
        tag: "Conversations",
        summary: "The conversation as test stories",
        description: "",
        parameters: vec![until(), flag("all_sessions", "One story per session, not only the last.", false)],
        body: None,
        answers: vec![
            Answer { status: 200, description: "Test stories.", content },
            Answer::error(404, "The conversation is not known."),
            Answer::error(400, "The conversation's id is too long."),
            Answer::error(500, "The conversation cannot be told."),
        ],
    }
}

fn models(operation: Operation) -> About {
    let yaml = || body(YAML, json!({"type": "string"}));
    let folds = || {
        let description = "Train and test in this many folds; the document holds data and configuration.";
        query("cross_validation_folds", description, json!({"type": "integer", "minimum": 2}))
    };
    let number =
        |name: &str, description: &str| query(name, description, json!({"type": "integer", "minimum": 0}));
    let later = || Answer::no_content("The result will be posted to the `callback_url`.");
    let (summary, parameters, body, mut answers) = match operation {
        Operation::Train => (
            "Train a model",
            vec![
                flag("save_to_default_model_directory", "Keep the archive on the server too.", true),
                flag("force_training", "Train although nothing changed.", false),
                number("augmentation", "How much story augmentation; 50 unless given."),
                number("num_threads", "Threads to train with; 1 unless given."),
                callback_url(),
            ],
            yaml(),
            vec![
                Answer {
                    description: "The archive; the header `filename` names it.",
                    ..Answer::media("application/x-tar")
                },
                later(),
                Answer::error(500, "The training failed, or made no model."),
            ],
        ),
        Operation::TestStories => (
            "Play test stories",
            vec![flag("e2e", "Understand the users' words instead of taking their intents.", false)],
            yaml(),
            vec![Answer::json("StoryReport"), Answer::error(500, "The test failed.")],
        ),
        Operation::TestIntents => (
            "Test understanding",
            vec![
                query("model", "Path of another model.", json!({"type": "string"})),
                folds(),
                callback_url(),
            ],
            Some(json!({"required": true, "content": {
                YAML: {"schema": {"type": "string"}},
                JSON: {"schema": {"type": "object", "required": ["rasa_nlu_data"]}},
            }})),
            vec![
                Answer::json("IntentReport"),
                later(),
                Answer::error(409, "No model is loaded and none is named."),
                Answer::error(500, "The test failed."),
            ],
        ),
        Operation::PredictEvents => (
            "Predict the next action of a conversation of these events",
            vec![include_events()],
            json_body("EventList"),
            vec![Answer::json("Prediction"), Answer::error(500, "The events make no conversation.")],
        ),
        Operation::Parse => (
            "Understand a text",
            vec![query(
                "emulation_mode",
                "Answer in the format of another service.",
                json!({"type": "string", "enum": ["WIT", "LUIS", "DIALOGFLOW"]}),
            )],
            json_body("ParseRequest"),
            vec![
                Answer {
                    content: vec![(
                        JSON,
                        json!({"anyOf": [reference("ParseResult"), reference("EmulatedParse")]}),
                    )],
                    ..Answer::json("ParseResult")
                },
                Answer::error(500, "The body holds no text."),
            ],
        ),
        Operation::LoadModel => (
            "Put a model into use",
            Vec::new(),
            json_body("ModelRequest"),
            vec![Answer::no_content("It is in use."), Answer::error(500, "Loading failed.")],
        ),
        _ => return simple("Models", "Take the model out of use", vec![Answer::no_content("It is.")]),
    };
    answers.push(Answer::error(400, "A parameter or the body is wrong."));
    answers.push(Answer::framework_error(400, "The body cannot be read."));
    answers.push(Answer::framework_error(500, "The body is not of the shape that is asked for."));
    About { tag: "Models", summary, description: "", parameters, body, answers }
}
