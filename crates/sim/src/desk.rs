mod load;
mod names;

use names::{Language, PRODUCTS};

pub use load::{LoadError, LoadStep};

/// The first ticket and customer were made at this time: 2024-01-01 UTC, seconds since 1970.
const EPOCH: u64 = 1_704_067_200;
/// The span over which customers and tickets came in: 600 days, in seconds.
const SPAN: u64 = 600 * 86_400;

/// A support desk of a consumer software house: customers, their tickets, the agents who answer them.
///
/// Every row is a function of (seed, number), so a table of any size needs no memory and any row can be
/// computed again by whoever checks what came out.
#[derive(Clone, Copy, Debug)]
pub struct SupportDesk {
    /// Customers, with keys 1 to this.
    pub customers: u64,
    /// Agents; their logins are `agent_001` and so on.
    pub agents: u32,
    /// Same seed, same desk.
    pub seed: u64,
}

impl Default for SupportDesk {
    fn default() -> SupportDesk {
        SupportDesk { customers: 120_000, agents: 40, seed: 1 }
    }
}

/// One row of `customers`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Customer {
    /// Key.
    pub id: u64,
    /// Given and family name, in the order and script of the language.
    pub name: String,
    /// Unique.
    pub email: String,
    /// International form; about 40% have none.
    pub phone: Option<String>,
    /// ISO 639-1; about 45% `en`.
    pub language: &'static str,
    /// ISO 3166-1, two letters.
    pub country: &'static str,
    /// What was bought.
    pub product: &'static str,
    /// Seconds since 1970.
    pub created_at: u64,
}

/// One row of `tickets`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// Key.
    pub id: u64,
    /// Unique, what the customer is told.
    pub ticket_number: String,
    /// Whose.
    pub customer_id: u64,
    /// Login of the agent.
    pub assignee: String,
    /// `open`, `waiting` or `closed`.
    pub status: &'static str,
    /// What it is about.
    pub subject: &'static str,
    /// Seconds since 1970.
    pub opened_at: u64,
    /// Seconds since 1970, of closed tickets.
    pub closed_at: Option<u64>,
}

impl SupportDesk {
    /// Returns customer `id` (1 to `customers`). O(1).
    pub fn customer(&self, id: u64) -> Customer {
        let mut dice = Dice::new(self.seed, id);
        let language = Language::pick(dice.below(1000));
        let (given, family) = (dice.pick(language.given), dice.pick(language.family));
        let country = dice.pick(language.countries);
        let name = if language.family_first {
            format!("{family}{}{given}", language.gap)
        } else {
            format!("{given}{}{family}", language.gap)
        };
        let mailbox = format!("{}.{}", dice.pick(language.latin_given), dice.pick(language.latin_family));
        let domain = dice.pick(&["example.com", "example.org", "example.net", "mail.example"]);
        let phone = (dice.below(100) >= 40)
            .then(|| format!("+{}{:09}", country.1, 100_000_000 + dice.below(900_000_000)));
        Customer {
            id,
            name,
            email: format!("{mailbox}.{id}@{domain}"),
            phone,
            language: language.code,
            country: country.0,
            product: dice.pick(PRODUCTS),
            created_at: EPOCH + dice.below(SPAN),
        }
    }

    /// Returns the tickets of customer `id`: none for 34%, one or two for the others. O(1).
    pub fn tickets(&self, id: u64) -> impl Iterator<Item = Ticket> + use<> {
        let mut dice = Dice::new(self.seed ^ 0x7157_1c4e, id);
        let count = match dice.below(100) {
            0..34 => 0,
            34..88 => 1,
            _ => 2,
        };
        let agents = u64::from(self.agents.max(1));
        (0..count).map(move |nth| {
            let opened_at = EPOCH + dice.below(SPAN);
            let status = match dice.below(100) {
                0..3 => "open",
                3..5 => "waiting",
                _ => "closed",
            };
            let number = id * 2 + nth;
            Ticket {
                id: number,
                ticket_number: format!("CS-{number:09}"),
                customer_id: id,
                assignee: agent_login(dice.below(agents)),
                status,
                subject: dice.pick(names::SUBJECTS),
                opened_at,
                closed_at: (status == "closed").then(|| opened_at + 600 + dice.below(5 * 86_400)),
            }
        })
    }

    /// Returns the agents' logins in order.
    pub fn logins(&self) -> impl Iterator<Item = String> + use<> {
        (0..u64::from(self.agents)).map(agent_login)
    }
}

fn agent_login(index: u64) -> String {
    format!("agent_{:03}", index + 1)
}

/// Numbers of one row: SplitMix64, seeded with the row's own number (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn new(seed: u64, row: u64) -> Dice {
        let mut dice =
            Dice(seed.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`; the bias of the modulus is far below what a demonstration shows.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len() as u64);
        usize::try_from(index).ok().and_then(|i| choices.get(i)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const DESK: SupportDesk = SupportDesk { customers: 20_000, agents: 40, seed: 7 };

    #[track_caller]
    fn check_share(what: &str, share: f64, expected: f64) {
        assert!((share - expected).abs() < 0.02, "{what}: {share}, expected {expected}");
    }

    #[test]
    fn customers_show_the_promised_mix() {
        let all: Vec<_> = (1..=DESK.customers).map(|id| DESK.customer(id)).collect();
        let share = |test: &dyn Fn(&Customer) -> bool| {
            all.iter().filter(|c| test(c)).count() as f64 / all.len() as f64
        };
        check_share("english", share(&|c| c.language == "en"), 0.45);
        check_share("without phone", share(&|c| c.phone.is_none()), 0.40);
        let with_ticket = share(&|c| DESK.tickets(c.id).next().is_some());
        check_share("with ticket", with_ticket, 0.66);
        assert!(all.iter().all(|c| !c.name.is_empty() && !c.country.is_empty() && c.email.contains('@')));
    }

    #[test]
    fn emails_and_ticket_numbers_are_unique() {
        let mut emails = HashSet::new();
        let mut numbers = HashSet::new();
        for id in 1..=DESK.customers {
            assert!(emails.insert(DESK.customer(id).email));
            for ticket in DESK.tickets(id) {
                assert!(numbers.insert(ticket.ticket_number));
                assert_eq!(ticket.closed_at.is_some(), ticket.status == "closed");
            }
        }
    }

    #[test]
    fn same_seed_gives_the_same_desk_and_another_seed_another() {
        assert_eq!(DESK.customer(77), DESK.customer(77));
        let other = SupportDesk { seed: 8, ..DESK };
        assert!((1..50).any(|id| DESK.customer(id) != other.customer(id)));
    }
}
