//! The names of a domain that understanding looks at.

use std::collections::BTreeSet;

use intendant_component::stored::{Stored, Unreadable};
use intendant_talk::domain::Domain;
use serde_json::{Value, json};

/// Intents and entity types of a domain, and the responses of its retrieval intents.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DomainNames {
    intents: BTreeSet<String>,
    entities: BTreeSet<String>,
}

impl DomainNames {
    pub(crate) fn of(domain: &Domain) -> Self {
        Self {
            intents: domain.intents.iter().map(|intent| intent.name.clone()).collect(),
            entities: domain.entities.iter().map(|entity| entity.name.clone()).collect(),
        }
    }

    /// Without a domain every intent is known.
    pub(crate) fn knows_intent(&self, name: &str) -> bool {
        self.intents.is_empty() || self.intents.contains(name)
    }

    pub(crate) fn knows_entity(&self, name: &str) -> bool {
        self.intents.is_empty() || self.entities.contains(name)
    }

    pub(crate) fn store(&self) -> Stored {
        Stored { state: json!({"intents": self.intents, "entities": self.entities}), ..Stored::default() }
    }

    pub(crate) fn load(stored: &Stored) -> Result<Self, Unreadable> {
        let set = |key: &str| {
            let items = stored.state.get(key).and_then(Value::as_array);
            let items = items.ok_or_else(|| Unreadable::new(format!("`{key}` is not a list")))?;
            Ok(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        Ok(Self { intents: set("intents")?, entities: set("entities")? })
    }
}
