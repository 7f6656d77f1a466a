//! Marker files in, places in conversations out.

use std::sync::Arc;

use intendant_evaluate::markers::{self, Marked};
use intendant_rasa_format::{Files, Project, SourceFile, markers as format, wire};
use intendant_talk::event::Event;
use intendant_talk::marker::Marker;
use intendant_talk::time::Timestamp;
use serde_json::{Value, json};

fn read(text: &str) -> (Vec<Marker>, String) {
    let mut findings = Vec::new();
    let markers = format::read(&[SourceFile::new("markers.yml", text)], &|_| None, &mut findings);
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    (markers, told.join("\n"))
}

/// Words for events: `/greet` the user, `utter_x` an action, `name=x` a slot.
fn events(words: &str) -> Vec<Arc<Event>> {
    let event = |word: &str| match (word.strip_prefix('/'), word.split_once('=')) {
        (Some(intent), _) => {
            json!({"event": "user", "text": word, "parse_data": {"intent": {"name": intent, "confidence": 1.0}, "entities": []}})
        }
        (_, Some((slot, ""))) => json!({"event": "slot", "name": slot, "value": Value::Null}),
        (_, Some((slot, value))) => json!({"event": "slot", "name": slot, "value": value}),
        _ => json!({"event": "action", "name": word}),
    };
    words
        .split(' ')
        .map(|word| Arc::new(wire::event_from_json(&event(word), Timestamp::default()).unwrap().unwrap()))
        .collect()
}

const CONVERSATION: &str = "action_session_start action_listen /greet utter_greet name=x action_listen /greet \
    utter_greet name= action_listen action_session_start action_listen /bye utter_bye";

/// Where each marker applies in each session: positions, with user turns before them.
#[test]
fn markers_are_found() {
    let check = |condition: &str, first: &[(usize, usize)], second: &[(usize, usize)]| {
        let (markers, findings) = read(&format!("m: {condition}"));
        assert_eq!(findings, "", "{condition}");
        let found = markers::find(&markers, &events(CONVERSATION));
        let places: Vec<Vec<(usize, usize)>> = found
            .iter()
            .map(|session| {
                session[0].iter().map(|mark| (mark.event_idx, mark.preceding_user_turns)).collect()
            })
            .collect();
        assert_eq!(places, [first, second], "{condition}");
    };
    // The first ones as Rasa finds them.
    check("{seq: [{intent: greet}, {action: utter_greet}]}", &[(3, 1), (7, 2)], &[]);
    check("{at_least_once: [{intent: greet}]}", &[(2, 0)], &[]);
    check("{slot_was_set: name}", &[(4, 1), (5, 1), (6, 1), (7, 2)], &[]);
    check("{or: [{intent: greet}, {action: utter_greet}]}", &[(2, 0), (3, 1), (6, 1), (7, 2)], &[]);
    check("{and: [{intent: greet}, {slot_was_set: name}], description: again}", &[(6, 1)], &[]);
    let elsewhere = [(0, 0), (1, 0), (3, 1), (4, 1), (5, 1), (7, 2), (8, 2), (9, 2)];
    check("{not: [{intent: greet}]}", &elsewhere, &[(10, 0), (11, 0), (12, 0), (13, 1)]);
    // Rasa drops the negation of these words; here they mean what they say.
    check("{not_intent: greet}", &elsewhere, &[(10, 0), (11, 0), (12, 0), (13, 1)]);
    check(
        "{slot_was_not_set: name}",
        &[(0, 0), (1, 0), (2, 0), (3, 1), (8, 2), (9, 2)],
        &[(10, 0), (11, 0), (12, 0), (13, 1)],
    );
    check("{never: [{intent: greet}]}", &[(0, 0), (1, 0)], &[(10, 0), (11, 0), (12, 0), (13, 1)]);
    check(
        "{at_least_one_not: [{action: action_listen}, {slot_was_not_set: name}]}",
        &[(0, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 1), (7, 2), (8, 2)],
        &[(10, 0), (12, 0), (13, 1)],
    );
}

#[test]
fn tables_are_rasas() {
    let (markers, _) = read("said: {intent: greet}\n'a, b': {action: utter_bye}\n");
    let found = [Marked { sender_id: "x".into(), sessions: markers::find(&markers, &events(CONVERSATION)) }];
    let check = |found: String, expected: &str| assert_eq!(found.replace("\r\n", "\n"), expected);
    check(
        markers::marks_csv(&markers, &found),
        "sender_id,session_idx,marker,event_idx,num_preceding_user_turns\n\
         x,0,said,2,0\nx,0,said,6,1\nx,1,\"a, b\",13,1\n",
    );
    let overall = markers::overall_csv(&markers, &found);
    for line in [
        "all,nan,-,total_number_of_sessions,2",
        "all,nan,\"a, b\",number_of_sessions_where_marker_applied_at_least_once,1",
        "all,nan,said,percentage_of_sessions_where_marker_applied_at_least_once,50.0",
        "all,nan,said,count(number of preceding user turns),2",
        "all,nan,said,mean(number of preceding user turns),0.5",
        "all,nan,said,median(number of preceding user turns),0.5",
        "all,nan,said,max(number of preceding user turns),1",
    ] {
        assert!(overall.contains(&format!("{line}\r\n")), "{line} in\n{overall}");
    }
    let sessions = markers::per_session_csv(&markers, &found);
    assert!(sessions.contains("x,1,said,min(number of preceding user turns),nan\r\n"), "{sessions}");
    assert!(markers::overall_csv(&markers, &[]).ends_with("all,nan,-,total_number_of_sessions,0\r\n"));
}

#[test]
fn mistakes_are_told_with_their_place() {
    let check = |text: &str, expected: &str| assert_eq!(read(text).1, expected, "{text}");
    check(
        "- a",
        "markers.yml:1:1: error: the document must be a map of marker names to conditions, found a list",
    );
    check(
        "intent: greet",
        "markers.yml:1:1: error: `intent` is a condition where a marker's name is expected\n  help: name it, and \
         indent `intent:` below that name",
    );
    check(
        "a: {intnet: greet}",
        "markers.yml:1:5: error: `intnet` is no condition\n  help: did you mean `intent`?",
    );
    check(
        "a: {intent: greet, action: b}",
        "markers.yml:1:20: error: the marker `a` has two conditions, `intent` and `action`\n  help: combine them under \
         `and`, `or` or `seq`",
    );
    check(
        "a:\n  not:\n  - intent: x\n  - intent: y",
        "markers.yml:2:3: error: `not` takes one condition, found 2\n  help: combine them under `and`, `or` or `seq`",
    );
    check("a: {and: []}", "markers.yml:1:5: error: `and` has no conditions\n  help: list at least one");
    check(
        "a: {action: 1}",
        "markers.yml:1:13: error: `action` must be a text, found the number `1`\n  help: put it in quotes",
    );
    let (_, deep) = read(&format!("a: {}{{intent: x}}{}", "{not: [".repeat(150), "]}".repeat(150)));
    assert!(deep.contains("recursion limit"), "{deep}");
}

#[test]
fn names_are_compared_with_the_domain() {
    let (markers, _) =
        read("a: {and: [{intent: gret}, {action: utter_hi}, {slot_was_set: size}, {intent: faq/x}]}");
    let domain =
        SourceFile::new("domain.yml", "intents: [greet, faq]\nresponses:\n  utter_hi:\n  - text: hi\n");
    let files = Files { domain: std::slice::from_ref(&domain), ..Files::default() };
    let (project, _) = Project::read(files, &|_| None);
    let told: Vec<String> =
        format::check(&markers, &project.domain).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "markers.yml:1:12: error: the intent `gret` is not in the domain\n  help: did you mean `greet`?",
            "markers.yml:1:48: error: the slot `size` is not in the domain"
        ]
    );
}
