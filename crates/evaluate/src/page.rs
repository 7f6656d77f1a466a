//! The findings as one page to read: HTML without scripts, pictures inside.

use std::fmt::Write;

use crate::classification::{Report, Scores};
use crate::entities::EntityEvaluation;
use crate::findings::{Findings, LabelFindings, Setting, Twins};
use crate::labels::LabelEvaluation;
use crate::picture::{calibration, confidence_histogram, confusion_matrix, escape};

/// Rows of a list; the JSON files have all.
const ROWS_MAX: usize = 100;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}\
    h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;margin:.6rem 0}\
    td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}\
    td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}.note{color:#666}\
    svg{max-width:none;height:auto}code{background:#f3f3f3;padding:0 .2rem}";

/// What the page shows beside the findings.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// What was found.
    pub findings: &'a Findings,
    /// Intents.
    pub intents: Option<&'a LabelEvaluation>,
    /// Selected responses.
    pub responses: Option<&'a LabelEvaluation>,
    /// Entities by extractor.
    pub entities: &'a std::collections::BTreeMap<String, EntityEvaluation>,
}

/// The page.
pub fn html(contents: &Contents<'_>) -> String {
    let findings = contents.findings;
    // Writing to a string cannot fail.
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Test of language understanding</title>\n\
         <style>{STYLE}</style>\n<h1>Test of language understanding</h1>\n"
    );
    let setting = match findings.setting {
        Setting::TrainedOn => {
            "the model was trained with these messages, so the figures say little about new ones"
        }
        Setting::Held => "read by the model",
        Setting::CrossValidated => "each read by a model that was trained without it",
    };
    let _ = writeln!(
        page,
        "<p>{} messages, {setting}. Intervals hold the true figure in 95 of 100 tests.</p>",
        findings.messages
    );
    figures(&mut page, findings);
    confusions(&mut page, findings);
    suspects(&mut page, findings);
    let intro = "These say almost the same and have different intents. No model can tell them apart.";
    twins(&mut page, "Almost the same under different intents", intro, &findings.twins);
    let intro =
        "The training data (left) has these tested messages almost word by word. They test memory only.";
    twins(&mut page, "Tested messages that were trained with", intro, &findings.leaked);
    if let Some(intents) = contents.intents {
        labels(&mut page, ("Intents", intents), findings.intents.as_ref());
    }
    if let Some(responses) = contents.responses {
        labels(&mut page, ("Responses", responses), findings.responses.as_ref());
    }
    for (extractor, evaluation) in contents.entities {
        entities(&mut page, contents, extractor, evaluation);
    }
    page
}

fn figures(page: &mut String, findings: &Findings) {
    let _ = writeln!(page, "<table><tr><th><th class=n>figure<th class=n>95 % interval<th>\n");
    let mut row = |name: &str, figure: &crate::interval::Figure, note: &str| {
        let _ = writeln!(
            page,
            "<tr><td>{}<td class=n>{:.3}<td class=n>{:.3} to {:.3}<td class=note>{}",
            escape(name),
            figure.value,
            figure.low,
            figure.high,
            escape(note)
        );
    };
    for (name, labels) in [("intents", &findings.intents), ("responses", &findings.responses)] {
        let Some(labels) = labels else { continue };
        row(&format!("{name}: accuracy"), &labels.accuracy, "");
        row(
            &format!("{name}: weighted F1"),
            &labels.f1,
            &format!("calibration error {:.3}", labels.calibration_error),
        );
    }
    for (extractor, evaluation) in &findings.entities {
        let total = evaluation.total;
        let note = format!("{} right, {} wrong, {} missed", total.right, total.wrong, total.missed);
        row(&format!("entities of {extractor}: F1 by exact span"), &evaluation.f1, &note);
    }
    page.push_str("</table>\n");
}

fn confusions(page: &mut String, findings: &Findings) {
    if findings.confusions.is_empty() {
        return;
    }
    page.push_str("<h2>Intents taken for others</h2>\n<ul>\n");
    for confusion in &findings.confusions {
        let examples: Vec<String> =
            confusion.messages.iter().map(|text| format!("“{}”", escape(text))).collect();
        let _ = writeln!(
            page,
            "<li>{}.<br><span class=note>{}</span>",
            coded(&confusion.text()),
            examples.join(" · ")
        );
    }
    page.push_str("</ul>\n");
}

/// Text with `code` in backquotes.
fn coded(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(idx, part)| if idx % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) })
        .collect()
}

fn suspects(page: &mut String, findings: &Findings) {
    if findings.suspects.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<h2>Labels to check ({})</h2>\n<p>A model that has not seen them is surer of another intent than it usually is.</p>\n\
         <table><tr><th>message<th>intent<th>suggested<th class=n>confidence",
        findings.suspects.len()
    );
    for suspect in findings.suspects.iter().take(ROWS_MAX) {
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td class=n>{:.2}",
            escape(&suspect.text),
            escape(&suspect.label),
            escape(&suspect.suggested),
            suspect.confidence
        );
    }
    page.push_str("</table>\n");
}

fn twins(page: &mut String, title: &str, intro: &str, twins: &[Twins]) {
    if twins.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<h2>{title} ({})</h2>\n<p>{intro}</p>\n<table><tr><th>message<th>intent<th>message<th>intent<th class=n>alike",
        twins.len()
    );
    for pair in twins.iter().take(ROWS_MAX) {
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}<td class=n>{:.2}",
            escape(&pair.first.0),
            escape(&pair.first.1),
            escape(&pair.second.0),
            escape(&pair.second.1),
            pair.similarity
        );
    }
    page.push_str("</table>\n");
}

fn labels(
    page: &mut String,
    (title, evaluation): (&str, &LabelEvaluation),
    findings: Option<&LabelFindings>,
) {
    let _ = writeln!(page, "<h2>{title}</h2>");
    report(page, &evaluation.report);
    if let Some(findings) = findings {
        let bins: Vec<(f64, f64, usize)> =
            findings.bins.iter().map(|bin| (bin.confidence, bin.right, bin.count)).collect();
        let title = format!("{title}: calibration error {:.3}", findings.calibration_error);
        let _ = writeln!(page, "<div class=wide>{}</div>", calibration(&bins, &title).to_svg());
    }
    let histogram = confidence_histogram(&evaluation.confidences(), &format!("{title}: confidence"));
    let matrix = confusion_matrix(&evaluation.pairs(), &format!("{title}: confusions"));
    let _ = writeln!(
        page,
        "<div class=wide>{}</div>\n<div class=wide>{}</div>",
        histogram.to_svg(),
        matrix.to_svg()
    );
}

fn entities(page: &mut String, contents: &Contents<'_>, extractor: &str, evaluation: &EntityEvaluation) {
    let _ = writeln!(page, "<h2>Entities of {}</h2>\n<p>By exact span:</p>", escape(extractor));
    if let Some(spans) = contents.findings.entities.get(extractor) {
        page.push_str(
            "<table><tr><th>entity<th class=n>precision<th class=n>recall<th class=n>F1<th class=n>right\
             <th class=n>wrong<th class=n>missed\n",
        );
        for (name, tally) in &spans.by_type {
            let _ = writeln!(
                page,
                "<tr><td>{}<td class=n>{:.3}<td class=n>{:.3}<td class=n>{:.3}<td class=n>{}<td class=n>{}<td class=n>{}",
                escape(name),
                tally.precision(),
                tally.recall(),
                tally.f1(),
                tally.right,
                tally.wrong,
                tally.missed
            );
        }
        page.push_str("</table>\n");
    }
    page.push_str("<p>By token:</p>\n");
    report(page, &evaluation.report);
}

fn report(page: &mut String, report: &Report) {
    page.push_str(
        "<table><tr><th>label<th class=n>precision<th class=n>recall<th class=n>F1<th class=n>number<th>confused with\n",
    );
    let mut labels: Vec<(&String, &Scores)> = report.labels.iter().collect();
    labels.sort_by(|left, right| left.1.f1.total_cmp(&right.1.f1).then_with(|| left.0.cmp(right.0)));
    for (name, scores) in labels {
        let confused: Vec<String> = report
            .confusions
            .get(name)
            .into_iter()
            .flatten()
            .map(|(other, count)| format!("{} ({count})", escape(other)))
            .collect();
        let _ = writeln!(
            page,
            "<tr><td>{}<td class=n>{:.3}<td class=n>{:.3}<td class=n>{:.3}<td class=n>{}<td>{}",
            escape(name),
            scores.precision,
            scores.recall,
            scores.f1,
            scores.support,
            confused.join(", ")
        );
    }
    page.push_str("</table>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{INTENTS, LabelOutcome};

    #[test]
    fn the_page_tells_everything_and_escapes_texts() {
        let outcome = |text: &str, target: &str, predicted: &str| LabelOutcome {
            text: text.into(),
            target: target.into(),
            predicted: predicted.into(),
            confidence: 0.9,
        };
        let outcomes = vec![
            outcome("<b>hi", "greet", "bye"),
            outcome("<b>hi there", "greet", "bye"),
            outcome("bye", "bye", "bye"),
        ];
        let evaluation = LabelEvaluation::of(&INTENTS, outcomes);
        let mut findings =
            Findings::of(Setting::CrossValidated, (evaluation.as_ref(), None), Default::default(), 1);
        findings
            .compare(&[("Hi!", "greet"), ("hi", "bye"), ("hi", "bye")], &[("HI", "greet"), ("other", "bye")]);
        assert_eq!((findings.twins.len(), findings.leaked.len(), findings.suspects.len()), (2, 3, 2));
        let entities = Default::default();
        let contents = Contents {
            findings: &findings,
            intents: evaluation.as_ref(),
            responses: None,
            entities: &entities,
        };
        let page = html(&contents);
        for part in ["&lt;b&gt;hi", "Labels to check (2)", "<code>greet</code>", "</svg>", "trained with (3)"]
        {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<b>"));
        let json = findings.to_json();
        assert_eq!(json["intents"]["accuracy"]["value"], 1.0 / 3.0);
        assert_eq!(json["duplicates_across_intents"][0]["similarity"], 1.0);
        assert_eq!(json["confusions"][0]["count"], 2);
    }
}
