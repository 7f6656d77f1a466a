//! Character rules: word characters, case shapes, accents, emoji.

/// Whether a character belongs to a word: a letter, a digit or an underscore.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether there is a cased character and none of them is lower case.
pub fn is_upper(text: &str) -> bool {
    let mut any = false;
    for c in text.chars() {
        if c.is_lowercase() {
            return false;
        }
        any |= c.is_uppercase();
    }
    any
}

/// Whether every run of cased characters starts with an upper case one and goes on in lower case.
pub fn is_title(text: &str) -> bool {
    let (mut any, mut in_word) = (false, false);
    for c in text.chars() {
        if c.is_uppercase() {
            if in_word {
                return false;
            }
            (any, in_word) = (true, true);
        } else if c.is_lowercase() {
            if !in_word {
                return false;
            }
            any = true;
        } else {
            in_word = false;
        }
    }
    any
}

/// Whether the text is a non-empty run of digits.
pub fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_numeric() && !matches!(c, '¼'..='¾' | '⅐'..='↏'))
}

/// Whether a character is drawn as an emoji or glues emoji together.
///
/// Differs from Rasa: its last range also swallows Korean, Japanese and Chinese letters, so that
/// such words vanish; letters stay here.
pub fn is_emoji(c: char) -> bool {
    !c.is_alphanumeric()
        && matches!(u32::from(c),
        0x1F600..=0x1F64F | 0x1F300..=0x1F5FF | 0x1F680..=0x1F6FF | 0x1F1E0..=0x1F1FF
        | 0x2702..=0x27B0 | 0x24C2..=0x1F251 | 0x200D | 0x200C)
}

/// The unaccented form of a Latin letter, if it has one; `ß`, `æ`, `œ`, `ø` and the like stay.
pub fn base_letter(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ǎ' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ĥ' => 'h',
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ǐ' => 'i',
        'ĵ' => 'j',
        'ķ' => 'k',
        'ĺ' | 'ļ' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ō' | 'ŏ' | 'ő' | 'ǒ' => 'o',
        'ŕ' | 'ŗ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => 's',
        'ţ' | 'ť' | 'ț' => 't',
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ǔ' => 'u',
        'ŵ' => 'w',
        'ý' | 'ÿ' | 'ŷ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        'À' | 'Á' | 'Â' | 'Ã' | 'Ä' | 'Å' | 'Ā' | 'Ă' | 'Ą' => 'A',
        'Ç' | 'Ć' | 'Č' => 'C',
        'È' | 'É' | 'Ê' | 'Ë' | 'Ē' | 'Ė' | 'Ę' | 'Ě' => 'E',
        'Ì' | 'Í' | 'Î' | 'Ï' | 'Ī' | 'Į' | 'İ' => 'I',
        'Ñ' | 'Ń' | 'Ň' => 'N',
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ö' | 'Ō' | 'Ő' => 'O',
        'Ś' | 'Ş' | 'Š' | 'Ș' => 'S',
        'Ù' | 'Ú' | 'Û' | 'Ü' | 'Ū' | 'Ů' | 'Ű' => 'U',
        'Ý' | 'Ÿ' => 'Y',
        'Ź' | 'Ż' | 'Ž' => 'Z',
        other => other,
    }
}

/// Whether a character is a combining accent.
pub fn is_combining(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36F)
}

/// The shape of a word: `X` upper, `x` lower, `0` digit, anything else itself; runs shortened to two.
pub fn shape(text: &str) -> String {
    let mut shape = String::with_capacity(8);
    let (mut last, mut run) = ('\0', 0);
    for c in text.chars() {
        let class = match c {
            c if c.is_uppercase() => 'X',
            c if c.is_alphabetic() => 'x',
            c if c.is_numeric() => '0',
            c => c,
        };
        run = if class == last { run + 1 } else { 1 };
        last = class;
        if run <= 2 {
            shape.push(class);
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_predicates_follow_python() {
        // text, upper, title, digits
        let check = |text: &str, expected: [bool; 3]| {
            let found = [is_upper(text), is_title(text), is_digits(text)];
            assert_eq!(found, expected, "{text:?}");
        };
        check("abc", [false, false, false]);
        check("ABC", [true, false, false]);
        check("Abc", [false, true, false]);
        check("A", [true, true, false]);
        check("Abc-Def", [false, true, false]);
        check("Abc-def", [false, false, false]);
        check("12", [false, false, true]);
        check("a1", [false, false, false]);
        check("", [false, false, false]);
        check("Äöü", [false, true, false]);
        check("½", [false, false, false]);
    }

    #[test]
    fn shapes_shorten_runs() {
        assert_eq!(shape("Berlin-2024"), "Xxx-00");
        assert_eq!(shape("iPhone"), "xXxx");
    }
}
