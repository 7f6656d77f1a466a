//! How similar a situation is to those of the stories.
//!
//! A situation is a set of weighted features: what is true now, and what was true before, fading
//! with distance. Now and before are compared by cosine on their own; a situation counts as
//! similar when *now* agrees, the more so when *before* agrees too. That is all a learning policy
//! needs on the few dozen to few thousand situations stories have; it is learned in one pass and
//! never sure of what it has not seen.

use std::collections::{BTreeMap, HashMap, HashSet};

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use serde_json::{Value, json};

use crate::state::{Previous, SlotFeatures, State};
use crate::texts::TextFeatures;

/// States looked at where no `max_history` is given.
pub(crate) const HISTORY_DEFAULT: usize = 8;
/// Share of the agreement of *before* in the whole, when the user just spoke.
const BEFORE_SHARE: f64 = 0.4;
/// The same when the bot just acted: what it does next depends mostly on that.
const BEFORE_SHARE_ACTING: f64 = 0.2;
/// Weight of a state relative to the one after it.
const FADING: f64 = 0.45;

/// Which part of a situation is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Now {
    /// Up to the user's latest message, for deciding an action.
    WithUser,
    /// Up to the bot's listening, for expecting an intent.
    BeforeUser,
}

/// A described situation: squared weights of features, now and before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Description {
    now: BTreeMap<String, f64>,
    before: BTreeMap<String, f64>,
    /// The bot acted last, not the user.
    is_acting: bool,
}

/// Describes the last of `states`; `read` tells what a text is made of.
pub(crate) fn describe(
    states: &[State],
    (history, part): (usize, Now),
    read: &dyn Fn(&str) -> TextFeatures,
) -> Description {
    let is_acting = states.last().is_some_and(|state| !state.follows_listen());
    let mut description = Description { is_acting, ..Description::default() };
    let mut fading = 1.0;
    for (age, state) in states.iter().rev().take(history.max(1)).enumerate() {
        let is_now = age == 0;
        let features = if is_now { &mut description.now } else { &mut description.before };
        let prefix = if is_now { String::new() } else { format!("{age}:") };
        let mut add = |name: String, weight: f64| {
            *features.entry(format!("{prefix}{name}")).or_default() += weight * fading;
        };
        describe_state(state, is_now && part == Now::BeforeUser, read, &mut add);
        if !is_now {
            fading *= FADING;
        }
    }
    if states.len() < history {
        description.before.insert("start".to_owned(), 0.5 * fading);
    }
    description
}

fn describe_state(
    state: &State,
    is_user_left_out: bool,
    read: &dyn Fn(&str) -> TextFeatures,
    add: &mut impl FnMut(String, f64),
) {
    let after_listen = state.follows_listen();
    match &state.previous {
        Some(Previous::Name(name)) => add(format!("a:{name}"), if after_listen { 0.2 } else { 1.0 }),
        Some(Previous::Text(text)) => add(format!("at:{text}"), 1.0),
        None => add("a:".to_owned(), 1.0),
    }
    if let Some(name) = &state.active_loop {
        add(format!("l:{name}"), 0.5);
    }
    for (name, features) in &state.slots {
        let SlotFeatures::Set(features) = features else { continue };
        let value: Vec<String> = features.iter().map(|feature| format!("{feature:.2}")).collect();
        add(format!("s:{name}"), 0.05);
        add(format!("s:{name}={}", value.join(",")), 0.1);
    }
    let Some(user) = state.user.as_ref().filter(|_| !is_user_left_out) else { return };
    let share = if after_listen { 1.0 } else { 0.25 };
    if let Some(intent) = &user.intent {
        add(format!("i:{intent}"), 0.5 * share);
        add(format!("ie:{intent}|{}", user.entities.join(",")), 0.7 * share);
        for entity in &user.entities {
            add(format!("e:{entity}"), 0.1 * share);
        }
    } else if let Some(text) = &user.text {
        for (name, weight) in read(text) {
            add(name, 1.2 * share * weight);
        }
    }
}

/// Described situations of the stories, each with a label.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Neighbours {
    features: HashMap<String, u32>,
    /// Per feature: the situations that have it, and its squared weight there.
    now: Vec<Vec<(u32, f32)>>,
    before: Vec<Vec<(u32, f32)>>,
    /// Per situation: its label and the squared lengths of its two parts.
    labels: Vec<u32>,
    now_lengths: Vec<f32>,
    before_lengths: Vec<f32>,
}

/// Collects situations, each once.
#[derive(Default)]
pub(crate) struct Learning {
    neighbours: Neighbours,
    seen: HashSet<(Vec<(u32, bool)>, u32)>,
}

impl Learning {
    pub(crate) fn learn(&mut self, description: &Description, label: u32) {
        let known = &mut self.neighbours;
        let mut id = |name: &String| {
            let next = known.features.len() as u32;
            let id = *known.features.entry(name.clone()).or_insert(next);
            if id == next && known.now.len() == id as usize {
                known.now.push(Vec::new());
                known.before.push(Vec::new());
            }
            id
        };
        let now: Vec<(u32, f64)> = description.now.iter().map(|(name, weight)| (id(name), *weight)).collect();
        let before: Vec<(u32, f64)> =
            description.before.iter().map(|(name, weight)| (id(name), *weight)).collect();
        let identity = now.iter().map(|(id, _)| (*id, true)).chain(before.iter().map(|(id, _)| (*id, false)));
        if !self.seen.insert((identity.collect(), label)) {
            return;
        }
        let situation = known.labels.len() as u32;
        for (id, weight) in &now {
            known.now[*id as usize].push((situation, *weight as f32));
        }
        for (id, weight) in &before {
            known.before[*id as usize].push((situation, *weight as f32));
        }
        known.labels.push(label);
        known.now_lengths.push(now.iter().map(|(_, weight)| *weight as f32).sum());
        known.before_lengths.push(before.iter().map(|(_, weight)| *weight as f32).sum());
    }

    pub(crate) fn finish(self) -> Neighbours {
        self.neighbours
    }
}

impl Neighbours {
    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The best similarity in `0..=1` per label, for labels below `labels_count`.
    pub(crate) fn similarities(&self, description: &Description, labels_count: usize) -> Vec<f64> {
        let now = self.cosines(&description.now, &self.now, &self.now_lengths);
        let before = self.cosines(&description.before, &self.before, &self.before_lengths);
        let share = if description.is_acting { BEFORE_SHARE_ACTING } else { BEFORE_SHARE };
        let mut best = vec![0.0; labels_count];
        for (idx, label) in self.labels.iter().enumerate() {
            let similarity = now[idx] * (1.0 - share + share * before[idx]);
            if let Some(best) = best.get_mut(*label as usize)
                && similarity > *best
            {
                *best = similarity;
            }
        }
        best
    }

    fn cosines(
        &self,
        features: &BTreeMap<String, f64>,
        postings: &[Vec<(u32, f32)>],
        lengths: &[f32],
    ) -> Vec<f64> {
        let length: f64 = features.values().sum();
        let mut shared = vec![0.0; lengths.len()];
        for (name, weight) in features {
            let Some(id) = self.features.get(name) else { continue };
            for (situation, other) in &postings[*id as usize] {
                shared[*situation as usize] += (weight * f64::from(*other)).sqrt();
            }
        }
        shared
            .iter()
            .zip(lengths)
            .map(|(shared, other)| match length * f64::from(*other) {
                0.0 if length == f64::from(*other) => 1.0,
                0.0 => 0.0,
                product => (shared / product.sqrt()).min(1.0),
            })
            .collect()
    }

    pub(crate) fn store(&self, state: Value) -> Stored {
        let mut names = vec![""; self.features.len()];
        for (name, id) in &self.features {
            names[*id as usize] = name;
        }
        let mut stored = Stored { state: json!({ "features": names, "policy": state }), ..Stored::default() };
        for (part, postings) in [("now", &self.now), ("before", &self.before)] {
            let ends = postings.iter().scan(0, |end, list| {
                *end += list.len() as u32;
                Some(*end)
            });
            let ends = TensorData::U32(ends.collect());
            let situations = postings.iter().flatten().map(|(situation, _)| *situation).collect();
            let weights = postings.iter().flatten().map(|(_, weight)| *weight).collect();
            let mut put =
                |name: &str, data| stored.tensors.insert(format!("{part}_{name}"), Tensor::flat(data));
            put("ends", ends);
            put("situations", TensorData::U32(situations));
            put("weights", TensorData::F32(weights));
        }
        let mut put = |name: &str, data| stored.tensors.insert(name.to_owned(), Tensor::flat(data));
        put("labels", TensorData::U32(self.labels.clone()));
        put("now_lengths", TensorData::F32(self.now_lengths.clone()));
        put("before_lengths", TensorData::F32(self.before_lengths.clone()));
        stored
    }

    /// Brings stored situations back, with the policy's own state.
    pub(crate) fn load(stored: &mut Stored) -> Result<(Self, Value), Unreadable> {
        let names = stored.state.get("features").and_then(Value::as_array);
        let names = names.ok_or_else(|| Unreadable::new("the list of features is missing"))?;
        let mut features = HashMap::with_capacity(names.len());
        for (idx, name) in names.iter().enumerate() {
            let name = name.as_str().ok_or_else(|| Unreadable::new("a feature is not a text"))?;
            features.insert(name.to_owned(), idx as u32);
        }
        let policy = stored.state.get("policy").cloned().unwrap_or(Value::Null);
        let count = names.len();
        let labels = stored.take_u32("labels")?;
        let now = load_postings(stored, "now", count, labels.len())?;
        let before = load_postings(stored, "before", count, labels.len())?;
        let now_lengths = stored.take_f32("now_lengths")?;
        let before_lengths = stored.take_f32("before_lengths")?;
        if now_lengths.len() != labels.len() || before_lengths.len() != labels.len() {
            return Err(Unreadable::new("situations have different counts"));
        }
        Ok((Self { features, now, before, labels, now_lengths, before_lengths }, policy))
    }
}

fn load_postings(
    stored: &mut Stored,
    part: &str,
    features: usize,
    situations_count: usize,
) -> Result<Vec<Vec<(u32, f32)>>, Unreadable> {
    let ends = stored.take_u32(&format!("{part}_ends"))?;
    let situations = stored.take_u32(&format!("{part}_situations"))?;
    let weights = stored.take_f32(&format!("{part}_weights"))?;
    let is_ascending = ends.windows(2).all(|pair| pair[0] <= pair[1]);
    let total = ends.last().copied().unwrap_or(0) as usize;
    let is_within = situations.iter().all(|situation| (*situation as usize) < situations_count);
    if ends.len() != features
        || !is_ascending
        || total != situations.len()
        || total != weights.len()
        || !is_within
    {
        return Err(Unreadable::new(format!("the situations of `{part}` do not fit")));
    }
    let mut start = 0;
    let mut postings = Vec::with_capacity(features);
    for end in ends {
        let range = start..end as usize;
        postings
            .push(situations[range.clone()].iter().copied().zip(weights[range].iter().copied()).collect());
        start = end as usize;
    }
    Ok(postings)
}
