//! Certificates that can be exchanged while the server runs, and when they end.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificate in use; none before the first was issued.
#[derive(Default)]
pub struct Certificates {
    current: RwLock<Current>,
}

#[derive(Default)]
struct Current {
    key: Option<Arc<CertifiedKey>>,
    validity: Option<Validity>,
}

/// From when to when a certificate counts, in seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub starts: i64,
    /// The last second.
    pub ends: i64,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("validity", &self.validity()).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).key.clone()
    }
}

impl Certificates {
    /// Puts a certificate in place of the one before; connections that are open keep theirs.
    ///
    /// # Errors
    /// When certificate and key do not belong together; then the one before stays.
    pub fn put(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), rustls::Error> {
        let validity = chain.first().and_then(|first| validity(first));
        let key = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Current { key: Some(Arc::new(key)), validity };
        Ok(())
    }

    /// From when to when the certificate in use counts.
    pub fn validity(&self) -> Option<Validity> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).validity
    }
}

/// Reads when a certificate counts: the fifth member of its signed part (RFC 5280, section 4.1).
pub fn validity(certificate: &[u8]) -> Option<Validity> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut signed, _) = element(certificate)?;
    // An explicit version comes first, if it is not version 1.
    if signed.first() == Some(&0xa0) {
        signed = element(signed)?.2;
    }
    for _ in ["serial number", "signature algorithm", "issuer"] {
        signed = element(signed)?.2;
    }
    let (_, times, _) = element(signed)?;
    let (kind, starts, rest) = element(times)?;
    let (last_kind, ends, _) = element(rest)?;
    Some(Validity { starts: time(kind, starts)?, ends: time(last_kind, ends)? })
}

/// The first element in DER: its tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let count = length & 0x7f;
        if count == 0 || count > 4 {
            return None;
        }
        length = rest.get(..count)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        rest = &rest[count..];
    }
    Some((*tag, rest.get(..length)?, &rest[length..]))
}

/// `YYMMDDHHMMSSZ` (tag 23) or `YYYYMMDDHHMMSSZ` (tag 24) as seconds since 1970.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        23 if text.len() == 12 => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        24 if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    // Howard Hinnant, "chrono-compatible low-level date algorithms".
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let year_of_era = year - era * 400;
    let days =
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some(days * 86_400 + number(8, 10)? * 3_600 + number(10, 12)? * 60 + number(12, 14)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(time(23, b"700101000000Z"), Some(0));
        assert_eq!(time(23, b"250301123456Z"), Some(1_740_832_496));
        assert_eq!(time(24, b"20500101000000Z"), Some(2_524_608_000));
        assert_eq!(time(24, b"2050010100000Z"), None);
    }

    #[test]
    fn the_validity_of_a_certificate_is_read() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["bot.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2024, 2, 29);
        parameters.not_after = rcgen::date_time_ymd(2051, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap();
        let validity = validity(certificate.der()).unwrap();
        assert_eq!(validity, Validity { starts: 1_709_164_800, ends: 2_556_144_000 });
        for length in 0..certificate.der().len() {
            let _ = super::validity(&certificate.der()[..length]);
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (one, other) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
        let certificate =
            rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&one).unwrap();
        let certificates = Certificates::default();
        let put = |key: &rcgen::KeyPair| {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            certificates.put(vec![certificate.der().clone()], key)
        };
        assert!(put(&one).is_ok());
        assert!(put(&other).is_err());
        assert!(certificates.validity().is_some());
    }
}
