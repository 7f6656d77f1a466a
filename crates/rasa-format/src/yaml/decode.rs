//! Bytes to text.

use std::borrow::Cow;

/// The first byte that makes a file no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    pub offset: usize,
    pub byte: u8,
    pub line: u32,
    pub column: u32,
}

/// Decodes UTF-8, drops a byte order mark, and in pure ASCII texts resolves `\u` escapes anywhere,
/// as Rasa does.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Invalid> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let before = &bytes[..offset];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |idx| idx + 1);
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Invalid { offset, byte: bytes[offset], line: line as u32, column: column as u32 }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let has_escapes = text.contains("\\u") || text.contains("\\U");
    if has_escapes && text.is_ascii() {
        return Ok(Cow::Owned(unescape(text)));
    }
    Ok(Cow::Borrowed(text))
}

/// Python's raw-unicode-escape: `\uXXXX` and `\UXXXXXXXX` after an even number of backslashes
/// become characters, surrogate pairs one character. Anything else stays as it is.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut idx = 0;
    while idx < bytes.len() {
        if bytes[idx] != b'\\' {
            let end =
                bytes[idx..].iter().position(|byte| *byte == b'\\').map_or(bytes.len(), |len| idx + len);
            out.push_str(&text[idx..end]);
            idx = end;
        } else if let Some((c, length)) = escape_at(text, idx) {
            out.push(c);
            idx += length;
        } else {
            let end = (idx + 2).min(bytes.len());
            out.push_str(&text[idx..end]);
            idx = end;
        }
    }
    out
}

fn escape_at(text: &str, idx: usize) -> Option<(char, usize)> {
    let (code, length) = code_at(text, idx)?;
    if let Some(c) = char::from_u32(code) {
        return Some((c, length));
    }
    let (low, low_length) = code_at(text, idx + length)?;
    if (0xd800..0xdc00).contains(&code) && (0xdc00..0xe000).contains(&low) {
        let code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        return char::from_u32(code).map(|c| (c, length + low_length));
    }
    None
}

fn code_at(text: &str, idx: usize) -> Option<(u32, usize)> {
    let digits = match text.get(idx..idx + 2)? {
        "\\u" => 4,
        "\\U" => 8,
        _ => return None,
    };
    let digits_text = text.get(idx + 2..idx + 2 + digits)?;
    if !digits_text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits_text, 16).ok().map(|code| (code, digits + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_ascii_texts_become_characters() {
        let cases = [
            (r"caf\u00e9", "café"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\U0001F600", "😀"),
            (r"\\u00e9", r"\\u00e9"),
            (r"\\\u00e9", r"\\é"),
            (r"C:\users", r"C:\users"),
            (r"\ud83d alone", r"\ud83d alone"),
            ("\\", "\\"),
            (r"é \u00e9", r"é \u00e9"),
        ];
        for (input, expected) in cases {
            assert_eq!(decode(input.as_bytes()).unwrap(), expected, "{input}");
        }
    }

    #[test]
    fn invalid_bytes_are_located() {
        let invalid = decode(b"a: 1\nb\xc3\xa9: \xff\n").unwrap_err();
        assert_eq!(invalid, Invalid { offset: 10, byte: 0xff, line: 2, column: 5 });
    }
}
