//! Section `serving`.

use serde::Deserialize;

/// Which models answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Serving {
    /// The tag of the models folder that is followed; the newest model unless said otherwise.
    pub tag: Option<String>,
    /// Tags are looked at so often.
    pub poll_ms: u64,
    /// Whether the model before the one in use stays in memory.
    pub keep_previous: bool,
    /// A model that answers silently.
    pub shadow: Option<Tried>,
    /// A model that answers a share of the conversations.
    pub canary: Option<Tried>,
    /// When that one is taken out.
    pub rollback: Rollback,
}

/// A model that is tried.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// The tag it has.
    pub tag: String,
    /// In how many percent of the conversations.
    #[serde(default = "all")]
    pub percent: f64,
}

fn all() -> f64 {
    100.0
}

/// When a model that is tried is taken out. Rates are shares from 0 to 1.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rollback {
    /// So many newest messages of each model are looked at.
    pub window: usize,
    /// It must have answered so many before it is judged.
    pub messages_min: usize,
    /// By how much its share of failed messages may be larger.
    pub error_rate_worse_by: f64,
    /// By how much its share of messages it had no answer to may be larger.
    pub fallback_rate_worse_by: f64,
    /// How many times longer it may take, at the 95th percentile.
    pub latency_p95_factor_max: f64,
    /// How long it may take in any case, at the 95th percentile.
    pub latency_p95_ms_max: Option<f64>,
}

impl Default for Serving {
    fn default() -> Self {
        Serving {
            tag: None,
            poll_ms: 1_000,
            keep_previous: false,
            shadow: None,
            canary: None,
            rollback: Rollback::default(),
        }
    }
}

impl Default for Rollback {
    fn default() -> Self {
        Rollback {
            window: 200,
            messages_min: 50,
            error_rate_worse_by: 0.02,
            fallback_rate_worse_by: 0.1,
            latency_p95_factor_max: 3.0,
            latency_p95_ms_max: None,
        }
    }
}

impl Serving {
    /// What cannot be meant, in words.
    pub fn mistake(&self) -> Option<String> {
        if self.shadow.is_some() && self.canary.is_some() {
            return Some("serving: either `shadow` or `canary`, one model is tried at a time".to_owned());
        }
        let tried = [("shadow", &self.shadow), ("canary", &self.canary)];
        tried.into_iter().find_map(|(name, tried)| {
            let percent = tried.as_ref()?.percent;
            (!(0.0..=100.0).contains(&percent))
                .then(|| format!("serving.{name}.percent: must be between 0 and 100, found {percent}"))
        })
    }

    /// Whether any tag is looked at.
    pub fn follows(&self) -> bool {
        self.tag.is_some() || self.shadow.is_some() || self.canary.is_some()
    }
}
