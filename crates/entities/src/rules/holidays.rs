//! Dates of movable holidays.
