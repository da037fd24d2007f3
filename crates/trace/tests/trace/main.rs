//! The trace from outside: who is named, who is not, and what odd input comes to.

#![expect(clippy::unwrap_used, reason = "the set-up of a test may fail it")]

mod campaigns;
mod colleagues;
mod odd_input;
mod verdict;
mod world;
