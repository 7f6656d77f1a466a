//! What users read when there is no answer, in their language.

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Excuse {
    Exhausted,
    TooFast,
    TooLong,
    Unavailable,
}

/// The words, in the best language that we have.
pub fn excuse(excuse: Excuse, language: &str) -> &'static str {
    let root = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    match (root.as_str(), excuse) {
        ("de", Excuse::Exhausted) => {
            "Ich kann gerade keine Fragen mehr beantworten. Bitte versuchen Sie es später noch einmal."
        }
        ("de", Excuse::TooFast) => "Das ging mir zu schnell. Bitte warten Sie einen Augenblick.",
        ("de", Excuse::TooLong) => "Diese Nachricht ist zu lang. Bitte fassen Sie sich kürzer.",
        ("de", Excuse::Unavailable) => {
            "Da ist gerade etwas gestört. Bitte versuchen Sie es gleich noch einmal."
        }
        ("fr", Excuse::Exhausted) => {
            "Je ne peux plus répondre aux questions pour le moment. Veuillez réessayer plus tard."
        }
        ("fr", Excuse::TooFast) => "C’est un peu trop rapide pour moi. Veuillez patienter un instant.",
        ("fr", Excuse::TooLong) => "Ce message est trop long. Veuillez le raccourcir.",
        ("fr", Excuse::Unavailable) => "Un problème est survenu. Veuillez réessayer dans un instant.",
        (_, Excuse::Exhausted) => "I cannot answer any more questions right now. Please try again later.",
        (_, Excuse::TooFast) => "That was a little fast for me. Please wait a moment.",
        (_, Excuse::TooLong) => "This message is too long. Please keep it shorter.",
        (_, Excuse::Unavailable) => "Something is not working right now. Please try again in a moment.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_language_is_chosen() {
        for (language, expected) in
            [("de-CH", "Das"), ("fr", "C’est"), ("en_GB", "That"), ("xx", "That"), ("", "That")]
        {
            assert!(excuse(Excuse::TooFast, language).starts_with(expected), "{language}");
        }
    }
}
