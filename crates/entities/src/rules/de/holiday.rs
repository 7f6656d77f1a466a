//! German names of holidays.

use crate::calendar::{Grain, Span, start_of, weekday_of};
use crate::grammar::Rules;
use crate::rules::common::holiday::WORLD;
use crate::rules::holidays::{
    chinese_new_year, day, days, easter, hanukkah, islamic, islamic_month, jewish_autumn, jewish_spring,
    nth_weekday, orthodox_easter, tu_bishvat,
};
use crate::rules::shapes::day::{MovableRow, fixed_holidays, islamic_holidays, movable_holidays};
use crate::token::Dimension;

const DAY_MS: i64 = 86_400_000;

const FIXED: &[(&str, &str, i64, i64)] = &[
    ("Neujahr", "neujahr(?:s?tag)?", 1, 1),
    ("Heilige Drei Könige", "heilige[n]? drei könige|dreikönigs(?:tag|fest)", 1, 6),
    ("Valentinstag", "valentin'?stag", 2, 14),
    ("Tag der Arbeit", "tag der arbeit|maifeiertag", 5, 1),
    ("Schweizer Bundesfeiertag", "schweiz(?:er)? (?:bundes)?feiertag|bundes feiertag", 8, 1),
    ("Tag der Deutschen Einheit", "tag der (?:deutschen? )?einheit", 10, 3),
    ("Österreichischer Nationalfeiertag", "österreichischer? nationalfeiertag|national feiertag", 10, 26),
    ("Halloween", "hall?owe?en", 10, 31),
    ("Reformationstag", "reformationstag", 10, 31),
    ("Allerheiligen", "allerheiligen?|aller heiligen?", 11, 1),
    ("Allerseelen", "allerseelen", 11, 2),
    ("Nikolaus", "nikolaus(?:tag)?|nikolaus tag|nikolo", 12, 6),
    ("Heiligabend", "heilig(?:er)? abend", 12, 24),
    ("Weihnachten", "weih?nacht(?:en|stag)?", 12, 25),
    ("Silvester", "silvester", 12, 31),
    ("Rabindra Jayanti", "rabindra(?:nath)? jayanti", 5, 9),
    ("Vaisakhi", "(?:v|b)ais?h?akhi|vasakhi|vaishakhi", 4, 14),
];

const MOVABLE: &[MovableRow] = &[
    ("Ostersonntag", "oster(?:sonntag|n)", |y| easter(y, 0)),
    ("Ostermontag", "ostermontag", |y| easter(y, 1)),
    ("Karfreitag", "karfreitag|(?:hoher|stiller) freitag", |y| easter(y, -2)),
    ("Karsamstag", "kar(?:samstag|sonnabend)|stiller samstag", |y| easter(y, -1)),
    ("Gründonnerstag", "gründonnerstag|(?:hoher|heiliger|weißer) donnerstag|palmdonnerstag", |y| {
        easter(y, -3)
    }),
    ("Palmsonntag", "palmsonntag", |y| easter(y, -7)),
    ("Aschermittwoch", "aschermittwoch|asche(?:r)?tag", |y| easter(y, -46)),
    ("Rosenmontag", "rosenmontag", |y| easter(y, -48)),
    ("Fastnacht", "fastnacht(?:sdienstag)?|mardi gras|faschingsdienstag", |y| easter(y, -47)),
    ("Fastenzeit", "fastenzeit", |y| days(easter(y, -46)?.start, 46)),
    ("Christi Himmelfahrt", "(?:christi )?himmelfahrt(?:stag)?", |y| easter(y, 39)),
    ("Pfingsten", "pfingst(?:en|sonntag)|pentecost", |y| easter(y, 49)),
    ("Pfingstmontag", "pfingstmontag|pentecost montag", |y| easter(y, 50)),
    ("Dreifaltigkeitssonntag", "dreifaltigkeits(?:sonntag|fest)|goldener sonntag", |y| easter(y, 56)),
    ("Corpus Christi", "fronleichnam|corpus christi", |y| easter(y, 60)),
    ("Orthodoxer Ostersonntag", "orthodoxer? oster(?:sonntag|n)", |y| orthodox_easter(y, 0)),
    ("Orthodoxer Ostermontag", "orthodoxer? ostermontag", |y| orthodox_easter(y, 1)),
    ("Orthodoxer Karfreitag", "orthodoxer? karfreitag", |y| orthodox_easter(y, -2)),
    ("Orthodoxer Karsamstag", "orthodoxer? karsamstag", |y| orthodox_easter(y, -1)),
    ("Orthodoxer Gründonnerstag", "orthodoxer? gründonnerstag", |y| orthodox_easter(y, -3)),
    ("Orthodoxer Palmsonntag", "orthodoxer? palmsonntag", |y| orthodox_easter(y, -7)),
    ("Lazarus-Samstag", "lazarus[- ]samstag", |y| orthodox_easter(y, -8)),
    ("Aschermontag", "aschermontag|sauberer montag", |y| orthodox_easter(y, -48)),
    ("Große Fastenzeit", "große fastenzeit", |y| days(orthodox_easter(y, -48)?.start, 40)),
    ("Muttertag", "mutter ?tag", |y| day(nth_weekday(y, 5, 7, 2))),
    ("Vatertag", "vatt?er ?tag", |y| easter(y, 39)),
    ("Königstag", "koningsdag|königstag", |y| {
        let date = start_of(y, 4, 27);
        day(if weekday_of(date) == 7 { date - DAY_MS } else { date })
    }),
    ("Chinesisches Neujahr", "chinesisches (?:neujahr(?:sfest)?|frühlingsfest)", |y| {
        day(chinese_new_year(y))
    }),
    ("Global Youth Service-Tag", "global youth service[- ]tag", |y| {
        days(nth_weekday(y, 4, 5, if y == 2013 { 4 } else { 2 }), 3)
    }),
    ("Earth Hour", "stunde der erde|earth hour", |y| {
        let easter_eve = easter(y, -1)?.start;
        let last = nth_weekday(y, 3, 6, -1);
        // Moved a week ahead when it would fall into the Easter weekend.
        let date = if y == 2013 || last == easter_eve { last - 7 * DAY_MS } else { last };
        let start = date + 20 * 3_600_000 + 1_800_000;
        Some(Span { start, grain: Grain::Minute, end: Some(start + 61 * 60_000) })
    }),
    ("Rosch haSchana", "rosch ha-?schana|rosh hashana", |y| days(jewish_autumn(y, 0), 3)),
    ("Jom Kippur", "[jy]om kippur|versöhnungstag", |y| day(jewish_autumn(y, 9))),
    ("Sukkot", "suk[ck]ot|laubhüttenfest", |y| days(jewish_autumn(y, 14), 9)),
    ("Schmini Azeret", "sch?e?mini azeret", |y| day(jewish_autumn(y, 21))),
    ("Simchat Tora", "simchat tora", |y| day(jewish_autumn(y, 22))),
    ("Chanukka", "c?hanukk?ah?|lichterfest", |y| days(hanukkah(y), 8)),
    ("Tu biSchevat", "tu bi?sc?h[e']?vat", |y| day(tu_bishvat(y))),
    ("Purim", "purim", |y| day(jewish_spring(y, -30))),
    ("Shushan Purim", "shushan purim", |y| day(jewish_spring(y, -29))),
    ("Pessach", "passover|pess?ach|passa|pascha", |y| days(jewish_spring(y, 0), 9)),
    ("Jom HaShoah", "[jy]om hashoah|holocaust-?gedenktag", |y| {
        let date = jewish_spring(y, 12);
        day(match weekday_of(date) {
            4 => date - DAY_MS,
            6 => date + DAY_MS,
            _ => date,
        })
    }),
    ("Jom Ha'atzmaut", "[jy]om ha'?atzmaut", |y| {
        let date = jewish_spring(y, 20);
        day(match weekday_of(date) {
            4 => date - DAY_MS,
            5 => date - 2 * DAY_MS,
            7 => date + DAY_MS,
            _ => date,
        })
    }),
    ("Lag BaOmer", "lag ba?'?omer", |y| day(jewish_spring(y, 33))),
    ("Schawuot", "sc?ha[wv]uot", |y| days(jewish_spring(y, 50), 3)),
    ("Tisha B'Av", "tisc?ha b'?av", |y| {
        let date = jewish_spring(y, 112);
        day(if weekday_of(date) == 5 { date + DAY_MS } else { date })
    }),
    ("Parsi Neujahr", "parsi neujahr|jamshedi navroz", |y| {
        day(start_of(2018, 8, 17) + 365 * (y - 2018) * DAY_MS)
    }),
    ("Vesak", "wesakfest|buddha[- ]tag", crate::rules::common::holiday::vesak),
];

// By the Islamic year.
const ISLAMIC: &[MovableRow] = &[
    ("Eid al-Fitr", "eid[- ](?:al|ul)[- ]fitr|zuckerfest", |h| islamic(h, 10, 0)),
    ("Eid al-Adha", "(?:eid|id)[- ](?:al|ul)[- ]adha|opferfest|bakr[- ]id", |h| islamic(h, 12, 9)),
    ("Islamisches Neujahr", "(?:islamisches|arabisches) neujahr|amun jadid", |h| islamic(h, 1, 0)),
    ("Aschura", "aschura(?:-tag)?", |h| islamic(h, 1, 9)),
    ("Maulid an-Nabī", "maulid an-nab[iī]", |h| islamic(h, 3, 11)),
    ("Isra and Mi'raj", "isra and mi'?raj|aufstieg (?:des propheten|in den himmel)", |h| islamic(h, 7, 26)),
    ("Lailat al-Qadr", "lailat al-qadr|(?:die )?nacht der (?:allmacht|bestimmung)", |h| islamic(h, 9, 26)),
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
pub fn add(r: &mut Rules) {
    r.of(Dimension::Time);
    fixed_holidays(r, FIXED);
    movable_holidays(r, MOVABLE);
    movable_holidays(r, WORLD);
    islamic_holidays(r, ISLAMIC);
}
