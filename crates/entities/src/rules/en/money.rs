//! English money.

use crate::grammar::{Rules, re};
use crate::rules::build::{number_where, positive};
use crate::rules::shapes::measure::{
    Words, and_cents, blank, currencies, currency, intervals, point, without_currency,
};
use crate::token::Dimension::Money;
use crate::token::{Dimension, Measure, Payload};

const WORDS: Words = Words {
    about: "about|around|approximately|approx\\.?|close to|near(?: to)?|almost|exactly|precisely|~",
    from: "between|from",
    to: "-|to|and",
    dash: "-",
    under: "under|below|at most|(?:less|lower|not? more) than",
    over: "over|above|exceeding|at least|(?:more|not? less) than",
};

/// Adds them.
pub fn add(r: &mut Rules, region: Option<&'static str>) {
    r.of(Money);
    currencies(r, crate::rules::shapes::measure::CURRENCIES);
    currencies(
        r,
        &[
            ("us\\s?\\$", "USD"),
            ("(?:aud?|australian) ?(?:dollars?|\\$)", "AUD"),
            ("bucks?", "unknown"),
            ("(?:british )?pounds? sterling|sterling", "GBP"),
            ("(?:uk|british) pounds?", "GBP"),
            ("pounds?|£", "£"),
            ("(?:indian )?rupees?|rs\\.?", "INR"),
            ("(?:c(?:ents?)?|penn(?:ies|y)|pence|¢|kopiyk?as?|kope(?:ck|k)s?)", "cent"),
            ("(?:kuwaiti? dinars?)", "KWD"),
            ("(?:leb(?:anese)? ?(?:liras?|pounds?))", "LBP"),
            ("(?:egyptian ?pounds?|geneh|genihat(?: masriya)?|gen(?:e|i)h(?:at)? masri(?:ya)?|leg)", "EGP"),
            ("(?:qatari riyals?)", "QAR"),
            ("(?:saudi riyals?)", "SAR"),
            ("(?:malaysian? )?ringgits?|rm", "MYR"),
            ("(?:new )?(?:israeli )?shekels?|nis", "ILS"),
            ("dinars?", "dinar"),
            ("dirhams?", "dirham"),
            ("riyals?", "riyal"),
            ("rials?", "rial"),
            ("tugriks?|tugrug", "MNT"),
            ("hryvnias?", "UAH"),
            ("dollars?|\\$", "$"),
            ("yens?|¥", "JPY"),
            ("yuans?|renminbi|rmb", "CNY"),
        ],
    );
    intervals(r, Money, WORDS);
    and_cents(r, "and");
    r.add("a currency", [re("an?"), currency()], |m| {
        let measure = m.measure(1)?;
        Some(Payload::Measure(Measure { value: Some(1.0), ..measure.clone() }))
    });
    r.add("an amount", [re("an?"), crate::rules::shapes::measure::money()], |m| Some(m.payload(1).clone()));
    let plain = || number_where(|number| number.value > 0.0);
    without_currency(r, WORDS.from, "to|and");
    r.add("less than number", [re(WORDS.under), plain()], |m| {
        latent_interval(None, Some(m.number(1)?.value))
    });
    r.add("more than number", [re(WORDS.over), plain()], |m| latent_interval(Some(m.number(1)?.value), None));
    coins(r, region);
}

fn latent_interval(from: Option<f64>, to: Option<f64>) -> Option<Payload> {
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return None;
    }
    Some(Payload::Measure(Measure { from, to, unit: Some("unknown"), ..blank(Money) }))
}

fn coins(r: &mut Rules, region: Option<&'static str>) {
    let dollar = match region {
        Some("AU") => "AUD",
        Some("CA") => "CAD",
        Some("JM") => "JMD",
        Some("NZ") => "NZD",
        Some("TT") => "TTD",
        Some("US") => "USD",
        _ => "$",
    };
    if region.is_none() {
        return;
    }
    let grand = if region == Some("GB") { "GBP" } else { dollar };
    r.of(Dimension::Money);
    r.add("a grand", [re("(?:a|one) grand")], move |_| point(Money, 1000.0, grand));
    r.add("grands", [positive(), re("grand")], move |m| point(Money, m.number(0)?.value * 1000.0, grand));
    for (name, pattern, value) in
        [("dime", "dimes?", 0.1), ("quarter", "quarters?", 0.25), ("nickel", "nickels?", 0.05)]
    {
        r.add(name, [re(format!("(?:an? )?{pattern}"))], move |_| point(Money, value, dollar));
        r.add(format!("{name}s"), [positive(), re(pattern)], move |m| {
            point(Money, m.number(0)?.value * value, dollar)
        });
    }
}
