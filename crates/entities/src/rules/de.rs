//! LANG

use crate::grammar::Rules;

/// Adds the rules of the language.
pub fn add(_r: &mut Rules) {}
