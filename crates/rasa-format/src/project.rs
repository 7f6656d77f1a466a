//! A whole project: configuration, domain, language data and stories, read together because they
//! refer to each other.

use std::collections::{HashMap, HashSet};

use intendant_component::diagnostic::{Diagnostic, Severity};
use intendant_talk::data::{Example, NluData, Source};
use intendant_talk::domain::{Domain, SlotKind};
use intendant_talk::story::{Step, StepKind, Story};
use serde_json::Value;

use crate::classify::{Kinds, classify, is_yaml_path};
use crate::config::{self, Config};
use crate::domain::{self, Document, Sources};
use crate::foreign;
use crate::nlu::{self, LanguageData};
use crate::reader::Reader;
use crate::stories;
use crate::suggest::did_you_mean;
use crate::yaml::{self, Environment, SourceFile};

/// A project's files, by the role in which the user gave them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    /// `config.yml`.
    pub config: Option<&'a SourceFile>,
    /// The domain's files, in the order in which they were given or found.
    pub domain: &'a [SourceFile],
    /// Training data, sorted by absolute path.
    pub data: &'a [SourceFile],
}

/// A project as typed values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Project {
    /// The configuration.
    pub config: Config,
    /// The merged domain, completed by what language data and stories add to it.
    pub domain: Domain,
    /// Where the parts of the domain stand.
    pub domain_sources: Sources,
    /// Language data.
    pub nlu: NluData,
    /// Stories and rules in file order; test stories among the training data too.
    pub stories: Vec<Story>,
    /// Texts of stories that featurizers must know: end-to-end turns of users (with their intent
    /// when the story names one) and of the bot.
    pub end_to_end: Vec<Example>,
}

impl Project {
    /// Reads a project. What is wrong with it is in the findings, errors and warnings of all
    /// files together; the project holds what could be read.
    pub fn read(files: Files<'_>, env: Environment<'_>) -> (Self, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let config = files.config.map(|file| config::read(file, env, &mut findings)).unwrap_or_default();
        let written = domain::read_all(files.domain, env, &mut findings);
        let code = config.language.as_deref().unwrap_or("en");
        let (language, stories) = read_data(files.data, code, env, &mut findings);
        let project = Self::assemble(config, written, language, stories);
        // Test stories and test data are read without the domain that a model brings.
        if !files.domain.is_empty() {
            check_slots(&project, &mut findings);
            check_responses(&project, &mut findings);
        }
        order(&mut findings);
        (project, findings)
    }

    /// Reads a project that is one YAML document with all keys, as `POST /model/train` gets it.
    pub fn read_document(file: &SourceFile, env: Environment<'_>) -> (Self, Vec<Diagnostic>) {
        let files = std::slice::from_ref(file);
        Self::read(Files { config: Some(file), domain: files, data: files }, env)
    }

    /// Whether the domain says nothing.
    pub fn has_domain(&self) -> bool {
        domain::KEYS.iter().any(|key| *key != "session_config" && self.domain.dict.contains_key(*key))
    }

    fn assemble(config: Config, written: Document, mut language: LanguageData, stories: Vec<Story>) -> Self {
        language.finish();
        let retrieval_intents = language.retrieval_intents();
        let written = domain::with_retrieval_data(written, &retrieval_intents, language.responses);
        let written = domain::with_end_to_end_actions(written, stories::end_to_end_actions(&stories));
        let domain = domain::from_dict(&domain::complete(written.dict));
        let end_to_end = end_to_end(&stories);
        Self { config, domain, domain_sources: written.sources, nlu: language.data, stories, end_to_end }
    }
}

/// Reads only the language data of files: `.md` in Rasa's former Markdown, the others as a project's. `code` is the
/// two-letter language of Dialogflow's example files.
pub fn read_language(
    files: &[SourceFile],
    code: &str,
    env: Environment<'_>,
    findings: &mut Vec<Diagnostic>,
) -> LanguageData {
    let (mut language, _) = read_data(files, code, env, findings);
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let data = foreign::markdown::read(file, findings);
        language.append(data, findings);
    }
    language.finish();
    language
}

/// Reads training data files, each parsed once whatever it holds.
fn read_data(
    files: &[SourceFile],
    code: &str,
    env: Environment<'_>,
    findings: &mut Vec<Diagnostic>,
) -> (LanguageData, Vec<Story>) {
    let mut language = LanguageData::default();
    let mut all_stories = Vec::new();
    for file in files {
        let kinds = classify(file);
        if kinds.json {
            let data = foreign::read(file, files, code, findings);
            language.append(data, findings);
        }
        if !kinds.nlu && !kinds.stories {
            if is_yaml_path(&file.path) && std::str::from_utf8(&file.bytes).is_err() {
                // Nothing can be recognised in it, which is no reason to say nothing.
                let _ = yaml::parse(file, env, findings);
            } else if kinds == Kinds::default() && looks_like_data(file) {
                let source = Source { file: file.path.clone(), ..Source::default() };
                let message = "this file has none of the keys `nlu`, `stories` and `rules` and is left out";
                let finding = Diagnostic::warning(source, message);
                findings.push(finding.with_hint("start it with one of them, in the first column"));
            }
            continue;
        }
        let Some(document) = yaml::parse(file, env, findings) else { continue };
        let mut reader = Reader { file: &file.path, findings };
        reader.map(&document, "the file");
        if !reader.accepts_version(&document) {
            continue;
        }
        let data = kinds.nlu.then(|| nlu::read_document(&document, &mut reader));
        if kinds.stories {
            all_stories.extend(stories::read_document(&document, &mut reader));
        }
        if let Some(data) = data {
            language.append(data, findings);
        }
    }
    (language, all_stories)
}

/// Whether a file that is no training data looks as if it were meant to be.
fn looks_like_data(file: &SourceFile) -> bool {
    let keys: [&[u8]; 6] = [b"intent:", b"story:", b"rule:", b"nlu:", b"stories:", b"rules:"];
    let mut lines = file.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    is_yaml_path(&file.path)
        && lines.any(|line| {
            let line = line.strip_prefix(b"- ").unwrap_or(line);
            keys.iter().any(|key| line.starts_with(key))
        })
}

/// Messages that stories add to language data, sorted so that their order in stories is no matter.
fn end_to_end(stories: &[Story]) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for step in stories.iter().flat_map(|story| &story.steps) {
        collect_texts(step, &mut examples);
    }
    examples.sort_by(|left, right| (&left.intent, &left.text).cmp(&(&right.intent, &right.text)));
    examples.dedup_by(|left, right| {
        left.text == right.text && left.intent == right.intent && left.entities == right.entities
    });
    examples
}

fn collect_texts(step: &Step, examples: &mut Vec<Example>) {
    match &step.kind {
        StepKind::User(user) => {
            if let Some(text) = &user.text {
                examples.push(Example {
                    text: text.clone(),
                    intent: user.intent.clone(),
                    intent_response_key: user.full_retrieval_intent.clone(),
                    entities: user.entities.clone(),
                    source: step.source.clone(),
                    ..Example::default()
                });
            }
        }
        StepKind::Bot(text) => {
            let source = step.source.clone();
            examples.push(Example { text: text.clone(), source, ..Example::default() });
        }
        StepKind::Or(steps) => steps.iter().for_each(|step| collect_texts(step, examples)),
        _ => {}
    }
}

/// Slots that stories set must exist: training cannot go on without them.
fn check_slots(project: &Project, findings: &mut Vec<Diagnostic>) {
    for story in &project.stories {
        for step in story.condition.iter().chain(&story.steps) {
            for_each_slot(step, &mut |step, name, has_value| {
                findings.extend(slot_finding(&project.domain, step, (name, has_value)));
            });
        }
    }
}

fn slot_finding(domain: &Domain, step: &Step, (name, has_value): (&str, bool)) -> Option<Diagnostic> {
    let Some(slot) = domain.slot(name) else {
        let finding = Diagnostic::error(step.source.clone(), format!("the domain has no slot `{name}`"));
        let names = domain.slots.iter().map(|slot| slot.name.as_str());
        let hint = did_you_mean(name, names).unwrap_or_else(|| "add it to `slots` of the domain".to_owned());
        return Some(finding.with_hint(hint));
    };
    let needs_value = !matches!(slot.kind, SlotKind::Text | SlotKind::List);
    if has_value || !needs_value || slot.features(&Value::Null).is_empty() {
        return None;
    }
    let message = format!("the slot `{name}` is named without a value, which means that it is unset");
    let finding = Diagnostic::warning(step.source.clone(), message);
    Some(finding.with_hint(format!("write `- {name}: value`; only text and list slots need none")))
}

/// Visits the slots a step sets or asks for, and whether it names a value.
fn for_each_slot(step: &Step, visit: &mut dyn FnMut(&Step, &str, bool)) {
    match &step.kind {
        StepKind::SlotWasSet(assignments) => {
            for assignment in assignments {
                visit(step, &assignment.slot, assignment.value.is_some());
            }
        }
        StepKind::Checkpoint { conditions, .. } => {
            for (slot, _) in conditions {
                visit(step, slot, true);
            }
        }
        StepKind::Or(steps) => {
            for step in steps {
                for_each_slot(step, visit);
            }
        }
        _ => {}
    }
}

/// Response actions need a response, unless retrieval finds theirs.
fn check_responses(project: &Project, findings: &mut Vec<Diagnostic>) {
    let domain = &project.domain;
    let is_parent = |action: &str| {
        domain
            .responses
            .iter()
            .any(|(name, _)| name.strip_prefix(action).is_some_and(|rest| rest.starts_with('/')))
    };
    for action in &domain.user_actions {
        if !action.starts_with("utter_") || domain.response(action).is_some() || is_parent(action) {
            continue;
        }
        let source = project.domain_sources.find(&format!("actions/{action}"));
        let finding = Diagnostic::warning(source, format!("the action `{action}` has no response"));
        let names = domain.responses.iter().map(|(name, _)| name.as_str());
        let hint = did_you_mean(action, names)
            .unwrap_or_else(|| format!("add `{action}` to `responses` of the domain"));
        findings.push(finding.with_hint(hint));
    }
}

/// Sorts findings by file, in the order in which files were read, and place. Files given in
/// several roles are read several times; what is wrong with them is said once.
fn order(findings: &mut Vec<Diagnostic>) {
    let mut files: HashMap<String, usize> = HashMap::new();
    for finding in findings.iter() {
        let n_files = files.len();
        files.entry(finding.source.file.clone()).or_insert(n_files);
    }
    let place = |finding: &Diagnostic| {
        let source = &finding.source;
        (files.get(&source.file).copied(), source.line, source.column)
    };
    findings.sort_by_cached_key(place);
    let mut seen: HashSet<(Source, String)> = HashSet::new();
    findings.retain(|finding| seen.insert((finding.source.clone(), finding.message.clone())));
}

/// Whether any finding is an error.
pub fn has_errors(findings: &[Diagnostic]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
