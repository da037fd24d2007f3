use super::draw::Draw;

/// Bits of a field set in this world.
pub mod fields {
    /// Name.
    pub const NAME: u32 = 1;
    /// E-mail address.
    pub const EMAIL: u32 = 2;
    /// Telephone number.
    pub const PHONE: u32 = 4;
    /// Ticket number.
    pub const TICKET: u32 = 8;
    /// Names in the order of the bits.
    pub const NAMES: [&str; 4] = ["name", "email", "phone", "ticket"];
}

/// Languages of customers.
pub const LANGUAGES: [&str; 8] = ["en", "pt", "es", "de", "fr", "ja", "it", "nl"];
/// Products of customers.
pub const PRODUCTS: [&str; 5] = ["home", "mobile", "family", "vpn", "password"];
const LANGUAGE_SHARES: [f64; 8] = [0.45, 0.15, 0.1, 0.08, 0.08, 0.06, 0.05, 0.03];
const PRODUCT_SHARES: [f64; 5] = [0.35, 0.25, 0.2, 0.12, 0.08];
const COHORTS: u32 = 40;
const TEAM_SIZE: u32 = 50;
const POD_SIZE: u32 = 5;
/// What each broad account sees of the ticketed customers.
const BROAD_SHARES: [f64; 8] = [1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1];
/// Views for which no reason is on record, though nothing is wrong.
const UNEXPLAINED_SHARE: f64 = 0.04;
const PHONE_SHARE: f64 = 0.3;

/// The size of a world.
#[derive(Clone, Copy, Debug)]
pub struct WorldOptions {
    /// Customers.
    pub subjects: u32,
    /// Accounts, the broad ones included.
    pub principals: u32,
    /// Days of history.
    pub days: u32,
    /// Everything follows from it.
    pub seed: u64,
}

/// One customer.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Number, from 0.
    pub id: u32,
    /// Place in [`LANGUAGES`].
    pub language: u32,
    /// Place in [`PRODUCTS`].
    pub product: u32,
    /// Region, 0 to 199; nothing else depends on it.
    pub region: u32,
    /// Age in years; nothing else depends on it.
    pub age: u32,
    /// Hours at which tickets were opened, rising.
    pub tickets: Vec<u32>,
}

impl Customer {
    /// Returns the number of language and product together, 0 to 39.
    pub fn cohort(&self) -> u32 {
        self.language * 5 + self.product
    }
}

/// One customer shown to one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shown {
    /// To whom.
    pub account: u32,
    /// Of whom.
    pub subject: u32,
    /// Hours since the world began.
    pub hour: u32,
    /// Bits of [`fields`].
    pub fields: u32,
    /// Whether a reason is on record.
    pub explained: bool,
}

/// A support desk of a year: 8 languages × 5 products, tickets in lognormal numbers, teams of 50 with a home
/// cohort, 3 in 10 of them in pods of 5 that share four fifths of their customers, and 8 broad accounts.
#[derive(Clone, Debug)]
pub struct World {
    options: WorldOptions,
    /// Per cohort, its teams.
    teams_of: Vec<Vec<u32>>,
    teams: u32,
    ordinary: u32,
}

impl World {
    /// Lays out a world; nothing of it is computed yet.
    pub fn new(options: WorldOptions) -> World {
        let broad = if options.principals >= 40 { 8 } else { options.principals / 8 };
        let ordinary = (options.principals - broad).max(1);
        let teams = ordinary.div_ceil(TEAM_SIZE);
        let mut teams_of = vec![Vec::new(); usize::try_from(COHORTS).unwrap_or(40)];
        let mut shares: Vec<(f64, u32)> = (0..COHORTS).map(|cohort| (cohort_share(cohort), cohort)).collect();
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        // Each team goes where most customers per team are.
        for team in 0..teams {
            let load = |(share, cohort): &(f64, u32)| share / f64::from(1 + count(&teams_of, *cohort));
            let neediest =
                shares.iter().max_by(|a, b| load(a).total_cmp(&load(b))).map_or(0, |(_, cohort)| *cohort);
            if let Some(list) = usize::try_from(neediest).ok().and_then(|at| teams_of.get_mut(at)) {
                list.push(team);
            }
        }
        World { options, teams_of, teams, ordinary }
    }

    /// Returns the size.
    pub fn options(&self) -> &WorldOptions {
        &self.options
    }

    /// Returns how many accounts belong to a team; the numbers from here on are broad.
    pub fn ordinary(&self) -> u32 {
        self.ordinary
    }

    /// Returns the hours of history.
    pub fn hours(&self) -> u32 {
        self.options.days * 24
    }

    /// Returns the team of an ordinary account.
    pub fn team(&self, account: u32) -> u32 {
        (account / TEAM_SIZE).min(self.teams.saturating_sub(1))
    }

    /// Returns whether the account works in a pod.
    pub fn is_in_pod(&self, account: u32) -> bool {
        account < self.ordinary && self.is_pod_team(self.team(account))
    }

    /// Returns the home cohort of a team; `None` if it has none.
    pub fn home_cohort(&self, team: u32) -> Option<u32> {
        let at = self.teams_of.iter().position(|teams| teams.contains(&team))?;
        u32::try_from(at).ok()
    }

    fn is_pod_team(&self, team: u32) -> bool {
        Draw::new(self.options.seed, 0x7000_0000_0000 + u64::from(team)).chance(0.3)
    }

    /// Returns one customer.
    pub fn customer(&self, id: u32) -> Customer {
        let mut draw = Draw::new(self.options.seed, u64::from(id));
        let language = choose(&mut draw, &LANGUAGE_SHARES);
        let product = choose(&mut draw, &PRODUCT_SHARES);
        let region = draw.below_u32(200);
        let age = 18 + draw.below_u32(70);
        let rate = (0.58 + draw.normal()).exp();
        let hours = self.hours();
        let mut tickets: Vec<u32> = (0..draw.poisson(rate)).map(|_| draw.below_u32(hours)).collect();
        tickets.sort_unstable();
        Customer { id, language, product, region, age, tickets }
    }

    /// Appends everything that was shown of `customer`, one account and ticket at a time.
    pub fn shown(&self, customer: &Customer, out: &mut Vec<Shown>) {
        if customer.tickets.is_empty() {
            return;
        }
        let mut draw = Draw::new(self.options.seed ^ 0x5eed, u64::from(customer.id));
        let home = usize::try_from(customer.cohort()).ok().and_then(|at| self.teams_of.get(at));
        let home = home.map_or(&[][..], Vec::as_slice);
        let usual = draw.pick(home).copied().unwrap_or_else(|| draw.below_u32(self.teams));
        let usual_pod = draw.below_u32(TEAM_SIZE / POD_SIZE);
        // Four fifths of a pod's customers are shared, each by four fifths of its members; the others have one
        // member who works with them.
        let is_shared = draw.chance(0.8);
        let only = draw.below_u32(POD_SIZE);
        // On one of the customer's tickets for certain, on each of the others half of the time.
        let mut works = Vec::new();
        for member in 0..POD_SIZE {
            let is_on_it = if is_shared { draw.chance(0.8) } else { member == only };
            let certain = draw.below(u64::try_from(customer.tickets.len()).unwrap_or(1));
            works.push(is_on_it.then_some(certain));
        }
        for (at, hour) in customer.tickets.iter().enumerate() {
            let team = if draw.chance(0.85) { usual } else { draw.below_u32(self.teams) };
            if self.is_pod_team(team) {
                let pod = if draw.chance(0.8) { usual_pod } else { draw.below_u32(TEAM_SIZE / POD_SIZE) };
                for (member, works) in (0..POD_SIZE).zip(&works) {
                    let Some(certain) = works else { continue };
                    if usize::try_from(*certain) == Ok(at) || draw.chance(0.5) {
                        self.show(team, pod * POD_SIZE + member, customer.id, *hour, &mut draw, out);
                    }
                }
            } else {
                for _ in 0..2 {
                    let place = f64::from(TEAM_SIZE) * draw.unit().powf(1.5);
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 50")]
                    self.show(team, place as u32, customer.id, *hour, &mut draw, out);
                }
            }
        }
        for (at, share) in (0..self.options.principals - self.ordinary).zip(BROAD_SHARES) {
            if draw.chance(share) {
                let hour = draw.below_u32(self.hours());
                let fields = fields::NAME | fields::EMAIL | fields::PHONE | fields::TICKET;
                let account = self.ordinary + at;
                out.push(Shown { account, subject: customer.id, hour, fields, explained: true });
            }
        }
    }

    fn show(&self, team: u32, place: u32, subject: u32, hour: u32, draw: &mut Draw, out: &mut Vec<Shown>) {
        let account = (team * TEAM_SIZE + place).min(self.ordinary - 1);
        let hour = (hour + draw.below_u32(20)).min(self.hours().saturating_sub(1));
        let phone = if draw.chance(PHONE_SHARE) { fields::PHONE } else { 0 };
        let fields = fields::NAME | fields::EMAIL | fields::TICKET | phone;
        let explained = !draw.chance(UNEXPLAINED_SHARE);
        out.push(Shown { account, subject, hour, fields, explained });
    }
}

fn count(teams_of: &[Vec<u32>], cohort: u32) -> u32 {
    let teams = usize::try_from(cohort).ok().and_then(|at| teams_of.get(at));
    teams.map_or(0, |teams| u32::try_from(teams.len()).unwrap_or(0))
}

fn cohort_share(cohort: u32) -> f64 {
    let at = |shares: &[f64], place: u32| usize::try_from(place).ok().and_then(|at| shares.get(at)).copied();
    at(&LANGUAGE_SHARES, cohort / 5).unwrap_or(0.0) * at(&PRODUCT_SHARES, cohort % 5).unwrap_or(0.0)
}

fn choose(draw: &mut Draw, shares: &[f64]) -> u32 {
    let mut left = draw.unit();
    for (at, share) in (0u32..).zip(shares) {
        left -= share;
        if left < 0.0 {
            return at;
        }
    }
    0
}
