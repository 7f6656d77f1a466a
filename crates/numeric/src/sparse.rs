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

    /// The same rows with other column numbers and values times a factor; columns without a new
    /// number are left out.
    pub fn renumbered(&self, number: &[Option<(u32, f32)>]) -> Self {
        let mut rows = Self::default();
        for row in 0..self.len() {
            let (columns, values) = self.row(row);
            let pairs = columns.iter().zip(values);
            rows.push(pairs.filter_map(|(column, value)| {
                let (number, factor) = number[*column as usize]?;
                Some((number, value * factor))
            }));
        }
        rows
    }

    /// Columns as rows, `width` of them; entries of a row are in the order of the rows they come from.
    pub fn transposed(&self, width: usize) -> Self {
        let mut starts = vec![0usize; width + 1];
        self.columns.iter().for_each(|column| starts[*column as usize + 1] += 1);
        for at in 0..width {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let (mut columns, mut values) = (vec![0; self.columns.len()], vec![0.0; self.values.len()]);
        for row in 0..self.len() {
            let (from, entries) = self.row(row);
            for (column, value) in from.iter().zip(entries) {
                let at = next[*column as usize];
                next[*column as usize] += 1;
                (columns[at], values[at]) = (row as u32, *value);
            }
        }
        Self { starts, columns, values }
    }

    /// Rows of stored parts: where each row starts and where the last ends, columns and values; if they fit.
    pub fn from_parts(starts: Vec<usize>, columns: Vec<u32>, values: Vec<f32>) -> Option<Self> {
        let is_sound = starts.first() == Some(&0)
            && starts.is_sorted()
            && starts.last() == Some(&columns.len())
            && columns.len() == values.len();
        is_sound.then_some(Self { starts, columns, values })
    }

    /// What [`Rows::from_parts`] takes.
    pub fn parts(&self) -> (&[usize], &[u32], &[f32]) {
        (&self.starts, &self.columns, &self.values)
    }

    /// One more than the largest column.
    pub fn width(&self) -> usize {
        self.columns.iter().max().map_or(0, |column| *column as usize + 1)
    }
}
