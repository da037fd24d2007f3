use std::collections::HashSet;

use super::draw::Draw;
use super::scenario::Leak;
use super::world::{World, fields};

/// Mean days for which a customer keeps the same values (e-mail, phone, last ticket).
const VERSION_DAYS: f64 = 60.0;

/// How reports come about.
#[derive(Clone, Copy, Debug)]
pub struct ReportOptions {
    /// How many.
    pub count: usize,
    /// The share that has nothing to do with the leak.
    pub stray: f64,
    /// The share for which it is known when the values that the caller knew were current.
    pub versions: f64,
}

/// One customer's report.
#[derive(Clone, Debug)]
pub struct VictimReport {
    /// Who.
    pub subject: u32,
    /// Hour of the report; may be after the history's end.
    pub reported: u32,
    /// Bits of what the caller knew.
    pub known: u32,
    /// Hours within which what the caller knew was current.
    pub current: Option<(u32, u32)>,
    /// Whether it is stray: the truth, which no tracer may see.
    pub stray: bool,
}

/// Draws distinct victims. Strays: 3 in 10 anyone, the others by tickets.
pub fn draw_reports(
    world: &World,
    leak: &Leak,
    options: &ReportOptions,
    draw: &mut Draw,
) -> Vec<VictimReport> {
    let copied = leak.leaked.iter().map(|leaked| leaked.hour).max().unwrap_or(world.hours() / 2);
    let heaviest = leak.leaked.iter().map(|leaked| leaked.weight).fold(0.0, f64::max);
    let mut taken = HashSet::new();
    let mut reports = Vec::new();
    let mut tries = 0;
    let mut next_is_stray = None;
    while reports.len() < options.count && tries < 1_000_000 {
        tries += 1;
        let reported = copied + 24 * 7 + draw.below_u32(24 * 90);
        // Decided first: whoever does not report readily is replaced by another victim, not by a stray.
        let stray =
            *next_is_stray.get_or_insert_with(|| leak.leaked.is_empty() || draw.chance(options.stray));
        let (subject, hour, known) = if stray {
            let subject = stray_subject(world, draw);
            let known = if draw.chance(0.5) { fields::NAME } else { fields::NAME | fields::EMAIL };
            (subject, draw.below_u32(copied.max(1)), known)
        } else {
            let Some(leaked) = draw.pick(&leak.leaked) else { break };
            if !draw.chance(leaked.weight / heaviest.max(f64::MIN_POSITIVE)) {
                continue;
            }
            let ticket = if draw.chance(0.6) { fields::TICKET } else { 0 };
            let phone = if draw.chance(0.3) { fields::PHONE } else { 0 };
            (leaked.subject, leaked.hour, leaked.fields & (fields::NAME | fields::EMAIL | ticket | phone))
        };
        if !taken.insert(subject) {
            continue;
        }
        next_is_stray = None;
        let current = draw.chance(options.versions).then(|| interval(draw, hour, reported));
        reports.push(VictimReport { subject, reported, known, current, stray });
    }
    reports
}

fn stray_subject(world: &World, draw: &mut Draw) -> u32 {
    let anyone = draw.chance(0.3);
    let mut subject = draw.below_u32(world.options().subjects);
    for _ in 0..10_000 {
        let tickets = world.customer(subject).tickets.len();
        if anyone || draw.chance(f64::from(u32::try_from(tickets).unwrap_or(0)) / 20.0) {
            break;
        }
        subject = draw.below_u32(world.options().subjects);
    }
    subject
}

/// Returns when the version of the values copied at `hour` was current.
fn interval(draw: &mut Draw, hour: u32, reported: u32) -> (u32, u32) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "hours of some months")]
    let mut span = || draw.exponential(VERSION_DAYS * 24.0) as u32;
    (hour.saturating_sub(span()), (hour + span()).min(reported))
}
