//! Texts without what seldom carries meaning, for comparing them.

/// The text in lower case, every run of other characters than letters and digits as one space.
pub fn normal_form(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !normal.is_empty() {
            normal.push(' ');
        }
        normal.extend(word.chars().flat_map(char::to_lowercase));
    }
    normal
}

/// What a text has in common with others made from the same pattern: its normal form with every span replaced by the
/// name that comes with it (in code points, sorted, not overlapping; others are left out) and every number by `0`.
pub fn template<'a>(text: &str, spans: impl IntoIterator<Item = (usize, usize, &'a str)>) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut pattern = String::with_capacity(text.len());
    let mut position = 0;
    let literal = |range: std::ops::Range<usize>, pattern: &mut String| {
        let text: String = chars[range].iter().collect();
        for word in normal_form(&text).split(' ').filter(|word| !word.is_empty()) {
            let is_number = word.chars().all(char::is_numeric);
            pattern.push_str(if is_number { "0" } else { word });
            pattern.push(' ');
        }
    };
    for (start, end, name) in spans {
        if start < position || end < start || end > chars.len() {
            continue;
        }
        literal(position..start, &mut pattern);
        pattern.push('{');
        pattern.push_str(name);
        pattern.push_str("} ");
        position = end;
    }
    literal(position..chars.len(), &mut pattern);
    pattern.truncate(pattern.trim_end().len());
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_do_not_matter() {
        let cases = [
            ("Hi, there!", "hi there"),
            ("  Straße  12 ", "straße 12"),
            ("…", ""),
            ("l'Université", "l université"),
        ];
        for (text, expected) in cases {
            assert_eq!(normal_form(text), expected, "{text}");
        }
    }

    #[test]
    fn templates_keep_what_is_around_entities() {
        assert_eq!(template("To Ulm, at 12!", [(3, 6, "city")]), "to {city} at 0");
        assert_eq!(template("Ülm Ulm", [(0, 3, "a"), (4, 7, "b")]), "{a} {b}");
        assert_eq!(template("x", [(0, 9, "a"), (1, 0, "b")]), "x");
    }
}
