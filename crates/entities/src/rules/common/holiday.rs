//! Holidays whose names are the same in several languages.

use crate::calendar::{Span, start_of};
use crate::rules::holidays::{day, days, full_moon_date, hindu};
use crate::rules::shapes::day::MovableRow;

const DAY_MS: i64 = 86_400_000;

/// Indian holidays.
pub const WORLD: &[MovableRow] = &[
    ("Diwali", "diwali|deepavali|lakshmi puja", |y| diwali(y, 0)),
    ("Dhanteras", "dhanteras|dhanatrayodashi", |y| diwali(y, -2)),
    (
        "Naraka Chaturdashi",
        "naraka? (?:nivaran )?chaturdashi|(?:kali|narak|roop) chaudas|choti diwali",
        |y| diwali(y, -1),
    ),
    ("Bhai Dooj", "bhai (?:dooj|dhooj|beej|phonta|tika)", |y| diwali(y, 2)),
    ("Chhath", "chhath(?: (?:parv|puja))?|dala (?:chhath|puja)|surya shashthi", |y| diwali(y, 6)),
    ("Karva Chauth", "karva chauth", |y| diwali(y, -11)),
    ("Navaratri", "navaratri|durga puja", |y| days(diwali(y, -29)?.start, 10)),
    ("Maha Saptami", "maha saptami", |y| diwali(y, -23)),
    ("Vijayadashami", "vijayadashami|dasara|dussehra|dashain", |y| diwali(y, -20)),
    ("Pargat Diwas", "pargat diwas|(?:maharishi )?valmiki jayanti", |y| diwali(y, -14)),
    ("Ganesh Chaturthi", "ganesh chaturthi", |y| diwali(y, -55)),
    ("Krishna Janmashtami", "(?:krishna )?janmashtami|gokulashtami", |y| diwali(y, -65)),
    ("Raksha Bandhan", "raksha(?: )?bandhan|rakhi", |y| diwali(y, -73)),
    ("Thiru Onam", "(?:thiru(?:v)? ?)?onam", |y| diwali(y, -75)),
    ("Ratha-Yatra", "ratha(?:[- ])?yatra|rathajatra|chariot festival", |y| diwali(y, -116)),
    ("Ugadi", "y?ugadi|samvatsaradi|chaitra suk(?:h)?ladi", |y| ugadi(y, 0)),
    ("Rama Navami", "rama navami", |y| ugadi(y, 8)),
    ("Mahavir Jayanti", "(?:mahavir|mahaveer) (?:jayanti|janma kalyanak)", |y| ugadi(y, 12)),
    ("Vesak", "vesak|vaisakha|buddha (?:day|purnima)", |y| vesak(y)),
    ("Guru Gobind Singh Jayanti", "guru go[bv]ind singh (?:jayanti|birthday|geburtstag)", |y| {
        GOBIND.iter().find(|(year, ..)| *year == y).and_then(|&(y, m, d)| day(start_of(y, m, d)))
    }),
    ("Holi", "(?:rangwali )?holi|dhuli?vandan|dhulheti|dhulandi|phagwah", |y| ugadi(y, -16)),
    ("Holika Dahan", "(?:chhoti )?holi(?:ka)? dahan|chhoti holi|kamudu pyre", |y| ugadi(y, -17)),
    ("Maha Shivaratri", "(?:maha )?shivaratri", |y| ugadi(y, -33)),
    ("Dayananda Saraswati Jayanti", "(?:maharishi )?(?:dayananda )?saraswati jayanti", |y| ugadi(y, -36)),
    ("Guru Ravidass Jayanti", "guru ravidass? (?:birthday|jayanti|geburtstag)", |y| ugadi(y, -46)),
    ("Vasant Panchami", "(?:vasant|basant) panchami", |y| ugadi(y, -55)),
    ("Thai Pongal", "(?:thai )?pongal|makara? sankranth?i|maghi", |y| pongal(y, 0)),
    ("Boghi", "bh?oghi?(?: pandigai)?|bogi(?: pandigai)?", |y| pongal(y, -1)),
    ("Mattu Pongal", "maa?ttu pongal", |y| pongal(y, 1)),
    ("Govardhan Puja", "govardhan puja|annak[uo]o?t", |y| diwali(y, 1)),
    ("Maha Navami", "maha navami", |y| diwali(y, -21)),
];

// Kept by the Nanakshahi calendar in some years and by the moon in others.
const GOBIND: [(i64, i64, i64); 11] = [
    (2010, 1, 5),
    (2011, 1, 11),
    (2012, 1, 5),
    (2013, 1, 18),
    (2014, 1, 7),
    (2015, 1, 5),
    (2016, 1, 16),
    (2017, 1, 5),
    (2019, 1, 13),
    (2020, 1, 2),
    (2021, 1, 20),
];

/// The full moon of May.
pub fn vesak(year: i64) -> Option<Span> {
    day(full_moon_date(start_of(year, 4, 29), -5.0))
}

/// So many days after Diwali.
pub fn diwali(year: i64, days_after: i64) -> Option<Span> {
    day(hindu(year, 10, 14, days_after))
}

/// So many days after Ugadi.
pub fn ugadi(year: i64, days_after: i64) -> Option<Span> {
    day(hindu(year, 3, 14, days_after + 1))
}

/// So many days after Pongal.
pub fn pongal(year: i64, days_after: i64) -> Option<Span> {
    let of_day = if matches!(year.rem_euclid(4), 0 | 3) { 15 } else { 14 };
    day(start_of(year, 1, of_day) + days_after * DAY_MS)
}
