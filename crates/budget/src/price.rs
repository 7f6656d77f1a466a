//! What units cost: a table by upstream, kind and edition, each row with the time in which it holds.

use std::fmt;

use intendant_port::money::MicroUsd;
use intendant_port::upstream::Usage;
use intendant_talk::time::Timestamp;

/// An edition that stands for every edition.
pub const ANY: &str = "*";

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// Who is paid, like `dialogflow`.
    pub upstream: String,
    /// For what, like `text` or `input_tokens`.
    pub kind: String,
    /// Under which contract or for which model; [`ANY`] for all.
    pub edition: String,
    /// How much for [`Price::per`] units.
    pub amount: MicroUsd,
    /// How many units the amount pays for.
    pub per: u64,
    /// From when on it holds.
    pub from: Option<Timestamp>,
    /// Until when it holds, this moment not included.
    pub until: Option<Timestamp>,
}

/// What is done where no price is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// The request is refused.
    #[default]
    Deny,
    /// It counts as free.
    Zero,
    /// Each unit counts as this much.
    Default(MicroUsd),
}

/// All prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    rows: Vec<Price>,
    unknown: Unknown,
}

/// What something costs and how that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// How much.
    pub amount: MicroUsd,
    /// Units of all kinds together.
    pub units: i64,
    /// For the ledger: `dialogflow/essentials text 1 x 0.002`.
    pub purpose: String,
}

/// Nobody knows what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPrice {
    /// Whose price.
    pub upstream: String,
    /// Of which edition.
    pub edition: String,
    /// For what.
    pub kind: String,
}

impl fmt::Display for NoPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream, edition, kind } = self;
        write!(
            f,
            "no price is known for `{kind}` of upstream `{upstream}`, edition `{edition}`; add it to budget.prices"
        )
    }
}

impl std::error::Error for NoPrice {}

impl Prices {
    /// The rows of `own`, and those of `shipped` for whatever `own` says nothing about.
    pub fn new(own: Vec<Price>, shipped: Vec<Price>, unknown: Unknown) -> Self {
        let is_about = |one: &Price, other: &Price| {
            one.upstream == other.upstream
                && one.kind == other.kind
                && (one.edition == other.edition || one.edition == ANY)
        };
        let untouched = shipped.into_iter().filter(|row| !own.iter().any(|mine| is_about(mine, row)));
        let mut rows: Vec<Price> = untouched.collect();
        rows.extend(own);
        Self { rows, unknown }
    }

    /// What so many units cost at some time.
    ///
    /// # Errors
    /// When a kind has no price, or the sum does not fit.
    pub fn cost(
        &self,
        (upstream, edition): (&str, &str),
        usage: &[Usage],
        at: Timestamp,
    ) -> Result<Cost, NoPrice> {
        let mut total: i128 = 0;
        let mut units: u64 = 0;
        let mut parts = Vec::with_capacity(usage.len());
        for used in usage {
            let missing = || NoPrice {
                upstream: upstream.to_owned(),
                edition: edition.to_owned(),
                kind: used.kind.to_owned(),
            };
            let (amount, per) = match (self.find((upstream, edition), used.kind, at), self.unknown) {
                (Some(row), _) => (row.amount, row.per.max(1)),
                (None, Unknown::Deny) => return Err(missing()),
                (None, Unknown::Zero) => (MicroUsd::ZERO, 1),
                (None, Unknown::Default(amount)) => (amount, 1),
            };
            // A part of a millionth is paid as a whole one.
            let product = i128::from(used.units) * i128::from(amount.micros);
            total += (product + i128::from(per) - 1).div_euclid(i128::from(per));
            units = units.saturating_add(used.units);
            let per = if per == 1 { String::new() } else { format!("/{per}") };
            parts.push(format!("{} {} x {amount}{per}", used.kind, used.units));
        }
        let amount = i64::try_from(total).map_err(|_| NoPrice {
            upstream: upstream.to_owned(),
            edition: edition.to_owned(),
            kind: "an amount beyond counting".to_owned(),
        })?;
        Ok(Cost {
            amount: MicroUsd::from_micros(amount),
            units: i64::try_from(units).unwrap_or(i64::MAX),
            purpose: format!("{upstream}/{edition} {}", parts.join(", ")),
        })
    }

    /// The row that holds: one of this very edition before one of all, then the one that began last.
    fn find(&self, (upstream, edition): (&str, &str), kind: &str, at: Timestamp) -> Option<&Price> {
        let holds = |row: &&Price| {
            row.upstream == upstream
                && row.kind == kind
                && (row.edition == edition || row.edition == ANY)
                && row.from.is_none_or(|from| from <= at)
                && row.until.is_none_or(|until| at < until)
        };
        self.rows.iter().filter(holds).max_by_key(|row| (row.edition == edition, row.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(edition: &str, kind: &str, amount: &str, (from, until): (i64, i64)) -> Price {
        Price {
            upstream: "dialogflow".to_owned(),
            kind: kind.to_owned(),
            edition: edition.to_owned(),
            amount: MicroUsd::parse(amount).unwrap(),
            per: if kind == "input_tokens" { 1_000_000 } else { 1 },
            from: (from > 0).then(|| Timestamp::from_micros(from)),
            until: (until > 0).then(|| Timestamp::from_micros(until)),
        }
    }

    #[test]
    fn the_price_of_the_time_counts() {
        let shipped = vec![
            price("essentials", "text", "0.002", (0, 100)),
            price("essentials", "text", "0.003", (100, 0)),
            price(ANY, "text", "0.007", (0, 0)),
            price(ANY, "input_tokens", "0.15", (0, 0)),
            price("plus", "text", "0.004", (50, 60)),
        ];
        let own = vec![price("trial", "text", "0", (0, 0))];
        let check = |unknown, edition: &str, kind: &'static str, (units, at), expected: Option<&str>| {
            let prices = Prices::new(own.clone(), shipped.clone(), unknown);
            let at = Timestamp::from_micros(at);
            let cost = prices.cost(("dialogflow", edition), &[Usage { kind, units }], at);
            let found = cost.ok().map(|cost| cost.amount.to_string());
            assert_eq!(found.as_deref(), expected, "{edition} {kind} {units} {at:?}");
        };
        check(Unknown::Deny, "essentials", "text", (1, 99), Some("0.002"));
        check(Unknown::Deny, "essentials", "text", (3, 100), Some("0.009"));
        check(Unknown::Deny, "trial", "text", (1, 0), Some("0.00"));
        check(Unknown::Deny, "plus", "text", (1, 55), Some("0.004"));
        check(Unknown::Deny, "plus", "text", (1, 60), Some("0.007"));
        // Parts of a millionth are rounded up.
        check(Unknown::Deny, "m", "input_tokens", (1, 0), Some("0.000001"));
        check(Unknown::Deny, "m", "input_tokens", (1_000_000, 0), Some("0.15"));
        check(Unknown::Deny, "m", "input_tokens", (u64::MAX, 0), Some("2767011611056.432743"));
        check(Unknown::Deny, "essentials", "text", (u64::MAX, 0), None);
        check(Unknown::Deny, "essentials", "audio", (1, 0), None);
        check(Unknown::Zero, "essentials", "audio", (1, 0), Some("0.00"));
        check(Unknown::Default(MicroUsd::from_micros(5)), "essentials", "audio", (2, 0), Some("0.00001"));
    }

    #[test]
    fn own_prices_stand_in_the_place_of_those_shipped() {
        let shipped = vec![price("essentials", "text", "0.002", (100, 0))];
        let own = vec![price(ANY, "text", "0.001", (0, 0))];
        let prices = Prices::new(own, shipped, Unknown::Deny);
        let usage = [Usage { kind: "text", units: 1 }];
        let cost = prices.cost(("dialogflow", "essentials"), &usage, Timestamp::from_micros(200)).unwrap();
        assert_eq!(cost.amount, MicroUsd::from_micros(1_000));
        assert_eq!(cost.purpose, "dialogflow/essentials text 1 x 0.001");
    }
}
