//! A model as JSON and tensors, and back.

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};
use serde_json::{Value, json};

use crate::calibrate::Calibration;
use crate::model::Model;
use crate::vocabulary::Vocabulary;

impl Model {
    /// The model as values for an archive; the same model gives the same values.
    pub fn store(&self) -> Stored {
        let (buckets, weights) = self.vocabulary.parts();
        let mut stored = Stored::default();
        let mut put = |name: &str, data: TensorData| {
            stored.tensors.insert(name.to_owned(), Tensor::flat(data));
        };
        put("buckets", TensorData::U32(buckets));
        put("bucket_weights", TensorData::F32(weights.to_vec()));
        put("weights", TensorData::F32(self.weights.clone()));
        put("bias", TensorData::F32(self.bias.clone()));
        put("offsets", TensorData::F32(self.calibration.offsets.clone()));
        put("favours", TensorData::F32(self.calibration.favours.clone()));
        put("sharpness", TensorData::F32(vec![self.calibration.sharpness]));
        stored.state = json!({"labels": self.labels, "judges_entities": self.judges_entities});
        stored
    }

    /// Reads what [`Model::store`] gave.
    ///
    /// # Errors
    /// When parts are missing or do not fit each other.
    pub fn load(mut stored: Stored) -> Result<Self, Unreadable> {
        let labels = stored.state.get("labels").and_then(Value::as_array);
        let labels = labels.ok_or_else(|| Unreadable::new("`labels` is not a list"))?;
        let labels: Vec<String> = labels.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let judges_entities = stored.state.get("judges_entities").and_then(Value::as_bool);
        let judges_entities =
            judges_entities.ok_or_else(|| Unreadable::new("`judges_entities` is neither true nor false"))?;
        let vocabulary =
            Vocabulary::from_parts(&stored.take_u32("buckets")?, stored.take_f32("bucket_weights")?)
                .ok_or_else(|| Unreadable::new("the vocabulary's parts do not fit each other"))?;
        let calibration = Calibration {
            sharpness: stored.take_f32("sharpness")?.first().copied().unwrap_or(1.0),
            offsets: stored.take_f32("offsets")?,
            favours: stored.take_f32("favours")?,
        };
        let (weights, bias) = (stored.take_f32("weights")?, stored.take_f32("bias")?);
        let outputs = if labels.len() == 2 { 1 } else { labels.len() };
        let is_sound = labels.len() >= 2
            && bias.len() == outputs
            && weights.len() == vocabulary.len() * outputs
            && calibration.offsets.len() == labels.len()
            && calibration.favours.len() == labels.len();
        if !is_sound {
            return Err(Unreadable::new("the polarity model's parts do not fit each other"));
        }
        Ok(Self { labels, vocabulary, weights, bias, calibration, judges_entities })
    }
}
