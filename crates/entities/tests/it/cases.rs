//! What texts of each language mean: one line a text, one table a dimension.

use intendant_entities::wire;
use serde_json::Value;

// An entity in short: its body, then what it means.
fn shown(fields: &str, text: &str) -> Vec<String> {
    super::found(fields, text)
        .iter()
        .map(|found| format!("{} = {}", found.body, meaning(&wire::value_to_json(&found.value))))
        .collect()
}

fn meaning(value: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.replace(":00.000+00:00", "").replace("T00:00", ""),
        other => other.to_string(),
    };
    let end = |end: &Value| if end.is_null() { "…".to_owned() } else { text(&end["value"]) };
    let unit = value["unit"].as_str().or(value["from"]["unit"].as_str()).or(value["to"]["unit"].as_str());
    let body = match value["type"].as_str() {
        Some("interval") => format!("{} to {}", end(&value["from"]), end(&value["to"])),
        _ => text(&value["value"]),
    };
    unit.map_or(body.clone(), |unit| format!("{body} {unit}"))
}

#[track_caller]
fn check(language: &str, dimension: &str, cases: &[(&str, &str)]) {
    let fields = format!("lang={language}&dims=[\"{dimension}\"]");
    for (text, expected) in cases {
        assert_eq!(shown(&fields, text).join("; "), *expected, "{language} {dimension}: {text}");
    }
}

#[test]
fn english_times() {
    check(
        "en",
        "time",
        &[
            ("wake me up at 6:45 am", "at 6:45 am = 2024-05-16T06:45"),
            ("the shop opens on Friday", "on Friday = 2024-05-17"),
            ("we met yesterday evening", "yesterday evening = 2024-05-14T18:00 to 2024-05-15"),
            ("due in three weeks", "in three weeks = 2024-06-05"),
            ("it broke two days ago", "two days ago = 2024-05-13T12:00"),
            ("on September 9th, 2031", "on September 9th, 2031 = 2031-09-09"),
            ("from June 3 to June 9", "from June 3 to June 9 = 2024-06-03 to 2024-06-10"),
            ("the first Monday of July", "the first Monday of July = 2024-07-01"),
            ("a quarter past four pm", "a quarter past four pm = 2024-05-15T16:15"),
            ("after 8pm", "after 8pm = 2024-05-15T20:00 to …"),
            ("see you on Easter Monday 2025", "on Easter Monday 2025 = 2025-04-21"),
            ("11 am CET", "11 am CET = 2024-05-16T10:00"),
            ("next month", "next month = 2024-06-01"),
            ("the last 4 days", "last 4 days = 2024-05-11 to 2024-05-15"),
        ],
    );
}

#[test]
fn english_amounts() {
    check(
        "en",
        "number",
        &[
            ("four hundred and twelve", "four hundred and twelve = 412"),
            ("1,250.75 points", "1,250.75 = 1250.75"),
            ("minus eight", "minus eight = -8"),
        ],
    );
    check("en", "ordinal", &[("the forty-third try", "forty-third = 43"), ("his 12th", "12th = 12")]);
    check(
        "en",
        "amount-of-money",
        &[("it was $45", "$45 = 45 $"), ("under 9 euros", "under 9 euros = … to 9 EUR")],
    );
    check("en", "distance", &[("run 12 km", "12 km = 12 kilometre")]);
    check("en", "volume", &[("half a litre", "half a litre = 0.5 litre")]);
    check("en", "temperature", &[("set it to 19 degrees celsius", "19 degrees celsius = 19 celsius")]);
    check("en", "quantity", &[("add two cups of flour", "two cups of flour = 2 cup")]);
    check("en", "duration", &[("it takes an hour and a half", "an hour and a half = 90 minute")]);
    check("en", "email", &[("write to jo.doe@example.org now", "jo.doe@example.org = jo.doe@example.org")]);
    check("en", "url", &[("see www.example.org/a?b=c.", "www.example.org/a?b=c = www.example.org/a?b=c")]);
    check("en", "phone-number", &[("call +49 30 1234567", "+49 30 1234567 = (+49) 301234567")]);
    check("en", "credit-card-number", &[("4242-4242-4242-4242", "4242-4242-4242-4242 = 4242424242424242")]);
}

#[test]
fn other_languages() {
    check(
        "de",
        "time",
        &[
            ("wir treffen uns übermorgen um halb sieben", "übermorgen um halb sieben = 2024-05-17T06:30"),
            ("am 7. Oktober 2030", "am 7. Oktober 2030 = 2030-10-07"),
            ("vor fünf Tagen", "vor fünf Tagen = 2024-05-10T12:00"),
        ],
    );
    check(
        "de",
        "number",
        &[("zweitausenddreihundertvierundfünfzig", "zweitausenddreihundertvierundfünfzig = 2354")],
    );
    check(
        "fr",
        "time",
        &[
            ("rendez-vous après-demain à 14h30", "après-demain à 14h30 = 2024-05-17T14:30"),
            ("il y a six semaines", "il y a six semaines = 2024-04-03"),
        ],
    );
    check("fr", "number", &[("quatre-vingt-treize", "quatre-vingt-treize = 93")]);
    check(
        "es",
        "time",
        &[
            ("el 9 de noviembre", "el 9 de noviembre = 2024-11-09"),
            ("hace dos meses", "hace dos meses = 2024-03-15"),
        ],
    );
    check("es", "number", &[("treinta y siete", "treinta y siete = 37")]);
    check(
        "it",
        "time",
        &[
            ("domani alle 18", "domani alle 18 = 2024-05-16T18:00"),
            ("cinque settimane fa", "cinque settimane fa = 2024-04-10"),
        ],
    );
    check("it", "number", &[("quarantotto", "quarantotto = 48")]);
    check("nl", "time", &[("volgende week donderdag", "volgende week donderdag = 2024-05-23")]);
    check("nl", "number", &[("zesenvijftig", "zesenvijftig = 56")]);
    check("pt", "time", &[("amanhã às 9 da noite", "amanhã às 9 da noite = 2024-05-16T21:00")]);
    check("pt", "number", &[("oitenta e cinco", "oitenta e cinco = 85")]);
}

#[test]
fn words_are_read_whole() {
    for text in ["Will and Bill", "a Breadline", "Friday's", "marching", "secondary", "tent"] {
        for found in super::found("lang=en", text) {
            let whole = text.split(|c: char| !c.is_alphanumeric()).any(|word| word == found.body);
            assert!(whole || found.body.contains(' '), "{:?} in {text:?}", found.body);
        }
    }
    assert!(super::found("lang=en", "Will May come").is_empty());
}

#[test]
fn summer_time_is_minded() {
    let fields = "lang=en&dims=[\"time\"]&tz=Europe/Berlin&reftime=1711756800000";
    let form = format!("text=&{fields}");
    let options = wire::read_request(form.as_bytes(), 0).expect("well formed").1;
    let answer = wire::parse("tomorrow at 8 am", &options);
    assert_eq!(answer[0]["value"]["value"], "2024-03-31T08:00:00.000+02:00");
    let answer = wire::parse("today at 8 pm", &options);
    assert_eq!(answer[0]["value"]["value"], "2024-03-30T20:00:00.000+01:00");
}
