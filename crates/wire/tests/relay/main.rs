//! The relay between a scripted client and a scripted server, over real sockets and without waiting for time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod attack;
mod conversation;
mod copy;
mod cut;
mod ending;
mod forwarding;
mod hostile;
mod inspector;
mod ledger;
mod message;
mod messages_read;
mod noise;
mod rig;
