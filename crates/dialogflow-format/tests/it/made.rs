//! A small agent with the oddities of real ones: a reading room that lends books.

use intendant_agent::values::Agent;
use intendant_agent::{ActiveContext, Assistant, Input, Query, Session, Step};
use intendant_component::training::{Silent, TrainContext};
use intendant_dialogflow_format::Files;
use serde_json::{Value, json};

/// Puts a text file.
pub fn put(files: &mut Files, name: &str, text: &str) {
    files.insert(name.to_owned(), text.as_bytes().to_vec());
}

fn plain(text: &str) -> Value {
    json!({"id": "p", "data": [{"text": text, "userDefined": false}], "isTemplate": false, "count": 0})
}

fn answer(text: &str) -> Value {
    json!({"type": 0, "lang": "en", "condition": "", "speech": [text]})
}

/// The files of the agent.
pub fn library() -> Files {
    let mut files = Files::new();
    let mut json = |name: &str, value: Value| put(&mut files, name, &value.to_string());
    json("package.json", json!({"version": "1.0.0"}));
    json(
        "agent.json",
        json!({
            "displayName": "reading-room", "language": "en", "supportedLanguages": ["de"],
            "defaultTimezone": "Europe/Berlin", "mlMinConfidence": 0.3, "customClassifierMode": "use.after",
            "secondaryKey": "placeholder-key",
            "webhook": {"url": "", "available": false, "username": "placeholder-user",
                "password": "placeholder-password", "headers": {"Authorization": "placeholder-token", "": ""}},
        }),
    );
    json(
        "intents/Hours.json",
        json!({
            "id": "i-hours", "name": "Hours", "auto": true, "contexts": [], "priority": 500000, "events": [],
            "responses": [{"action": "", "affectedContexts": [], "parameters": [], "speech": [],
                "messages": [answer("Open from 9 to 5."), {"type": "0", "lang": "de", "speech": "Von 9 bis 17 Uhr."},
                    {"type": 2, "platform": "facebook", "title": "More?", "replies": ["Yes"]}]}],
        }),
    );
    json("intents/Hours_usersays_en.json", json!([plain("when are you open"), plain("opening hours")]));
    json("intents/Hours_usersays_en-gb.json", json!([plain("what are your opening times")]));
    json("intents/Hours_usersays_de.json", json!([plain("wann habt ihr offen")]));
    json(
        "intents/Lend_ a book_.json",
        json!({
            "id": "i-lend", "name": "Lend: a book?", "auto": true, "contexts": [], "events": [],
            "responses": [{"action": "lend",
                "affectedContexts": [{"name": "Lend-followup", "lifespan": 2, "parameters": {}}],
                "parameters": [
                    {"id": "1", "name": "book", "dataType": "@book", "value": "$book", "required": true, "isList": false,
                        "prompts": [{"lang": "en", "value": "Which book?"}]},
                    {"id": "2", "name": "days", "dataType": "@sys.number", "value": "$days", "required": true,
                        "prompts": ["For how many days?"]},
                ],
                "messages": [answer("You have $book for $days days.")]}],
        }),
    );
    json(
        "intents/Lend_ a book__usersays_en.json",
        json!([
            {"data": [{"text": "lend me "}, {"text": "the dune book", "alias": "book", "meta": "@book", "userDefined": true}],
                "isTemplate": false},
            {"data": [{"text": "I want to borrow"}, {"text": " ", "meta": "@sys.ignore"}, {"text": "something"}]},
            {"data": [{"text": "@book:book for @sys.number:days days"}], "isTemplate": true},
        ]),
    );
    json(
        "intents/Lend - yes.json",
        json!({
            "id": "i-yes", "name": "Lend - yes", "auto": true, "contexts": ["lend-followup"], "parentId": "i-lend",
            "responses": [{"affectedContexts": [{"name": "LEND-followup", "lifespan": 0}, {"name": "late", "lifespan": 1}],
                "parameters": [{"name": "book", "value": "#lend-followup.book", "dataType": ""}],
                "messages": [answer("Then enjoy $book.")]}],
        }),
    );
    json("intents/Lend - yes_usersays_en.json", json!([plain("yes"), plain("sure")]));
    json(
        "intents/Welcome.json",
        json!({
            "id": "i-hello", "name": "Welcome", "auto": true, "contexts": [], "events": [{"name": "WELCOME"}],
            "userSays": [plain("hello there"), plain("hi")],
            "responses": [{"messages": [answer("Good day!"), {"type": 4, "lang": "en", "payload": {"x": {"empty": ""}}}]}],
        }),
    );
    json(
        "intents/Fallback.json",
        json!({
            "id": "i-none", "name": "Fallback", "auto": false, "fallbackIntent": true, "events": [{"name": "NOTHING"}],
            "responses": [{"action": "input.unknown", "messages": [answer("Pardon?")]}],
        }),
    );
    json(
        "intents/Call me.json",
        json!({
            "id": "i-name", "name": "Call me", "auto": true,
            "responses": [{"parameters": [{"name": "name", "dataType": "@sys.any", "value": "$name"}],
                "messages": [answer("Hello, $name.")]}],
        }),
    );
    json(
        "intents/Call me_usersays_en.json",
        json!([
            {"data": [{"text": "call me "}, {"text": "Ishmael", "alias": "name", "meta": "@sys.any"}]},
        ]),
    );
    // The inline phrases of `Welcome` count under the agent's own language, too.
    json("entities/book.json", json!({"id": "e1", "name": "book", "isOverridable": true, "isEnum": false}));
    json(
        "entities/book_entries_en.json",
        json!([
            {"value": "Dune", "synonyms": ["dune", "the dune book"]}, {"value": "Emma", "synonyms": ["emma"]},
        ]),
    );
    json(
        "entities/card.json",
        json!({"id": "e2", "name": "card", "isRegexp": true,
        "entries": [{"value": "[A-Z]\\d+", "synonyms": ["[A-Z]\\d+"]}, {"value": "(", "synonyms": ["("]}]}),
    );
    json("agent.dev.json", json!({"stray": true}));
    put(&mut files, "README.md", "not of the agent");
    let mark = [b"\xef\xbb\xbf".as_slice(), &files["intents/Hours.json"]].concat();
    files.insert("intents/Hours.json".to_owned(), mark);
    files
}

/// A query at a fixed time.
pub fn query(text: &str) -> Query {
    Query {
        input: Input::Text(text.to_owned()),
        language: "en".to_owned(),
        time_zone: None,
        resets_contexts: false,
        contexts: Vec::new(),
        entities: Vec::new(),
        now_ms: 1_700_000_000_000,
        seed: 3,
    }
}

/// Trains an agent, whatever it is, and says a few things to it.
pub fn say_something(agent: Agent) {
    let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
    let Ok(assistant) = Assistant::train(agent, &context) else { return };
    let mut session = Session::default();
    for text in ["hi", "lend me dune", "3", "yes", "call me $name #late.x", "", "?!", "予定"] {
        let mut query = query(text);
        query.contexts =
            vec![ActiveContext { name: "lend-followup".to_owned(), lifespan: 1, ..ActiveContext::default() }];
        let (Step::Done(_) | Step::Ask(_)) = assistant.begin(&mut session, &query);
    }
}
