//! English names of holidays that all regions know.

use crate::calendar::{Grain, Span, start_of, weekday_of};
use crate::grammar::Rules;
use crate::rules::common::holiday::WORLD;
use crate::rules::holidays::{
    chinese_new_year, day, days, easter, hanukkah, islamic, islamic_month, jewish_autumn, jewish_spring,
    nth_weekday, orthodox_easter, tu_bishvat,
};
use crate::rules::shapes::day::{
    MovableRow, fixed_holidays, islamic_holidays, movable_holidays, weekday_holidays,
};
use crate::token::Dimension;

const FIXED: &[(&str, &str, i64, i64)] = &[
    ("New Year's Day", "new years?'?s? day|new years?'?s?", 1, 1),
    ("New Year's Eve", "new years?'?s? eve", 12, 31),
    ("Epiphany", "epiphany", 1, 6),
    ("Valentine's Day", "valentine'?s?'?(?: day)?", 2, 14),
    ("St Patrick's Day", "(?:saint|st\\.?) (?:patrick|paddy)'?s?'? day", 3, 17),
    ("St. George's Day", "(?:saint|st\\.?) george'?s? day|feast of saint george", 4, 23),
    ("April Fools", "(?:april|all) fools?'?(?: day)?", 4, 1),
    ("Earth Day", "earth day", 4, 22),
    ("World Malaria Day", "world malaria day", 4, 25),
    ("World Health Day", "world health day", 4, 7),
    ("World Book Day", "world book day", 4, 23),
    ("World Water Day", "world water day", 3, 22),
    ("World Environment Day", "world environment day", 6, 5),
    ("World AIDS Day", "world aids day", 12, 1),
    ("International Women's Day", "international wom[ae]n'?s'? day", 3, 8),
    ("International Men's Day", "international m[ae]n'?s'? day", 11, 19),
    ("Human Rights Day", "human rights? day", 12, 10),
    ("United Nations Day", "(?:united nations?|un) day", 10, 24),
    ("May Day", "may day", 5, 1),
    ("Star Wars Day", "star wars day", 5, 4),
    ("Africa Day", "africa(?:n unity)? day", 5, 25),
    ("World Vegan Day", "world vegan day", 11, 1),
    ("Halloween", "hall?owe?en(?: day)?", 10, 31),
    ("All Saints' Day", "all[- ](?:saints?|hallows?)'?(?: day)?", 11, 1),
    ("All Souls' Day", "all souls'? day", 11, 2),
    ("Guy Fawkes Day", "guy fawkes (?:day|night)|bonfire night", 11, 5),
    ("Christmas", "(?:xmas|christmas)(?: day)?", 12, 25),
    ("Christmas Eve", "(?:xmas|christmas)(?: day)?'?s? eve", 12, 24),
    ("Boxing Day", "boxing day|day of goodwill|wren day", 12, 26),
    (
        "Assumption of Mary",
        "assumption of (?:the blessed virgin )?mary|dormition of the mother of god",
        8,
        15,
    ),
    ("Groundhog Day", "groundhogs? day", 2, 2),
    ("Rabindra Jayanti", "rabindra(?:nath)? jayanti", 5, 9),
    ("Vaisakhi", "(?:v|b)ais?h?akhi|vasakhi|vaishakhi", 4, 14),
    ("Gandhi Jayanti", "gandhi jayanti|mahatma gandhi'?s? birthday", 10, 2),
];

// Name, pattern, n-th weekday (Monday 1) of a month.
const BY_WEEKDAY: &[(&str, &str, i64, i64, i64)] = &[
    (
        "Martin Luther King's Day",
        "(?:mlk|martin luther king,?)(?: jr\\.?,?)?(?:'?s)? day|civil rights day",
        3,
        1,
        1,
    ),
    ("World Leprosy Day", "world leprosy day", -1, 7, 1),
    ("World Sleep Day", "world sleep day", 3, 5, 3),
    ("Armed Forces Day", "armed forces day", 3, 6, 5),
];

const DAY_MS: i64 = 86_400_000;

const MOVABLE: &[MovableRow] = &[
    ("Easter Sunday", "easter(?: sunday)?|resurrection sunday|pascha", |y| easter(y, 0)),
    ("Easter Monday", "easter mon(?:day)?", |y| easter(y, 1)),
    ("Good Friday", "(?:good|great|holy) fri(?:day)?", |y| easter(y, -2)),
    ("Holy Saturday", "(?:holy|black|easter) sat(?:urday)?|easter eve", |y| easter(y, -1)),
    (
        "Maundy Thursday",
        "(?:maundy|holy|great|sheer|covenant) thu(?:rsday)?|thu(?:rsday)? of mysteries",
        |y| easter(y, -3),
    ),
    ("Palm Sunday", "(?:branch|palm|yew) sunday", |y| easter(y, -7)),
    ("Ash Wednesday", "ash wed(?:nesday)?", |y| easter(y, -46)),
    ("Shrove Tuesday", "mardi gras|(?:shrove|pancake) tue(?:sday)?|pancake day", |y| easter(y, -47)),
    ("Ascension Day", "ascension(?: thu(?:rsday)?| day)?", |y| easter(y, 39)),
    ("Pentecost", "pentecost|white sunday|whitsunday", |y| easter(y, 49)),
    ("Whit Monday", "whit monday|pentecost monday|monday of the holy spirit", |y| easter(y, 50)),
    ("Trinity Sunday", "trinity sunday", |y| easter(y, 56)),
    ("Corpus Christi", "(?:the feast of )?corpus christi", |y| easter(y, 60)),
    ("Lent", "lent", |y| days(easter(y, -46)?.start, 46)),
    ("Orthodox Easter Sunday", "orthodox easter(?: sunday)?", |y| orthodox_easter(y, 0)),
    ("Orthodox Easter Monday", "orthodox easter mon(?:day)?", |y| orthodox_easter(y, 1)),
    ("Orthodox Good Friday", "orthodox (?:good|great|holy) fri(?:day)?", |y| orthodox_easter(y, -2)),
    ("Orthodox Holy Saturday", "orthodox holy sat(?:urday)?", |y| orthodox_easter(y, -1)),
    ("Orthodox Palm Sunday", "orthodox (?:branch|palm) sunday", |y| orthodox_easter(y, -7)),
    ("Clean Monday", "(?:orthodox )?(?:ash|clean|green|pure|shrove) monday|monday of lent", |y| {
        orthodox_easter(y, -48)
    }),
    ("Great Lent", "great (?:fast|lent)", |y| days(orthodox_easter(y, -48)?.start, 40)),
    ("Black Friday", "black fri(?:day)?", |y| day(nth_weekday(y, 11, 4, 4) + DAY_MS)),
    ("Boss's Day", "boss'?s?(?: day)?", |y| {
        let date = start_of(y, 10, 16);
        day(match weekday_of(date) {
            6 => date - DAY_MS,
            7 => date + DAY_MS,
            _ => date,
        })
    }),
    ("King's Day", "king'?s day|koningsdag", |y| {
        let date = start_of(y, 4, 27);
        day(if weekday_of(date) == 7 { date - DAY_MS } else { date })
    }),
    ("Global Youth Service Day", "(?:national|global) youth service day", |y| {
        days(nth_weekday(y, 4, 5, if y == 2013 { 4 } else { 2 }), 3)
    }),
    ("Chinese New Year", "chinese (?:lunar )?new years?'?s?(?: day)?", |y| day(chinese_new_year(y))),
    ("Rosh Hashanah", "rosh ha-?shann?ah?|yom teruah", |y| days(jewish_autumn(y, 0), 3)),
    ("Yom Kippur", "yom kippur|day of atonement", |y| day(jewish_autumn(y, 9))),
    ("Sukkot", "sukkot|succot|feast of (?:the ingathering|booths|tabernacles)", |y| {
        days(jewish_autumn(y, 14), 9)
    }),
    ("Shemini Atzeret", "shemini atzeret", |y| day(jewish_autumn(y, 21))),
    ("Simchat Torah", "simc?hat torah", |y| day(jewish_autumn(y, 22))),
    ("Hanukkah", "c?hann?uk?kah?", |y| days(hanukkah(y), 8)),
    ("Tu BiShvat", "tu b(?:i|')?shvat", |y| day(tu_bishvat(y))),
    ("Purim", "purim", |y| day(jewish_spring(y, -30))),
    ("Shushan Purim", "shushan purim", |y| day(jewish_spring(y, -29))),
    ("Passover", "pass ?over|pesach", |y| days(jewish_spring(y, 0), 9)),
    ("Yom HaShoah", "yom ha'?shoah|holocaust(?: remembrance)? day", |y| {
        let date = jewish_spring(y, 12);
        day(match weekday_of(date) {
            4 => date - DAY_MS,
            6 => date + DAY_MS,
            _ => date,
        })
    }),
    ("Yom Ha'atzmaut", "yom ha'?atzmaut", |y| {
        let date = jewish_spring(y, 20);
        day(match weekday_of(date) {
            4 => date - DAY_MS,
            5 => date - 2 * DAY_MS,
            7 => date + DAY_MS,
            _ => date,
        })
    }),
    ("Lag BaOmer", "lag b(?:a|')?'?omer", |y| day(jewish_spring(y, 33))),
    ("Shavuot", "shavu'?oth?|shovuos|feast of weeks", |y| days(jewish_spring(y, 50), 3)),
    ("Tisha B'Av", "tisha b'?av", |y| {
        let date = jewish_spring(y, 112);
        day(if weekday_of(date) == 5 { date + DAY_MS } else { date })
    }),
    ("Parsi New Year", "parsi new year|jamshedi navroz", |y| {
        day(start_of(2018, 8, 17) + 365 * (y - 2018) * DAY_MS)
    }),
    ("Earth Hour", "earth hour", |y| {
        let start = nth_weekday(y, 3, 6, -1) + 20 * 3_600_000 + 1_800_000;
        Some(Span { start, grain: Grain::Minute, end: Some(start + 3_600_000) })
    }),
];

// On another day in Canada.
const THANKSGIVING: &[MovableRow] =
    &[("Thanksgiving Day", "thanks? ?giving(?: day)?", |y| day(nth_weekday(y, 11, 4, 4)))];

// By the Islamic year.
const ISLAMIC: &[MovableRow] = &[
    ("Eid al-Fitr", "eid[- ](?:al|ul)[- ]fitr", |h| islamic(h, 10, 0)),
    (
        "Eid al-Adha",
        "(?:eid|id)[- ](?:al|ul)[- ]adha|(?:sacrifice feast|feast of the sacrifice)|bakr[- ]id",
        |h| islamic(h, 12, 9),
    ),
    ("Islamic New Year", "(?:islamic|arabic|hijri) new year|amun jadid|muharram", |h| islamic(h, 1, 0)),
    ("Mawlid", "mawlid|prophet'?s birthday", |h| islamic(h, 3, 11)),
    (
        "Isra and Mi'raj",
        "isra and mi'?raj|(?:the )?prophet'?s'? ascension|(?:the )?night journey|ascension to heaven",
        |h| islamic(h, 7, 26),
    ),
    ("Laylat al-Qadr", "laylat al[- ]qadr|night of (?:power|measures|destiny|value|decree)", |h| {
        islamic(h, 9, 26)
    }),
    ("Jumu'atul-Wida", "jumu'?atul[- ]wida|jamat[- ]ul[- ]vida", |h| {
        let eid = islamic_month(h, 10) - DAY_MS;
        day(eid - (weekday_of(eid) - 5).rem_euclid(7) * DAY_MS)
    }),
    ("Ramadan", "rama?dh?an|ramzan", |h| {
        let (start, end) = (islamic_month(h, 9), islamic_month(h, 10));
        Some(Span { start, grain: Grain::Day, end: Some(end) })
    }),
];

/// Adds them.
pub fn add_all(r: &mut Rules, region: Option<&'static str>) {
    r.of(Dimension::Time);
    fixed_holidays(r, FIXED);
    weekday_holidays(r, BY_WEEKDAY);
    movable_holidays(r, MOVABLE);
    movable_holidays(r, WORLD);
    if region != Some("CA") {
        movable_holidays(r, THANKSGIVING);
    }
    islamic_holidays(r, ISLAMIC);
}
