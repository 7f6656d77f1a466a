//! Keyed digests by which providers prove who they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// The HMAC-SHA1 of the parts, one after the other.
pub(crate) fn sha1(key: &str, parts: &[&[u8]]) -> Vec<u8> {
    digest(Hmac::<Sha1>::new_from_slice(key.as_bytes()).ok(), parts)
}

/// The HMAC-SHA256 of the parts, one after the other.
pub(crate) fn sha256(key: &str, parts: &[&[u8]]) -> Vec<u8> {
    digest(Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok(), parts)
}

/// In hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// In base 64.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Compares without telling by its duration how far two secrets agree.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn digest(mac: Option<impl Mac>, parts: &[&[u8]]) -> Vec<u8> {
    // A key of any length will do, so there always is one.
    let Some(mut mac) = mac else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // Source: RFC 2202 and RFC 4231, test case 2.
        let data: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        assert_eq!(hex(&sha1("Jefe", &data)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&sha256("Jefe", &data)), expected);
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("abc", "ab"));
    }
}
