//! Metrics, folds and reports of trained components, in the JSON shapes of Rasa's reports.
