//! Ids of conversations that only this server can make.
//!
//! An id is chance and a signature over it, so nobody can take another's conversation by guessing,
//! or open millions of them by counting; nothing has to be stored. Any process with the same key
//! knows them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

const CHANCE_BYTES: usize = 12;
const SIGNATURE_BYTES: usize = 12;

/// Makes and checks ids.
#[derive(Clone)]
pub struct Sessions {
    key: Vec<u8>,
}

impl Sessions {
    /// Ids signed with a key.
    pub fn new(key: &[u8]) -> Self {
        Self { key: key.to_vec() }
    }

    /// A new id: 32 characters of `A-Z a-z 0-9 - _`.
    pub fn make(&self) -> String {
        let mut bytes = Uuid::new_v4().as_bytes()[..CHANCE_BYTES].to_vec();
        let signature = self.signature(&bytes);
        bytes.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether an id was made here.
    pub fn is_ours(&self, id: &str) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(id) else { return false };
        if bytes.len() != CHANCE_BYTES + SIGNATURE_BYTES {
            return false;
        }
        let (chance, signature) = bytes.split_at(CHANCE_BYTES);
        is_same(&self.signature(chance), signature)
    }

    /// The id that stands for a name somebody else chose: the same for the same name.
    pub fn derived(&self, name: &str) -> String {
        let mut mac = self.mac();
        mac.update(b"name ");
        mac.update(name.as_bytes());
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..CHANCE_BYTES + SIGNATURE_BYTES])
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.key).expect("invariant: HMAC takes keys of any length")
    }

    fn signature(&self, chance: &[u8]) -> Vec<u8> {
        let mut mac = self.mac();
        mac.update(chance);
        mac.finalize().into_bytes()[..SIGNATURE_BYTES].to_vec()
    }
}

/// Takes as long for a wrong first byte as for a wrong last one.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_known_by_who_made_them() {
        let sessions = Sessions::new(b"key");
        let id = sessions.make();
        assert_eq!(id.len(), 32);
        assert!(sessions.is_ours(&id) && sessions.clone().is_ours(&id));
        assert!(!Sessions::new(b"other").is_ours(&id));
        assert_ne!(id, sessions.make());
        assert_eq!(sessions.derived("ann"), sessions.derived("ann"));
        assert_ne!(sessions.derived("ann"), sessions.derived("bob"));
        assert!(!sessions.is_ours(&sessions.derived("ann")));
        for wrong in ["", "me", &id[1..], &format!("{id}A"), &id.to_lowercase().replace('-', "_")] {
            assert!(!sessions.is_ours(wrong), "{wrong}");
        }
    }
}
