//! Times as lazy series: every expression is a plan that yields its occurrences around a moment.
//!
//! `run` gives two endless streams, the past ones latest first and the future ones in order; an
//! occurrence is in the future when it ends after the moment asked about. Plans are combined by
//! structure (two fields of a date become one plan) and evaluated only for readings that are shown.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use crate::calendar::{self, Grain, Span};

/// How many occurrences of the coarser part an intersection looks into.
const INTERSECT_MAX: usize = 10;
/// How many occurrences are looked at when a mapping may move them between past and future.
const MAP_MAX: usize = 12;

/// How deep plans are combined.
const INTERSECT_DEPTH_MAX: u8 = 5;
/// How deep the ends of an interval may be.
pub const INTERVAL_DEPTH_MAX: u8 = 2;

thread_local! {
    /// How many more plans may be evaluated for the text in hand; streams are lazy and have no
    /// other way to share a counter.
    static BUDGET: Cell<u64> = const { Cell::new(0) };
}

/// Allows so many evaluations of plans from here on; beyond them plans have no occurrences.
pub fn allow_evaluations(count: u64) {
    BUDGET.set(count);
}

/// A stream of occurrences.
pub type Stream = Box<dyn Iterator<Item = Span>>;

/// What a plan is evaluated against.
#[derive(Clone, Copy)]
pub struct Context {
    /// The request's now.
    pub reference: Span,
    /// Occurrences before this are not looked for.
    pub earliest: Span,
    /// Occurrences after this are not looked for.
    pub latest: Span,
    /// Offsets of the request's zone in minutes, each from a moment on; see `Context::offset_at`.
    pub offsets: Offsets,
}

/// Changes of a zone's offset: the moment in universal time, and the offset in minutes from then on.
#[derive(Clone, Copy)]
pub struct Offsets(pub [(i64, i64); 8]);

impl Context {
    /// Offset of the request's zone in minutes at a moment of universal time.
    pub fn offset_at(&self, moment: i64) -> i64 {
        let last = self.offsets.0.iter().rev().find(|(from, _)| *from <= moment);
        last.unwrap_or(&self.offsets.0[0]).1
    }
}

/// Half of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// Before noon.
    Am,
    /// After noon.
    Pm,
}

/// Fields of a date or time of day, each fixed or free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fields {
    /// Second of the minute.
    pub second: Option<i64>,
    /// Minute of the hour.
    pub minute: Option<i64>,
    /// Hour; `true` when it may be meant on a dial of twelve.
    pub hour: Option<(bool, i64)>,
    /// Half of the day.
    pub half: Option<Half>,
    /// Monday 1 to Sunday 7.
    pub weekday: Option<i64>,
    /// Day of the month.
    pub day: Option<i64>,
    /// Month of the year.
    pub month: Option<i64>,
    /// Year.
    pub year: Option<i64>,
}

/// A plan with the fingerprint of its structure.
#[derive(Clone)]
pub struct Series {
    plan: Rc<Plan>,
    /// Equal for plans built alike.
    pub signature: u64,
    /// How many combining plans are nested; evaluation grows with its power.
    pub depth: u8,
}

enum Plan {
    Fields(Fields),
    /// Now moved by a duration, at the grain it is meant.
    FromNow(Grain, i64),
    /// Every one of a grain.
    Each(Grain),
    /// The n-th of a grain from now.
    Cycle(Grain, i64),
    /// `count` of a grain, after or (negative) before now.
    Several(Grain, i64, bool),
    Intersect(Series, Series),
    Interval {
        from: Series,
        to: Series,
        closed: bool,
    },
    Shift(Series, Grain, i64),
    /// From each occurrence on (or, negative, before it) for a duration.
    Lasting(Series, Grain, i64),
    Nth {
        of: Series,
        index: i64,
        not_immediate: bool,
    },
    NthAfter {
        of: Series,
        base: Series,
        index: i64,
        not_immediate: bool,
    },
    LastOf {
        of: Series,
        base: Series,
        index: i64,
    },
    Closest {
        of: Series,
        base: Series,
        index: i64,
    },
    /// A day computed from the year.
    Yearly(fn(i64) -> Option<Span>, Calendar),
    /// The n-th season from the current one.
    Season(i64),
    Zone(Series, i64),
    Part(Series, Part),
    /// The day of this number in the month of each.
    DayOf(Series, i64),
}

impl Plan {
    fn depth(&self) -> u8 {
        match self {
            Plan::Intersect(one, other) => one.depth.max(other.depth) + 1,
            Plan::Interval { from, to, .. } => from.depth.max(to.depth) + 1,
            Plan::NthAfter { of, base, .. }
            | Plan::LastOf { of, base, .. }
            | Plan::Closest { of, base, .. } => of.depth.max(base.depth) + 1,
            Plan::Shift(of, ..) | Plan::Lasting(of, ..) | Plan::Zone(of, _) | Plan::Part(of, _) => of.depth,
            Plan::DayOf(of, _) | Plan::Nth { of, .. } => of.depth,
            _ => 0,
        }
    }
}

/// How years are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// By the sun.
    Gregorian,
    /// By the moon, from the Hijra.
    Islamic,
}

/// A part of each occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its first third or so.
    Beginning,
    /// Its middle.
    Middle,
    /// Its last third or so.
    End,
    /// From now to its end.
    Rest,
    /// All of it, as an interval of a finer grain.
    Whole,
    /// The first five days.
    FirstDays,
    /// From the tenth to the nineteenth.
    SecondTen,
    /// The first half of a month.
    FirstHalf,
    /// The second half of a month.
    SecondHalf,
    /// The first two months of a year.
    FirstMonths,
    /// The last two months of a year.
    LastMonths,
    /// Wednesday and Thursday.
    Midweek,
    /// Thursday to Sunday.
    LongEnd,
    /// Monday to Friday.
    Weekdays,
}

// Signatures are made for every reading that is tried, of a few small integers each.
struct Signer(u64);

impl Hasher for Signer {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0.rotate_left(26) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn sign(tag: &str, parts: impl Hash) -> u64 {
    let mut hasher = Signer(0x243f_6a88_85a3_08d3);
    tag.hash(&mut hasher);
    parts.hash(&mut hasher);
    hasher.finish()
}

impl Series {
    fn new(plan: Plan, signature: u64) -> Series {
        let depth = plan.depth();
        Series { plan: Rc::new(plan), signature, depth }
    }

    /// Occurrences where the given fields hold.
    pub fn fields(fields: Fields) -> Series {
        Series::new(Plan::Fields(fields), sign("fields", fields))
    }

    /// Now plus a duration.
    pub fn from_now(grain: Grain, count: i64) -> Series {
        Series::new(Plan::FromNow(grain, count), sign("from now", (grain, count)))
    }

    /// Each one of a grain.
    pub fn each(grain: Grain) -> Series {
        Series::new(Plan::Each(grain), sign("each", grain))
    }

    /// The one of a grain that is `index` after the current.
    pub fn cycle(grain: Grain, index: i64) -> Series {
        Series::new(Plan::Cycle(grain, index), sign("cycle", (grain, index)))
    }

    /// The next (or last, negative) `count` of a grain; `with_current` starts with the current one.
    pub fn several(grain: Grain, count: i64, with_current: bool) -> Series {
        let signature = sign("several", (grain, count, with_current));
        Series::new(Plan::Several(grain, count, with_current), signature)
    }

    /// Both at once; `None` when they contradict each other. `fine` is looked for inside `coarse`.
    pub fn intersect(fine: &Series, coarse: &Series) -> Option<Series> {
        if let (Plan::Fields(one), Plan::Fields(other)) = (&*fine.plan, &*coarse.plan) {
            return Some(Series::fields(one.merge(other)?));
        }
        if fine.depth.max(coarse.depth) >= INTERSECT_DEPTH_MAX {
            return None;
        }
        let signature = sign("both", (fine.signature, coarse.signature));
        Some(Series::new(Plan::Intersect(fine.clone(), coarse.clone()), signature))
    }

    /// From each `from` to the next `to`.
    pub fn interval(from: &Series, to: &Series, closed: bool) -> Series {
        let signature = sign("interval", (from.signature, to.signature, closed));
        Series::new(Plan::Interval { from: from.clone(), to: to.clone(), closed }, signature)
    }

    /// Each moved by a duration.
    pub fn shift(&self, grain: Grain, count: i64) -> Series {
        let signature = sign("shift", (self.signature, grain, count));
        Series::new(Plan::Shift(self.clone(), grain, count), signature)
    }

    /// From each one on for a duration; negative: the duration that leads to it.
    pub fn lasting(&self, grain: Grain, count: i64) -> Series {
        let signature = sign("lasting", (self.signature, grain, count));
        Series::new(Plan::Lasting(self.clone(), grain, count), signature)
    }

    /// The n-th from now; `not_immediate` passes over one that contains now.
    pub fn nth(&self, index: i64, not_immediate: bool) -> Series {
        let signature = sign("nth", (self.signature, index, not_immediate));
        Series::new(Plan::Nth { of: self.clone(), index, not_immediate }, signature)
    }

    /// The n-th after each occurrence of `base`.
    pub fn nth_after(&self, base: &Series, index: i64, not_immediate: bool) -> Series {
        let signature = sign("nth after", (self.signature, base.signature, index, not_immediate));
        Series::new(Plan::NthAfter { of: self.clone(), base: base.clone(), index, not_immediate }, signature)
    }

    /// The last (0), second last (1) … within each of `base`.
    pub fn last_of(&self, base: &Series, index: i64) -> Series {
        let signature = sign("last of", (self.signature, base.signature, index));
        Series::new(Plan::LastOf { of: self.clone(), base: base.clone(), index }, signature)
    }

    /// The closest (0), second closest (1) … to `base`.
    pub fn closest(&self, base: &Series, index: i64) -> Series {
        let signature = sign("closest", (self.signature, base.signature, index));
        Series::new(Plan::Closest { of: self.clone(), base: base.clone(), index }, signature)
    }

    /// One a year, by a function of the year; `name` tells it from others.
    pub fn yearly(name: &str, calendar: Calendar, day: fn(i64) -> Option<Span>) -> Series {
        Series::new(Plan::Yearly(day, calendar), sign("yearly", name))
    }

    /// The n-th season from the current one.
    pub fn seasons(index: i64) -> Series {
        Series::new(Plan::Season(index), sign("season", index))
    }

    /// Times said in a zone with this offset, on the clock of the request's zone.
    pub fn in_zone(&self, offset_minutes: i64) -> Series {
        let signature = sign("zone", (self.signature, offset_minutes));
        Series::new(Plan::Zone(self.clone(), offset_minutes), signature)
    }

    /// The day of this number in the month of each.
    pub fn with_day(&self, day: i64) -> Series {
        Series::new(Plan::DayOf(self.clone(), day), sign("day of", (self.signature, day)))
    }

    /// A part of each.
    pub fn part(&self, part: Part) -> Series {
        Series::new(Plan::Part(self.clone(), part), sign("part", (self.signature, part)))
    }

    /// Occurrences before and after `now`.
    pub fn run(&self, now: Span, context: Context) -> (Stream, Stream) {
        let left = BUDGET.get();
        if left == 0 {
            return none();
        }
        BUDGET.set(left - 1);
        match &*self.plan {
            Plan::Fields(fields) => fields.run(now, context),
            Plan::FromNow(grain, count) => {
                let grain_meant = grain.finer();
                let moved = calendar::add(context.reference.start, *grain, *count);
                one(Span::point(calendar::floor(moved, grain_meant), grain_meant), now)
            }
            Plan::Each(grain) => sequence(*grain, 1, now.round(*grain)),
            Plan::Cycle(grain, index) => one(context.reference.round(*grain).plus(*grain, *index), now),
            Plan::Several(grain, count, with_current) => {
                one(several(*grain, *count, *with_current, context), now)
            }
            Plan::Intersect(fine, coarse) => compose(fine.clone(), coarse.clone(), now, context),
            Plan::Interval { from, to, closed } => {
                let (to, closed) = (to.clone(), *closed);
                map(from, now, context, move |span| {
                    let next = to.run(span, context).1.take(2).find(|next| next.start >= span.start)?;
                    let whole = span.until(&next, closed);
                    (whole.end() > whole.start).then_some(whole)
                })
            }
            Plan::Shift(of, grain, count) => {
                let (grain, count) = (*grain, *count);
                map(of, now, context, move |span| Some(span.shifted(grain, count)))
            }
            Plan::Lasting(of, grain, count) => {
                let (grain, count) = (*grain, *count);
                map(of, now, context, move |span| {
                    let moved = span.plus(grain, count);
                    Some(if count < 0 { moved.until(&span, false) } else { span.until(&moved, true) })
                })
            }
            Plan::Nth { of, index, not_immediate } => {
                match nth(of, *index, *not_immediate, context.reference, context) {
                    Some(span) => one(span, now),
                    None => none(),
                }
            }
            Plan::NthAfter { of, base, index, not_immediate } => {
                let (of, index, not_immediate) = (of.clone(), *index, *not_immediate);
                map(base, now, context, move |span| {
                    if index < 0 || !not_immediate {
                        return nth(&of, index, false, span, context);
                    }
                    // What began before the base, or is the base, does not come after it.
                    let is_base = |first: &Span| first.start == span.start && first.grain == span.grain;
                    let mut future = of.run(span, context).1.peekable();
                    future.next_if(|first| first.start < span.start || is_base(first));
                    future.nth(usize::try_from(index).ok()?.min(2_000))
                })
            }
            Plan::LastOf { of, base, index } => {
                let (of, index) = (of.clone(), *index);
                map(base, now, context, move |span| {
                    let end = Span::point(span.end(), span.grain);
                    let found = of.run(end, context).0.nth(usize::try_from(index).ok()?)?;
                    (found.start >= span.start).then_some(found)
                })
            }
            Plan::Closest { of, base, index } => {
                let (of, index) = (of.clone(), *index);
                map(base, now, context, move |span| closest(&of, span, index, context))
            }
            Plan::Yearly(day, calendar) => yearly(*day, *calendar, now),
            Plan::Season(index) => one(season(*index, context), now),
            Plan::Zone(of, offset) => {
                let offset = *offset;
                map(of, now, context, move |span| {
                    let minutes = context.offset_at(span.start - offset * 60_000) - offset;
                    Some(span.shifted(Grain::Minute, minutes))
                })
            }
            Plan::DayOf(of, day) => {
                let day = *day;
                map(of, now, context, move |span| {
                    let month = span.round(Grain::Month);
                    let start = calendar::add(month.start, Grain::Day, day - 1);
                    (start < month.end()).then(|| Span::point(start, Grain::Day))
                })
            }
            Plan::Part(of, part) => {
                let part = *part;
                map(of, now, context, move |span| part.of(span, context))
            }
        }
    }
}

fn none() -> (Stream, Stream) {
    (Box::new(std::iter::empty()), Box::new(std::iter::empty()))
}

fn one(span: Span, now: Span) -> (Stream, Stream) {
    let stream: Stream = Box::new(std::iter::once(span));
    if now.starts_before_end_of(&span) {
        (Box::new(std::iter::empty()), stream)
    } else {
        (stream, Box::new(std::iter::empty()))
    }
}

fn sequence(grain: Grain, step: i64, anchor: Span) -> (Stream, Stream) {
    let at = move |i: i64| Span::point(calendar::add(anchor.start, grain, i * step), anchor.grain);
    (Box::new((1..).map(move |i| at(-i))), Box::new((0..).map(at)))
}

// Like `sequence`, beginning with the first that has not ended before `now`.
fn sequence_from(grain: Grain, step: i64, mut anchor: Span, now: Span) -> (Stream, Stream) {
    while !now.starts_before_end_of(&anchor) {
        anchor = Span::point(calendar::add(anchor.start, grain, step), anchor.grain);
    }
    sequence(grain, step, anchor)
}

impl Fields {
    fn merge(&self, other: &Fields) -> Option<Fields> {
        fn either<T: PartialEq + Copy>(one: Option<T>, other: Option<T>) -> Option<Option<T>> {
            match (one, other) {
                (Some(one), Some(other)) if one != other => None,
                (one, other) => Some(one.or(other)),
            }
        }
        Some(Fields {
            second: either(self.second, other.second)?,
            minute: either(self.minute, other.minute)?,
            hour: either(self.hour, other.hour)?,
            half: either(self.half, other.half)?,
            weekday: either(self.weekday, other.weekday)?,
            day: either(self.day, other.day)?,
            month: either(self.month, other.month)?,
            year: either(self.year, other.year)?,
        })
    }

    /// The finest field alone, and all others.
    fn split(&self) -> (Fields, Option<Fields>) {
        let mut rest = *self;
        let mut single = Fields::default();
        if self.second.is_some() {
            single.second = rest.second.take();
        } else if self.minute.is_some() {
            single.minute = rest.minute.take();
        } else if self.hour.is_some() {
            single.hour = rest.hour.take();
            single.half = rest.half.take();
        } else if self.half.is_some() {
            single.half = rest.half.take();
        } else if self.weekday.is_some() {
            single.weekday = rest.weekday.take();
        } else if self.day.is_some() {
            single.day = rest.day.take();
        } else if self.month.is_some() {
            single.month = rest.month.take();
        } else {
            single.year = rest.year.take();
        }
        (single, (rest != Fields::default()).then_some(rest))
    }

    fn run(&self, now: Span, context: Context) -> (Stream, Stream) {
        match self.split() {
            (single, None) => single.run_single(now),
            (single, Some(rest)) => compose(Series::fields(single), Series::fields(rest), now, context),
        }
    }

    fn run_single(&self, now: Span) -> (Stream, Stream) {
        if let Some(second) = self.second {
            let anchor = now.round(Grain::Minute).plus(Grain::Second, second);
            return sequence_from(Grain::Minute, 1, anchor, now);
        }
        if let Some(minute) = self.minute {
            let anchor = now.round(Grain::Hour).plus(Grain::Minute, minute);
            return sequence_from(Grain::Hour, 1, anchor, now);
        }
        if let Some((twelve, hour)) = self.hour {
            return run_hour(twelve, hour, self.half, now);
        }
        if let Some(half) = self.half {
            return run_half(half, now);
        }
        if let Some(weekday) = self.weekday {
            let ahead = (weekday - calendar::weekday_of(now.start)).rem_euclid(7);
            return sequence(Grain::Day, 7, now.round(Grain::Day).plus(Grain::Day, ahead));
        }
        if let Some(day) = self.day {
            return run_day(day, now);
        }
        if let Some(month) = self.month {
            let anchor = now.round(Grain::Year).plus(Grain::Month, month - 1);
            return sequence_from(Grain::Year, 1, Span::point(anchor.start, Grain::Month), now);
        }
        match self.year {
            Some(year) => one(Span::point(calendar::start_of(year, 1, 1), Grain::Year), now),
            None => none(),
        }
    }
}

fn run_hour(twelve: bool, hour: i64, half: Option<Half>, now: Span) -> (Stream, Stream) {
    let hour = match half {
        Some(Half::Am) => hour % 12,
        Some(Half::Pm) => hour % 12 + 12,
        None => hour,
    };
    let step = if half.is_none() && twelve && hour <= 12 { 12 } else { 24 };
    let mut anchor = now.round(Grain::Day).plus(Grain::Hour, hour);
    if step == 12 {
        anchor = now.round(Grain::Day).plus(Grain::Hour, hour % 12);
    }
    sequence_from(Grain::Hour, step, anchor, now)
}

fn run_half(half: Half, now: Span) -> (Stream, Stream) {
    let hour = if half == Half::Am { 0 } else { 12 };
    let day = now.round(Grain::Day);
    let at = move |i: i64| {
        let start = calendar::add(day.start, Grain::Day, i) + hour * 3_600_000;
        Span { start, grain: Grain::Hour, end: Some(start + 12 * 3_600_000) }
    };
    let first = i64::from(!now.starts_before_end_of(&at(0)));
    (Box::new((1..).map(move |i| at(first - i))), Box::new((0..).map(move |i| at(first + i))))
}

fn run_day(day: i64, now: Span) -> (Stream, Stream) {
    let month = now.round(Grain::Month);
    let at = move |i: i64| {
        let start = calendar::add(month.start, Grain::Month, i);
        let (year, month, _) = calendar::date_of(start);
        (day <= calendar::days_in_month(year, month))
            .then(|| Span::point(calendar::add(start, Grain::Day, day - 1), Grain::Day))
    };
    let first = i64::from(at(0).is_some_and(|span| !now.starts_before_end_of(&span)));
    (Box::new((1..).filter_map(move |i| at(first - i))), Box::new((0..).filter_map(move |i| at(first + i))))
}

fn compose(fine: Series, coarse: Series, now: Span, context: Context) -> (Stream, Stream) {
    let (past, future) = coarse.run(now, context);
    let within = move |stream: Stream| -> Stream {
        let fine = fine.clone();
        Box::new(stream.take(INTERSECT_MAX).flat_map(move |whole| {
            let inside = Context { earliest: whole, latest: whole, ..context };
            fine.run(whole, inside)
                .1
                .take_while(move |part| part.starts_before_end_of(&whole))
                .filter_map(move |part| whole.intersect(&part))
        }))
    };
    let earliest = context.earliest;
    let latest = context.latest;
    let backward = within(Box::new(past.take_while(move |span| earliest.starts_before_end_of(span))));
    let forward = within(Box::new(future.take_while(move |span| span.starts_before_end_of(&latest))));
    (backward, forward)
}

// Applies `change` to each occurrence and sorts the results anew into past and future.
fn map(
    of: &Series,
    now: Span,
    context: Context,
    change: impl Fn(Span) -> Option<Span> + Clone + 'static,
) -> (Stream, Stream) {
    let (past, future) = of.run(now, context);
    let change_future = change.clone();
    let earliest = context.earliest;
    let latest = context.latest;
    let past =
        past.take_while(move |span| earliest.starts_before_end_of(span)).take(MAP_MAX).filter_map(change);
    let mut future = future
        .take_while(move |span| span.starts_before_end_of(&latest))
        .filter_map(change_future)
        .peekable();
    let mut still_to_come = Vec::new();
    let mut past = past.peekable();
    while let Some(span) = past.next_if(|span| now.starts_before_end_of(span)) {
        still_to_come.push(span);
    }
    let mut already_over = Vec::new();
    if still_to_come.is_empty() {
        for _ in 0..MAP_MAX {
            match future.next_if(|span| !now.starts_before_end_of(span)) {
                Some(span) => already_over.push(span),
                None => break,
            }
        }
    }
    still_to_come.reverse();
    already_over.reverse();
    (Box::new(already_over.into_iter().chain(past)), Box::new(still_to_come.into_iter().chain(future)))
}

fn nth(of: &Series, index: i64, not_immediate: bool, base: Span, context: Context) -> Option<Span> {
    let (mut past, future) = of.run(base, context);
    if index < 0 {
        return past.nth(usize::try_from(-index - 1).ok()?.min(2_000));
    }
    let mut future = future.peekable();
    if not_immediate {
        future.next_if(|first| first.intersect(&base).is_some());
    }
    future.nth(usize::try_from(index).ok()?.min(2_000))
}

fn several(grain: Grain, count: i64, with_current: bool, context: Context) -> Span {
    let current = context.reference.round(grain);
    let (from, to) = match (count >= 0, with_current) {
        (true, true) => (0, count),
        (true, false) => (1, count + 1),
        (false, _) => (count, 0),
    };
    let at = |index: i64| calendar::add(current.start, grain, index);
    Span { start: at(from), grain, end: Some(at(to)) }
}

fn closest(of: &Series, base: Span, index: i64, context: Context) -> Option<Span> {
    let (past, future) = of.run(base, context);
    let wanted = usize::try_from(index).ok()?.min(100) + 1;
    let mut near: Vec<Span> = past.take(wanted).chain(future.take(wanted)).collect();
    near.sort_by_key(|span| {
        if span.start >= base.end() {
            span.start - base.end()
        } else if span.end() <= base.start {
            base.start - span.end()
        } else {
            -1
        }
    });
    near.into_iter().nth(wanted - 1)
}

fn yearly(day: fn(i64) -> Option<Span>, years: Calendar, now: Span) -> (Stream, Stream) {
    let (year, month, _) = calendar::date_of(now.start);
    let year = match years {
        Calendar::Gregorian => year,
        // The Islamic year that ends soon after or has just ended.
        Calendar::Islamic => {
            1421 + ((year - 2000) * 12 + month - 5).div_euclid(12) * 33 / 32 + (year - 2000) / 400
        }
    };
    // An occurrence may begin in one year and last into the next.
    let over = move |span: &Span| !now.starts_before_end_of(span);
    let past = (-2..=150).filter_map(move |i| day(year - i)).filter(over);
    let future = (-2..=150).filter_map(move |i| day(year + i)).filter(move |span| !over(span));
    (Box::new(past), Box::new(future))
}

// Seasons change on 20 March, 21 June, 23 September and 21 December.
fn season(index: i64, context: Context) -> Span {
    const STARTS: [(i64, i64); 4] = [(3, 20), (6, 21), (9, 23), (12, 21)];
    let (year, month, day) = calendar::date_of(context.reference.start);
    let passed = STARTS.iter().filter(|start| **start <= (month, day)).count() as i64;
    let start_of = |count: i64| {
        let (month, day) = STARTS[count.rem_euclid(4) as usize];
        calendar::start_of(year + count.div_euclid(4), month, day)
    };
    let current = passed - 1 + index;
    // The last day is left out, as the original does.
    let end = calendar::add(start_of(current + 1), Grain::Day, -1);
    Span { start: start_of(current), grain: Grain::Day, end: Some(end) }
}

impl Part {
    fn of(self, span: Span, context: Context) -> Option<Span> {
        let end = span.end();
        let days = |from: i64, to: i64| {
            let at = |n: i64| {
                if n >= 0 {
                    calendar::add(span.start, Grain::Day, n)
                } else {
                    calendar::add(end, Grain::Day, n + 1)
                }
            };
            Some(Span { start: at(from), grain: Grain::Day, end: Some(at(to)) })
        };
        let months = |from: i64, to: i64| {
            let at = |n: i64| calendar::add(span.start, Grain::Month, n);
            Some(Span { start: at(from), grain: Grain::Month, end: Some(at(to)) })
        };
        // The rest of a week and all of it end before Sunday, as in the original.
        let whole_end = if span.grain == Grain::Week { calendar::add(end, Grain::Day, -1) } else { end };
        match (self, span.grain) {
            (Part::Rest, _) => {
                let start = calendar::floor(context.reference.start, Grain::Day).max(span.start);
                Some(Span { start, grain: Grain::Day, end: Some(whole_end) })
            }
            (Part::Whole, _) => Some(Span { start: span.start, grain: Grain::Day, end: Some(whole_end) }),
            (Part::FirstDays, _) => days(0, 5),
            (Part::SecondTen, _) => days(9, 19),
            (Part::FirstHalf, _) => days(0, 14),
            (Part::SecondHalf, _) => days(14, -1),
            (Part::FirstMonths, _) => months(0, 2),
            (Part::LastMonths, _) => months(10, 12),
            (Part::Midweek, _) => days(2, 4),
            (Part::LongEnd, _) => days(3, -1),
            (Part::Weekdays, _) => days(0, 5),
            (Part::Beginning, Grain::Week) => days(0, 3),
            (Part::End, Grain::Week) => days(4, -1),
            (Part::Beginning, Grain::Month) => days(0, 10),
            (Part::Middle, Grain::Month) => days(10, 20),
            (Part::End, Grain::Month) => days(20, -1),
            (Part::Beginning, Grain::Year) => months(0, 3),
            (Part::End, Grain::Year) => months(8, 12),
            _ => None,
        }
    }
}
