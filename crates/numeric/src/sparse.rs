//! Sparse rows.

/// Rows of `(column, value)` pairs, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { starts: vec![0], columns: Vec::new(), values: Vec::new() }
    }
}

impl Rows {
    /// Appends a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = (u32, f32)>) {
        for (column, value) in row {
            self.columns.push(column);
            self.values.push(value);
        }
        self.starts.push(self.columns.len());
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Columns and values of a row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let span = self.starts[row]..self.starts[row + 1];
        (&self.columns[span.clone()], &self.values[span])
    }

    /// The values of a row, to be changed.
    pub fn values_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[self.starts[row]..self.starts[row + 1]]
    }

    /// The same rows with other column numbers; columns without a new number are left out.
    pub fn renumbered(&self, number: &[Option<u32>]) -> Self {
        let mut rows = Self::default();
        for row in 0..self.len() {
            let (columns, values) = self.row(row);
            let pairs = columns.iter().zip(values);
            rows.push(pairs.filter_map(|(column, value)| Some((number[*column as usize]?, *value))));
        }
        rows
    }

    /// One more than the largest column.
    pub fn width(&self) -> usize {
        self.columns.iter().max().map_or(0, |column| *column as usize + 1)
    }
}
