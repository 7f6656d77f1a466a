//! Merging nodes that cannot be told apart.
//!
//! Two nodes of one label are the same when the same edges lead to them, when their edges lead to
//! the same nodes, or when what follows within some steps is the same. Nodes are grouped by a key
//! per rule, so that a pass costs as much as the graph is big.

use std::collections::{BTreeMap, BTreeSet};

use super::{Builder, Edge, Role};

/// Edges of one node: the other end and what is said.
type Ends = BTreeSet<(usize, Option<String>)>;

pub(super) fn merge(builder: &mut Builder, max_history: usize) {
    loop {
        let by_past = |incoming: &Ends, _: &Ends, _: usize| incoming.clone();
        let by_future = |_: &Ends, outgoing: &Ends, _: usize| outgoing.clone();
        let by_class = |_: &Ends, _: &Ends, class: usize| class;
        let merged = pass(builder, max_history, by_past)
            | pass(builder, max_history, by_future)
            | pass(builder, max_history, by_class);
        if !merged {
            return;
        }
    }
}

/// Merges nodes of one label and one key; whether there were any.
fn pass<K: Ord>(builder: &mut Builder, max_history: usize, key: impl Fn(&Ends, &Ends, usize) -> K) -> bool {
    let n_nodes = builder.nodes.len();
    let mut incoming = vec![Ends::new(); n_nodes];
    let mut outgoing = vec![Ends::new(); n_nodes];
    for (from, to, said) in builder.edges.keys() {
        incoming[*to].insert((*from, said.clone()));
        outgoing[*from].insert((*to, said.clone()));
    }
    let classes = classes(builder, max_history);
    let mut first_of: BTreeMap<(Role, &str, K), usize> = BTreeMap::new();
    let mut target: Vec<usize> = (0..n_nodes).collect();
    let mut has_merged = false;
    for (idx, node) in builder.nodes.iter().enumerate() {
        let is_connected = !incoming[idx].is_empty() || !outgoing[idx].is_empty();
        if !is_connected || !matches!(node.role, Role::Action | Role::More) {
            continue;
        }
        let key = key(&incoming[idx], &outgoing[idx], classes[idx]);
        let first = *first_of.entry((node.role, node.label.as_str(), key)).or_insert(idx);
        has_merged |= first != idx;
        target[idx] = first;
    }
    if has_merged {
        redirect(builder, &target);
    }
    has_merged
}

fn redirect(builder: &mut Builder, target: &[usize]) {
    for (idx, first) in target.iter().enumerate() {
        builder.nodes[*first].is_current |= builder.nodes[idx].is_current;
    }
    let mut edges: BTreeMap<(usize, usize, Option<String>), Edge> = BTreeMap::new();
    for ((from, to, said), edge) in std::mem::take(&mut builder.edges) {
        edges.entry((target[from], target[to], said)).or_default().is_current |= edge.is_current;
    }
    builder.edges = edges;
}

/// Numbers that are equal for nodes which nobody can tell apart who sees `max_history` labels,
/// their own included.
fn classes(builder: &Builder, max_history: usize) -> Vec<usize> {
    let mut labels: BTreeMap<(Role, &str), usize> = BTreeMap::new();
    let mut classes: Vec<usize> = Vec::with_capacity(builder.nodes.len());
    for node in &builder.nodes {
        let next = labels.len();
        classes.push(*labels.entry((node.role, node.label.as_str())).or_insert(next));
    }
    for _ in 1..max_history {
        let mut following: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); builder.nodes.len()];
        for (from, to, _) in builder.edges.keys() {
            following[*from].insert(classes[*to]);
        }
        let mut known: BTreeMap<(usize, BTreeSet<usize>), usize> = BTreeMap::new();
        let finer: Vec<usize> = classes
            .iter()
            .zip(following)
            .map(|(class, following)| {
                let next = known.len();
                *known.entry((*class, following)).or_insert(next)
            })
            .collect();
        let is_settled = known.len() == classes.iter().collect::<BTreeSet<_>>().len();
        classes = finer;
        if is_settled {
            break;
        }
    }
    classes
}
