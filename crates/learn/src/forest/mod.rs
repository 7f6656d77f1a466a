//! Decision trees as they are asked: one compact form for our own and for those of other libraries.
//!
//! Every tree adds the value of one leaf to one output. Neighbours: `tabular` grows trees, the formats of other
//! libraries are read into this form, [`Forest::contributions`] explains both.

mod shapley;

use std::collections::BTreeMap;

use intendant_component::stored::{Stored, Tensor, TensorData, Unreadable};

/// Trees whose leaves are summed up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forest {
    features: usize,
    outputs: usize,
    roots: Vec<Child>,
    /// The output each tree adds to.
    targets: Vec<u32>,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    bits: Vec<u32>,
}

/// Where a branch leads: a node, or a leaf as the complement of its index.
type Child = i32;

/// A question about one feature; yes leads left.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    threshold: f64,
    /// Weight of the training rows that came here.
    cover: f64,
    feature: u32,
    left: Child,
    right: Child,
    /// First word of the set in `bits`, and how many words.
    set_start: u32,
    set_words: u32,
    rule: Rule,
    missing: Missing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Leaf {
    value: f64,
    cover: f64,
}

/// What is asked about a feature's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Value ≤ threshold.
    AtMost,
    /// Value < threshold.
    Below,
    /// Value = threshold.
    Equal,
    /// The whole number is in the node's set; none outside of it is.
    OneOf,
}

/// Where missing values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// `NaN` goes left.
    Left,
    /// `NaN` goes right.
    Right,
    /// `NaN` is zero.
    IsZero,
    /// `NaN` and zero go left.
    ZeroLeft,
    /// `NaN` and zero go right.
    ZeroRight,
}

/// A tree while it is put together: children before their parents are known by their index.
#[derive(Clone, Debug)]
pub enum Branch {
    /// The end.
    Leaf {
        /// What is added.
        value: f64,
        /// Weight of the training rows that came here; 0 when not known.
        cover: f64,
    },
    /// A question.
    Split {
        /// The feature asked about.
        feature: usize,
        /// What is asked.
        rule: Rule,
        /// What the value is compared with.
        threshold: f64,
        /// The members of the set, for [`Rule::OneOf`].
        set: Vec<u32>,
        /// Where missing values go.
        missing: Missing,
        /// Weight of the training rows that came here; 0 when not known.
        cover: f64,
        /// Index of the branch for yes.
        left: usize,
        /// Index of the branch for no.
        right: usize,
    },
}

/// Values that are zero to LightGBM.
const ZERO: f64 = 1e-35;

/// Members of sets beyond are refused: codes of categories are small numbers.
const SET_MAX: u32 = 1 << 20;

/// Nodes of one tree on the way to its deepest leaf.
const DEPTH_MAX: usize = 512;

/// Why branches make no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

impl Forest {
    /// A forest without trees.
    pub fn new(features: usize, outputs: usize) -> Self {
        Self { features, outputs, ..Self::default() }
    }

    /// Number of features a row must have.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of trees.
    pub fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Whether every branch says how many training rows it saw, which explanations need.
    pub fn has_covers(&self) -> bool {
        self.leaves.iter().all(|leaf| leaf.cover > 0.0) && self.nodes.iter().all(|node| node.cover > 0.0)
    }

    /// Adds a tree whose root is the first branch.
    ///
    /// # Errors
    /// When indexes lead outside, a branch is reached twice, or the tree is deeper than 512.
    pub fn push(&mut self, output: usize, branches: &[Branch]) -> Result<(), Malformed> {
        let wrong = |message: String| Err(Malformed(message));
        if output >= self.outputs {
            return wrong(format!("a tree adds to output {output}, there are {}", self.outputs));
        }
        self.check(branches)?;
        let mut children = Vec::with_capacity(branches.len());
        let (mut nodes, mut leaves) = (self.nodes.len(), self.leaves.len());
        for branch in branches {
            let next = if matches!(branch, Branch::Leaf { .. }) { &mut leaves } else { &mut nodes };
            let Ok(index) = Child::try_from(*next) else { return wrong("too many branches".into()) };
            children.push(if matches!(branch, Branch::Leaf { .. }) { !index } else { index });
            *next += 1;
        }
        for branch in branches {
            match branch {
                Branch::Leaf { value, cover } => self.leaves.push(Leaf { value: *value, cover: *cover }),
                Branch::Split { feature, rule, threshold, set, missing, cover, left, right } => {
                    let set_start = self.bits.len() as u32;
                    let words = set.iter().max().map_or(0, |most| most / 32 + 1);
                    self.bits.resize(self.bits.len() + words as usize, 0);
                    for member in set {
                        self.bits[(set_start + member / 32) as usize] |= 1 << (member % 32);
                    }
                    self.nodes.push(Node {
                        threshold: *threshold,
                        cover: *cover,
                        feature: *feature as u32,
                        left: children[*left],
                        right: children[*right],
                        set_start,
                        set_words: words,
                        rule: *rule,
                        missing: *missing,
                    });
                }
            }
        }
        self.roots.push(children[0]);
        self.targets.push(output as u32);
        Ok(())
    }

    /// Refuses what is no tree: every branch but the first must be reached exactly once, from an earlier one or a
    /// later one, and depth is bounded.
    fn check(&self, branches: &[Branch]) -> Result<(), Malformed> {
        let wrong = |message: &str| Err(Malformed(message.to_owned()));
        let mut is_reached = vec![false; branches.len()];
        let mut open = vec![(0, 0)];
        while let Some((at, depth)) = open.pop() {
            let Some(branch) = branches.get(at) else {
                return wrong("a branch leads to a node that is not there");
            };
            if std::mem::replace(&mut is_reached[at], true) {
                return wrong("a node has two parents");
            }
            if depth > DEPTH_MAX {
                return wrong("a tree is deeper than 512");
            }
            if let Branch::Split { feature, set, left, right, .. } = branch {
                if *feature >= self.features {
                    let message = format!("a node asks for feature {feature}, there are {}", self.features);
                    return Err(Malformed(message));
                }
                if set.iter().any(|member| *member >= SET_MAX) {
                    return wrong("a set of categories has a member above 1048575");
                }
                open.push((*left, depth + 1));
                open.push((*right, depth + 1));
            }
        }
        if is_reached.contains(&false) {
            return wrong("a node has no parent");
        }
        Ok(())
    }

    /// Adds every tree's leaf for this row to the outputs.
    ///
    /// # Panics
    /// When the row has fewer features than the forest, or `into` fewer outputs.
    pub fn add(&self, row: &[f64], into: &mut [f64]) {
        assert!(row.len() >= self.features && into.len() >= self.outputs, "a row of {} features", row.len());
        for (root, target) in self.roots.iter().zip(&self.targets) {
            into[*target as usize] += self.leaf(*root, row).value;
        }
    }

    /// The same for several rows, `[rows, width]` and `[rows, outputs]`: tree by tree, so that each tree is fetched
    /// from memory once.
    ///
    /// # Panics
    /// When rows have fewer features than the forest, or `into` is shorter than rows times outputs.
    pub fn add_rows(&self, rows: &[f64], width: usize, into: &mut [f64]) {
        assert!(width >= self.features && into.len() * width >= rows.len() * self.outputs);
        for (root, target) in self.roots.iter().zip(&self.targets) {
            for (row, into) in rows.chunks_exact(width.max(1)).zip(into.chunks_exact_mut(self.outputs)) {
                into[*target as usize] += self.leaf(*root, row).value;
            }
        }
    }

    /// The leaf a row comes to.
    fn leaf(&self, root: Child, row: &[f64]) -> Leaf {
        let mut at = root;
        while at >= 0 {
            let node = &self.nodes[at as usize];
            at = if self.goes_left(node, row[node.feature as usize]) { node.left } else { node.right };
        }
        self.leaves[!at as usize]
    }

    fn goes_left(&self, node: &Node, value: f64) -> bool {
        let mut value = value;
        if value.is_nan() {
            match node.missing {
                Missing::Left | Missing::ZeroLeft => return true,
                Missing::Right | Missing::ZeroRight => return false,
                Missing::IsZero => value = 0.0,
            }
        } else if value.abs() <= ZERO {
            match node.missing {
                Missing::ZeroLeft => return true,
                Missing::ZeroRight => return false,
                _ => {}
            }
        }
        match node.rule {
            Rule::AtMost => value <= node.threshold,
            Rule::Below => value < node.threshold,
            Rule::Equal => value == node.threshold,
            Rule::OneOf => self.has_member(node, value),
        }
    }

    fn has_member(&self, node: &Node, value: f64) -> bool {
        if value < 0.0 || value >= f64::from(node.set_words) * 32.0 {
            return false;
        }
        let member = value as u32;
        self.bits[(node.set_start + member / 32) as usize] >> (member % 32) & 1 == 1
    }

    /// The forest with every leaf multiplied.
    pub fn scaled(mut self, factor: f64) -> Self {
        for leaf in &mut self.leaves {
            leaf.value *= factor;
        }
        self
    }

    /// Adds the trees of another forest of the same shape.
    ///
    /// # Panics
    /// When features or outputs differ in number.
    pub fn append(&mut self, other: &Self) {
        assert_eq!((self.features, self.outputs), (other.features, other.outputs));
        let (nodes, leaves, bits) =
            (self.nodes.len() as i32, self.leaves.len() as i32, self.bits.len() as u32);
        let moved = |child: Child| if child >= 0 { child + nodes } else { child - leaves };
        self.roots.extend(other.roots.iter().map(|root| moved(*root)));
        self.targets.extend_from_slice(&other.targets);
        self.nodes.extend(other.nodes.iter().map(|node| Node {
            left: moved(node.left),
            right: moved(node.right),
            set_start: node.set_start + bits,
            ..*node
        }));
        self.leaves.extend_from_slice(&other.leaves);
        self.bits.extend_from_slice(&other.bits);
    }

    /// As tensors, each name prefixed.
    pub fn store(&self, prefix: &str, into: &mut BTreeMap<String, Tensor>) {
        let mut put = |name: &str, data| {
            into.insert(format!("{prefix}{name}"), Tensor::flat(data));
        };
        let nodes = &self.nodes;
        put("shape", TensorData::U32(vec![self.features as u32, self.outputs as u32]));
        put("roots", TensorData::I32(self.roots.clone()));
        put("targets", TensorData::U32(self.targets.clone()));
        put("threshold", TensorData::F64(nodes.iter().map(|node| node.threshold).collect()));
        put("cover", TensorData::F32(nodes.iter().map(|node| node.cover as f32).collect()));
        put("feature", TensorData::U32(nodes.iter().map(|node| node.feature).collect()));
        put("left", TensorData::I32(nodes.iter().map(|node| node.left).collect()));
        put("right", TensorData::I32(nodes.iter().map(|node| node.right).collect()));
        put("set_start", TensorData::U32(nodes.iter().map(|node| node.set_start).collect()));
        put("set_words", TensorData::U32(nodes.iter().map(|node| node.set_words).collect()));
        put(
            "rule",
            TensorData::U8(nodes.iter().map(|node| node.rule as u8 * 8 + node.missing as u8).collect()),
        );
        put("leaf", TensorData::F64(self.leaves.iter().map(|leaf| leaf.value).collect()));
        put("leaf_cover", TensorData::F32(self.leaves.iter().map(|leaf| leaf.cover as f32).collect()));
        put("bits", TensorData::U32(self.bits.clone()));
    }

    /// Takes out what [`Forest::store`] put in.
    ///
    /// # Errors
    /// When tensors are missing, of unequal length, or their indexes lead outside.
    pub fn restore(prefix: &str, from: &mut Stored) -> Result<Self, Unreadable> {
        let name = |name: &str| format!("{prefix}{name}");
        let shape = from.take_u32(&name("shape"))?;
        let threshold = from.take_f64(&name("threshold"))?;
        let cover = from.take_f32(&name("cover"))?;
        let feature = from.take_u32(&name("feature"))?;
        let (left, right) = (from.take_i32(&name("left"))?, from.take_i32(&name("right"))?);
        let (set_start, set_words) = (from.take_u32(&name("set_start"))?, from.take_u32(&name("set_words"))?);
        let rule = from.take_u8(&name("rule"))?;
        let (leaf, leaf_cover) = (from.take_f64(&name("leaf"))?, from.take_f32(&name("leaf_cover"))?);
        let lengths = [
            cover.len(),
            feature.len(),
            left.len(),
            right.len(),
            set_start.len(),
            set_words.len(),
            rule.len(),
        ];
        if shape.len() != 2
            || lengths.iter().any(|length| *length != threshold.len())
            || leaf.len() != leaf_cover.len()
        {
            return Err(Unreadable::new("the trees' tensors differ in length"));
        }
        let mut nodes = Vec::with_capacity(threshold.len());
        for idx in 0..threshold.len() {
            let (rule, missing) =
                rules_of(rule[idx]).ok_or_else(|| Unreadable::new("a tree has an unknown rule"))?;
            nodes.push(Node {
                threshold: threshold[idx],
                cover: f64::from(cover[idx]),
                feature: feature[idx],
                left: left[idx],
                right: right[idx],
                set_start: set_start[idx],
                set_words: set_words[idx],
                rule,
                missing,
            });
        }
        let leaves = leaf.iter().zip(&leaf_cover);
        let forest = Self {
            features: shape[0] as usize,
            outputs: shape[1] as usize,
            roots: from.take_i32(&name("roots"))?,
            targets: from.take_u32(&name("targets"))?,
            nodes,
            leaves: leaves.map(|(value, cover)| Leaf { value: *value, cover: f64::from(*cover) }).collect(),
            bits: from.take_u32(&name("bits"))?,
        };
        if forest.is_sound() { Ok(forest) } else { Err(Unreadable::new("a tree leads outside of itself")) }
    }

    /// Whether walking this forest stays inside of it and ends.
    fn is_sound(&self) -> bool {
        let (nodes, leaves) = (self.nodes.len(), self.leaves.len());
        let is_inside = |child: Child| {
            if child >= 0 { (child as usize) < nodes } else { (!child as usize) < leaves }
        };
        // A node is the child of at most one, and of none when it is a root: then no walk comes back.
        let mut is_reached = vec![false; nodes];
        let reached =
            self.nodes.iter().flat_map(|node| [node.left, node.right]).chain(self.roots.iter().copied());
        for child in reached.filter(|child| *child >= 0) {
            match is_reached.get_mut(child as usize) {
                Some(is_reached) if !*is_reached => *is_reached = true,
                _ => return false,
            }
        }
        self.roots.len() == self.targets.len()
            && self.roots.iter().all(|root| is_inside(*root))
            && self.targets.iter().all(|target| (*target as usize) < self.outputs)
            && self.nodes.iter().all(|node| {
                (node.feature as usize) < self.features
                    && is_inside(node.left)
                    && is_inside(node.right)
                    && node.set_start as usize + node.set_words as usize <= self.bits.len()
            })
    }
}

fn rules_of(byte: u8) -> Option<(Rule, Missing)> {
    let rule = [Rule::AtMost, Rule::Below, Rule::Equal, Rule::OneOf];
    let missing = [Missing::Left, Missing::Right, Missing::IsZero, Missing::ZeroLeft, Missing::ZeroRight];
    Some((*rule.get(usize::from(byte / 8))?, *missing.get(usize::from(byte % 8))?))
}
