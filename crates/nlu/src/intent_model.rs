//! The intent model behind `DIETClassifier`, `ResponseSelector` and `SklearnIntentClassifier`.
//!
//! Sparse features weighted by inverse document frequency go into two kinds of linear models: one
//! support vector machine per class against the rest, and a committee of factored softmax
//! regressions, each trained without a part of the examples. The name of a class counts as an
//! example of it, which tells most where examples are few. All models are added up to one matrix.
//! Scores become probabilities by a softmax whose sharpness is fitted on scores of examples that
//! the models did not see, and multiplied by how much of a text is known: the fewer of its
//! features occurred in training, the less sure the answer, and the more it goes by how many words
//! of their own the examples of a class bring. Messages that were literally in the training data
//! are remembered.

use std::collections::BTreeMap;

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use intendant_component::training::{Cancelled, TrainContext};
use intendant_numeric::factored::{self, Factored};
use intendant_numeric::index::Index;
use intendant_numeric::quantized::Matrix;
use intendant_numeric::random::{Random, mix};
use intendant_numeric::sparse::Rows;
use intendant_numeric::{calibration, parallel, svm};
use serde_json::{Value, json};

use crate::ngrams;

/// Members of the committee; each leaves out one fold of the examples.
const MEMBERS: usize = 8;
/// What the machines count beside the committee.
const MACHINE_SHARE: f32 = 0.2;
/// From here on examples are many: a part of them calibrates, and the committee leaves features
/// that occur only once to the machines, and more of the others out at each visit.
const MANY_EXAMPLES: usize = 3000;
/// Folds that calibrate when examples are many.
const FOLDS_OF_MANY: usize = 2;
/// Share of the probability that goes to the intent of a remembered message.
const MEMORY_SHARE: f32 = 0.9;
/// Blocks of features of equal weight: words and pieces of words.
const BLOCKS: usize = 2;

/// One example to train on.
#[derive(Clone)]
pub(crate) struct Sample<'a> {
    pub(crate) text: &'a str,
    /// Hashed features, once per occurrence.
    pub(crate) features: Vec<u64>,
    /// Vectors of language models, one after the other; empty without.
    pub(crate) dense: Vec<f32>,
    pub(crate) label: u32,
    /// Whether this is the name of the label instead of a message.
    pub(crate) is_name: bool,
}

/// A trained intent model.
#[derive(Clone, Debug)]
pub(crate) struct IntentModel {
    pub(crate) labels: Vec<String>,
    index: Index,
    /// The group of each feature; those that always occur together are one.
    groups: Vec<u32>,
    /// Weight of the features of each group.
    weights: Vec<f32>,
    /// Weight of a feature that was never seen.
    unknown_weight: f32,
    /// A row for each group.
    matrix: Matrix,
    sharpness: f32,
    /// Of each label, the logarithm of the share of words that only one example has.
    novelty: Vec<f32>,
    /// Hashes of remembered messages, sorted, each with its label.
    memory: Vec<(u64, u32)>,
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    pub(crate) phase: &'a str,
    pub(crate) seed: u64,
}

impl IntentModel {
    /// Trains on samples of at least two labels. With the model come the labels that the samples
    /// get from members of the committee that did not see them; names get their own.
    pub(crate) fn train(
        samples: &[Sample<'_>],
        labels: Vec<String>,
        settings: &Settings<'_>,
        context: &TrainContext<'_>,
    ) -> Result<(Self, Vec<u32>), Cancelled> {
        let report = |done| context.progress.report(settings.phase, done, 4);
        let check = || if context.progress.is_cancelled() { Err(Cancelled) } else { Ok(()) };
        report(0);
        let (vocabulary, rows) = vectorize(samples, context.threads);
        check()?;
        report(1);
        let targets: Vec<u32> = samples.iter().map(|sample| sample.label).collect();
        let data = Data { rows: &rows, targets: &targets, folds: &folds(samples, settings.seed) };
        let options = svm::Options {
            cost: 1.5,
            passes: 30,
            tolerance: 0.1,
            seed: settings.seed,
            threads: context.threads,
        };
        let machine = svm::train(&rows, &targets, &[], labels.len(), &options);
        check()?;
        report(2);
        let committee = Committee::train(&data, (&vocabulary, labels.len()), &options);
        check()?;
        report(3);
        let shares = calibrate(&data, &machine, &committee, &options);
        check()?;
        let matrix = committee.added_to(&machine, &shares, (&vocabulary, context.threads));
        report(4);
        let guesses = (0..samples.len()).map(|row| committee.guess(&data, row)).collect();
        let model = Self {
            unknown_weight: inverse_frequency(samples.len(), 0),
            novelty: novelty(samples, labels.len()),
            memory: remember(samples),
            index: vocabulary.index,
            groups: vocabulary.groups,
            weights: vocabulary.weights,
            sharpness: shares.all,
            matrix,
            labels,
        };
        Ok((model, guesses))
    }

    /// Probabilities of all labels, in their order; uniform when the text has no features.
    pub(crate) fn probabilities(&self, text: &str, features: &mut Vec<u64>) -> Vec<f32> {
        let mut scores = vec![0.0; self.labels.len()];
        let familiar = self.add_scores(features, &mut scores);
        let strange = (1.0 - familiar) * (1.0 - familiar);
        for (score, novelty) in scores.iter_mut().zip(&self.novelty) {
            *score = *score * self.sharpness * familiar + strange * novelty;
        }
        calibration::softmax(&mut scores, 1.0);
        let remembered = self.remembered(text);
        if !remembered.is_empty() {
            let share = MEMORY_SHARE / remembered.len() as f32;
            scores.iter_mut().for_each(|score| *score *= 1.0 - MEMORY_SHARE);
            remembered.iter().for_each(|(_, label)| scores[*label as usize] += share);
        }
        scores
    }

    /// Adds the scores of all labels; returns how much of the text is known, from 0 to 1.
    fn add_scores(&self, features: &mut Vec<u64>, scores: &mut [f32]) -> f32 {
        let mut unknown = 0.0;
        let mut known: Vec<u32> = Vec::with_capacity(features.len());
        for hash in features.drain(..) {
            match self.index.get(hash) {
                Some(column) => known.push(column),
                None => unknown += self.unknown_weight * self.unknown_weight,
            }
        }
        known.sort_unstable();
        let values = counted(&known, |column| self.weights[self.groups[column as usize] as usize]);
        let squares = block_squares(&values, &self.index);
        let lengths = squares.map(|square| square.sqrt().max(1e-6));
        for (column, value) in values {
            let length = lengths[block(self.index.keys()[column as usize])];
            self.matrix.add_row(self.groups[column as usize], value / length, scores);
        }
        let known: f32 = squares.iter().sum();
        (known / (known + unknown).max(1e-6)).sqrt()
    }

    fn remembered(&self, text: &str) -> &[(u64, u32)] {
        let key = memory_key(text);
        let start = self.memory.partition_point(|(hash, _)| *hash < key);
        let end = self.memory.partition_point(|(hash, _)| *hash <= key);
        &self.memory[start..end]
    }

    /// Remembers further messages, such as synonyms of a message that is nothing but an entity.
    pub(crate) fn remember_more(&mut self, messages: impl IntoIterator<Item = (String, u32)>) {
        for (text, label) in messages {
            let key = memory_key(&text);
            if self.remembered(&text).is_empty() {
                let at = self.memory.partition_point(|(hash, _)| *hash < key);
                self.memory.insert(at, (key, label));
            }
        }
    }

    pub(crate) fn store_into(&self, prefix: &str, stored: &mut Stored) -> Value {
        let mut put = |name: &str, data: TensorData| {
            stored.tensors.insert(format!("{prefix}{name}"), Tensor::flat(data));
        };
        put("features", TensorData::U64(self.index.keys().to_vec()));
        put("groups", TensorData::U32(self.groups.clone()));
        put("group_weights", TensorData::F32(self.weights.clone()));
        let (starts, scales, bytes) = self.matrix.parts();
        put("row_starts", TensorData::U32(starts.to_vec()));
        put("row_scales", TensorData::F32(scales.to_vec()));
        put("rows", TensorData::U8(bytes.to_vec()));
        put("novelty", TensorData::F32(self.novelty.clone()));
        put("memory_texts", TensorData::U64(self.memory.iter().map(|(hash, _)| *hash).collect()));
        put("memory_labels", TensorData::U32(self.memory.iter().map(|(_, label)| *label).collect()));
        json!({
            "labels": self.labels,
            "unknown_weight": self.unknown_weight,
            "sharpness": self.sharpness,
        })
    }

    pub(crate) fn load_from(prefix: &str, state: &Value, stored: &mut Stored) -> Result<Self, Unreadable> {
        let number = |key: &str| {
            let number = state.get(key).and_then(Value::as_f64);
            number.map(|number| number as f32).ok_or_else(|| Unreadable::new(format!("`{key}` is no number")))
        };
        let labels = state.get("labels").and_then(Value::as_array);
        let labels = labels.ok_or_else(|| Unreadable::new("`labels` is not a list"))?;
        let labels: Vec<String> = labels.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let index = Index::from_keys(&stored.take_u64(&format!("{prefix}features"))?);
        let groups = stored.take_u32(&format!("{prefix}groups"))?;
        let weights = stored.take_f32(&format!("{prefix}group_weights"))?;
        let matrix = Matrix::from_parts(
            labels.len(),
            stored.take_u32(&format!("{prefix}row_starts"))?,
            stored.take_f32(&format!("{prefix}row_scales"))?,
            stored.take_u8(&format!("{prefix}rows"))?,
        );
        let matrix = matrix.ok_or_else(|| Unreadable::new("the weight matrix does not fit its size"))?;
        let texts = stored.take_u64(&format!("{prefix}memory_texts"))?;
        let owners = stored.take_u32(&format!("{prefix}memory_labels"))?;
        let novelty = stored.take_f32(&format!("{prefix}novelty"))?;
        let is_sound = novelty.len() == labels.len()
            && groups.len() == index.len()
            && groups.iter().all(|group| (*group as usize) < weights.len())
            && matrix.rows() == weights.len()
            && texts.len() == owners.len()
            && owners.iter().all(|label| (*label as usize) < labels.len());
        if !is_sound {
            return Err(Unreadable::new("the intent model's parts do not fit each other"));
        }
        Ok(Self {
            index,
            groups,
            weights,
            unknown_weight: number("unknown_weight")?,
            matrix,
            sharpness: number("sharpness")?,
            novelty,
            memory: texts.into_iter().zip(owners).collect(),
            labels,
        })
    }
}

/// The block of features that a hash belongs to; each block of a text is brought to length 1.
fn block(hash: u64) -> usize {
    (hash & ngrams::PIECE_BLOCK) as usize
}

/// The squared length of each block.
fn block_squares(values: &[(u32, f32)], index: &Index) -> [f32; BLOCKS] {
    let mut squares = [0.0; BLOCKS];
    for (column, value) in values {
        squares[block(index.keys()[*column as usize])] += value * value;
    }
    squares
}

fn memory_key(text: &str) -> u64 {
    intendant_numeric::random::hash_bytes(77, ngrams::level_numbers(ngrams::normal_form(text)).as_bytes())
}

/// Every message with its labels, sorted, each pair once.
fn remember(samples: &[Sample<'_>]) -> Vec<(u64, u32)> {
    let messages = samples.iter().filter(|sample| !sample.is_name);
    let mut memory: Vec<(u64, u32)> =
        messages.map(|sample| (memory_key(sample.text), sample.label)).collect();
    memory.sort_unstable();
    memory.dedup();
    memory
}

/// What a message of words never seen may be: the examples of a greeting share few words, those of an
/// order many, so it is rather a greeting.
fn novelty(samples: &[Sample<'_>], labels: usize) -> Vec<f32> {
    let words = |sample: &Sample<'_>| -> Vec<u64> {
        let text = ngrams::fold(sample.text);
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let mut words: Vec<u64> =
            words.map(|word| intendant_numeric::random::hash_bytes(77, word.as_bytes())).collect();
        words.sort_unstable();
        words.dedup();
        words
    };
    let messages: Vec<(u32, Vec<u64>)> =
        samples.iter().filter(|sample| !sample.is_name).map(|sample| (sample.label, words(sample))).collect();
    let mut all: Vec<u64> = messages.iter().flat_map(|(_, words)| words.iter().copied()).collect();
    all.sort_unstable();
    let occurs_once = |word: u64| {
        let at = all.partition_point(|other| *other < word);
        all.get(at + 1) != Some(&word)
    };
    let mut shares = vec![(0.5_f32, 1.0_f32); labels];
    for (label, words) in messages.iter().filter(|(_, words)| !words.is_empty()) {
        let own = words.iter().filter(|word| occurs_once(**word)).count();
        let (sum, count) = &mut shares[*label as usize];
        *sum += own as f32 / words.len() as f32;
        *count += 1.0;
    }
    shares.iter().map(|(sum, count)| (sum / count).ln()).collect()
}

fn inverse_frequency(documents: usize, containing: u32) -> f32 {
    (((1.0 + documents as f32) / (1.0 + containing as f32)).ln() + 1.0).sqrt()
}

/// Sorted columns to columns with values.
fn counted(columns: &[u32], weight: impl Fn(u32) -> f32) -> Vec<(u32, f32)> {
    let mut values: Vec<(u32, f32)> = Vec::with_capacity(columns.len());
    for run in columns.chunk_by(|a, b| a == b) {
        let damped = 1.0 + (run.len() as f32).ln();
        values.push((run[0], damped * weight(run[0])));
    }
    values
}

/// The features of the training data.
///
/// Features that occur in the same samples, equally often, are one group and one column to the
/// models: most pieces of a rare word are. A linear model held by the squares of its weights is the
/// same either way, and learns faster.
struct Vocabulary {
    index: Index,
    /// The group of each feature.
    groups: Vec<u32>,
    /// How many features each group has.
    sizes: Vec<u32>,
    /// Samples that contain each group.
    containing: Vec<u32>,
    /// Weight of the features of each group.
    weights: Vec<f32>,
}

impl Vocabulary {
    /// Groups the features of samples, given as sorted columns.
    fn of(index: Index, samples: &[Vec<u32>]) -> Self {
        let mut containing = vec![0u32; index.len()];
        // The sum of what each sample says of a feature tells equal features.
        let mut prints: Vec<u64> = index.keys().iter().map(|key| block(*key) as u64).collect();
        for (number, columns) in samples.iter().enumerate() {
            let sample = mix(number as u64 ^ 0x6720_4F55);
            for run in columns.chunk_by(|a, b| a == b) {
                let column = run[0] as usize;
                containing[column] += 1;
                prints[column] = prints[column].wrapping_add(mix(sample ^ run.len() as u64));
            }
        }
        let mut known = Index::with_capacity(index.len());
        let groups: Vec<u32> = prints.iter().map(|print| known.insert(*print)).collect();
        let mut sizes = vec![0; known.len()];
        let mut of_groups = vec![0; known.len()];
        for (group, containing) in groups.iter().zip(containing) {
            sizes[*group as usize] += 1;
            of_groups[*group as usize] = containing;
        }
        let weight = |containing: &u32| inverse_frequency(samples.len(), *containing);
        let weights = of_groups.iter().map(weight).collect();
        Self { index, groups, sizes, containing: of_groups, weights }
    }

    /// The groups of one sample with their values: as long as their features together.
    fn row(&self, columns: &[u32]) -> Vec<(u32, f32)> {
        let group = |column: u32| self.groups[column as usize];
        let values = counted(columns, |column| self.weights[group(column) as usize]);
        let lengths = block_squares(&values, &self.index).map(|square| square.sqrt().max(1e-6));
        let mut row: Vec<(u32, f32)> = values
            .into_iter()
            .map(|(column, value)| {
                let length = lengths[block(self.index.keys()[column as usize])];
                (group(column), value / length * self.root(group(column)))
            })
            .collect();
        row.sort_by_key(|(group, _)| *group);
        row.dedup_by_key(|(group, _)| *group);
        row
    }

    /// The length of a group of features of length 1.
    fn root(&self, group: u32) -> f32 {
        (self.sizes[group as usize] as f32).sqrt()
    }
}

fn vectorize(samples: &[Sample<'_>], threads: usize) -> (Vocabulary, Rows) {
    let mut index = Index::with_capacity(samples.len() * 16);
    let columns: Vec<Vec<u32>> = samples
        .iter()
        .map(|sample| {
            let mut columns: Vec<u32> = sample.features.iter().map(|hash| index.insert(*hash)).collect();
            columns.sort_unstable();
            columns
        })
        .collect();
    let vocabulary = Vocabulary::of(index, &columns);
    let mut rows = Rows::default();
    let values = parallel::map(threads, columns.len(), |sample| vocabulary.row(&columns[sample]));
    values.into_iter().for_each(|row| rows.push(row));
    (vocabulary, rows)
}

/// A fold for each sample, each class spread evenly; names are in no fold, so never left out.
pub(crate) fn folds(samples: &[Sample<'_>], seed: u64) -> Vec<u32> {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, sample) in samples.iter().enumerate().filter(|(_, sample)| !sample.is_name) {
        members.entry(sample.label).or_default().push(row);
    }
    let mut random = Random::new(seed ^ 0xF01D);
    let mut of_row = vec![u32::MAX; samples.len()];
    let mut next = 0;
    for rows in members.values_mut() {
        random.shuffle(rows);
        for row in rows {
            of_row[*row] = (next % MEMBERS) as u32;
            next += 1;
        }
    }
    of_row
}

/// Samples as models read them.
struct Data<'a> {
    rows: &'a Rows,
    targets: &'a [u32],
    /// The fold of each row; see [`folds`].
    folds: &'a [u32],
}

/// Factors of scores.
struct Shares {
    machine: f32,
    committee: f32,
    /// Sharpness of the sum.
    all: f32,
}

/// Factored models, each trained without one fold.
struct Committee {
    members: Vec<Factored>,
    /// The number that a group has in the models, if they know it, and the factor of its values:
    /// as each step is as long as any other, a group must count as all its features do.
    numbers: Vec<Option<(u32, f32)>>,
    rows: Rows,
}

impl Committee {
    fn train(data: &Data<'_>, (vocabulary, classes): (&Vocabulary, usize), options: &svm::Options) -> Self {
        let examples = data.targets.len();
        let seldom = if examples > MANY_EXAMPLES { 2 } else { 1 };
        let mut numbers = vec![None; vocabulary.containing.len()];
        let mut features = 0;
        for group in (0..).take(numbers.len()) {
            if vocabulary.containing[group as usize] >= seldom {
                numbers[group as usize] = Some((features, vocabulary.root(group)));
                features += 1;
            }
        }
        let rows = data.rows.renumbered(&numbers);
        let sizes = factored::Sizes { features: features as usize, classes };
        let members = parallel::map(options.threads, MEMBERS, |fold| {
            let members: Vec<u32> =
                (0..examples as u32).filter(|row| data.folds[*row as usize] != fold as u32).collect();
            let options = factored::Options {
                epochs: (80_000 / members.len().max(1)).clamp(5, 20),
                rate: 0.4,
                dropout: if examples > MANY_EXAMPLES { 0.6 } else { 0.3 },
                seed: options.seed ^ (fold as u64) << 40,
            };
            let examples = factored::Examples { rows: &rows, labels: data.targets, members: &members };
            factored::train(&examples, sizes, &options)
        });
        Self { members, numbers, rows }
    }

    /// Scores of a row by the member that did not see it.
    fn held_out(&self, row: usize, fold: u32) -> Vec<f32> {
        let (columns, values) = self.rows.row(row);
        self.members[fold as usize].scores(columns, values)
    }

    /// The best label of a row by the member that did not see it.
    fn guess(&self, data: &Data<'_>, row: usize) -> u32 {
        let fold = data.folds[row];
        if fold as usize >= MEMBERS {
            return data.targets[row];
        }
        let scores = self.held_out(row, fold);
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        best.map_or(data.targets[row], |best| best as u32)
    }

    /// Weights of machines and committee together.
    fn added_to(
        &self,
        machine: &svm::Machine,
        shares: &Shares,
        (vocabulary, threads): (&Vocabulary, usize),
    ) -> Matrix {
        let mean = factored::Mean::of(&self.members);
        Matrix::build((vocabulary.sizes.len(), machine.classes), threads, |group| {
            let share = shares.machine / vocabulary.root(group as u32);
            let mut row = Vec::with_capacity(machine.classes + svm::LANES);
            for block in &machine.blocks {
                row.extend(block.weights[group].map(|weight| weight * share));
            }
            row.truncate(machine.classes);
            if let Some((number, _)) = self.numbers[group] {
                let weights = mean.weights(number as usize);
                let weights = weights.as_flattened().iter();
                row.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += shares.committee * weight);
            }
            row
        })
    }
}

/// Fits the shares on scores of rows by models that did not see them.
fn calibrate(
    data: &Data<'_>,
    machine: &svm::Machine,
    committee: &Committee,
    options: &svm::Options,
) -> Shares {
    let count = if data.targets.len() > MANY_EXAMPLES { FOLDS_OF_MANY } else { MEMBERS };
    let folds = svm::Folds { of_row: data.folds, count, costs: &[] };
    let held_out = machine.held_out(data.rows, data.targets, &folds, &svm::Options { passes: 6, ..*options });
    let (mut machines, mut committees, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (row, scores) in held_out.into_iter().enumerate() {
        let fold = data.folds[row];
        if (fold as usize) < count {
            machines.push(scores);
            committees.push(committee.held_out(row, fold));
            targets.push(data.targets[row]);
        }
    }
    let sharpness = |scores: &[Vec<f32>]| {
        calibration::minimize(0.1, 60.0, |s| calibration::loss(scores, &targets, |_| s, 0.02))
    };
    let of_machine = MACHINE_SHARE * sharpness(&machines);
    let of_committee = (1.0 - MACHINE_SHARE) * sharpness(&committees);
    for (machine, committee) in machines.iter_mut().zip(&committees) {
        for (sum, score) in machine.iter_mut().zip(committee) {
            *sum = of_machine * *sum + of_committee * score;
        }
    }
    Shares { machine: of_machine, committee: of_committee, all: sharpness(&machines) }
}
