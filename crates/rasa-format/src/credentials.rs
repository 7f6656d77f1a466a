//! `credentials.yml` (`spec: training-data.md §7`).

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::Source;
use intendant_talk::message::Object;

use crate::reader::Reader;
use crate::yaml::{self, Environment, SourceFile};

/// A channel with its options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelConfig {
    /// `rest`, `callback`, …, or the class path of a custom channel.
    pub name: String,
    /// Its options; empty when none are given.
    pub options: Object,
    /// Where it stands.
    pub source: Source,
}

/// Reads `credentials.yml`: the channels in file order.
pub fn read(file: &SourceFile, env: Environment<'_>, findings: &mut Vec<Diagnostic>) -> Vec<ChannelConfig> {
    let Some(document) = yaml::parse(file, env, findings) else { return Vec::new() };
    let reader = &mut Reader { file: &file.path, findings };
    let mut channels = Vec::new();
    for entry in reader.map(&document, "the file") {
        reader.map(&entry.value, &entry.key);
        channels.push(ChannelConfig {
            name: entry.key.clone(),
            options: entry.value.to_object(),
            source: reader.source(entry.mark),
        });
    }
    channels
}
