//! The gateway between real clients and a real PostgreSQL.
//!
//! One binary, so that it is linked once. Each test has a scratch PostgreSQL (shared by the tests of one
//! process) and starts its own `rastro serve` in front of it. Random cases print their seed and take one from
//! `RASTRO_SEED`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this is test code; the exception for tests covers only functions marked #[test]"
)]

mod support;

mod authentication;
mod clients;
mod commands;
mod crash;
mod cut;
mod driver_suite;
mod dump;
mod freshness;
mod memory;
mod misbehaviour;
mod pgbench;
mod proof;
mod provenance;
mod psql;
mod random_selects;
mod reconcile;
mod redteam;
mod startup;
mod tls;
mod tokio_client;
mod values;
