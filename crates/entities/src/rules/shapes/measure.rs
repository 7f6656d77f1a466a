//! Amounts with units: points, intervals, half-open intervals.

use crate::grammar::{Item, Match, Rules, re};
use crate::rules::build::{measure_where, number, number_where};
use crate::token::{Dimension, Measure, Payload};

/// An amount without anything.
pub fn blank(dimension: Dimension) -> Measure {
    Measure { dimension, value: None, from: None, to: None, unit: None, product: None, latent: false }
}

/// A point.
pub fn point(dimension: Dimension, value: f64, unit: &'static str) -> Option<Payload> {
    Some(Payload::Measure(Measure { value: Some(tidy(value)), unit: Some(unit), ..blank(dimension) }))
}

/// Rounds away what binary fractions add.
pub fn tidy(value: f64) -> f64 {
    if value.abs() < 1e9 { (value * 1e9).round() / 1e9 } else { value }
}

/// A number and a unit, a row each: pattern, unit, factor to that unit.
pub fn units(r: &mut Rules, dimension: Dimension, rows: &[UnitRow]) {
    for &(pattern, unit, factor) in rows {
        r.add(format!("number in {unit} {pattern}"), [number(), re(pattern)], move |m| {
            point(dimension, m.number(0)?.value * factor, unit)
        });
    }
}

/// "a litre", "half a litre": words before the unit that stand for a number.
pub fn worded(r: &mut Rules, dimension: Dimension, words: &[(&'static str, f64)], rows: &[UnitRow]) {
    for &(word, value) in words {
        for &(pattern, unit, factor) in rows {
            r.add(format!("{value} {unit} {pattern}"), [re(word), re(pattern)], move |_| {
                point(dimension, value * factor, unit)
            });
        }
    }
}

/// The words of the interval rules.
#[derive(Clone, Copy)]
pub struct Words {
    /// "about".
    pub about: &'static str,
    /// "between" or "from".
    pub from: &'static str,
    /// "and", "to", "-" between the ends.
    pub to: &'static str,
    /// "-" between ends without a word before them.
    pub dash: &'static str,
    /// "less than".
    pub under: &'static str,
    /// "more than".
    pub over: &'static str,
}

/// A unit: its pattern, its name, the factor to it.
pub type UnitRow = (&'static str, &'static str, f64);

/// The words of a language for distances, volumes, temperatures, quantities and money. What is
/// empty has no rules.
pub struct Vocabulary {
    /// The words of intervals.
    pub words: Words,
    /// Units of length.
    pub distances: &'static [UnitRow],
    /// Units of volume.
    pub volumes: &'static [UnitRow],
    /// Words for a number before a unit of volume: "half a".
    pub parts: &'static [(&'static str, f64)],
    /// Degrees, Celsius, Fahrenheit and "below zero".
    pub temperatures: Option<[&'static str; 4]>,
    /// Units of quantity.
    pub quantities: &'static [UnitRow],
    /// Words for a number before a unit of quantity.
    pub portions: &'static [(&'static str, f64)],
    /// What stands between quantity and product.
    pub of_product: &'static str,
    /// Currencies beside those that all languages know.
    pub currencies: &'static [(&'static str, &'static str)],
    /// "and" between an amount and its cents.
    pub and: &'static str,
}

impl Vocabulary {
    /// Adds its rules.
    pub fn add(&self, r: &mut Rules) {
        use Dimension::{Distance, Money, Quantity, Temperature, Volume};
        r.of(Distance);
        units(r, Distance, self.distances);
        intervals(r, Distance, self.words);
        r.of(Volume);
        units(r, Volume, self.volumes);
        worded(r, Volume, self.parts, self.volumes);
        intervals(r, Volume, self.words);
        if let Some([degrees, celsius, fahrenheit, below_zero]) = self.temperatures {
            temperatures(r, degrees, celsius, fahrenheit, below_zero);
            intervals(r, Temperature, self.words);
        }
        if !self.quantities.is_empty() {
            r.of(Quantity);
            units(r, Quantity, self.quantities);
            worded(r, Quantity, self.portions, self.quantities);
            of_product(r, self.of_product);
            intervals(r, Quantity, self.words);
        }
        r.of(Money);
        currencies(r, CURRENCIES);
        currencies(r, self.currencies);
        intervals(r, Money, self.words);
        and_cents(r, self.and);
    }
}

/// "about 5 km", "between 3 and 5 km", "3-5 km", "under 5 km", "at least 5 km".
pub fn intervals(r: &mut Rules, dimension: Dimension, words: Words) {
    let exact = move || measure_where(dimension, |measure| measure.value.is_some() && measure.unit.is_some());
    let plain = || number_where(|number| number.value >= 0.0);
    r.add("about", [re(words.about), measure_where(dimension, |m| !m.latent)], |m| {
        Some(m.payload(1).clone())
    });
    r.add("number to amount", [plain(), re(words.dash), exact()], |m| {
        between(Some(m.number(0)?.value), m.measure(2)?.value, m.measure(2)?)
    });
    r.add("amount to amount", [exact(), re(words.dash), exact()], |m| join(m, 0, 2));
    r.add("from number to amount", [re(words.from), plain(), re(words.to), exact()], |m| {
        between(Some(m.number(1)?.value), m.measure(3)?.value, m.measure(3)?)
    });
    r.add("from amount to amount", [re(words.from), exact(), re(words.to), exact()], |m| join(m, 1, 3));
    r.add("at most", [re(words.under), exact()], |m| between(None, m.measure(1)?.value, m.measure(1)?));
    r.add("at least", [re(words.over), exact()], |m| between(m.measure(1)?.value, None, m.measure(1)?));
}

fn join(m: &Match, from: usize, to: usize) -> Option<Payload> {
    let (from, to) = (m.measure(from)?, m.measure(to)?);
    if from.unit != to.unit || from.product.is_some() && from.product != to.product {
        return None;
    }
    between(from.value, to.value, to)
}

fn between(from: Option<f64>, to: Option<f64>, like: &Measure) -> Option<Payload> {
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return None;
    }
    Some(Payload::Measure(Measure { value: None, from, to, ..like.clone() }))
}

/// "between 3 and 5", "3-5": an amount of money whose currency nobody said.
pub fn without_currency(r: &mut Rules, between_word: &'static str, to: &'static str) {
    let plain = || number_where(|number| number.value > 0.0);
    let interval = |from: f64, to: f64| {
        between(Some(from), Some(to), &Measure { unit: Some("unknown"), ..blank(Dimension::Money) })
    };
    let items = [re(between_word), plain(), re(to), plain()];
    r.add("between numbers", items, move |m| interval(m.number(1)?.value, m.number(3)?.value));
    r.add("number to number", [plain(), re("-"), plain()], move |m| {
        interval(m.number(0)?.value, m.number(2)?.value)
    });
}

/// Degrees, with the words for the two scales and for "below zero".
pub fn temperatures(
    r: &mut Rules,
    degrees: &'static str,
    celsius: &'static str,
    fahrenheit: &'static str,
    below_zero: &'static str,
) {
    let bare = |unit: &'static str| move |m: &Match| point(Dimension::Temperature, m.number(0)?.value, unit);
    r.of(Dimension::Temperature);
    r.add("degrees", [number(), re(degrees)], bare("degree"));
    r.add(
        "below zero",
        [number_where(|n| n.value > 0.0), re(format!("(?:{degrees})?\\s*(?:{below_zero})"))],
        |m| point(Dimension::Temperature, -m.number(0)?.value, "degree"),
    );
    let without_scale = || measure_where(Dimension::Temperature, |measure| measure.unit == Some("degree"));
    for (pattern, unit) in [(celsius, "celsius"), (fahrenheit, "fahrenheit")] {
        r.add(format!("degrees {unit}"), [without_scale(), re(pattern)], move |m| {
            Some(Payload::Measure(Measure { unit: Some(unit), ..m.measure(0)?.clone() }))
        });
        r.add(format!("number {unit}"), [number(), re(pattern)], bare(unit));
    }
}

/// "500 grams of strawberries": `of` stands between quantity and product.
pub fn of_product(r: &mut Rules, of: &'static str) {
    let bare = || {
        measure_where(Dimension::Quantity, |m| m.product.is_none() && m.unit.is_some_and(|u| u != "unnamed"))
    };
    r.add("quantity of product", [bare(), re(format!("{of}([a-zà-ÿ]+)"))], |m| {
        let product = Some(std::rc::Rc::from(m.group(1, 1)?));
        Some(Payload::Measure(Measure { product, ..m.measure(0)?.clone() }))
    });
}

/// A currency by itself: a row a word.
pub fn currencies(r: &mut Rules, rows: &[(&'static str, &'static str)]) {
    for &(pattern, unit) in rows {
        r.add(format!("currency {unit}"), [re(pattern)], move |_| {
            Some(Payload::Measure(Measure { unit: Some(unit), ..blank(Dimension::Money) }))
        });
    }
}

/// A currency without amount.
pub fn currency() -> Item {
    measure_where(Dimension::Money, |measure| {
        measure.value.is_none() && measure.from.is_none() && measure.to.is_none() && measure.unit.is_some()
    })
}

/// An amount of money with its currency, a point.
pub fn money() -> Item {
    measure_where(Dimension::Money, |measure| {
        measure.value.is_some() && measure.unit.is_some_and(|unit| unit != "unknown")
    })
}

/// "20 euros and 43 cents": the smaller coin added to the amount.
pub fn and_cents(r: &mut Rules, link: &'static str) {
    let whole = || {
        measure_where(Dimension::Money, |measure| {
            measure.value.is_some_and(|value| value.fract() == 0.0)
                && measure.unit.is_some_and(|unit| unit != "cent" && unit != "unknown")
        })
    };
    let cents = || {
        measure_where(Dimension::Money, |measure| {
            measure.unit == Some("cent") && measure.value.is_some_and(|value| (0.0..100.0).contains(&value))
        })
    };
    let below_hundred =
        || number_where(|number| number.integer().is_some_and(|value| (0..100).contains(&value)));
    fn add(amount: &Measure, cents: f64) -> Option<Payload> {
        Some(Payload::Measure(Measure { value: Some(tidy(amount.value? + cents / 100.0)), ..amount.clone() }))
    }
    r.add("amount, cents", [whole(), cents()], |m| add(m.measure(0)?, m.measure(1)?.value?));
    r.add("amount and cents", [whole(), re(link), cents()], |m| add(m.measure(0)?, m.measure(2)?.value?));
    r.add("amount, number", [whole(), below_hundred()], |m| add(m.measure(0)?, m.number(1)?.value));
    r.add("amount and number", [whole(), re(link), below_hundred()], |m| {
        add(m.measure(0)?, m.number(2)?.value)
    });
}

/// The currencies' codes and signs that all languages know.
pub const CURRENCIES: &[(&str, &str)] = &[
    ("€|euros?", "EUR"),
    ("aed", "AED"),
    ("afn", "AFN"),
    ("amd", "AMD"),
    ("ang", "ANG"),
    ("aoa", "AOA"),
    ("ars", "ARS"),
    ("aud", "AUD"),
    ("awg", "AWG"),
    ("azn", "AZN"),
    ("bam", "BAM"),
    ("bbd", "BBD"),
    ("bdt", "BDT"),
    ("bgn", "BGN"),
    ("bhd", "BHD"),
    ("bif", "BIF"),
    ("bmd", "BMD"),
    ("bnd", "BND"),
    ("bob", "BOB"),
    ("brl", "BRL"),
    ("bsd", "BSD"),
    ("btn", "BTN"),
    ("bwp", "BWP"),
    ("byn", "BYN"),
    ("byr", "BYR"),
    ("bzd", "BZD"),
    ("cad", "CAD"),
    ("cdf", "CDF"),
    ("chf", "CHF"),
    ("clf", "CLF"),
    ("clp", "CLP"),
    ("cny", "CNY"),
    ("cop", "COP"),
    ("crc", "CRC"),
    ("cve", "CVE"),
    ("czk", "CZK"),
    ("djf", "DJF"),
    ("dkk", "DKK"),
    ("dop", "DOP"),
    ("dzd", "DZD"),
    ("egp", "EGP"),
    ("ern", "ERN"),
    ("etb", "ETB"),
    ("eur", "EUR"),
    ("fjd", "FJD"),
    ("fkp", "FKP"),
    ("gbp", "GBP"),
    ("gel", "GEL"),
    ("ghs", "GHS"),
    ("gip", "GIP"),
    ("gmd", "GMD"),
    ("gnf", "GNF"),
    ("gtq", "GTQ"),
    ("gyd", "GYD"),
    ("hkd", "HKD"),
    ("hnl", "HNL"),
    ("hrk", "HRK"),
    ("htg", "HTG"),
    ("huf", "HUF"),
    ("idr", "IDR"),
    ("ils", "ILS"),
    ("inr", "INR"),
    ("iqd", "IQD"),
    ("irr", "IRR"),
    ("isk", "ISK"),
    ("jmd", "JMD"),
    ("jod", "JOD"),
    ("jpy", "JPY"),
    ("kes", "KES"),
    ("kgs", "KGS"),
    ("khr", "KHR"),
    ("kmf", "KMF"),
    ("kpw", "KPW"),
    ("krw", "KRW"),
    ("kwd", "KWD"),
    ("kyd", "KYD"),
    ("kzt", "KZT"),
    ("lak", "LAK"),
    ("lbp", "LBP"),
    ("lkr", "LKR"),
    ("lrd", "LRD"),
    ("lsl", "LSL"),
    ("lyd", "LYD"),
    ("mad", "MAD"),
    ("mdl", "MDL"),
    ("mga", "MGA"),
    ("mkd", "MKD"),
    ("mmk", "MMK"),
    ("mnt", "MNT"),
    ("mro", "MRO"),
    ("mur", "MUR"),
    ("mvr", "MVR"),
    ("mwk", "MWK"),
    ("mxn", "MXN"),
    ("myr", "MYR"),
    ("mzn", "MZN"),
    ("nad", "NAD"),
    ("ngn", "NGN"),
    ("nio", "NIO"),
    ("nok", "NOK"),
    ("npr", "NPR"),
    ("nzd", "NZD"),
    ("omr", "OMR"),
    ("pab", "PAB"),
    ("pen", "PEN"),
    ("pgk", "PGK"),
    ("php", "PHP"),
    ("pkr", "PKR"),
    ("pln", "PLN"),
    ("pyg", "PYG"),
    ("qar", "QAR"),
    ("ron", "RON"),
    ("rsd", "RSD"),
    ("rub", "RUB"),
    ("rwf", "RWF"),
    ("sar", "SAR"),
    ("sbd", "SBD"),
    ("scr", "SCR"),
    ("sdg", "SDG"),
    ("sek", "SEK"),
    ("sgd", "SGD"),
    ("shp", "SHP"),
    ("sll", "SLL"),
    ("sos", "SOS"),
    ("srd", "SRD"),
    ("std", "STD"),
    ("syp", "SYP"),
    ("szl", "SZL"),
    ("thb", "THB"),
    ("tjs", "TJS"),
    ("tmt", "TMT"),
    ("tnd", "TND"),
    ("try", "TRY"),
    ("ttd", "TTD"),
    ("twd", "TWD"),
    ("tzs", "TZS"),
    ("uah", "UAH"),
    ("ugx", "UGX"),
    ("usd", "USD"),
    ("uyu", "UYU"),
    ("uzs", "UZS"),
    ("vef", "VEF"),
    ("vnd", "VND"),
    ("vuv", "VUV"),
    ("wst", "WST"),
    ("xaf", "XAF"),
    ("xcd", "XCD"),
    ("xof", "XOF"),
    ("xpf", "XPF"),
    ("yer", "YER"),
    ("zar", "ZAR"),
    ("zmw", "ZMW"),
    ("zwl", "ZWL"),
];
