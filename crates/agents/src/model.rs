//! Archives of trained agents.

use std::collections::BTreeMap;

use intendant_agent::Assistant;
use intendant_agent::values::Agent;
use intendant_bundle::{ARCHIVE_FORMAT, Bundle, Metadata, TrainingType};
use intendant_component::stored::Stored;
use intendant_component::training::TrainContext;
use intendant_dialogflow_format::{Files, read, write};
use intendant_talk::message::Object;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind};

/// The kind of these archives, as their metadata has it.
pub const KIND: &str = "agent";
/// The node that holds the agent itself.
const AGENT_NODE: &str = "agent";
/// Nodes of what was learnt carry this prefix.
const LEARNT: &str = "learnt.";

/// The fingerprint of an agent: equal when training it again would give the same.
pub fn fingerprint(agent: &Agent) -> String {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    for (name, content) in write(agent) {
        hash.update(name.len().to_le_bytes());
        hash.update(name);
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    hexadecimal(&hash.finalize())
}

/// Trains an agent and packs it; the same agent and seed give the same bytes.
///
/// # Errors
/// When training was cancelled or refused, or the archive cannot be packed.
pub fn train(agent: Agent, context: &TrainContext<'_>) -> Result<(Metadata, Vec<u8>), Error> {
    let fingerprint = fingerprint(&agent);
    let files: Object = write(&agent)
        .into_iter()
        .map(|(name, content)| (name, serde_json::from_slice(&content).unwrap_or_default()))
        .collect();
    let assistant = Assistant::train(agent, context).map_err(|why| Error::new(Kind::Training, why))?;
    let settings = &assistant.agent().settings;
    let mut components =
        vec![(AGENT_NODE.to_owned(), Stored { state: Value::Object(files), tensors: BTreeMap::new() })];
    components.extend(assistant.store().into_iter().map(|(name, part)| (format!("{LEARNT}{name}"), part)));
    let languages: Vec<&str> = assistant.languages().collect();
    let metadata = Metadata {
        format: ARCHIVE_FORMAT,
        kind: KIND.to_owned(),
        model_id: fingerprint[..32].to_owned(),
        assistant_id: settings.display_name.clone().unwrap_or_default(),
        training_type: TrainingType::Both,
        language: Some(settings.own_language().to_owned()),
        product_version: env!("CARGO_PKG_VERSION").to_owned(),
        config: json!({"languages": languages}).as_object().cloned().unwrap_or_default(),
        fingerprints: BTreeMap::from([(AGENT_NODE.to_owned(), fingerprint)]),
        metrics: Object::new(),
        nodes: Vec::new(),
        checksums: BTreeMap::new(),
    };
    let bundle = Bundle { metadata, domain: Object::new(), components };
    let bytes =
        intendant_bundle::write(&bundle).map_err(|error| Error::new(Kind::Training, error.to_string()))?;
    Ok((bundle.metadata, bytes))
}

/// Reads what [`train`] packed.
///
/// # Errors
/// When the archive is damaged, or no agent's.
pub fn load(bytes: &[u8]) -> Result<Assistant, Error> {
    let bad = |why: String| Error::new(Kind::Input, why);
    let bundle = intendant_bundle::read(bytes).map_err(|error| bad(error.to_string()))?;
    if bundle.metadata.kind != KIND {
        return Err(bad(format!("this is a model of the kind `{}`, no agent", bundle.metadata.kind)));
    }
    let mut files = Files::new();
    let mut learnt = Vec::new();
    for (name, part) in bundle.components {
        if let Some(name) = name.strip_prefix(LEARNT) {
            learnt.push((name.to_owned(), part));
        } else if name == AGENT_NODE
            && let Value::Object(members) = part.state
        {
            files.extend(members.into_iter().map(|(name, value)| (name, value.to_string().into_bytes())));
        }
    }
    let import = read(&files).map_err(|_| bad("the agent in the model is damaged".to_owned()))?;
    Assistant::load(import.agent, learnt).map_err(|error| bad(error.to_string()))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
