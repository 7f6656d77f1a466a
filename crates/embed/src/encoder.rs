//! The encoder itself.
//!
//! Source: Vaswani et al. 2017, arXiv:1706.03762; Devlin et al. 2019, arXiv:1810.04805.

use intendant_numeric::dense::Linear;
use intendant_numeric::parallel;

use crate::config::{Architecture, Config, Pooling};
use crate::kernel::{Glance, Norm, activate, add_and_normalize, attend};
use crate::tokenizer::{Piece, Tokenizer};
use crate::weights::{Table, Weights};
use crate::{Error, Files};

/// Pieces that are computed together: enough to use every weight often, few enough to stay near.
const UNIT_PIECES: usize = 96;

/// A BERT-like encoder. Its answers depend on the text alone, not on what else is in a batch.
pub struct Encoder {
    config: Config,
    tokenizer: Tokenizer,
    words: Table,
    /// Positions with the first token type added, `[positions][width]`.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Queries, keys and values side by side.
    mixed: Linear,
    joined: Linear,
    joined_norm: Norm,
    inner: Linear,
    outer: Linear,
    outer_norm: Norm,
}

/// A text as vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoding {
    /// `[width]`.
    pub sentence: Vec<f32>,
    /// Where each piece of a word stands, in bytes.
    pub spans: Vec<(usize, usize)>,
    /// `[pieces][width]`; marks of beginning and end are left out.
    pub pieces: Vec<f32>,
}

impl Encoder {
    /// Builds an encoder from the files of a folder, as far as they are listed in [`crate::FILES`].
    ///
    /// # Errors
    /// When a file is missing, damaged, or of a kind that is not supported.
    pub fn read(files: &Files) -> Result<Self, Error> {
        let config = Config::read(files)?;
        let tokenizer = Tokenizer::read(files)?;
        let bytes = files.get("model.safetensors").ok_or_else(|| {
            let hint = if files.contains_key("pytorch_model.bin") {
                "; pytorch_model.bin may hold code and is not read"
            } else {
                ""
            };
            Error::new(format!("there is no model.safetensors{hint}"))
        })?;
        let weights = Weights::read(bytes)?;
        let words = weights.table("embeddings.word_embeddings.weight", (config.words, config.width))?;
        if tokenizer.id_max() as usize >= words.rows() {
            return Err(Error::new("the tokenizer knows more pieces than the model has vectors for"));
        }
        let mut positions =
            weights.take("embeddings.position_embeddings.weight", &[config.positions, config.width])?;
        if config.token_types > 0 {
            let types = weights
                .take("embeddings.token_type_embeddings.weight", &[config.token_types, config.width])?;
            for row in positions.chunks_exact_mut(config.width) {
                row.iter_mut().zip(&types).for_each(|(value, more)| *value += more);
            }
        }
        let norm = norm(&weights, "embeddings.LayerNorm", &config)?;
        let layers = (0..config.layers)
            .map(|number| Layer::read(&weights, number, &config))
            .collect::<Result<_, _>>()?;
        Ok(Self { tokenizer, words, positions, norm, layers, config })
    }

    /// Numbers per vector.
    pub fn width(&self) -> usize {
        self.config.width
    }

    /// Pieces of a text that are read; what comes after is left out.
    pub fn pieces_max(&self) -> usize {
        self.config.pieces_max
    }

    /// Encodes texts on up to `threads` threads, in their order.
    pub fn encode(&self, texts: &[&str], threads: usize) -> Vec<Encoding> {
        let pieces: Vec<Vec<Piece>> =
            texts.iter().map(|text| self.tokenizer.pieces(text, self.config.pieces_max)).collect();
        let mut units: Vec<std::ops::Range<usize>> = Vec::new();
        let (mut start, mut size) = (0, 0);
        for (at, pieces) in pieces.iter().enumerate() {
            if size > 0 && size + pieces.len() > UNIT_PIECES {
                units.push(start..at);
                (start, size) = (at, 0);
            }
            size += pieces.len();
        }
        units.push(start..pieces.len());
        let done = parallel::map(threads, units.len(), |unit| self.encode_unit(&pieces[units[unit].clone()]));
        done.into_iter().flatten().collect()
    }

    fn encode_unit(&self, texts: &[Vec<Piece>]) -> Vec<Encoding> {
        let width = self.config.width;
        let mut rows = self.embed(texts);
        for layer in &self.layers {
            layer.apply(texts, &mut rows, &self.config);
        }
        let mut first = 0;
        let encodings = texts.iter().map(|pieces| {
            let own = &rows[first * width..(first + pieces.len()) * width];
            first += pieces.len();
            let inner = pieces.len() - 1;
            Encoding {
                sentence: self.pool(own),
                spans: pieces[1..inner].iter().map(|piece| (piece.start_bytes, piece.end_bytes)).collect(),
                pieces: own[width..inner * width].to_vec(),
            }
        });
        encodings.collect()
    }

    fn embed(&self, texts: &[Vec<Piece>]) -> Vec<f32> {
        let width = self.config.width;
        let count: usize = texts.iter().map(Vec::len).sum();
        let mut rows = vec![0.0; count * width];
        let mut more = Vec::with_capacity(rows.len());
        let places = texts.iter().flat_map(|pieces| pieces.iter().enumerate());
        for (row, (position, piece)) in rows.chunks_exact_mut(width).zip(places) {
            self.words.add_to(piece.id as usize, row);
            more.extend_from_slice(&self.positions[position * width..(position + 1) * width]);
        }
        add_and_normalize(&self.norm, &mut rows, &more);
        rows
    }

    fn pool(&self, rows: &[f32]) -> Vec<f32> {
        let width = self.config.width;
        let mut sentence = rows[..width].to_vec();
        let others = rows.chunks_exact(width).skip(1);
        match self.config.pooling {
            Pooling::First => {}
            Pooling::Mean => {
                others.for_each(|row| sentence.iter_mut().zip(row).for_each(|(sum, value)| *sum += value));
                let count = (rows.len() / width) as f32;
                sentence.iter_mut().for_each(|sum| *sum /= count);
            }
            Pooling::Max => {
                others.for_each(|row| {
                    sentence.iter_mut().zip(row).for_each(|(top, value)| *top = top.max(*value))
                });
            }
        }
        if self.config.is_normalized {
            let length = sentence.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
            sentence.iter_mut().for_each(|value| *value /= length);
        }
        sentence
    }
}

impl Layer {
    fn read(weights: &Weights<'_>, number: usize, config: &Config) -> Result<Self, Error> {
        let names = match config.architecture {
            Architecture::Bert => NAMES_BERT,
            Architecture::DistilBert => NAMES_DISTILBERT,
        };
        let [stem, query, key, value, joined, joined_norm, inner, outer, outer_norm] = names;
        let name = |part: &str| format!("{stem}{number}.{part}");
        let (width, inner_width) = (config.width, config.inner_width);
        let pair = |part: &str, outputs: usize, inputs: usize| -> Result<(Vec<f32>, Vec<f32>), Error> {
            let matrix = weights.take(&format!("{}.weight", name(part)), &[outputs, inputs])?;
            let bias = weights.take(&format!("{}.bias", name(part)), &[outputs])?;
            Ok((matrix, bias))
        };
        let linear = |part: &str, outputs: usize, inputs: usize| {
            pair(part, outputs, inputs).map(|(matrix, bias)| Linear::new(&matrix, bias))
        };
        let (mut matrix, mut bias) = (Vec::new(), Vec::new());
        for part in [query, key, value] {
            let (rows, more) = pair(part, width, width)?;
            matrix.extend(rows);
            bias.extend(more);
        }
        Ok(Self {
            mixed: Linear::new(&matrix, bias),
            joined: linear(joined, width, width)?,
            joined_norm: norm(weights, &name(joined_norm), config)?,
            inner: linear(inner, inner_width, width)?,
            outer: linear(outer, width, inner_width)?,
            outer_norm: norm(weights, &name(outer_norm), config)?,
        })
    }

    fn apply(&self, texts: &[Vec<Piece>], rows: &mut [f32], config: &Config) {
        let width = config.width;
        let mixed = self.mixed.apply(rows);
        let mut seen = vec![0.0; rows.len()];
        let mut first = 0;
        for pieces in texts {
            let last = first + pieces.len();
            let glance =
                Glance { mixed: &mixed[first * 3 * width..last * 3 * width], heads: config.heads, width };
            attend(&glance, &mut seen[first * width..last * width]);
            first = last;
        }
        add_and_normalize(&self.joined_norm, rows, &self.joined.apply(&seen));
        let mut inner = self.inner.apply(rows);
        activate(config.activation, &mut inner);
        add_and_normalize(&self.outer_norm, rows, &self.outer.apply(&inner));
    }
}

/// Names of a layer's parts: stem, query, key, value, output, its norm, inner, outer, its norm.
const NAMES_BERT: [&str; 9] = [
    "encoder.layer.",
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
];
const NAMES_DISTILBERT: [&str; 9] = [
    "transformer.layer.",
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
];

fn norm(weights: &Weights<'_>, name: &str, config: &Config) -> Result<Norm, Error> {
    // The oldest files call scale and shift as TensorFlow did.
    let (scale, shift) =
        if weights.has(&format!("{name}.gamma")) { ("gamma", "beta") } else { ("weight", "bias") };
    Ok(Norm {
        scale: weights.take(&format!("{name}.{scale}"), &[config.width])?,
        shift: weights.take(&format!("{name}.{shift}"), &[config.width])?,
        epsilon: config.epsilon,
    })
}
