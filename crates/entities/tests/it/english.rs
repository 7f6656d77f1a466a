//! English cases.

use intendant_entities::wire;

/// The entities of a text as `dimension body` lines, at noon UTC on 12 February 2013.
fn found(form: &str, text: &str) -> Vec<String> {
    let form = format!("{form}&tz=UTC&reftime=1360670400000&text={text}");
    let (text, options) = wire::read_request(form.as_bytes(), 0).unwrap();
    intendant_entities::parse(&text, &options)
        .iter()
        .map(|found| format!("{} {}", found.dimension.name(), found.body))
        .collect()
}

#[test]
fn finds_what_is_said() {
    for (text, expected) in [
        ("wake me at 6 pm please", vec!["time at 6 pm"]),
        ("it costs twenty euros", vec!["amount-of-money twenty euros"]),
        ("Will you meet Bill", vec![]),
    ] {
        assert_eq!(found("lang=en", text), expected, "{text}");
    }
}
