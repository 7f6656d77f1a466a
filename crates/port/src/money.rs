//! Money, as integers.

use std::fmt;

/// An amount in millionths of a US dollar; never a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsd {
    /// Millionths of a dollar; negative where something is taken back.
    pub micros: i64,
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAmount;

impl fmt::Display for NoAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount is dollars with at most six decimals, like `10`, `0.002` or `2.50 USD`")
    }
}

impl std::error::Error for NoAmount {}

impl MicroUsd {
    /// Nothing.
    pub const ZERO: Self = Self::from_micros(0);

    /// An amount of so many millionths of a dollar.
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// The sum, or `None` where it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.micros.checked_add(other.micros).map(Self::from_micros)
    }

    /// The sum; at the ends of what fits it stays there.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self::from_micros(self.micros.saturating_add(other.micros))
    }

    /// The difference; at the ends of what fits it stays there.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self::from_micros(self.micros.saturating_sub(other.micros))
    }

    /// Reads dollars: `10`, `0.002`, `2.50 USD`, `-1`.
    ///
    /// # Errors
    /// When it is no such amount, or has more than six decimals, or does not fit.
    pub fn parse(text: &str) -> Result<Self, NoAmount> {
        let text = text.trim();
        let number = text.strip_suffix("USD").map_or(text, str::trim_end);
        let (is_negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let has_digits = !whole.is_empty() || !decimals.is_empty();
        if !has_digits || !is_number(whole) || !is_number(decimals) || decimals.len() > 6 {
            return Err(NoAmount);
        }
        let joined = format!("{whole}{decimals:0<6}");
        let micros: i64 = joined.parse().map_err(|_| NoAmount)?;
        Ok(Self::from_micros(if is_negative { -micros } else { micros }))
    }
}

/// Dollars with at least two decimals and no more than needed: `0.002`, `10.00`.
impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "" };
        let micros = self.micros.unsigned_abs();
        let decimals = format!("{:06}", micros % 1_000_000);
        let shown = decimals.trim_end_matches('0').len().max(2);
        f.pad(&format!("{sign}{}.{}", micros / 1_000_000, &decimals[..shown]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        let check = |text: &str, expected: Option<&str>| {
            let found = MicroUsd::parse(text).ok().map(|amount| amount.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("10", Some("10.00"));
        check(" 0.002 USD", Some("0.002"));
        check(".5", Some("0.50"));
        check("-1.000001", Some("-1.000001"));
        check("0", Some("0.00"));
        check("9223372036854.775807", Some("9223372036854.775807"));
        for bad in ["", ".", "-", "1e3", "0.0000001", "1,5", "ten", "10 EUR", "9223372036854.775808", "--1"] {
            check(bad, None);
        }
    }
}
