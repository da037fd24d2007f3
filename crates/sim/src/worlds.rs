//! Support desks with leaks in them: who saw whom over a year, what an insider or an outsider took, and who
//! was called afterwards. Everything follows from the seed; nothing is kept but what is asked for.
//!
//! To add a scenario of your own, implement [`Scenario`] and hand it to the benchmark or to [`write_files`].

mod draw;
mod files;
mod insiders;
mod outsiders;
mod reports;
mod scenario;
mod world;

pub use draw::Draw;
pub use files::{FilesError, Written, write_files};
pub use insiders::Insider;
pub use outsiders::Outsider;
pub use reports::{ReportOptions, VictimReport, draw_reports};
pub use scenario::{Leak, Leaked, Scenario, Stage};
pub use world::{Customer as WorldCustomer, LANGUAGES, PRODUCTS, Shown, World, WorldOptions, fields};
