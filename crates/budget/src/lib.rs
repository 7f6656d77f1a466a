//! What may be spent: prices, periods, limits, and decisions over the sheet of a ledger.
//!
//! Before something that costs is asked for, what it may cost is reserved in every account that it
//! belongs to ([`decide`]); afterwards it is settled with what it did cost, or refunded. An account
//! belongs to a [`rule`], which limits what may be spent in a [`period`]. Everything here is a
//! function of the sheet, the rules and the time; `store` keeps the sheet, `gateway` asks.
//!
//! The decision worth explaining: the check counts what is paid *and* what is held. So whatever
//! happens to requests under way, what is settled stays within the limit as long as no request costs
//! more than was reserved for it.

pub mod admin;
pub mod decide;
pub mod period;
pub mod price;
pub mod rate;
pub mod rule;
pub mod standing;
pub mod till;
