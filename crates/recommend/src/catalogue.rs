//! What a catalogue says of its items, as columns.

use crate::content::Item;
use crate::texts::Texts;

/// The columns that every item has.
pub(crate) const COLUMNS: [&str; 4] = ["title", "author", "genre", "publisher"];

/// A catalogue without ids and descriptions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Catalogue {
    count: usize,
    /// Names and values: [`COLUMNS`] first, then the further fields.
    columns: Vec<(String, Texts)>,
}

impl Catalogue {
    /// The columns of items.
    pub(crate) fn new(items: &[Item]) -> Self {
        let further = items.iter().flat_map(|item| &item.fields).map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = COLUMNS.to_vec();
        for name in further {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let column = |(at, name): (usize, &str)| {
            (name.to_owned(), items.iter().map(|item| value_of(item, at, name)).collect())
        };
        let columns = names.into_iter().enumerate().map(column);
        Self { count: items.len(), columns: columns.collect() }
    }

    /// A catalogue of so many items with these columns; they must be as long.
    pub(crate) fn of(count: usize, columns: Vec<(String, Texts)>) -> Self {
        assert!(
            columns.iter().all(|(_, column)| column.len() == count),
            "columns are as long as the catalogue"
        );
        Self { count, columns }
    }

    /// Number of items.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Names and values.
    pub(crate) fn columns(&self) -> &[(String, Texts)] {
        &self.columns
    }

    /// What a column says of an item.
    pub(crate) fn value(&self, column: &str, item: u32) -> Option<&str> {
        let (_, texts) = self.columns.iter().find(|(name, _)| name == column)?;
        ((item as usize) < self.count).then(|| texts.get(item as usize))
    }

    /// All that is known of an item that is there.
    pub(crate) fn item(&self, id: &str, item: u32) -> Item {
        let value = |at: usize| self.columns[at].1.get(item as usize).to_owned();
        let further = COLUMNS.len()..self.columns.len();
        Item {
            id: id.to_owned(),
            title: value(0),
            author: value(1),
            genre: value(2),
            publisher: value(3),
            description: String::new(),
            fields: further.map(|at| (self.columns[at].0.clone(), value(at))).collect(),
        }
    }
}

/// What an item says in the column of this place and name; a further field of the same name says it
/// where the item itself says nothing.
fn value_of<'a>(item: &'a Item, at: usize, name: &str) -> &'a str {
    let own = match at {
        0 => &item.title,
        1 => &item.author,
        2 => &item.genre,
        3 => &item.publisher,
        _ => "",
    };
    let further = || item.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    if own.is_empty() { further() } else { own }
}
