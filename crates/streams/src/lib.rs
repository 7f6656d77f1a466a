//! Messages scored as they come.
//!
//! A **producer** looks at a source and sends what is new to a topic; a **consumer** takes messages
//! from the topic, has them scored and writes the rows. Both keep books (`store::books`): what was
//! seen, what came of it and what is to be sent change in one transaction, and a message is
//! acknowledged only after that. So whatever dies in between, every key is scored once in the tables
//! and none is lost; transports only have to deliver at least once.

pub mod consumer;
pub mod counters;
pub mod producer;
pub mod relay;
pub mod remote;
pub mod row;
pub mod score;
pub mod source;
pub mod stop;
