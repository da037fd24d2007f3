//! A support desk's year, made fast: agents at their tickets, team leads paging, batch reads at night.

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::options::Options;

const DAY: i64 = 86_400_000_000;
/// 2025-01-01.
pub(crate) const START: i64 = 1_735_689_600_000_000;
/// Subjects of one nightly read: a random hundredth.
pub(crate) const NIGHTLY: u32 = 120_000;
/// Subjects of one entry of a monthly read, in the order of their keys.
const MONTHLY: u32 = 100_000;

/// Statements that the desk makes.
pub(crate) const TEXTS: [&str; 6] = [
    "SELECT id, name, email FROM customers WHERE name ILIKE $1 LIMIT $2",
    "SELECT * FROM customers WHERE id = $1",
    "SELECT c.name, c.phone, t.ticket_number, t.subject FROM customers c JOIN tickets t ON t.customer_id = c.id WHERE c.household = $1",
    "SELECT name, email FROM customers ORDER BY id LIMIT $1 OFFSET $2",
    "SELECT id, email FROM customers WHERE changed_at > $1",
    "COPY (SELECT id, name, email, phone FROM customers) TO STDOUT",
];

/// One statement and whom it shows.
#[derive(Clone, Debug)]
pub(crate) struct Made<'a> {
    pub(crate) time: i64,
    pub(crate) principal: u32,
    pub(crate) text: usize,
    /// Bits of name, email, phone, ticket.
    pub(crate) fields: u32,
    pub(crate) subjects: &'a [i64],
}

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) entries: u64,
    /// Of agents and team leads.
    pub(crate) agent_disclosures: u64,
    pub(crate) random_sets: u64,
    pub(crate) random_subjects: u64,
    pub(crate) run_subjects: u64,
}

/// Of a hundred disclosures: agents' 60, team leads' pages 15, nightly random reads 18, monthly full reads 7.
const SHARES: [f64; 4] = [0.60, 0.15, 0.18, 0.07];
/// Disclosures of a ticket: a search of 6, the customer, three looks at a household of 3.
const TICKET: u64 = 16;

#[derive(Clone, Copy, Debug)]
struct Ticket {
    agent: u32,
    subject: i64,
    household: [i64; 2],
    step: u8,
}

/// Plays the year; `each` gets every statement in the order of time.
///
/// # Errors
/// Those of `each`.
pub(crate) fn play(
    options: &Options,
    mut each: impl FnMut(&Made<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Totals> {
    let mut rng = SmallRng::seed_from_u64(options.seed);
    let mut totals = Totals::default();
    let days = u64::from(options.days.max(1));
    let share = |at: usize| SHARES.get(at).copied().unwrap_or_default() * options.disclosures as f64;
    let per_day = |all: f64, each: u64, day: u64| {
        let upto = |day: u64| (all * day as f64 / days as f64 / each as f64) as u64;
        upto(day + 1) - upto(day)
    };
    let agents = options.principals.saturating_sub(options.principals / 50 + 2).max(1);
    let leads = (options.principals / 50).max(1);
    let mut open: Vec<Ticket> = Vec::new();
    let mut keys: Vec<i64> = Vec::new();
    let mut monthly_at = 0u32;
    for day in 0..days {
        let midnight = START + i64::try_from(day)? * DAY;
        let mut give = |made: Made<'_>, totals: &mut Totals| -> anyhow::Result<()> {
            totals.entries += 1;
            each(&made)
        };
        // At night: reads of a random hundredth, and of everybody in the order of keys.
        for at in 0..per_day(share(2), u64::from(NIGHTLY), day) {
            random_set(&mut rng, options.subjects, NIGHTLY.min(options.subjects / 2), &mut keys);
            totals.random_sets += 1;
            totals.random_subjects += keys.len() as u64;
            let (time, principal) =
                (midnight + DAY / 12 + i64::try_from(at)? * 60_000_000, options.principals - 1);
            give(Made { time, principal, text: 4, fields: 2, subjects: &keys }, &mut totals)?;
        }
        for at in 0..per_day(share(3), u64::from(MONTHLY), day) {
            keys.clear();
            let first = monthly_at;
            monthly_at = (monthly_at + MONTHLY) % options.subjects.max(MONTHLY);
            keys.extend(
                (first..first + MONTHLY).map(i64::from).filter(|key| *key < i64::from(options.subjects)),
            );
            totals.run_subjects += keys.len() as u64;
            let (time, principal) =
                (midnight + DAY / 8 + i64::try_from(at)? * 1_000_000, options.principals - 2);
            give(Made { time, principal, text: 5, fields: 7, subjects: &keys }, &mut totals)?;
        }
        // By day: tickets step by step, many agents at once, and now and then a page of a team lead.
        let tickets = per_day(share(0), TICKET, day);
        let pages = per_day(share(1), 50, day);
        let statements = (tickets * 5 + pages).max(1);
        let pause = (DAY / 3) / i64::try_from(statements)?.max(1);
        let mut time = midnight + DAY / 3;
        let (mut begun, mut paged) = (0, 0);
        // About as many tickets are in work as there are agents.
        let in_work = usize::try_from(tickets.min(u64::from(agents)))?.max(1);
        while begun < tickets || !open.is_empty() || paged < pages {
            time += rng.random_range(0..=2 * pause);
            if paged < pages && (begun == tickets || rng.random_range(0..statements) < pages) {
                paged += 1;
                let first = rng.random_range(0..i64::from(options.subjects.saturating_sub(50).max(1)));
                keys.clear();
                keys.extend(first..first + 50);
                let principal = agents + rng.random_range(0..leads);
                totals.agent_disclosures += keys.len() as u64;
                give(Made { time, principal, text: 3, fields: 3, subjects: &keys }, &mut totals)?;
                continue;
            }
            if begun < tickets && open.len() < in_work {
                begun += 1;
                let agent = rng.random_range(0..agents);
                open.push(ticket(&mut rng, options.subjects, agents, agent));
            }
            let at = rng.random_range(0..open.len().max(1));
            let Some(ticket) = open.get_mut(at) else { continue };
            keys.clear();
            keys.push(ticket.subject);
            let (text, fields) = match ticket.step {
                0 => {
                    keys.extend((0..5).map(|_| rng.random_range(0..i64::from(options.subjects))));
                    (0, 3)
                }
                1 => (1, 7),
                _ => {
                    keys.extend(ticket.household);
                    (2, 13)
                }
            };
            keys.sort_unstable();
            keys.dedup();
            let principal = ticket.agent;
            ticket.step += 1;
            if ticket.step == 5 {
                open.swap_remove(at);
            }
            totals.agent_disclosures += keys.len() as u64;
            give(Made { time, principal, text, fields, subjects: &keys }, &mut totals)?;
        }
    }
    Ok(totals)
}

/// A ticket of a customer, mostly of those that the agent's team looks after.
fn ticket(rng: &mut SmallRng, subjects: u32, agents: u32, agent: u32) -> Ticket {
    let teams = (agents / 50).max(1);
    let home = i64::from(subjects / teams).max(1);
    let first = i64::from(agent % teams) * home;
    let all = i64::from(subjects);
    let subject = match rng.random_ratio(9, 10) {
        true => (first + rng.random_range(0..home)).min(all - 1),
        false => rng.random_range(0..all),
    };
    // Those of a household were entered together.
    let household = [(subject ^ 1).min(all - 1), (subject ^ 2).min(all - 1)];
    Ticket { agent, subject, household, step: 0 }
}

/// Draws `count` different keys out of `of`, rising.
fn random_set(rng: &mut SmallRng, of: u32, count: u32, keys: &mut Vec<i64>) {
    keys.clear();
    // Gaps of a Bernoulli draw: as good as a random set of about the size wanted, and in order at once.
    let p = f64::from(count) / f64::from(of);
    let scale = (1.0 - p).ln();
    let mut key = -1i64;
    loop {
        let u = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        key += 1 + ((1.0 - u).ln() / scale) as i64;
        if key >= i64::from(of) {
            return;
        }
        keys.push(key);
    }
}
