//! Layers from top to bottom: every node below those that lead to it, few crossings, straight
//! long edges.
//!
//! Source: Sugiyama, Tagawa, Toda 1981, with longest-path layers, orders by barycenter and
//! positions by repeated alignment with the neighbours.

use std::collections::{BTreeMap, BTreeSet};

use super::StoryGraph;

/// Space between neighbours of a layer, in pixels.
const GAP: f64 = 24.0;
/// Height of a layer.
const LAYER_HEIGHT: f64 = 64.0;
/// Space around the picture.
const MARGIN: f64 = 20.0;
/// Rounds of ordering and of aligning.
const ROUNDS: usize = 12;
/// Width of a character, roughly, and of what is around a label.
const CHARACTER: f64 = 7.0;
const PADDING: f64 = 22.0;
/// Labels are cut after so many characters; the whole stands in the tooltip.
pub(super) const LABEL_CHARS_MAX: usize = 42;

/// Where everything is.
pub(super) struct Layout {
    pub width: f64,
    pub height: f64,
    /// Per node: centre and width.
    pub places: Vec<Place>,
    /// Per edge: the points it goes through, from its upper end to its lower end, and whether it
    /// points upwards.
    pub routes: BTreeMap<(usize, usize), Route>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub x: f64,
    pub y: f64,
    pub width: f64,
}

pub(super) struct Route {
    pub points: Vec<(f64, f64)>,
    pub is_upwards: bool,
}

/// A node, or a bend of an edge that passes a layer.
struct Item {
    layer: usize,
    width: f64,
    x: f64,
    above: Vec<usize>,
    below: Vec<usize>,
}

pub(super) fn lay_out(graph: &StoryGraph) -> Layout {
    let n_nodes = graph.nodes.len();
    let upwards = back_edges(graph);
    let direct =
        |(from, to): (usize, usize)| if upwards.contains(&(from, to)) { (to, from) } else { (from, to) };
    let edges: Vec<(usize, usize)> = graph.edges.keys().copied().filter(|(from, to)| from != to).collect();
    let downward: Vec<(usize, usize)> = edges.iter().map(|edge| direct(*edge)).collect();
    let layers = layers(n_nodes, &downward);
    let mut items: Vec<Item> = (0..n_nodes)
        .map(|idx| Item {
            layer: layers[idx],
            width: label_width(&graph.nodes[idx].label),
            x: 0.0,
            above: Vec::new(),
            below: Vec::new(),
        })
        .collect();
    let chains: Vec<Vec<usize>> = downward.iter().map(|edge| chain(*edge, &mut items)).collect();
    let mut order = first_order(&items);
    uncross(&mut order, &mut items);
    align(&order, &mut items);
    let left = items.iter().map(|item| item.x - item.width / 2.0).fold(f64::INFINITY, f64::min);
    let right = items.iter().map(|item| item.x + item.width / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let place = |item: &Item| Place {
        x: item.x - left + MARGIN,
        y: MARGIN + LAYER_HEIGHT * (item.layer as f64 + 0.5),
        width: item.width,
    };
    let places: Vec<Place> = items.iter().map(place).collect();
    let routes = edges.iter().zip(&chains).map(|(edge, chain)| {
        let points = chain.iter().map(|idx| (places[*idx].x, places[*idx].y)).collect();
        (*edge, Route { points, is_upwards: upwards.contains(edge) })
    });
    let n_layers = items.iter().map(|item| item.layer + 1).max().unwrap_or(1);
    Layout {
        width: (right - left).max(0.0) + 2.0 * MARGIN,
        height: n_layers as f64 * LAYER_HEIGHT + 2.0 * MARGIN,
        routes: routes.collect(),
        places: places[..n_nodes].to_vec(),
    }
}

pub(super) fn label_width(label: &str) -> f64 {
    let wide = |c: char| if u32::from(c) >= 0x1100 { 2.0 } else { 1.0 };
    let units: f64 = label.chars().take(LABEL_CHARS_MAX).map(wide).sum();
    (units * CHARACTER + PADDING).max(40.0)
}

/// Edges that lead back to where a walk from the start came from.
fn back_edges(graph: &StoryGraph) -> BTreeSet<(usize, usize)> {
    let mut following: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
    for (from, to) in graph.edges.keys() {
        following[*from].push(*to);
    }
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnTheWay,
        Done,
    }
    let mut seen = vec![Seen::Not; graph.nodes.len()];
    let mut found = BTreeSet::new();
    for start in 0..graph.nodes.len() {
        if seen[start] != Seen::Not {
            continue;
        }
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        seen[start] = Seen::OnTheWay;
        while let Some((node, next)) = way.last_mut() {
            let Some(to) = following[*node].get(*next).copied() else {
                seen[*node] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            match seen[to] {
                Seen::OnTheWay => drop(found.insert((*node, to))),
                Seen::Not => {
                    seen[to] = Seen::OnTheWay;
                    way.push((to, 0));
                }
                Seen::Done => {}
            }
        }
    }
    found
}

/// The length of the longest way to each node.
fn layers(n_nodes: usize, downward: &[(usize, usize)]) -> Vec<usize> {
    let mut waiting = vec![0; n_nodes];
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); n_nodes];
    for (from, to) in downward {
        waiting[*to] += 1;
        below[*from].push(*to);
    }
    let mut layers = vec![0; n_nodes];
    let mut ready: Vec<usize> = (0..n_nodes).filter(|idx| waiting[*idx] == 0).collect();
    while let Some(node) = ready.pop() {
        for to in &below[node] {
            layers[*to] = layers[*to].max(layers[node] + 1);
            waiting[*to] -= 1;
            if waiting[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    layers
}

/// The items of an edge from layer to layer; bends are added.
fn chain((from, to): (usize, usize), items: &mut Vec<Item>) -> Vec<usize> {
    let mut chain = vec![from];
    for layer in items[from].layer + 1..items[to].layer {
        items.push(Item { layer, width: 8.0, x: 0.0, above: Vec::new(), below: Vec::new() });
        chain.push(items.len() - 1);
    }
    chain.push(to);
    for pair in chain.windows(2) {
        items[pair[0]].below.push(pair[1]);
        items[pair[1]].above.push(pair[0]);
    }
    chain
}

fn first_order(items: &[Item]) -> Vec<Vec<usize>> {
    let n_layers = items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); n_layers];
    for (idx, item) in items.iter().enumerate() {
        order[item.layer].push(idx);
    }
    order
}

/// Orders every layer by the mean position of the neighbours, down and up in turn, and keeps the
/// order with the fewest crossings.
fn uncross(order: &mut Vec<Vec<usize>>, items: &mut [Item]) {
    let mut best = order.clone();
    let mut fewest = crossings(order, items);
    for round in 0..ROUNDS {
        if fewest == 0 {
            break;
        }
        let mut position = vec![0.0; items.len()];
        let goes_down = round % 2 == 0;
        let n_layers = order.len();
        for step in 0..n_layers {
            let layer = if goes_down { step } else { n_layers - 1 - step };
            let mean = |idx: usize, position: &[f64]| {
                let neighbours = if goes_down { &items[idx].above } else { &items[idx].below };
                let sum: f64 = neighbours.iter().map(|neighbour| position[*neighbour]).sum();
                (!neighbours.is_empty()).then(|| sum / neighbours.len() as f64)
            };
            let mut keyed: Vec<(f64, usize)> = order[layer]
                .iter()
                .enumerate()
                .map(|(place, idx)| (mean(*idx, &position).unwrap_or(place as f64), *idx))
                .collect();
            keyed.sort_by(|left, right| left.0.total_cmp(&right.0));
            order[layer] = keyed.into_iter().map(|(_, idx)| idx).collect();
            for (place, idx) in order[layer].iter().enumerate() {
                position[*idx] = place as f64;
            }
        }
        let count = crossings(order, items);
        if count < fewest {
            (fewest, best) = (count, order.clone());
        }
    }
    *order = best;
}

fn crossings(order: &[Vec<usize>], items: &[Item]) -> usize {
    let mut position = vec![0; items.len()];
    for layer in order {
        for (place, idx) in layer.iter().enumerate() {
            position[*idx] = place;
        }
    }
    let mut count = 0;
    for layer in order {
        // Edges in the order of their upper ends; every earlier one that ends further right crosses.
        let mut width = 0;
        let mut ends: Vec<usize> = Vec::new();
        for idx in layer {
            let mut own: Vec<usize> = items[*idx].below.iter().map(|to| position[*to]).collect();
            own.sort_unstable();
            width = own.last().copied().unwrap_or(0).max(width);
            ends.extend(own);
        }
        // A tree of counts over positions (Fenwick 1994).
        let mut tree = vec![0usize; width + 2];
        for (seen, end) in ends.iter().enumerate() {
            let mut not_right = 0;
            let mut node = end + 1;
            while node > 0 {
                not_right += tree[node];
                node &= node - 1;
            }
            count += seen - not_right;
            let mut node = end + 1;
            while node < tree.len() {
                tree[node] += 1;
                node += node & node.wrapping_neg();
            }
        }
    }
    count
}

/// Moves items below and above their neighbours without overlaps.
fn align(order: &[Vec<usize>], items: &mut [Item]) {
    for layer in order {
        let mut x = 0.0;
        for idx in layer {
            items[*idx].x = x + items[*idx].width / 2.0;
            x += items[*idx].width + GAP;
        }
    }
    for round in 0..ROUNDS {
        let goes_down = round % 2 == 0;
        for step in 0..order.len() {
            let layer = if goes_down { step } else { order.len() - 1 - step };
            let wanted: Vec<f64> = order[layer]
                .iter()
                .map(|idx| {
                    let neighbours = if goes_down { &items[*idx].above } else { &items[*idx].below };
                    median(neighbours.iter().map(|neighbour| items[*neighbour].x)).unwrap_or(items[*idx].x)
                })
                .collect();
            place(&order[layer], &wanted, items);
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((low + high) / 2.0)
}

/// Puts the items of a layer as near to where they are wanted as their order and widths allow:
/// items that push each other move as one block, by the mean of what they want.
fn place(layer: &[usize], wanted: &[f64], items: &mut [Item]) {
    struct Block {
        first: usize,
        /// Sum and number of wishes for the position of the first item.
        wish: f64,
        count: f64,
        /// From the first item's centre to the next block's first item's centre.
        length: f64,
    }
    let distance =
        |left: usize, right: usize| (items[layer[left]].width + items[layer[right]].width) / 2.0 + GAP;
    let mut blocks: Vec<Block> = Vec::new();
    for (idx, wish) in wanted.iter().enumerate() {
        let length = if idx + 1 < layer.len() { distance(idx, idx + 1) } else { 0.0 };
        let mut block = Block { first: idx, wish: *wish, count: 1.0, length };
        while let Some(before) = blocks.last() {
            if before.wish / before.count + before.length <= block.wish / block.count {
                break;
            }
            let Some(before) = blocks.pop() else { break };
            block = Block {
                first: before.first,
                wish: before.wish + block.wish - before.length * block.count,
                count: before.count + block.count,
                length: before.length + block.length,
            };
        }
        blocks.push(block);
    }
    let mut positions = Vec::with_capacity(layer.len());
    for (number, block) in blocks.iter().enumerate() {
        let end = blocks.get(number + 1).map_or(layer.len(), |next| next.first);
        let mut x = block.wish / block.count;
        for idx in block.first..end {
            positions.push(x);
            if idx + 1 < end {
                x += distance(idx, idx + 1);
            }
        }
    }
    for (idx, x) in layer.iter().zip(positions) {
        items[*idx].x = x;
    }
}
