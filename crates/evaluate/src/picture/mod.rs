//! Pictures of evaluations: drawn once as shapes, written as SVG for pages, as PNG and PDF for files.

mod charts;
mod pdf;
mod png;
mod svg;

pub(crate) use svg::escape;

pub use charts::{Line, Point, calibration, confidence_histogram, confusion_matrix, curves};

/// The width that a character takes, in pixels; all have the same.
const CHAR_WIDTH: f64 = 7.0;
/// From a text's base line up to the top of its capitals.
const CAPITAL_HEIGHT: f64 = 10.0;

/// Red, green, blue.
type Colour = [u8; 3];

const WHITE: Colour = [255, 255, 255];
const INK: Colour = [34, 34, 34];
const FAINT: Colour = [208, 208, 208];
const BLUE: Colour = [31, 95, 168];
const GREEN: Colour = [46, 125, 50];
const RED: Colour = [179, 64, 46];
/// Colours of lines that are told apart.
const SERIES: [Colour; 6] = [BLUE, [214, 106, 18], GREEN, [148, 60, 148], RED, [90, 90, 90]];

/// A picture: shapes on white, later ones above earlier ones. Positions are in pixels from the left upper corner.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    title: String,
    shapes: Vec<Shape>,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Box { at: (f64, f64), size: (f64, f64), fill: Colour },
    Stroke { from: (f64, f64), to: (f64, f64), width: f64, ink: Colour },
    Text { at: (f64, f64), content: String, anchor: Anchor, direction: Direction, ink: Colour },
}

/// Which end of a text lies at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// Which way a text runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Right,
    Up,
}

impl Anchor {
    /// How far the text starts before its position.
    fn shift(self, content: &str) -> f64 {
        let length = content.chars().count() as f64 * CHAR_WIDTH;
        match self {
            Self::Start => 0.0,
            Self::Middle => length / 2.0,
            Self::End => length,
        }
    }
}

impl Picture {
    fn new((width, height): (f64, f64), title: &str) -> Self {
        let title_width = title.chars().count() as f64 * CHAR_WIDTH + 20.0;
        let width = width.max(title_width).ceil() as usize;
        let mut picture =
            Self { width, height: height.ceil() as usize, title: title.to_owned(), shapes: Vec::new() };
        picture.text((10.0, 20.0), Anchor::Start, title);
        picture
    }

    fn rect(&mut self, at: (f64, f64), size: (f64, f64), fill: Colour) {
        self.shapes.push(Shape::Box { at, size, fill });
    }

    fn stroke(&mut self, from: (f64, f64), to: (f64, f64), width: f64, ink: Colour) {
        self.shapes.push(Shape::Stroke { from, to, width, ink });
    }

    fn text(&mut self, at: (f64, f64), anchor: Anchor, content: &str) {
        self.inked_text(at, anchor, (content, INK));
    }

    fn inked_text(&mut self, at: (f64, f64), anchor: Anchor, (content, ink): (&str, Colour)) {
        let (content, direction) = (content.to_owned(), Direction::Right);
        self.shapes.push(Shape::Text { at, content, anchor, direction, ink });
    }

    fn upward_text(&mut self, at: (f64, f64), anchor: Anchor, content: &str) {
        let (content, direction) = (content.to_owned(), Direction::Up);
        self.shapes.push(Shape::Text { at, content, anchor, direction, ink: INK });
    }

    /// The picture as SVG text.
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }

    /// The picture as a PNG file. Letters beyond Latin are drawn as boxes.
    pub fn to_png(&self) -> Vec<u8> {
        png::write(self)
    }

    /// The picture as a PDF file of one page. Letters beyond Western European ones are written as `?`.
    pub fn to_pdf(&self) -> Vec<u8> {
        pdf::write(self)
    }
}

/// A colour between white and `colour`.
fn tint(colour: Colour, share: f64) -> Colour {
    mixed(WHITE, colour, share)
}

/// `share` of `over` on `under`.
fn mixed(under: Colour, over: Colour, share: f64) -> Colour {
    let share = share.clamp(0.0, 1.0);
    std::array::from_fn(|idx| {
        (f64::from(under[idx]) + (f64::from(over[idx]) - f64::from(under[idx])) * share).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        confusion_matrix(&[("a<b", "a<b"), ("a<b", "ü")], "Intents & more")
    }

    #[test]
    fn svg_shows_counts_and_escapes_labels() {
        let svg = picture().to_svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a&lt;b") && svg.contains("Intents &amp; more") && !svg.contains("a<b"));
        let histogram =
            confidence_histogram(&[(0.97, true), (0.2, false), (1.0, true)], "Confidence").to_svg();
        assert!(histogram.contains(">2</text>") && histogram.contains(">0.95</text>"));
        assert!(confusion_matrix(&[], "empty").to_svg().contains("empty"));
    }

    #[test]
    fn png_is_well_formed_and_not_blank() {
        let picture = picture();
        let png = picture.to_png();
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
        assert_eq!(png[16..20], (picture.width as u32).to_be_bytes());
        let mut position = 8;
        let mut kinds = Vec::new();
        let mut packed = Vec::new();
        while position < png.len() {
            let length = u32::from_be_bytes(png[position..position + 4].try_into().unwrap()) as usize;
            let chunk = &png[position + 4..position + 8 + length];
            let mut check = flate2::Crc::new();
            check.update(chunk);
            assert_eq!(png[position + 8 + length..position + 12 + length], check.sum().to_be_bytes());
            kinds.push(String::from_utf8_lossy(&chunk[..4]).into_owned());
            if &chunk[..4] == b"IDAT" {
                packed.extend_from_slice(&chunk[4..]);
            }
            position += 12 + length;
        }
        assert_eq!(kinds, ["IHDR", "IDAT", "IEND"]);
        let mut pixels = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&packed[..]), &mut pixels).unwrap();
        assert_eq!(pixels.len(), picture.height * (1 + 3 * picture.width));
        assert!(pixels.iter().filter(|byte| **byte == 0).count() < pixels.len() / 4);
        assert!(pixels.iter().any(|byte| (1..60).contains(byte)), "something dark");
    }

    #[test]
    fn pdf_points_at_its_parts() {
        let pdf = picture().to_pdf();
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.starts_with("%PDF-1.4") && text.ends_with("%%EOF\n"));
        let start: usize = text.lines().rev().nth(1).unwrap().parse().unwrap();
        assert!(pdf[start..].starts_with(b"xref"));
        for number in 1..=5 {
            let offset: usize =
                text[text.find("xref\n").unwrap()..].lines().nth(2 + number).unwrap()[..10].parse().unwrap();
            assert!(pdf[offset..].starts_with(format!("{number} 0 obj").as_bytes()), "{number}");
        }
    }

    #[test]
    fn curves_and_calibration_are_drawn_for_any_figures() {
        let line = |points: &[(f64, f64)]| Line {
            name: "A".into(),
            points: points.iter().map(|(x, y)| Point { x: *x, y: *y, deviation: 0.1 }).collect(),
        };
        for lines in
            [vec![], vec![line(&[])], vec![line(&[(1.0, 2.0)])], vec![line(&[(10.0, 0.5), (100.0, 0.7)]); 9]]
        {
            assert!(curves(&lines, ("x", "y")).to_svg().contains("</svg>"));
        }
        assert!(calibration(&[(0.3, 0.5, 10), (0.9, 0.8, 90)], "c").to_svg().contains("confidence"));
        assert!(calibration(&[], "c").to_png().len() > 100);
    }
}
