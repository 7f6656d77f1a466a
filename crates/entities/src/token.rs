//! What rules produce and consume.

use std::rc::Rc;

use crate::calendar::Grain;
use crate::series::Series;

/// The kind of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Dimension {
    /// `amount-of-money`
    Money,
    /// `credit-card-number`
    Card,
    /// `distance`
    Distance,
    /// `duration`
    Duration,
    /// `email`
    Email,
    /// `number`
    Number,
    /// `ordinal`
    Ordinal,
    /// `phone-number`
    Phone,
    /// `quantity`
    Quantity,
    /// `temperature`
    Temperature,
    /// `time`
    Time,
    /// `time-grain`, a helper that is never an entity
    Grain,
    /// `url`
    Url,
    /// `volume`
    Volume,
}

impl Dimension {
    /// All of them, in order of their names.
    pub const ALL: [Dimension; 14] = [
        Dimension::Money,
        Dimension::Card,
        Dimension::Distance,
        Dimension::Duration,
        Dimension::Email,
        Dimension::Number,
        Dimension::Ordinal,
        Dimension::Phone,
        Dimension::Quantity,
        Dimension::Temperature,
        Dimension::Time,
        Dimension::Grain,
        Dimension::Url,
        Dimension::Volume,
    ];

    /// The name in requests and answers.
    pub fn name(self) -> &'static str {
        match self {
            Dimension::Money => "amount-of-money",
            Dimension::Card => "credit-card-number",
            Dimension::Distance => "distance",
            Dimension::Duration => "duration",
            Dimension::Email => "email",
            Dimension::Number => "number",
            Dimension::Ordinal => "ordinal",
            Dimension::Phone => "phone-number",
            Dimension::Quantity => "quantity",
            Dimension::Temperature => "temperature",
            Dimension::Time => "time",
            Dimension::Grain => "time-grain",
            Dimension::Url => "url",
            Dimension::Volume => "volume",
        }
    }

    /// The dimension of a name.
    pub fn from_name(name: &str) -> Option<Dimension> {
        Dimension::ALL.into_iter().find(|dimension| dimension.name() == name)
    }
}

/// A number, with what rules must know to build larger ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// Its value.
    pub value: f64,
    /// The power of ten it stands for ("thousand": 3).
    pub power: Option<u32>,
    /// Whether a number before it multiplies it.
    pub multipliable: bool,
    /// Vague or unit words ("few", "single") are no hours or days.
    pub vague: bool,
}

impl Number {
    /// The value, when it is whole and fits.
    pub fn integer(&self) -> Option<i64> {
        (self.value.fract() == 0.0 && self.value.abs() < 9.0e15).then_some(self.value as i64)
    }
}

/// A length of time in one grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// How many.
    pub value: i64,
    /// Of what.
    pub grain: Grain,
}

/// What a time token is, for rules that ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing special.
    Other,
    /// A weekday.
    Weekday,
    /// A month.
    Month(i64),
    /// An hour, maybe with minutes; `twelve` when it may be meant on a dial of twelve.
    TimeOfDay {
        /// The hour, when known.
        hour: Option<i64>,
        /// Read on a dial of twelve hours.
        twelve: bool,
    },
    /// Morning, evening …
    PartOfDay,
    /// A season.
    Season,
    /// A bare year.
    Year,
    /// The n-th of something ("third Monday of May").
    Counted,
    /// From one time of day to another.
    ClockRange,
    /// From one day to another.
    Range,
}

/// Whether a time stands for everything after or before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From it on.
    After,
    /// Up to it.
    Before,
}

/// A time.
#[derive(Clone)]
pub struct Time {
    /// Its occurrences.
    pub series: Series,
    /// The grain of an occurrence.
    pub grain: Grain,
    /// What kind of expression it is.
    pub form: Form,
    /// Not meant as a time without help.
    pub latent: bool,
    /// An occurrence that contains now is passed over.
    pub not_immediate: bool,
    /// Half-open times.
    pub direction: Option<Direction>,
    /// The name of the holiday.
    pub holiday: Option<Rc<str>>,
    /// Carries its zone already.
    pub zoned: bool,
}

/// An amount with a unit: money, distance, volume, temperature, quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Which of them.
    pub dimension: Dimension,
    /// The point value.
    pub value: Option<f64>,
    /// The lower end of an interval.
    pub from: Option<f64>,
    /// The upper end.
    pub to: Option<f64>,
    /// The unit, when known.
    pub unit: Option<&'static str>,
    /// A quantity's product.
    pub product: Option<Rc<str>>,
    /// Not meant without help.
    pub latent: bool,
}

/// A contact or card: its value and a second field.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// Which of them.
    pub dimension: Dimension,
    /// The value.
    pub value: Rc<str>,
    /// A URL's domain, a card's issuer.
    pub detail: Option<Rc<str>>,
}

/// What a token carries.
#[derive(Clone)]
pub enum Payload {
    /// A matched expression: its groups.
    Text(crate::pattern::Groups),
    /// A number.
    Number(Number),
    /// A rank.
    Ordinal(i64),
    /// A length of time.
    Duration(Duration),
    /// A unit of time.
    Grain(Grain),
    /// A time.
    Time(Time),
    /// An amount with a unit.
    Measure(Measure),
    /// A contact or card.
    Contact(Contact),
}

impl Payload {
    /// The dimension; `None` for a matched expression.
    pub fn dimension(&self) -> Option<Dimension> {
        Some(match self {
            Payload::Text(_) => return None,
            Payload::Number(_) => Dimension::Number,
            Payload::Ordinal(_) => Dimension::Ordinal,
            Payload::Duration(_) => Dimension::Duration,
            Payload::Grain(_) => Dimension::Grain,
            Payload::Time(_) => Dimension::Time,
            Payload::Measure(measure) => measure.dimension,
            Payload::Contact(contact) => contact.dimension,
        })
    }

    /// Whether both carry the same, so that one is enough.
    pub fn same(&self, other: &Payload) -> bool {
        match (self, other) {
            (Payload::Number(one), Payload::Number(other)) => one == other,
            (Payload::Ordinal(one), Payload::Ordinal(other)) => one == other,
            (Payload::Duration(one), Payload::Duration(other)) => one == other,
            (Payload::Grain(one), Payload::Grain(other)) => one == other,
            (Payload::Measure(one), Payload::Measure(other)) => one == other,
            (Payload::Contact(one), Payload::Contact(other)) => one == other,
            (Payload::Time(one), Payload::Time(other)) => {
                one.series.signature == other.series.signature
                    && one.grain == other.grain
                    && one.form == other.form
                    && one.latent == other.latent
                    && one.not_immediate == other.not_immediate
                    && one.direction == other.direction
                    && one.holiday == other.holiday
                    && one.zoned == other.zoned
            }
            _ => false,
        }
    }
}
