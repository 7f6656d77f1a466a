//! Shapes as a PDF page. Source: ISO 32000-1, clauses 7.5 (file structure), 8 (graphics) and 9 (text).

use std::fmt::Write;

use super::{CHAR_WIDTH, Colour, Direction, Picture, Shape};

/// Characters of Courier are 0.6 of the font's size wide.
const FONT_SIZE: f64 = CHAR_WIDTH / 0.6;

pub(super) fn write(picture: &Picture) -> Vec<u8> {
    let content = content(picture);
    let (width, height) = (picture.width, picture.height);
    let objects: [Vec<u8>; 5] = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 4 0 R \
             /Resources << /Font << /F1 5 0 R >> >> >>"
        )
        .into_bytes(),
        [format!("<< /Length {} >>\nstream\n", content.len()).into_bytes(), content, b"endstream".to_vec()]
            .concat(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (idx, object) in objects.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        file.extend(format!("{} 0 obj\n", idx + 1).into_bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    let trailer =
        format!("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1);
    file.extend(table.into_bytes());
    file.extend(trailer.into_bytes());
    file
}

/// The page's drawing instructions; PDF counts from the lower left corner.
fn content(picture: &Picture) -> Vec<u8> {
    let height = picture.height as f64;
    let mut out = Vec::new();
    for shape in &picture.shapes {
        match shape {
            Shape::Box { at, size, fill } => {
                let bottom = height - at.1 - size.1;
                out.extend(
                    format!("{} rg {:.1} {bottom:.1} {:.1} {:.1} re f\n", rgb(*fill), at.0, size.0, size.1)
                        .into_bytes(),
                );
            }
            Shape::Stroke { from, to, width, ink } => {
                let (from_y, to_y) = (height - from.1, height - to.1);
                let line = format!(
                    "{} RG {width} w {:.1} {from_y:.1} m {:.1} {to_y:.1} l S\n",
                    rgb(*ink),
                    from.0,
                    to.0
                );
                out.extend(line.into_bytes());
            }
            Shape::Text { at, content, anchor, direction, ink } => {
                let shift = anchor.shift(content);
                let (matrix, x, y) = match direction {
                    Direction::Right => ("1 0 0 1", at.0 - shift, height - at.1),
                    Direction::Up => ("0 1 -1 0", at.0, height - at.1 - shift),
                };
                let start = format!("BT {} rg /F1 {FONT_SIZE:.2} Tf {matrix} {x:.1} {y:.1} Tm (", rgb(*ink));
                out.extend(start.into_bytes());
                out.extend(content.chars().flat_map(encoded));
                out.extend(b") Tj ET\n");
            }
        }
    }
    out
}

fn rgb([red, green, blue]: Colour) -> String {
    let part = |value: u8| f64::from(value) / 255.0;
    format!("{:.3} {:.3} {:.3}", part(red), part(green), part(blue))
}

/// A character in the font's encoding, as it stands in a PDF string.
fn encoded(c: char) -> Vec<u8> {
    match c {
        '(' | ')' | '\\' => vec![b'\\', c as u8],
        ' '..='~' | '\u{a0}'..='\u{ff}' => vec![u32::from(c) as u8],
        _ => vec![b'?'],
    }
}
