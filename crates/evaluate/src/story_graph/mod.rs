//! Stories as one graph: actions are nodes, what users say leads from one to the next.
//!
//! Nodes that cannot be told apart within some steps are merged, which keeps the graph of many
//! stories readable. [`StoryGraph::svg`] lays it out in layers from top to bottom and draws it.

mod draw;
mod layout;
mod merge;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use intendant_talk::event::{Event, EventKind};

/// Steps after which nodes must agree to be merged, unless said otherwise.
pub const MAX_HISTORY_DEFAULT: usize = 2;

const LISTEN: &str = "action_listen";
const SESSION_START: &str = "action_session_start";
const RULE_SNIPPET: &str = "...";

/// A graph of stories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoryGraph {
    nodes: Vec<Node>,
    edges: BTreeMap<(usize, usize), Edge>,
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Where conversations begin.
    Start,
    /// Where stories end.
    End,
    /// The bot does something.
    Action,
    /// The user says something.
    User,
    /// Stories go on that are not shown.
    More,
    /// What comes next is not decided.
    Open,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    role: Role,
    label: String,
    /// On the way of the current conversation.
    is_current: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Edge {
    is_current: bool,
}

/// How a graph is made.
pub struct Options<'a> {
    /// Nodes are merged that agree within this many steps.
    pub max_history: usize,
    /// What the user says is shown by this instead of the intent, where it gives something.
    pub example: &'a dyn Fn(&str) -> Option<String>,
}

/// Makes the graph of stories, given as their events.
pub fn of_stories(stories: &[&[Arc<Event>]], options: &Options<'_>) -> StoryGraph {
    let mut builder = Builder::new();
    for story in stories {
        builder.walk(&turns(story), usize::MAX, Ending::End);
    }
    builder.finish(options)
}

/// Makes the graph around a conversation: its own way in full, of each story what it has in
/// common with it and one action more.
pub fn around(current: &[Arc<Event>], stories: &[&[Arc<Event>]], options: &Options<'_>) -> StoryGraph {
    let mut builder = Builder::new();
    let own = turns(current);
    let ends_open =
        if own.last().is_some_and(|turn| turn.action.is_none()) { Ending::Said } else { Ending::Open };
    builder.walk(&own, usize::MAX, ends_open);
    for story in stories {
        let story = turns(story);
        let shown = common_actions(&own, &story) + 1;
        builder.walk(&story, shown, Ending::End);
    }
    builder.finish(options)
}

/// What the user says and the action after it; either may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TurnOfStory {
    said: Option<String>,
    action: Option<String>,
}

/// How a way through the graph ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    End,
    /// The conversation goes on; the user is next.
    Open,
    /// The conversation goes on; the user spoke and the bot is next.
    Said,
}

fn turns(events: &[Arc<Event>]) -> Vec<TurnOfStory> {
    let mut turns = Vec::new();
    let mut said = None;
    for event in events {
        match &event.kind {
            EventKind::User(message) => {
                let intent = message.parse.intent.extra.get("full_retrieval_intent_name");
                let intent =
                    intent.and_then(serde_json::Value::as_str).or(message.parse.intent.name.as_deref());
                said = Some(match (intent, &message.text) {
                    (Some(intent), _) => format!("/{intent}"),
                    (None, Some(text)) => text.clone(),
                    (None, None) => "/".to_owned(),
                });
            }
            EventKind::Action(action) => {
                let name = action.name.as_ref().or(action.action_text.as_ref());
                let hidden = [LISTEN, SESSION_START, RULE_SNIPPET];
                if let Some(name) = name.filter(|name| !hidden.contains(&name.as_str())) {
                    turns.push(TurnOfStory { said: said.take(), action: Some(name.clone()) });
                }
            }
            _ => {}
        }
    }
    if said.is_some() {
        turns.push(TurnOfStory { said, action: None });
    }
    turns
}

/// Actions that two conversations have in common from their beginning.
fn common_actions(left: &[TurnOfStory], right: &[TurnOfStory]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right && left.action.is_some()).count()
}

/// The graph while what users say stands at the edges.
struct Builder {
    nodes: Vec<Node>,
    edges: BTreeMap<(usize, usize, Option<String>), Edge>,
}

const START: usize = 0;
const END: usize = 1;

impl Builder {
    fn new() -> Self {
        let node = |role, label: &str| Node { role, label: label.to_owned(), is_current: false };
        let nodes = vec![node(Role::Start, "START"), node(Role::End, "END")];
        Self { nodes, edges: BTreeMap::new() }
    }

    fn add(&mut self, role: Role, label: &str, is_current: bool) -> usize {
        self.nodes.push(Node { role, label: label.to_owned(), is_current });
        self.nodes.len() - 1
    }

    fn connect(&mut self, from: usize, to: usize, said: Option<String>, is_current: bool) {
        let edge = self.edges.entry((from, to, said)).or_default();
        edge.is_current |= is_current;
    }

    /// Adds the nodes of one way from the start, at most so many actions.
    fn walk(&mut self, turns: &[TurnOfStory], actions_max: usize, ending: Ending) {
        let is_current = ending != Ending::End;
        self.nodes[START].is_current |= is_current;
        let mut position = START;
        let mut rest = None;
        for (idx, turn) in turns.iter().enumerate() {
            let Some(action) = &turn.action else {
                rest = Some(turn.said.clone());
                break;
            };
            if idx >= actions_max {
                let more = self.add(Role::More, "…", false);
                self.connect(position, more, None, false);
                return;
            }
            let next = self.add(Role::Action, action, is_current);
            self.connect(position, next, turn.said.clone(), is_current);
            position = next;
        }
        let target = if is_current { self.add(Role::Open, "?", true) } else { END };
        self.connect(position, target, rest.flatten(), is_current);
    }

    fn finish(mut self, options: &Options<'_>) -> StoryGraph {
        merge::merge(&mut self, options.max_history);
        self.with_spoken_nodes(options)
    }

    /// What users say becomes nodes; nodes that nothing leads to any more are left out.
    fn with_spoken_nodes(self, options: &Options<'_>) -> StoryGraph {
        let reached: BTreeSet<usize> =
            self.edges.keys().flat_map(|(from, to, _)| [*from, *to]).chain([START]).collect();
        let position: BTreeMap<usize, usize> =
            reached.iter().enumerate().map(|(position, idx)| (*idx, position)).collect();
        let mut nodes: Vec<Node> = reached.iter().map(|idx| self.nodes[*idx].clone()).collect();
        let mut edges: BTreeMap<(usize, usize), Edge> = BTreeMap::new();
        let mut connect = |from: usize, to: usize, is_current: bool| {
            edges.entry((from, to)).or_default().is_current |= is_current;
        };
        for ((from, to, said), edge) in &self.edges {
            let (from, to) = (position[from], position[to]);
            match said {
                None => connect(from, to, edge.is_current),
                Some(said) => {
                    let label = said.strip_prefix('/').and_then(|intent| (options.example)(intent));
                    let label = label.unwrap_or_else(|| said.clone());
                    nodes.push(Node { role: Role::User, label, is_current: edge.is_current });
                    let spoken = nodes.len() - 1;
                    connect(from, spoken, edge.is_current);
                    connect(spoken, to, edge.is_current);
                }
            }
        }
        StoryGraph { nodes, edges }
    }
}

impl StoryGraph {
    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing but the start.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// Role and label of every node.
    pub fn nodes(&self) -> impl Iterator<Item = (Role, &str)> {
        self.nodes.iter().map(|node| (node.role, node.label.as_str()))
    }

    /// Labels of every connected pair.
    pub fn connections(&self) -> impl Iterator<Item = (&str, &str)> {
        self.edges.keys().map(|(from, to)| (self.nodes[*from].label.as_str(), self.nodes[*to].label.as_str()))
    }

    /// The graph as an SVG picture, its colours given by [`STYLE`].
    pub fn svg(&self) -> String {
        draw::svg(self, &layout::lay_out(self))
    }

    /// A page that holds the picture and needs nothing else.
    pub fn html(&self, title: &str) -> String {
        draw::page(&self.svg(), title)
    }
}

pub use draw::STYLE;
