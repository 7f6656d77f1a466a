//! The text as the rules see it: lower-case characters, counted in code points, with word edges.

/// A text made ready for matching.
pub struct Text {
    /// Characters folded to lower case, one for one with the original's.
    pub chars: Vec<char>,
    /// The characters as written.
    written: Vec<char>,
    /// Whether a match may begin or end before character `i`; one more entry than characters.
    edges: Vec<bool>,
}

impl Text {
    /// Folds and classifies `text`.
    pub fn new(text: &str) -> Text {
        let written: Vec<char> = text.chars().collect();
        let chars: Vec<char> = written.iter().copied().map(fold).collect();
        let mut edges = vec![true; chars.len() + 1];
        for i in 1..chars.len() {
            edges[i] = class(chars[i - 1]) != class(chars[i]);
        }
        Text { chars, written, edges }
    }

    /// Whether a match may begin or end at `position`: both sides are of different classes.
    pub fn is_edge(&self, position: usize) -> bool {
        self.edges[position]
    }

    /// The first position from `position` on that is neither a space nor a tab.
    pub fn skip_blanks(&self, mut position: usize) -> usize {
        while matches!(self.chars.get(position), Some(' ' | '\t')) {
            position += 1;
        }
        position
    }

    /// The characters of a range as written.
    pub fn original(&self, start: usize, end: usize) -> String {
        self.written[start..end].iter().collect()
    }

    /// The folded characters of a range.
    pub fn slice(&self, start: usize, end: usize) -> String {
        self.chars[start..end].iter().collect()
    }
}

/// Lower case where that is one character, else the character itself.
pub fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

// Letters that have case are one class, ASCII digits another, any other character is its own.
fn class(character: char) -> u32 {
    if character.is_ascii_digit() {
        1
    } else if character.is_lowercase() || character.is_uppercase() {
        0
    } else {
        character as u32 + 2
    }
}
