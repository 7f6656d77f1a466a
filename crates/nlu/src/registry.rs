//! All components by the names that configuration files use.

use intendant_component::diagnostic::Diagnostic;
use intendant_talk::data::ComponentSpec;

use crate::component::ComponentInfo;
use crate::options::closest;
use crate::{
    counts, crf, diet, duckling, fallback, jieba, keyword, language_model, lexical, logistic, regex_entities,
    regex_featurizer, selector, support_vectors, synonyms, tokenizer,
};

/// Every component, in the order in which pipelines usually list them.
pub const ALL: [&ComponentInfo; 19] = [
    &tokenizer::INFO,
    &jieba::INFO,
    &language_model::SPACY,
    &tokenizer::SPACY,
    &regex_featurizer::INFO,
    &lexical::INFO,
    &counts::INFO,
    &language_model::INFO,
    &language_model::SPACY_FEATURIZER,
    &diet::INFO,
    &logistic::INFO,
    &support_vectors::INFO,
    &keyword::INFO,
    &crf::INFO,
    &regex_entities::INFO,
    &duckling::INFO,
    &synonyms::INFO,
    &selector::INFO,
    &fallback::INFO,
];

/// Components of Rasa that do not exist here, and what to use instead.
const REFUSED: [(&str, &str); 8] = [
    ("MitieTokenizer", "use `WhitespaceTokenizer`"),
    (
        "MitieNLP",
        "remove it with the other Mitie components; for pretrained vectors use `LanguageModelFeaturizer`",
    ),
    ("MitieFeaturizer", "use `CountVectorsFeaturizer`, or `LanguageModelFeaturizer` with a local model"),
    ("ConveRTFeaturizer", "use `CountVectorsFeaturizer`; its model is no longer distributed"),
    ("MitieIntentClassifier", "use `DIETClassifier`"),
    ("MitieEntityExtractor", "use `DIETClassifier` or `CRFEntityExtractor`"),
    (
        "SpacyEntityExtractor",
        "annotate some examples and use `DIETClassifier`, or `RegexEntityExtractor` with lookup tables",
    ),
    ("ConveRTTokenizer", "use `WhitespaceTokenizer`"),
];

/// Dialogue policies, which are at home under `policies`.
const POLICIES: [&str; 6] = [
    "MemoizationPolicy",
    "AugmentedMemoizationPolicy",
    "RulePolicy",
    "TEDPolicy",
    "UnexpecTEDIntentPolicy",
    "FallbackPolicy",
];

/// Finds a component by name or by the module path of Rasa's own class.
///
/// # Errors
/// When there is none: what to do instead.
pub fn find(spec: &ComponentSpec) -> Result<&'static ComponentInfo, Box<Diagnostic>> {
    let name = match spec.name.rsplit_once('.') {
        Some((path, name)) if path == "rasa" || path.starts_with("rasa.") => name,
        _ => spec.name.as_str(),
    };
    if let Some(info) = ALL.into_iter().find(|info| info.name == name) {
        return Ok(info);
    }
    let error = |message: String, hint: String| {
        Err(Box::new(Diagnostic::error(spec.source.clone(), message).with_hint(hint)))
    };
    if let Some((_, instead)) = REFUSED.into_iter().find(|(refused, _)| *refused == name) {
        return error(format!("component `{name}` is not available"), instead.to_owned());
    }
    if POLICIES.contains(&name) {
        return error(format!("`{name}` is a policy, not a component"), "move it to `policies`".to_owned());
    }
    if name.contains('.') {
        return error(
            format!("component `{name}` is Python code of your own, which is not run here"),
            "remove it from the pipeline, or do its work in the action server or before the message is sent"
                .to_owned(),
        );
    }
    let hint = match closest(name, ALL.into_iter().map(|info| info.name)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            let names: Vec<&str> = ALL.into_iter().map(|info| info.name).collect();
            format!("components are {}", names.join(", "))
        }
    };
    error(format!("there is no component `{}`", spec.name), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_or_explained() {
        let check = |name: &str, expected: Result<&str, &str>| {
            let spec = ComponentSpec { name: name.to_owned(), ..ComponentSpec::default() };
            let found = find(&spec);
            match (found, expected) {
                (Ok(info), Ok(name)) => assert_eq!(info.name, name),
                (Err(diagnostic), Err(part)) => {
                    assert!(diagnostic.to_string().contains(part), "{diagnostic}");
                }
                (found, _) => panic!("{name}: {:?}", found.map(|info| info.name)),
            }
        };
        check("DIETClassifier", Ok("DIETClassifier"));
        check("rasa.nlu.classifiers.diet_classifier.DIETClassifier", Ok("DIETClassifier"));
        check("DIETClasifier", Err("did you mean `DIETClassifier`?"));
        check("MitieNLP", Err("not available"));
        check("SpacyEntityExtractor", Err("annotate some examples"));
        check("TEDPolicy", Err("move it to `policies`"));
        check("my.module.Sentiment", Err("is Python code of your own"));
        check("Nonsense", Err("components are WhitespaceTokenizer"));
    }

    #[test]
    fn every_default_is_json_of_its_kind() {
        for info in ALL {
            for option in info.options {
                let default: Result<serde_json::Value, _> = serde_json::from_str(option.default);
                assert!(default.is_ok(), "{}.{}: {}", info.name, option.name, option.default);
            }
        }
    }
}
