//! What the name of an intent says about it.
//!
//! `book_flight` or `card-arrival` are words that people choose to say what messages of the
//! intent are about. With few examples they tell as much as an example does; with many they
//! neither help nor harm.

/// How often a name counts as an example.
pub(crate) const REPEATS: usize = 2;

/// The words of a name with spaces between them: cut at punctuation, underscores and capitals.
pub(crate) fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    let mut previous = ' ';
    for c in name.chars() {
        let is_hump = c.is_uppercase() && (previous.is_lowercase() || previous.is_numeric());
        if !c.is_alphanumeric() || is_hump {
            words.push(' ');
        }
        if c.is_alphanumeric() {
            words.push(c);
        }
        previous = c;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_into_words() {
        let check = |name: &str, expected: &str| {
            let words = words(name);
            assert_eq!(words.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{name}");
        };
        check("book_flight", "book flight");
        check("faq/opening-hours", "faq opening hours");
        check("BookFlight2Rome", "Book Flight2 Rome");
        check("FAQ", "FAQ");
        check("__", "");
        check("straßeÜber", "straße Über");
    }
}
