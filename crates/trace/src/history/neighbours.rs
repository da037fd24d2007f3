//! Which accounts see the same subjects: teams, learned from overlap or given.

use hashbrown::HashMap;

use super::PrincipalId;
use super::posting::Posting;
use super::shard::Shards;
use crate::numeric::{real, size};

/// Pairs of accounts counted in the sample, about.
const SAMPLED_PAIRS: u64 = 6_000_000;
/// Subjects that more accounts saw say nothing of who works together.
const SHARED_MAX: usize = 64;
/// Neighbours kept per account.
const NEIGHBOURS_MAX: usize = 48;
/// Two accounts that share less are not linked (cosine of their subject sets).
const OVERLAP_MIN: f64 = 0.01;
/// A learned group is kept when it is so many times the last one kept on the way up.
const GROWTH: f64 = 1.4;
const GROUP_MEMBERS_MAX: usize = 2_000;

/// Accounts whose subjects together are a population.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The team's name; `None` if it was learned.
    pub(crate) name: Option<String>,
    /// Rising.
    pub(crate) members: Vec<u16>,
    /// Σ of what they saw.
    pub(crate) exposure: f64,
    /// Distinct subjects among these, estimated from the sample.
    pub(crate) subjects: f64,
}

/// An account that shares subjects with another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbour {
    pub(crate) account: u16,
    /// Cosine of the two sets of subjects, estimated from the sample.
    pub(crate) overlap: f64,
}

/// Per account, those that share most of its subjects, most first.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(Vec<Vec<Neighbour>>);

impl Neighbours {
    pub(crate) fn of(&self, account: u16) -> &[Neighbour] {
        self.0.get(usize::from(account)).map_or(&[], Vec::as_slice)
    }
}

pub(super) struct Learned {
    pub(super) groups: Vec<Group>,
    pub(super) neighbours: Neighbours,
}

/// Learns from a sample of subjects, the same one for the same subjects. Accounts in `broad` are left out.
pub(super) fn learn(
    shards: &Shards,
    exposed: &[u32],
    broad: &[u16],
    pairs: u64,
    teams: &[(PrincipalId, String)],
) -> Learned {
    let sample = Sample::draw(shards, exposed.len(), broad, pairs);
    let mut edges = sample.edges();
    edges.sort_unstable_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)).then(a.1.cmp(&b.1)));
    let mut neighbours = vec![Vec::new(); exposed.len()];
    for (a, b, overlap) in &edges {
        for (one, other) in [(a, b), (b, a)] {
            if let Some(list) = neighbours.get_mut(usize::from(*one))
                && list.len() < NEIGHBOURS_MAX
            {
                list.push(Neighbour { account: *other, overlap: *overlap });
            }
        }
    }
    let mut groups = given(teams);
    groups.extend(agglomerate(&edges, exposed.len()).into_iter().map(|members| (None, members)));
    Learned { groups: sample.measure(groups, exposed), neighbours: Neighbours(neighbours) }
}

fn given(teams: &[(PrincipalId, String)]) -> Vec<(Option<String>, Vec<u16>)> {
    let mut by_name: std::collections::BTreeMap<&str, Vec<u16>> = std::collections::BTreeMap::new();
    for (principal, team) in teams {
        by_name.entry(team).or_default().push(principal.0);
    }
    let mut groups = Vec::new();
    for (name, mut members) in by_name {
        members.sort_unstable();
        members.dedup();
        groups.push((Some(name.to_owned()), members));
    }
    groups
}

/// Distinct accounts (broad ones left out) of each sampled subject.
struct Sample {
    lists: Vec<Vec<u16>>,
    /// How often each account is in `lists`.
    counts: Vec<u32>,
    /// 1 in so many subjects is in the sample.
    one_in: u64,
}

impl Sample {
    fn draw(shards: &Shards, accounts: usize, broad: &[u16], pairs: u64) -> Sample {
        // A subject seen by c accounts gives c²/2 pairs; c is about ten where it matters.
        let one_in = (pairs.saturating_mul(5) / SAMPLED_PAIRS).max(1);
        let mut sample = Sample { lists: Vec::new(), counts: vec![0; accounts], one_in };
        shards.each(|subject, list| {
            let digest = u64::from(subject).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            if digest % one_in != 0 {
                return;
            }
            let mut members: Vec<u16> = list.iter().map(|bits| Posting(*bits).account()).collect();
            members.dedup();
            members.retain(|account| broad.binary_search(account).is_err());
            for account in &members {
                if let Some(count) = sample.counts.get_mut(usize::from(*account)) {
                    *count += 1;
                }
            }
            sample.lists.push(members);
        });
        sample
    }

    /// Returns pairs of accounts with the cosine of their subject sets, if it is worth anything.
    fn edges(&self) -> Vec<(u16, u16, f64)> {
        let mut shared: HashMap<(u16, u16), u32> = HashMap::new();
        for list in self.lists.iter().filter(|list| list.len() <= SHARED_MAX) {
            for (at, a) in list.iter().enumerate() {
                for b in list.iter().skip(at + 1) {
                    *shared.entry((*a, *b)).or_default() += 1;
                }
            }
        }
        let count = |account: u16| self.counts.get(usize::from(account)).copied().map_or(0.0, f64::from);
        let cosine = |(a, b): (u16, u16), shared: u32| {
            (f64::from(shared) - 1.0).max(0.0) / (count(a) * count(b)).sqrt().max(1.0)
        };
        let pairs = shared.into_iter().map(|(pair, shared)| (pair.0, pair.1, cosine(pair, shared)));
        pairs.filter(|(_, _, cosine)| *cosine >= OVERLAP_MIN).collect()
    }

    fn measure(&self, groups: Vec<(Option<String>, Vec<u16>)>, exposed: &[u32]) -> Vec<Group> {
        let mut member_of: Vec<Vec<u32>> = vec![Vec::new(); exposed.len()];
        for (number, (_, members)) in (0u32..).zip(&groups) {
            for account in members {
                if let Some(list) = member_of.get_mut(usize::from(*account)) {
                    list.push(number);
                }
            }
        }
        let mut union = vec![0u32; groups.len()];
        let mut touched: Vec<u32> = Vec::new();
        for list in &self.lists {
            touched.clear();
            let of = |account: &u16| member_of.get(usize::from(*account)).map_or(&[][..], Vec::as_slice);
            touched.extend(list.iter().flat_map(of));
            touched.sort_unstable();
            touched.dedup();
            for number in &touched {
                if let Some(count) = usize::try_from(*number).ok().and_then(|at| union.get_mut(at)) {
                    *count += 1;
                }
            }
        }
        let mut measured = Vec::new();
        for ((name, members), union) in groups.into_iter().zip(union) {
            let sizes = members.iter().filter_map(|account| exposed.get(usize::from(*account)));
            let exposure: f64 = sizes.clone().copied().map(f64::from).sum();
            let largest = sizes.copied().max().map_or(0.0, f64::from);
            let subjects = (f64::from(union) * real(self.one_in)).clamp(largest, exposure.max(largest));
            if exposure > 0.0 {
                measured.push(Group { name, members, exposure, subjects });
            }
        }
        measured
    }
}

/// Joins accounts by their strongest links and returns the groups met on the way, smallest first.
fn agglomerate(edges: &[(u16, u16, f64)], accounts: usize) -> Vec<Vec<u16>> {
    let mut root: Vec<usize> = (0..accounts).collect();
    let mut members: Vec<Vec<u16>> = (0..accounts).map(|a| u16::try_from(a).into_iter().collect()).collect();
    let mut kept: Vec<f64> = vec![1.0; accounts];
    let mut groups = Vec::new();
    for (a, b, _) in edges {
        let (a, b) = (find(&mut root, usize::from(*a)), find(&mut root, usize::from(*b)));
        if a == b {
            continue;
        }
        let length = |at: usize| members.get(at).map_or(0, Vec::len);
        let (small, large) = if length(a) < length(b) { (a, b) } else { (b, a) };
        let moved = members.get_mut(small).map(std::mem::take).unwrap_or_default();
        if let (Some(list), Some(parent)) = (members.get_mut(large), root.get_mut(small)) {
            list.extend(moved);
            *parent = large;
            if let Some(last) = kept.get_mut(large)
                && size(list.len()) >= GROWTH * *last
                && list.len() <= GROUP_MEMBERS_MAX
            {
                *last = size(list.len());
                let mut group = list.clone();
                group.sort_unstable();
                groups.push(group);
            }
        }
    }
    groups
}

fn find(root: &mut [usize], mut at: usize) -> usize {
    while let Some(parent) = root.get(at).copied()
        && parent != at
    {
        let above = root.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = root.get_mut(at) {
            *slot = above;
        }
        at = above;
    }
    at
}
