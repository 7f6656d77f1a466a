//! Stories told by texts: what they make of texts that they do not have.

use intendant_talk::event::{EventKind, UserMessage};
use intendant_talk::message::{Entity, Intent, Parse};

use crate::support::{decide, project};

const TRAVEL: &str = r#"
entities: [city, number, {place: {roles: [from, to]}}]
intents: [thanks]
responses:
  utter_thanks: [{text: "You are welcome"}]
actions: [action_weather, action_trip, action_table]
policies: [{name: MemoizationPolicy}, {name: RulePolicy}, {name: TEDPolicy}]
rules:
  - rule: thanks
    steps: [{intent: thanks}, {action: utter_thanks}]
stories:
  - story: weather
    steps:
      - user: what is the weather like in [Berlin](city)
      - action: action_weather
      - user: and in [Rome](city)?
      - action: action_weather
  - story: weather again
    steps: [{user: "will it rain in [New York](city) today"}, {action: action_weather}]
  - story: trip
    steps:
      - user: 'I want to go from [Bonn]{"entity": "place", "role": "from"} to [Kiel]{"entity": "place", "role": "to"}'
      - action: action_trip
  - story: trip again
    steps:
      - user: 'a ticket from [Rome]{"entity": "place", "role": "from"} to [Bern]{"entity": "place", "role": "to"} please'
      - action: action_trip
  - story: table
    steps:
      - user: can I book a table for [4](number) people
      - action: action_table
      - user: at [7](number)
      - bot: It is booked.
  - story: hello
    steps: [{user: "good morning"}, {bot: "Good morning!"}]
"#;

/// What is decided after these texts, each followed by `action` and listening but the last: the action, whether by the
/// text, and the entities found.
fn decided(said: &[(&str, &str)], last: &str) -> String {
    let project = project(TRAVEL);
    let text = |text: &str, found: &[Entity]| {
        let parse = Parse {
            // What a pipeline makes of a text that it does not know.
            intent: Intent::new("thanks", 0.4),
            entities: found.to_vec(),
            ..Parse::default()
        };
        EventKind::User(Box::new(UserMessage {
            text: Some(text.to_owned()),
            parse,
            ..UserMessage::default()
        }))
    };
    let mut events = vec![EventKind::action("action_listen")];
    for (said, action) in said {
        events.extend([
            text(said, &[]),
            EventKind::UserFeaturization { use_text: Some(true) },
            EventKind::action(*action),
            EventKind::action("action_listen"),
        ]);
    }
    // A pipeline that finds one city where it stands between slashes.
    let mut found = Vec::new();
    let mut shown = last.to_owned();
    if let [before, value, after] = last.split('/').collect::<Vec<_>>()[..] {
        shown = format!("{before}{value}{after}");
        let start = before.chars().count();
        found.push(Entity {
            entity: "city".to_owned(),
            value: value.into(),
            start_chars: Some(start),
            end_chars: Some(start + value.chars().count()),
            ..Entity::default()
        });
    }
    events.push(text(&shown, &found));
    let prediction = decide(&project, events);
    if !prediction.is_end_to_end {
        return "by intent".to_owned();
    }
    let mut told = project.domain.action_names()[prediction.action_index()].clone();
    for event in &prediction.events {
        let EventKind::Entities { entities } = event else { continue };
        for entity in entities {
            let role = entity.role.as_deref().map(|role| format!("#{role}")).unwrap_or_default();
            told.push_str(&format!(" {}{role}={}", entity.entity, entity.value.as_str().unwrap()));
        }
    }
    told
}

fn check(said: &[(&str, &str)], last: &str, expected: &str) {
    assert_eq!(decided(said, last), expected, "{last}");
}

#[test]
fn values_no_story_has_are_as_good_as_those_it_has() {
    check(&[], "what is the weather like in Paris", "action_weather city=Paris");
    check(&[], "what is the weather like in Buenos Aires?", "action_weather city=Buenos Aires");
    check(&[], "Will it rain in Reykjavik today?", "action_weather city=Reykjavik");
    check(&[], "I want to go from Ulm to Zürich", "action_trip place#from=Ulm place#to=Zürich");
    check(&[], "a ticket from Lyon to Nice please", "action_trip place#from=Lyon place#to=Nice");
    check(&[], "can I book a table for 12 people", "action_table number=12");
}

#[test]
fn other_words_may_be_said_too() {
    check(&[], "what's the weather in Paris", "action_weather city=Paris");
    check(&[], "I want a ticket from Lyon to Nice", "action_trip place#from=Lyon place#to=Nice");
    check(&[], "book a table for 3 people please", "action_table number=3");
    check(&[], "good morning!", "Good morning!");
}

#[test]
fn what_was_said_before_counts() {
    check(
        &[("what is the weather like in Oslo", "action_weather")],
        "and in Madrid?",
        "action_weather city=Madrid",
    );
    check(&[("can I book a table for 8 people", "action_table")], "at 9", "It is booked. number=9");
}

#[test]
fn entities_of_the_pipeline_help() {
    check(&[], "so the weather like at /my aunt's place/ is", "action_weather");
}

#[test]
fn texts_unlike_all_stories_decide_nothing() {
    for text in [
        "how is your mother",
        "what is the meaning of life",
        "can I pay by card",
        "tell me a joke about people",
        "I want to complain",
        "qwertz",
        "",
    ] {
        check(&[], text, "by intent");
    }
}
