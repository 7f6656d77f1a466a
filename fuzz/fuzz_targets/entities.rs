//! Any text, read by the entity rules of any language. The first byte chooses language and options.
#![no_main]

use intendant_entities::{Language, Locale, Options, Zone, parse_counting, wire};
use libfuzzer_sys::fuzz_target;

/// Tries of rules per byte of text, and for the shortest of texts. What real sentences need is about
/// a hundredth of it.
const TRIES_PER_BYTE: usize = 400;
const TRIES_AT_LEAST: usize = 20_000;

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let language = Language::ALL[usize::from(choice >> 1) % Language::ALL.len()];
    let options = Options {
        locale: Locale::plain(language),
        dimensions: Vec::new(),
        reference_ms: 1_700_000_000_000,
        zone: Zone::utc(),
        latent: choice & 1 == 1,
    };
    let (found, tries) = parse_counting(text, &options);
    assert!(tries < TRIES_AT_LEAST + TRIES_PER_BYTE * text.len(), "{text:?}: {tries} tries");
    let chars: Vec<char> = text.chars().collect();
    let mut last = 0;
    for found in &found {
        assert!(found.start_chars < found.end_chars && found.end_chars <= chars.len(), "{text:?}: {found:?}");
        let body: String = chars[found.start_chars..found.end_chars].iter().collect();
        assert_eq!(body, found.body, "{text:?}");
        assert!(last <= found.start_chars, "{text:?}: not in order");
        last = found.start_chars;
        wire::value_to_json(&found.value);
    }
});
