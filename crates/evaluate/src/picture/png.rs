//! Shapes as pixels, and pixels as a PNG file. Source: PNG specification, third edition, and RFC 1950.

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster};

use super::{Anchor, CHAR_WIDTH, Colour, Direction, Picture, Shape, WHITE, mixed};

/// Rows of a glyph above the base line.
const ASCENT: f64 = 13.0;

pub(super) fn write(picture: &Picture) -> Vec<u8> {
    let mut canvas = Canvas {
        width: picture.width,
        height: picture.height,
        pixels: vec![WHITE; picture.width * picture.height],
    };
    for shape in &picture.shapes {
        canvas.draw(shape);
    }
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::with_capacity(13);
    header.extend((picture.width as u32).to_be_bytes());
    header.extend((picture.height as u32).to_be_bytes());
    // Eight bits, red green blue, the only compression and filtering there are, not interlaced.
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut file, *b"IHDR", &header);
    chunk(&mut file, *b"IDAT", &canvas.packed());
    chunk(&mut file, *b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    let mut check = Crc::new();
    check.update(&kind);
    check.update(content);
    file.extend((content.len() as u32).to_be_bytes());
    file.extend(kind);
    file.extend(content);
    file.extend(check.sum().to_be_bytes());
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    fn packed(&self) -> Vec<u8> {
        let mut rows = Vec::with_capacity(self.height * (1 + 3 * self.width));
        for row in self.pixels.chunks(self.width.max(1)) {
            // Each row says how it is filtered: not at all.
            rows.push(0);
            rows.extend(row.iter().flatten());
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let packed = encoder.write_all(&rows).and_then(|()| encoder.finish());
        packed.expect("invariant: writing to memory does not fail")
    }

    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Box { at, size, fill } => {
                let (left, right) = (self.column(at.0), self.column(at.0 + size.0));
                let (top, bottom) = (self.row(at.1), self.row(at.1 + size.1));
                for row in top..bottom {
                    self.pixels[row * self.width + left..row * self.width + right].fill(*fill);
                }
            }
            Shape::Stroke { from, to, width, ink } => self.stroke((*from, *to), *width, *ink),
            Shape::Text { at, content, anchor, direction, ink } => {
                self.text((*at, *anchor), content, *direction, *ink);
            }
        }
    }

    fn column(&self, x: f64) -> usize {
        (x.round().max(0.0) as usize).min(self.width)
    }

    fn row(&self, y: f64) -> usize {
        (y.round().max(0.0) as usize).min(self.height)
    }

    /// Each pixel is covered by how near its middle lies to the line.
    fn stroke(&mut self, (from, to): ((f64, f64), (f64, f64)), width: f64, ink: Colour) {
        let reach = width / 2.0 + 1.0;
        let (left, right) = (self.column(from.0.min(to.0) - reach), self.column(from.0.max(to.0) + reach));
        let (top, bottom) = (self.row(from.1.min(to.1) - reach), self.row(from.1.max(to.1) + reach));
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let square = (dx * dx + dy * dy).max(f64::EPSILON);
        for row in top..bottom {
            for column in left..right {
                let (x, y) = (column as f64 + 0.5 - from.0, row as f64 + 0.5 - from.1);
                let along = ((x * dx + y * dy) / square).clamp(0.0, 1.0);
                let distance = (x - along * dx).hypot(y - along * dy);
                self.blend((column as f64, row as f64), ink, width / 2.0 + 0.5 - distance);
            }
        }
    }

    fn text(&mut self, (at, anchor): ((f64, f64), Anchor), content: &str, direction: Direction, ink: Colour) {
        let start = -anchor.shift(content);
        for (idx, c) in content.chars().enumerate() {
            let offset = start + idx as f64 * CHAR_WIDTH;
            let mut point = |column: f64, row: f64, share: f64| {
                let (along, across) = (offset + column, row - ASCENT);
                let position = match direction {
                    Direction::Right => (at.0 + along, at.1 + across),
                    Direction::Up => (at.0 + across, at.1 - along - 1.0),
                };
                self.blend(position, ink, share);
            };
            match get_raster(c, FontWeight::Regular, RasterHeight::Size16) {
                Some(glyph) => {
                    for (row, shares) in glyph.raster().iter().enumerate() {
                        for (column, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0) {
                            point(column as f64, row as f64, f64::from(*share) / 255.0);
                        }
                    }
                }
                None => {
                    for step in 0..10 {
                        let along = f64::from(step);
                        for (column, row) in [(0.0, 3.0 + along), (6.0, 3.0 + along)] {
                            point(column, row, 1.0);
                        }
                        if step < 6 {
                            point(along, 3.0, 1.0);
                            point(along, 12.0, 1.0);
                        }
                    }
                }
            }
        }
    }

    fn blend(&mut self, (x, y): (f64, f64), ink: Colour, share: f64) {
        if x < 0.0 || y < 0.0 || share <= 0.0 {
            return;
        }
        let (column, row) = (x as usize, y as usize);
        if column < self.width && row < self.height {
            let pixel = &mut self.pixels[row * self.width + column];
            *pixel = mixed(*pixel, ink, share);
        }
    }
}
