//! Lines on standard output.

use std::fmt::Arguments;
use std::io::Write;

/// Prints a line. A reader that went away, as `head` does, is no failure of ours.
pub fn line(text: Arguments<'_>) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_fmt(text).and_then(|()| output.write_all(b"\n"));
}

/// Prints text without ending the line, and shows it at once.
pub fn part(text: Arguments<'_>) {
    let mut output = std::io::stdout().lock();
    let _ = output.write_fmt(text).and_then(|()| output.flush());
}

/// `println!` that survives a closed pipe.
macro_rules! say {
    ($($argument:tt)*) => { $crate::terminal::line(format_args!($($argument)*)) };
}
pub(crate) use say;
