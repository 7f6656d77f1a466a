//! Words, numbers and single signs, about as spaCy's models of European languages cut them.

use crate::chars::is_word;
use crate::token::Token;

/// Cuts a text into tokens; addresses and numbers with signs inside stay whole. A text without
/// any token gives one that spans it.
pub fn tokenize(text: &str) -> Vec<Token> {
    let chars: Vec<(usize, char)> = text.char_indices().collect();
    let byte = |at: usize| chars.get(at).map_or(text.len(), |(byte, _)| *byte);
    let mut tokens = Vec::new();
    let mut push = |start: usize, end: usize| {
        tokens.push(Token {
            start_bytes: byte(start),
            end_bytes: byte(end),
            start_chars: start,
            end_chars: end,
        });
    };
    let mut at = 0;
    while at < chars.len() {
        if chars[at].1.is_whitespace() {
            at += 1;
            continue;
        }
        let end = chars[at..].iter().position(|(_, c)| c.is_whitespace()).map_or(chars.len(), |gap| at + gap);
        cut(&chars[at..end], |start, stop| push(at + start, at + stop));
        at = end;
    }
    if tokens.is_empty() {
        tokens.push(Token::whole(text));
    }
    tokens
}

/// Cuts what stands between two white spaces.
fn cut(chunk: &[(usize, char)], mut push: impl FnMut(usize, usize)) {
    let is_word_at = |at: usize| chunk.get(at).is_some_and(|(_, c)| is_word(*c));
    let is_address = {
        let at_sign = chunk.iter().position(|(_, c)| *c == '@');
        at_sign.is_some_and(|at| at > 0 && is_word_at(at - 1) && is_word_at(at + 1))
            || chunk.windows(3).any(|window| window[0].1 == '/' && window[1].1 == '/' && is_word(window[2].1))
    };
    let mut at = 0;
    while at < chunk.len() {
        let start = at;
        at += 1;
        if !is_word_at(start) {
            push(start, at);
            continue;
        }
        while at < chunk.len() {
            let is_numeric = |at: usize| chunk.get(at).is_some_and(|(_, c)| c.is_numeric());
            let joins = |c: char| matches!(c, '.' | ',' | ':') && is_numeric(at - 1) && is_numeric(at + 1);
            let c = chunk[at].1;
            let rest_is_open = chunk[at..].iter().any(|(_, c)| is_word(*c));
            if is_word(c) || (is_address && rest_is_open) || joins(c) {
                at += 1;
            } else {
                break;
            }
        }
        push(start, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_stand_alone_and_addresses_stay_whole() {
        let check = |text: &str, expected: &[&str]| {
            let tokens = tokenize(text);
            let found: Vec<&str> = tokens.iter().map(|token| token.text(text)).collect();
            assert_eq!(found, expected);
            for token in tokens {
                let by_chars: String =
                    text.chars().skip(token.start_chars).take(token.end_chars - token.start_chars).collect();
                assert_eq!(by_chars, token.text(text));
            }
        };
        check("Hello,world! ", &["Hello", ",", "world", "!"]);
        check(
            "l'école coûte 3,50 € (ou 4.)",
            &["l", "'", "école", "coûte", "3,50", "€", "(", "ou", "4", ".", ")"],
        );
        check("um 17:30: an a.b@c.de, ja", &["um", "17:30", ":", "an", "a.b@c.de", ",", "ja"]);
        check("see https://x.org/a?b=1.", &["see", "https://x.org/a?b=1", "."]);
        check("e-mail", &["e", "-", "mail"]);
        check(" \t", &[" \t"]);
        check("", &[""]);
    }
}
