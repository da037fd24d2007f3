use std::collections::HashSet;

use super::draw::Draw;
use super::scenario::{Leak, Leaked, Scenario, Stage};
use super::world::{Shown, fields};

const ALL_FIELDS: u32 = fields::NAME | fields::EMAIL | fields::PHONE | fields::TICKET;

/// The insiders S1 to S8, and one who copies on a single day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insider {
    /// S1: looks up 1% of all customers within a month; all of it leaks.
    Harvest,
    /// S2: the same, but only customers of the first language leak.
    OneLanguage,
    /// S3: a busy account adds 3,000 look-ups without a reason.
    SmallAddition,
    /// S4: photographs 2,000 customers of the own tickets.
    OwnTickets,
    /// S5: as S1, and customers with many tickets report more readily.
    PopularReport,
    /// S6: two accounts, a quarter of a percent of all customers each.
    Colluders,
    /// S7: as S3, nine in ten hidden behind tickets made up for it.
    FakeReasons,
    /// S8: as S4, by a member of a pod whose others share four fifths.
    PodMate,
    /// 2,000 customers looked up and copied on one day.
    OneDay,
}

impl Insider {
    /// All of them, in order.
    pub const ALL: [Insider; 9] = [
        Insider::Harvest,
        Insider::OneLanguage,
        Insider::SmallAddition,
        Insider::OwnTickets,
        Insider::PopularReport,
        Insider::Colluders,
        Insider::FakeReasons,
        Insider::PodMate,
        Insider::OneDay,
    ];
}

impl Scenario for Insider {
    fn name(&self) -> &str {
        match self {
            Insider::Harvest => "harvest",
            Insider::OneLanguage => "one-language",
            Insider::SmallAddition => "small-addition",
            Insider::OwnTickets => "own-tickets",
            Insider::PopularReport => "popular-report",
            Insider::Colluders => "colluders",
            Insider::FakeReasons => "fake-reasons",
            Insider::PodMate => "pod-mate",
            Insider::OneDay => "one-day",
        }
    }

    fn play(&self, stage: &Stage<'_>, draw: &mut Draw) -> Leak {
        let subjects = stage.world.options().subjects;
        let month = 30 * 24;
        match self {
            Insider::Harvest => harvest(stage, draw, subjects / 100, month, 0.0, &|_| 1.0),
            Insider::PopularReport => {
                harvest(stage, draw, subjects / 100, month, 0.0, &|tickets| tickets + 0.2)
            }
            Insider::OneLanguage => {
                let mut leak = harvest(stage, draw, subjects / 100, month, 0.0, &|_| 1.0);
                leak.leaked.retain(|leaked| stage.world.customer(leaked.subject).language == 0);
                leak
            }
            Insider::SmallAddition => addition(stage, draw, 0.0),
            Insider::FakeReasons => addition(stage, draw, 0.9),
            Insider::OneDay => harvest(stage, draw, 2_000.min(subjects / 10), 24, 0.0, &|_| 1.0),
            Insider::Colluders => {
                let mut leak = harvest(stage, draw, subjects / 400, month, 0.0, &|_| 1.0);
                for _ in 0..20 {
                    let other = harvest(stage, draw, subjects / 400, month, 0.0, &|_| 1.0);
                    if other.guilty != leak.guilty {
                        leak.guilty.extend(other.guilty);
                        leak.extra.extend(other.extra);
                        leak.leaked.extend(other.leaked);
                        break;
                    }
                }
                leak
            }
            Insider::OwnTickets => own_tickets(stage, draw, |account| !stage.world.is_in_pod(account)),
            Insider::PodMate => own_tickets(stage, draw, |account| stage.world.is_in_pod(account)),
        }
    }
}

/// `fake`: the share hidden behind made-up reasons. `weight`: from a customer's tickets to how readily it reports.
fn harvest(
    stage: &Stage<'_>,
    draw: &mut Draw,
    count: u32,
    hours: u32,
    fake: f64,
    weight: &dyn Fn(f64) -> f64,
) -> Leak {
    let Some(account) = stage.pick(draw, |_, _| true) else { return Leak::default() };
    taken_by(stage, draw, account, (count, hours), fake, weight)
}

fn addition(stage: &Stage<'_>, draw: &mut Draw, fake: f64) -> Leak {
    let mut sizes: Vec<usize> = stage.cast.values().map(Vec::len).collect();
    sizes.sort_unstable();
    let busy = sizes.get(sizes.len() * 9 / 10).copied().unwrap_or(0);
    let Some(account) = stage.pick(draw, |_, list| list.len() >= busy) else { return Leak::default() };
    let count = 3_000.min(stage.world.options().subjects / 10);
    taken_by(stage, draw, account, (count, 60 * 24), fake, &|_| 1.0)
}

fn taken_by(
    stage: &Stage<'_>,
    draw: &mut Draw,
    account: u32,
    (count, hours): (u32, u32),
    fake: f64,
    weight: &dyn Fn(f64) -> f64,
) -> Leak {
    let world = stage.world;
    let length = hours.min(world.hours() / 2);
    let begin = world.hours() / 4 + draw.below_u32(world.hours() / 2 + 1 - length.min(world.hours() / 2));
    let mut taken = HashSet::new();
    let mut leak = Leak { guilty: vec![account], ..Leak::default() };
    while leak.leaked.len() < usize::try_from(count).unwrap_or(0) {
        let subject = draw.below_u32(world.options().subjects);
        if !taken.insert(subject) {
            continue;
        }
        let hour = begin + draw.below_u32(length.max(1));
        let explained = draw.chance(fake);
        leak.extra.push(Shown { account, subject, hour, fields: ALL_FIELDS, explained });
        let tickets = f64::from(u32::try_from(world.customer(subject).tickets.len()).unwrap_or(0));
        leak.leaked.push(Leaked { subject, hour, fields: ALL_FIELDS, weight: weight(tickets) });
    }
    leak
}

/// 2,000 customers among the own tickets, or half of them if they are fewer, copied as they were shown.
fn own_tickets(stage: &Stage<'_>, draw: &mut Draw, fits: impl Fn(u32) -> bool) -> Leak {
    let picked = stage.pick(draw, |account, list| fits(account) && list.len() > 200);
    let Some((account, list)) = picked.and_then(|account| Some((account, stage.cast.get(&account)?))) else {
        return Leak::default();
    };
    let quarter = stage.world.hours() / 4;
    let mut order: Vec<&Shown> = list.iter().filter(|shown| shown.hour < 3 * quarter).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, usize::try_from(draw.below(u64::try_from(at + 1).unwrap_or(1))).unwrap_or(0));
    }
    let mut seen = HashSet::new();
    order.retain(|shown| seen.insert(shown.subject));
    order.truncate(2_000.min(order.len() / 2).max(1));
    let leaked = |shown: &&Shown| Leaked {
        subject: shown.subject,
        hour: shown.hour,
        fields: shown.fields,
        weight: 1.0,
    };
    Leak { guilty: vec![account], extra: Vec::new(), leaked: order.iter().map(leaked).collect() }
}
