//! What holds for any text: no panic, ranges on characters and word edges, bounded work.

use intendant_entities::{Language, parse, parse_counting};

// A small generator of texts (xorshift), the same on every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

const PIECES: &[&str] = &[
    "monday", "morgen", "à", "3", "30", "2024", ":", ".", "/", "-", " ", " ", " ", ",", "the", "of", "in",
    "de", "am", "pm", "uhr", "heures", "€", "$", "k", "''", "@", "www.", "http://", "+49", "é", "ß", "İ",
    "漢字", "🎂", "\n", "\u{a0}", "million", "hundert", "next", "last", "dernier", "zwei", "May", "(", ")",
    "%", "°", "1/2", "half",
];

#[test]
fn any_text_is_read_without_fault() {
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    for round in 0..1_500 {
        let length = 1 + chance.below(24);
        let text: String = (0..length).map(|_| PIECES[chance.below(PIECES.len())]).collect();
        let language = Language::ALL[round % Language::ALL.len()];
        let options = super::options(&format!("lang={}&latent=true", language.code()));
        let characters: Vec<char> = text.chars().collect();
        for found in parse(&text, &options) {
            assert!(found.start_chars < found.end_chars && found.end_chars <= characters.len(), "{text:?}");
            let slice: String = characters[found.start_chars..found.end_chars].iter().collect();
            assert_eq!(slice, found.body, "{text:?}");
            assert!(
                is_edge(&characters, found.start_chars) && is_edge(&characters, found.end_chars),
                "{text:?}"
            );
        }
    }
}

fn is_edge(characters: &[char], at: usize) -> bool {
    let class = |c: char| match c {
        c if c.is_ascii_digit() => '0',
        c if c.is_lowercase() || c.is_uppercase() => 'a',
        c => c,
    };
    at == 0 || at == characters.len() || class(characters[at - 1]) != class(characters[at])
}

#[test]
fn repeated_intervals_are_no_bottomless_pit() {
    let options = super::options("lang=en");
    for piece in ["from monday to friday ", "from 3 to 4 ", "tomorrow at 5 "] {
        let text = piece.repeat(500);
        let (found, work) = parse_counting(&text, &options);
        assert!(!found.is_empty(), "{piece:?}");
        assert!(work < 10_000 + 60 * text.len(), "{piece:?}: {work} tries");
    }
}

#[test]
fn work_grows_linearly() {
    let options = super::options("lang=en");
    for piece in ["monday ", "1 ", "3 days and ", "a.b@", "one hundred ", "at 5 to 6 on ", "9", "-", "("] {
        let work = |times: usize| parse_counting(&piece.repeat(times), &options).1 as f64;
        let (small, large) = (work(150), work(600));
        assert!(large < 6.0 * small + 2_000.0, "{piece:?}: {small} tries, four times the text {large}");
    }
}
