//! The form of a request and the shape of answers.

use intendant_entities::wire::{self, BadRequest, read_request};
use intendant_entities::{Dimension, Language};

#[test]
fn bad_forms_are_refused_with_a_reason() {
    for (form, error, status) in [
        ("lang=en", BadRequest::NoText, 422),
        ("text=now&reftime=soon", BadRequest::ReferenceTime, 400),
        ("text=now&reftime=1.5", BadRequest::ReferenceTime, 400),
        ("text=%ff", BadRequest::Encoding, 400),
    ] {
        let refused = read_request(form.as_bytes(), 0).map(|(text, _)| text);
        assert_eq!(refused, Err(error), "{form}");
        assert_eq!(error.status(), status);
    }
}

#[test]
fn locales_are_read_as_duckling_reads_them() {
    for (form, language, region) in [
        ("text=", Language::En, None),
        ("text=&lang=FR", Language::Fr, None),
        ("text=&lang=fr_FR", Language::En, None),
        ("text=&locale=de_DE", Language::De, None),
        ("text=&locale=EN_gb", Language::En, Some("GB")),
        ("text=&locale=fr&lang=fr", Language::En, None),
        ("text=&locale=nl_NL", Language::Nl, Some("NL")),
    ] {
        let options = read_request(form.as_bytes(), 0).expect("well formed").1;
        assert_eq!((options.locale.language(), options.locale.region()), (language, region), "{form}");
    }
}

#[test]
fn dimensions_are_read_leniently() {
    for (field, expected) in [
        ("[\"time\",\"number\"]", vec![Dimension::Time, Dimension::Number]),
        ("\"[\\\"time\\\"]\"", vec![Dimension::Time]),
        ("null", vec![]),
        ("time", vec![]),
        ("[\"nonsense\"]", vec![]),
    ] {
        assert_eq!(wire::read_dimensions(field), expected, "{field}");
    }
}

#[test]
fn offsets_count_code_points() {
    let found = super::found("lang=en&dims=[\"number\"]", "🎂🎂 seven");
    assert_eq!((found[0].start_chars, found[0].end_chars), (3, 8));
}

#[test]
fn answers_have_ducklings_shape() {
    let answer = wire::parse("2 hours", &super::options("lang=en&dims=[\"duration\"]"));
    let expected = serde_json::json!([{
        "body": "2 hours", "dim": "duration", "end": 7, "latent": false, "start": 0,
        "value": {"hour": 2, "normalized": {"unit": "second", "value": 7200},
                  "type": "value", "unit": "hour", "value": 2},
    }]);
    assert_eq!(answer, expected);
}

#[test]
fn latent_readings_need_the_option() {
    assert!(super::found("lang=en&dims=[\"time\"]", "7").is_empty());
    assert!(super::found("lang=en&dims=[\"time\"]&latent=true", "7")[0].latent);
}
