use std::collections::BTreeMap;

use super::draw::Draw;
use super::world::{Shown, World};

/// A world with what a scenario needs of it.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The desk.
    pub world: &'a World,
    /// Ordinary accounts that may be cast as insiders, with all they were shown in the course of their work.
    pub cast: &'a BTreeMap<u32, Vec<Shown>>,
}

impl Stage<'_> {
    /// Picks one of the cast for which `fits` holds; any of them if it holds for none.
    pub fn pick(&self, draw: &mut Draw, fits: impl Fn(u32, &[Shown]) -> bool) -> Option<u32> {
        let fitting: Vec<u32> = self
            .cast
            .iter()
            .filter(|(account, list)| fits(**account, list))
            .map(|(account, _)| *account)
            .collect();
        if fitting.is_empty() {
            let all: Vec<u32> = self.cast.keys().copied().collect();
            return draw.pick(&all).copied();
        }
        draw.pick(&fitting).copied()
    }
}

/// One customer's record that got out.
#[derive(Clone, Copy, Debug)]
pub struct Leaked {
    /// Whose.
    pub subject: u32,
    /// Hour at which it was copied.
    pub hour: u32,
    /// What is in it.
    pub fields: u32,
    /// How readily this customer reports, relative to others.
    pub weight: f64,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Leak {
    /// Accounts the data left through; empty if it took another route.
    pub guilty: Vec<u32>,
    /// Disclosures beyond what ordinary work shows.
    pub extra: Vec<Shown>,
    /// What got out.
    pub leaked: Vec<Leaked>,
}

/// A way for data to get out. Implement it to test the trace with a world of your own.
pub trait Scenario {
    /// A short name, used in tables and on the command line.
    fn name(&self) -> &str;

    /// Plays it once. The same draw must give the same leak.
    fn play(&self, stage: &Stage<'_>, draw: &mut Draw) -> Leak;
}
