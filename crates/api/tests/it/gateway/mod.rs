//! The gateway over a real listener and a real ledger, in front of a stand-in for Dialogflow that
//! delays, fails and hangs up.

mod billing;
mod doors;
mod rig;
mod stand_in;
