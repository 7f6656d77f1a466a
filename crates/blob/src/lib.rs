//! Archives in object stores: Amazon S3 and what speaks like it, Google Cloud Storage, Azure, folders.
//!
//! `object_store` knows the protocols and signs requests; they go out by the HTTP client that everything
//! here shares ([`connector`]), so there is one TLS and one pool. [`bucket`] says which store is meant,
//! [`services`] opens it, [`prepare`] makes a bucket that is missing, [`transfer`] moves files in pieces, so that one
//! that broke off goes on where it stopped.

pub mod bucket;
mod connector;
mod prepare;
mod services;
pub mod transfer;
