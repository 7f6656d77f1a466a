//! Languages, and the rules of each.

pub mod build;
mod common;
mod de;
mod en;
mod es;
mod fr;
pub mod holidays;
mod it;
mod nl;
mod pt;
pub mod shapes;

use std::sync::OnceLock;

use crate::grammar::{Grammar, Rules};
use crate::token::Dimension;

/// A language with rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// German
    De,
    /// English
    En,
    /// Spanish
    Es,
    /// French
    Fr,
    /// Italian
    It,
    /// Dutch
    Nl,
    /// Portuguese
    Pt,
}

impl Language {
    /// All of them, in order of their codes.
    pub const ALL: [Language; 7] =
        [Language::De, Language::En, Language::Es, Language::Fr, Language::It, Language::Nl, Language::Pt];

    /// The two-letter code in lower case.
    pub fn code(self) -> &'static str {
        match self {
            Language::De => "de",
            Language::En => "en",
            Language::Es => "es",
            Language::Fr => "fr",
            Language::It => "it",
            Language::Nl => "nl",
            Language::Pt => "pt",
        }
    }

    /// The language of a code in any case.
    pub fn from_code(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    fn regions(self) -> &'static [&'static str] {
        match self {
            Language::En => &["AU", "BZ", "CA", "GB", "IE", "IN", "JM", "NZ", "PH", "TT", "US", "ZA"],
            Language::Es => &["AR", "CL", "CO", "ES", "MX", "PE", "VE"],
            Language::Nl => &["BE", "NL"],
            _ => &[],
        }
    }

    /// The dimensions that can be found in it, as `/targets` lists them.
    pub fn dimensions(self) -> Vec<Dimension> {
        use Dimension::{
            Card, Distance, Duration, Email, Money, Number, Ordinal, Phone, Quantity, Temperature, Time, Url,
            Volume,
        };
        let mut all = vec![Money, Card, Email, Number, Phone, Url, Distance, Duration, Number, Ordinal];
        if !matches!(self, Language::De | Language::It) {
            all.push(Quantity);
        }
        if !matches!(self, Language::De | Language::Nl) {
            all.push(Temperature);
        }
        all.extend([Time, Volume]);
        all
    }

    fn model(self) -> &'static str {
        match self {
            Language::De => include_str!("model/de.tsv"),
            Language::En => include_str!("model/en.tsv"),
            Language::Es => include_str!("model/es.tsv"),
            Language::Fr => include_str!("model/fr.tsv"),
            Language::It => include_str!("model/it.tsv"),
            Language::Nl => include_str!("model/nl.tsv"),
            Language::Pt => include_str!("model/pt.tsv"),
        }
    }
}

/// A language and, where it has rules of its own, a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Locale {
    language: Language,
    region: Option<&'static str>,
}

impl Locale {
    /// A language without region.
    pub fn plain(language: Language) -> Locale {
        Locale { language, region: None }
    }

    /// Reads `xx_YY` in any case; a region without rules is dropped. `None` when the form is
    /// another or the language has no rules.
    pub fn from_name(name: &str) -> Option<Locale> {
        let (language, region) = name.split_once('_')?;
        if region.contains('_') {
            return None;
        }
        let language = Language::from_code(language)?;
        let region = language.regions().iter().copied().find(|known| known.eq_ignore_ascii_case(region));
        Some(Locale { language, region })
    }

    /// The language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The region, when it has rules of its own.
    pub fn region(&self) -> Option<&'static str> {
        self.region
    }

    /// The rules, compiled at first use. They are constants of the program, so all callers share them.
    pub(crate) fn grammar(&self) -> &'static Grammar {
        const PLACES: usize = 16;
        static GRAMMARS: [[OnceLock<Grammar>; PLACES]; 7] =
            [const { [const { OnceLock::new() }; PLACES] }; 7];
        let place = match self.region {
            None => 0,
            Some(region) => {
                1 + self.language.regions().iter().position(|known| *known == region).unwrap_or(0)
            }
        };
        GRAMMARS[self.language as usize][place].get_or_init(|| self.compile())
    }

    pub(crate) fn compile(&self) -> Grammar {
        let mut rules = Rules::default();
        common::add(&mut rules);
        let region = self.region;
        match self.language {
            Language::De => de::add(&mut rules),
            Language::En => en::add(&mut rules, region),
            Language::Es => es::add(&mut rules, region),
            Language::Fr => fr::add(&mut rules),
            Language::It => it::add(&mut rules),
            Language::Nl => nl::add(&mut rules, region),
            Language::Pt => pt::add(&mut rules),
        }
        rules.finish(self.language.model())
    }
}
