//! What a process remembers of conversations and answers, within bounds.

use std::collections::HashMap;

use intendant_port::upstream::{Answer, Said};
use intendant_talk::time::Timestamp;

/// Conversations remembered; the oldest are forgotten first.
const TALKS_MAX: usize = 20_000;
/// A conversation is forgotten after so long without a message.
const TALK_MICROS: i64 = 30 * 60 * 1_000_000;
/// Turns of a conversation that are kept for upstreams that remember nothing.
const TURNS_MAX: usize = 20;

/// One conversation.
#[derive(Clone, Debug, Default)]
pub struct Talk {
    /// What was said, oldest first.
    pub said: Vec<Said>,
    /// The upstream remembers something of it.
    pub has_state: bool,
    touched: Timestamp,
}

/// Conversations by id.
#[derive(Debug, Default)]
pub struct Talks {
    talks: HashMap<String, Talk>,
}

impl Talks {
    /// The conversation, if it is remembered.
    pub fn get(&self, session: &str, now: Timestamp) -> Option<Talk> {
        let talk = self.talks.get(session)?;
        (now.micros.saturating_sub(talk.touched.micros) < TALK_MICROS).then(|| talk.clone())
    }

    /// Notes a turn.
    pub fn note(&mut self, session: &str, (said, has_state): (Said, bool), now: Timestamp) {
        if self.talks.len() >= TALKS_MAX && !self.talks.contains_key(session) {
            forget_old(&mut self.talks, TALKS_MAX, |talk| talk.touched, now, TALK_MICROS);
        }
        let talk = self.talks.entry(session.to_owned()).or_default();
        if now.micros.saturating_sub(talk.touched.micros) >= TALK_MICROS {
            *talk = Talk::default();
        }
        if talk.said.len() >= TURNS_MAX {
            talk.said.remove(0);
        }
        talk.said.push(said);
        talk.has_state = has_state;
        talk.touched = now;
    }
}

/// Answers by what was asked.
#[derive(Debug)]
pub struct Answers {
    answers: HashMap<String, (Answer, Timestamp)>,
    micros: i64,
    entries_max: usize,
}

impl Answers {
    /// Keeps so many answers for so many seconds; none of either keeps nothing.
    pub fn new(seconds: u64, entries_max: usize) -> Self {
        let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        Self { answers: HashMap::new(), micros, entries_max }
    }

    /// The answer to the same question, if it is fresh.
    pub fn get(&self, question: &str, now: Timestamp) -> Option<Answer> {
        let (answer, since) = self.answers.get(question)?;
        (now.micros.saturating_sub(since.micros) < self.micros).then(|| answer.clone())
    }

    /// Keeps an answer.
    pub fn put(&mut self, question: String, answer: &Answer, now: Timestamp) {
        if self.micros == 0 || self.entries_max == 0 {
            return;
        }
        if self.answers.len() >= self.entries_max && !self.answers.contains_key(&question) {
            forget_old(&mut self.answers, self.entries_max, |(_, since)| *since, now, self.micros);
        }
        self.answers.insert(question, (answer.clone(), now));
    }
}

/// Removes what is older than its time, and if that is not enough the older half.
fn forget_old<T>(
    map: &mut HashMap<String, T>,
    entries_max: usize,
    touched: impl Fn(&T) -> Timestamp,
    now: Timestamp,
    micros: i64,
) {
    map.retain(|_, item| now.micros.saturating_sub(touched(item).micros) < micros);
    if map.len() < entries_max {
        return;
    }
    let mut times: Vec<Timestamp> = map.values().map(&touched).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    map.retain(|_, item| touched(item) > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        Said { question: text.to_owned(), answer: text.to_owned() }
    }

    #[test]
    fn what_is_remembered_stays_within_bounds() {
        let mut talks = Talks::default();
        for idx in 0..TALKS_MAX + 5 {
            let now = Timestamp::from_micros(i64::try_from(idx).unwrap());
            talks.note(&idx.to_string(), (said("hi"), true), now);
        }
        assert!(talks.talks.len() <= TALKS_MAX && talks.talks.len() > TALKS_MAX / 3);
        let now = Timestamp::from_micros(TALK_MICROS * 2);
        assert!(talks.get(&(TALKS_MAX + 4).to_string(), now).is_none());
        for idx in 0..TURNS_MAX + 3 {
            talks.note("long", (said(&idx.to_string()), false), now);
        }
        let talk = talks.get("long", now).unwrap();
        assert_eq!((talk.said.len(), talk.said[0].question.as_str()), (TURNS_MAX, "3"));
        let mut answers = Answers::new(1, 3);
        for idx in 0..10 {
            answers.put(idx.to_string(), &Answer::default(), Timestamp::from_micros(idx));
        }
        assert!(answers.answers.len() <= 3);
        assert!(answers.get("9", Timestamp::from_micros(10)).is_some());
        assert!(answers.get("9", Timestamp::from_micros(1_000_009)).is_none());
    }
}
