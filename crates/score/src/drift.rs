//! Whether what is asked still looks like what was learnt from: counted with every prediction.

use std::sync::{Mutex, PoisonError};

use intendant_component::predictor::{Prediction, Predictor};
use intendant_learn::drift::{Reference, Shift, Window};
use intendant_predictor::output::probability;
use intendant_table::Table;

/// Compares what is asked with the training rows.
pub struct Watch {
    reference: Reference,
    window: Mutex<Window>,
}

impl Watch {
    /// A watch for a predictor that knows what its training rows looked like.
    pub fn of(predictor: &dyn Predictor) -> Option<Self> {
        let reference = Reference::from_json(&predictor.reference()?)?;
        let window = Mutex::new(reference.window());
        Some(Self { reference, window })
    }

    /// Counts rows and what was predicted of them.
    pub fn observe(&self, predictor: &dyn Predictor, table: &Table, predictions: &[Prediction]) {
        let scores: Vec<f64> = predictions
            .iter()
            .map(|prediction| match prediction {
                Prediction::Number(number) => *number,
                Prediction::Class(class) => probability(predictor, class),
                _ => f64::NAN,
            })
            .collect();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.observe(&self.reference, table, &scores);
    }

    /// Rows counted, and how each column and the score have changed.
    pub fn shifts(&self) -> (u64, Vec<Shift>) {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (window.rows(), self.reference.compare(&window))
    }
}
