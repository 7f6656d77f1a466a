//! What the small files of a folder say about an encoder.

use serde_json::Value;

use crate::kernel::Activation;
use crate::{Error, Files};

/// Shape of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) architecture: Architecture,
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) inner_width: usize,
    pub(crate) words: usize,
    pub(crate) positions: usize,
    pub(crate) token_types: usize,
    pub(crate) epsilon: f32,
    pub(crate) activation: Activation,
    /// Pieces of a text that are read, marks included.
    pub(crate) pieces_max: usize,
    pub(crate) pooling: Pooling,
    pub(crate) is_normalized: bool,
}

/// How tensors are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Bert,
    DistilBert,
}

/// How vectors of pieces become one of the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    Mean,
    /// The vector of the mark of beginning.
    First,
    Max,
}

/// A number in a plausible range; files are foreign and sizes are allocated.
const SIZE_MAX: usize = 1 << 20;

impl Config {
    pub(crate) fn read(files: &Files) -> Result<Self, Error> {
        let bytes = files.get("config.json").ok_or_else(|| Error::new("there is no config.json"))?;
        let root = json("config.json", bytes)?;
        let architecture = match root["model_type"].as_str() {
            Some("bert") => Architecture::Bert,
            Some("distilbert") => Architecture::DistilBert,
            other => {
                return Err(Error::new(format!(
                    "config.json has the `model_type` {}; supported are bert (also MiniLM, BGE, E5, GTE and LaBSE) and \
                     distilbert",
                    other.unwrap_or("missing")
                )));
            }
        };
        let is_bert = architecture == Architecture::Bert;
        let size = |bert: &str, distilbert: &str| size(&root, if is_bert { bert } else { distilbert });
        if let Some(kind) = root["position_embedding_type"].as_str().filter(|kind| *kind != "absolute") {
            return Err(Error::new(format!(
                "config.json has the `position_embedding_type` {kind}; supported is absolute"
            )));
        }
        let activation = root[if is_bert { "hidden_act" } else { "activation" }].as_str().unwrap_or("gelu");
        let positions = size("max_position_embeddings", "max_position_embeddings")?;
        let mut config = Self {
            architecture,
            width: size("hidden_size", "dim")?,
            layers: size("num_hidden_layers", "n_layers")?,
            heads: size("num_attention_heads", "n_heads")?,
            inner_width: size("intermediate_size", "hidden_dim")?,
            words: size("vocab_size", "vocab_size")?,
            positions,
            token_types: if is_bert { size("type_vocab_size", "")? } else { 0 },
            epsilon: root["layer_norm_eps"].as_f64().unwrap_or(1e-12) as f32,
            activation: activation_of(activation)?,
            pieces_max: positions,
            pooling: Pooling::Mean,
            is_normalized: false,
        };
        if !config.width.is_multiple_of(config.heads) {
            return Err(Error::new("config.json: the width is no multiple of the number of heads"));
        }
        config.read_sentences(files)?;
        Ok(config)
    }

    /// Sentence-transformers say how sentences are made of pieces.
    fn read_sentences(&mut self, files: &Files) -> Result<(), Error> {
        let optional = |name: &str| files.get(name).map(|bytes| json(name, bytes)).transpose();
        if let Some(pooling) = optional("1_Pooling/config.json")? {
            let is_on = |name: &str| pooling[name] == Value::Bool(true);
            self.pooling = if is_on("pooling_mode_cls_token") {
                Pooling::First
            } else if is_on("pooling_mode_max_tokens") {
                Pooling::Max
            } else {
                Pooling::Mean
            };
        }
        if let Some(modules) = optional("modules.json")? {
            let modules = modules.as_array().map_or(&[][..], Vec::as_slice);
            let mut kinds = modules.iter().filter_map(|module| module["type"].as_str());
            self.is_normalized = kinds.any(|kind| kind.ends_with("Normalize"));
        }
        if let Some(limit) =
            optional("sentence_bert_config.json")?.and_then(|root| root["max_seq_length"].as_u64())
        {
            self.pieces_max = self.positions.min(limit as usize).max(3);
        }
        Ok(())
    }
}

fn size(root: &Value, key: &str) -> Result<usize, Error> {
    let size = root[key].as_u64().and_then(|size| usize::try_from(size).ok());
    size.filter(|size| (1..=SIZE_MAX).contains(size))
        .ok_or_else(|| Error::new(format!("config.json: `{key}` is no number between 1 and {SIZE_MAX}")))
}

fn activation_of(name: &str) -> Result<Activation, Error> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        other => Err(Error::new(format!(
            "config.json has the activation {other}; supported are gelu, gelu_new and relu"
        ))),
    }
}

/// Parses one of the folder's JSON files.
pub(crate) fn json(name: &str, bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::new(format!("{name} is not JSON: {error}")))
}
