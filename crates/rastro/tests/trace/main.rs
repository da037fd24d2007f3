//! `rastro trace`, `victims` and `exposure` as people and programs call them.
//!
//! The worlds are made here, small and from a seed; the accuracy of the model is measured elsewhere.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code; the exception for tests covers only functions marked #[test]"
)]

mod archive;
mod bad_input;
mod import;
mod kinds;
mod ledger;
mod logs;
mod rig;
mod world;
