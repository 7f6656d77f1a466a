//! Conversations with the small agent, through the JSON of the API.

use intendant_agent::{Assistant, Session, Step};
use intendant_component::training::{Silent, TrainContext};
use intendant_dialogflow_format::{read, wire};
use serde_json::{Value, json};

use crate::made::library;

const SESSION: &str = "projects/p/agent/sessions/s";

fn assistant() -> Assistant {
    let context = TrainContext { seed: 1, threads: 1, progress: &Silent };
    Assistant::train(read(&library()).unwrap().agent, &context).unwrap()
}

/// Plays turns: a text or a body for `detectIntent`, and pointers into the `queryResult` with what is there.
fn check(turns: &[(Value, &[(&str, Value)])]) {
    let trained = assistant();
    let again = Assistant::load(trained.agent().clone(), trained.store()).unwrap();
    for assistant in [trained, again] {
        let mut session = Session::default();
        for (body, expected) in turns {
            let body = match body {
                Value::String(text) => json!({"queryInput": {"text": {"text": text, "languageCode": "en"}}}),
                other => other.clone(),
            };
            let now = wire::Now { language: "en", now_ms: 1_700_000_000_000, seed: 3 };
            let (query, _) = wire::read_query(&body, now).unwrap();
            let Step::Done(answer) = assistant.begin(&mut session, &query) else { panic!("no webhook") };
            let written = wire::write_answer(SESSION, "r", &answer);
            for (pointer, value) in *expected {
                let found = written["queryResult"].pointer(pointer).unwrap_or(&Value::Null);
                assert_eq!(found, value, "{body} {pointer} in {written:#}");
            }
        }
    }
}

#[test]
fn parameters_are_asked_for_and_contexts_count_down() {
    check(&[
        (
            json!("lend me the dune book"),
            &[
                ("/intent/displayName", json!("Lend: a book?")),
                ("/fulfillmentText", json!("For how many days?")),
                ("/parameters", json!({"book": "Dune", "days": ""})),
                ("/allRequiredParamsPresent", Value::Null),
            ],
        ),
        (json!("no idea"), &[("/fulfillmentText", json!("For how many days?"))]),
        (
            json!("three"),
            &[
                ("/fulfillmentText", json!("You have Dune for 3 days.")),
                ("/allRequiredParamsPresent", json!(true)),
                ("/outputContexts/0/name", json!(format!("{SESSION}/contexts/lend-followup"))),
                ("/outputContexts/0/lifespanCount", json!(2)),
                ("/outputContexts/0/parameters/days", json!(3)),
            ],
        ),
        (json!("opening hours"), &[("/outputContexts/0/lifespanCount", json!(1))]),
        (
            json!("yes"),
            &[
                ("/fulfillmentText", json!("Then enjoy Dune.")),
                ("/outputContexts/0/name", json!(format!("{SESSION}/contexts/late"))),
                ("/outputContexts/1", Value::Null),
            ],
        ),
    ]);
}

#[test]
fn templates_gaps_and_cancelling() {
    check(&[
        (json!("Emma for 5 days"), &[("/fulfillmentText", json!("You have Emma for 5 days."))]),
        (json!("call me Queequeg of the sea"), &[("/fulfillmentText", json!("Hello, Queequeg of the sea."))]),
        (json!("I want to borrow something"), &[("/fulfillmentText", json!("Which book?"))]),
        (json!("never mind"), &[("/cancelsSlotFilling", json!(true))]),
        (json!("xqzv wkrpl"), &[("/intent/isFallback", json!(true)), ("/action", json!("input.unknown"))]),
    ]);
}

#[test]
fn languages_events_and_session_entities() {
    let event = json!({"queryInput": {"event": {"name": "WELCOME", "languageCode": "en"}}});
    let german = json!({"queryInput": {"text": {"text": "wann habt ihr offen", "languageCode": "de"}}});
    let british =
        json!({"queryInput": {"text": {"text": "what are your opening times", "languageCode": "en-GB"}}});
    let named = json!({
        "queryInput": {"text": {"text": "lend me moby dick", "languageCode": "en"}},
        "queryParams": {"sessionEntityTypes": [{"name": "x/entityTypes/book",
            "entityOverrideMode": "ENTITY_OVERRIDE_MODE_SUPPLEMENT",
            "entities": [{"value": "Moby-Dick", "synonyms": ["moby dick"]}]}]},
    });
    check(&[
        (
            event,
            &[
                ("/fulfillmentText", json!("Good day!")),
                ("/fulfillmentMessages/1/payload/x/empty", json!("")),
            ],
        ),
        (german, &[("/fulfillmentText", json!("Von 9 bis 17 Uhr."))]),
        (
            british,
            &[
                ("/fulfillmentText", json!("Open from 9 to 5.")),
                ("/intent/name", json!("projects/p/agent/intents/i-hours")),
            ],
        ),
        (named, &[("/parameters/book", json!("Moby-Dick"))]),
    ]);
}

#[test]
fn webhooks_are_read_strictly() {
    let check = |body: &str, expected: Result<&str, &str>| {
        let reply = wire::read_reply(body.as_bytes()).map(|reply| reply.text.unwrap_or_default());
        match (reply, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{body}"),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{body}: {why}"),
            (found, _) => panic!("{body}: {found:?}"),
        }
    };
    check("{}", Ok(""));
    check(
        r#"{"fulfillmentText": "Hi", "payload": {"a": 1}, "outputContexts": [{"name": "p/contexts/C", "lifespanCount": 2}]}"#,
        Ok("Hi"),
    );
    check(r#"{"payload": ""}"#, Err("payload is no object"));
    check(r#"{"fulfillmentMessages": "x"}"#, Err("fulfillmentMessages is no list"));
    check(r#"{"outputContexts": [{}]}"#, Err("needs a name"));
    check("[]", Err("no object"));
    check("", Err("not JSON"));
}
