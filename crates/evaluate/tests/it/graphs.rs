//! Stories as graphs: what is merged, what is drawn.

use std::sync::Arc;

use intendant_evaluate::story_graph::{self, Options, StoryGraph};
use intendant_talk::event::{Event, EventKind, UserMessage};
use intendant_talk::message::{Intent, Parse};
use intendant_talk::time::Timestamp;

/// Words for events: `/greet` the user, anything else an action.
fn events(words: &str) -> Vec<Arc<Event>> {
    let kind = |word: &str| match word.strip_prefix('/') {
        None => EventKind::action(word),
        Some(intent) => {
            let parse = Parse { intent: Intent::new(intent, 1.0), ..Parse::default() };
            EventKind::User(Box::new(UserMessage { parse, ..UserMessage::default() }))
        }
    };
    words.split_whitespace().map(|word| Arc::new(Event::new(Timestamp::default(), kind(word)))).collect()
}

fn graph(stories: &[&str], max_history: usize) -> StoryGraph {
    let stories: Vec<Vec<Arc<Event>>> = stories.iter().map(|story| events(story)).collect();
    let stories: Vec<&[Arc<Event>]> = stories.iter().map(Vec::as_slice).collect();
    story_graph::of_stories(&stories, &Options { max_history, example: &|_| None })
}

fn told(graph: &StoryGraph) -> String {
    let pairs: Vec<String> = graph.connections().map(|(from, to)| format!("{from}>{to}")).collect();
    pairs.join(" ")
}

#[test]
fn situations_that_agree_are_one() {
    let check = |stories: &[&str], max_history: usize, expected: &str| {
        assert_eq!(told(&graph(stories, max_history)), expected, "{stories:?}");
    };
    check(&["action_listen /a x action_listen"], 2, "START>/a x>END /a>x");
    check(&[], 2, "");
    // The same beginning, two ways on, the same end.
    check(&["/a x /b y /c z", "/a x /d y /c z"], 2, "START>/a x>/b x>/d y>/c z>END /a>x /b>y /d>y /c>z");
    // What comes next differs within two steps, not within one.
    check(&["/a p x", "/b q x y"], 2, "START>/a START>/b p>x x>END q>x x>y y>END /a>p /b>q");
    check(&["/a p x", "/b q x y"], 1, "START>/a START>/b p>x x>END x>y q>x y>END /a>p /b>q");
    // A question that is asked again is a circle.
    check(&["/a x /b x /b x /c y"], 1, "START>/a x>/b x>/c y>END /a>x /b>x /c>y");
}

#[test]
fn around_a_conversation_stories_are_shown_one_action_further() {
    let stories = [events("/a x /b y /c z"), events("/q w /r v")];
    let stories: Vec<&[Arc<Event>]> = stories.iter().map(Vec::as_slice).collect();
    let options = Options { max_history: 2, example: &|_| None };
    let check = |current: &str, expected: &str| {
        assert_eq!(told(&story_graph::around(&events(current), &stories, &options)), expected, "{current}");
    };
    check("", "START>? START>/a START>/q x>… w>… /a>x /q>w");
    check("/a x", "START>/a START>/q x>? x>/b y>… w>… /a>x /q>w /b>y");
    check("/a x /d", "START>/a START>/q x>/d x>/b y>… w>… /a>x /q>w /d>? /b>y");
}

#[test]
fn pictures_hold_every_label_once_and_nothing_else() {
    let stories =
        ["/a<b> x&y /a<b> x&y /c z", "/d utter_with_a_name_so_long_that_nobody_wants_to_read_all_of_it"];
    let page = graph(&stories, 1).html("<Stories>");
    for part in ["<title>&lt;Stories&gt;</title>", ">/a&lt;b&gt;<", ">x&amp;y<", "…</text>", "marker-end"] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
    for part in ["<script", "http://", "https://", "NaN", "inf"] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(part);
        assert!(!found, "{part} in\n{page}");
    }
    assert!(graph(&[], 2).svg().contains("START"));
}

#[test]
fn a_thousand_stories_are_laid_out() {
    let stories: Vec<String> = (0..1000)
        .map(|idx| {
            format!("/i{} a{} /i{} b{} /i{} c{}", idx % 7, idx % 31, idx % 11, idx % 53, idx % 3, idx % 97)
        })
        .collect();
    let stories: Vec<&str> = stories.iter().map(String::as_str).collect();
    let graph = graph(&stories, 2);
    assert!(graph.len() > 500, "{}", graph.len());
    assert!(!graph.svg().contains("NaN"));
}
