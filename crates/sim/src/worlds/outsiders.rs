use super::draw::Draw;
use super::scenario::{Leak, Leaked, Scenario, Stage};
use super::world::{Customer, fields};

/// Records drawn per leak; reports are few, so that more would change nothing.
const RECORDS: usize = 400;
const TRIES_MAX: usize = 40_000_000;

/// Leaks through no account: whose data got out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outsider {
    /// Customers with a ticket.
    Ticketed,
    /// Customers with a ticket and the first language.
    EnglishTicketed,
    /// Ticketed customers of one team's home cohort.
    TeamCohort,
    /// A random 2% of the ticketed.
    RandomList,
    /// One product in one language, ticketed or not.
    ProductLanguage,
    /// Ten years of age, ticketed. Nothing an account sees depends on age.
    AgeBand,
    /// Three regions of two hundred, ticketed. Nothing depends on the region either.
    Regions,
    /// By the square of the number of tickets.
    HeavyTicketers,
    /// Customers with a ticket in the last month before the leak.
    Recent,
    /// Tickets of one team's home cohort in one month.
    TeamCohortRecent,
    /// Nobody's data got out: stray reports only.
    Strays,
}

impl Outsider {
    /// All of them, in order.
    pub const ALL: [Outsider; 11] = [
        Outsider::Ticketed,
        Outsider::EnglishTicketed,
        Outsider::TeamCohort,
        Outsider::RandomList,
        Outsider::ProductLanguage,
        Outsider::AgeBand,
        Outsider::Regions,
        Outsider::HeavyTicketers,
        Outsider::Recent,
        Outsider::TeamCohortRecent,
        Outsider::Strays,
    ];
}

impl Scenario for Outsider {
    fn name(&self) -> &str {
        match self {
            Outsider::Ticketed => "outside-ticketed",
            Outsider::EnglishTicketed => "outside-english-ticketed",
            Outsider::TeamCohort => "outside-team-cohort",
            Outsider::RandomList => "outside-random-list",
            Outsider::ProductLanguage => "outside-product-language",
            Outsider::AgeBand => "outside-age-band",
            Outsider::Regions => "outside-regions",
            Outsider::HeavyTicketers => "outside-heavy-ticketers",
            Outsider::Recent => "outside-recent",
            Outsider::TeamCohortRecent => "outside-team-cohort-recent",
            Outsider::Strays => "strays",
        }
    }

    fn play(&self, stage: &Stage<'_>, draw: &mut Draw) -> Leak {
        let world = stage.world;
        let hours = world.hours();
        let hour = hours / 4 + draw.below_u32(hours / 2);
        let list_key = draw.bits();
        let team = draw.below_u32(world.ordinary()) / 50;
        let home = world.home_cohort(team);
        let (age, region) = (18 + draw.below_u32(60), draw.below_u32(197));
        let cohort = (draw.below_u32(8), draw.below_u32(5));
        let recent = |customer: &Customer, from: u32| {
            customer.tickets.iter().any(|ticket| (from..hour).contains(ticket))
        };
        let month_ago = hour.saturating_sub(30 * 24);
        let holds = |customer: &Customer, draw: &mut Draw| {
            let ticketed = !customer.tickets.is_empty();
            match self {
                Outsider::Ticketed => ticketed,
                Outsider::EnglishTicketed => ticketed && customer.language == 0,
                Outsider::TeamCohort => ticketed && Some(customer.cohort()) == home,
                Outsider::RandomList => ticketed && Draw::new(list_key, u64::from(customer.id)).chance(0.02),
                Outsider::ProductLanguage => (customer.language, customer.product) == cohort,
                Outsider::AgeBand => ticketed && (age..age + 10).contains(&customer.age),
                Outsider::Regions => ticketed && (region..region + 3).contains(&customer.region),
                Outsider::HeavyTicketers => {
                    let tickets = f64::from(u32::try_from(customer.tickets.len()).unwrap_or(0));
                    draw.chance(tickets * tickets / 400.0)
                }
                Outsider::Recent => recent(customer, month_ago),
                Outsider::TeamCohortRecent => Some(customer.cohort()) == home && recent(customer, month_ago),
                Outsider::Strays => false,
            }
        };
        let mut leak = Leak::default();
        if *self == Outsider::Strays {
            return leak;
        }
        for _ in 0..TRIES_MAX {
            let customer = world.customer(draw.below_u32(world.options().subjects));
            if holds(&customer, draw) {
                let fields = fields::NAME | fields::EMAIL | fields::PHONE | fields::TICKET;
                leak.leaked.push(Leaked { subject: customer.id, hour, fields, weight: 1.0 });
            }
            if leak.leaked.len() >= RECORDS.min(usize::try_from(world.options().subjects / 50).unwrap_or(0)) {
                break;
            }
        }
        leak
    }
}
