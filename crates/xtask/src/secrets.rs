//! Secrets have no place in the repository: keys are known by their form.

/// How a kind of key begins, and how many characters of a token follow at least.
const MARKS: [(&str, usize); 6] =
    [("PRIVATE KEY-----\n", 60), ("AIza", 35), ("AKIA", 16), ("ghp_", 36), ("xoxb-", 20), ("ya29.", 20)];

/// Keys that were made for tests and open nothing.
const MADE_FOR_TESTS: [&str; 1] = ["crates/app/tests/channels/signing_key.pem"];

/// The lines of a file on which there is a key.
pub fn lines(path: &str, text: &str) -> Vec<usize> {
    if MADE_FOR_TESTS.contains(&path) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for (mark, length) in MARKS {
        for (at, _) in text.match_indices(mark) {
            let is_token = |sign: &char| sign.is_ascii_alphanumeric() || "+/=_-".contains(*sign);
            if text[at + mark.len()..].chars().take_while(is_token).count() >= length {
                lines.push(text[..at].matches('\n').count() + 1);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_their_form() {
        let check = |text: &str, expected: &[usize]| assert_eq!(lines("x", text), expected, "{text}");
        check("AIza is how they begin", &[]);
        check(&format!("a\nkey: {}{}\n", "AIza", "a1_".repeat(12)), &[2]);
        check(&format!("-----BEGIN PRIVATE KEY-----\n{}\n", "Zm9v".repeat(16)), &[1]);
        check("-----BEGIN PRIVATE KEY-----\n…\n", &[]);
    }
}
