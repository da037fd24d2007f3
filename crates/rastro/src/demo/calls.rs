//! The second half: customers call, and the account is named; or nobody is, where nobody is guilty.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::stage::Stage;
use super::telling::{Teller, grouped, millis};
use super::watch::Watch;

/// Tickets an agent works on while Rastro watches, at most, and customers looked up without one.
const TICKETS_MAX: i64 = 150;
const CALLERS: u64 = 10;
/// How many times an agent's day the insider copies: much, but not more than some honest account might see.
const COPIED_TIMES: usize = 4;
/// Calls that come in at most; every fourth is about something else.
const CALLS_MAX: usize = 16;
const STRAY_EVERY: usize = 4;
/// Calls that the world without an insider gets at least: to be sure that silence is not want of calls.
const INNOCENT_CALLS_MIN: usize = 8;
/// What the callers know.
const KNOWN: &str = "name;email";
/// Customers up to which a search by e-mail, which may read the whole table, is quick.
const BY_EMAIL_MAX: u64 = 500_000;

/// What came of the calls.
pub(super) struct Calls {
    pub(super) copied: usize,
    pub(super) shown: u64,
    /// Calls until an account was named; `None` if none was.
    pub(super) until_named: Option<usize>,
    pub(super) named: Vec<String>,
    pub(super) probability: f64,
    /// The slowest answer, from the call to the new probability.
    pub(super) slowest: Duration,
    pub(super) exposed: u64,
    pub(super) window: Value,
    /// In the world without an insider: accounts named, and the highest probability of any account.
    pub(super) innocent_named: Vec<String>,
    pub(super) innocent_highest: f64,
    pub(super) insider: String,
}

/// One call.
struct Call {
    customer: i64,
    email: String,
}

/// Plays the calls twice: where an insider copied customers, and where somebody outside did.
pub(super) async fn answer_calls(stage: &Stage, teller: &Teller) -> anyhow::Result<Calls> {
    let insider = stage.colleague();
    let mut watch = Watch::start(stage, "watching")?;
    let mut without = Watch::start(stage, "innocent")?;
    let per_agent = work(stage, watch.port).await?;
    work(stage, without.port).await?;
    let copied = copy(stage, &watch, &insider, per_agent * COPIED_TIMES).await?;
    watch.stop()?;
    without.stop()?;
    teller.watching(stage, copied.len(), per_agent);

    let calls = choose_calls(stage, &copied);
    let mut told = Calls {
        copied: copied.len(),
        shown: 0,
        until_named: None,
        named: Vec::new(),
        probability: 0.0,
        slowest: Duration::ZERO,
        exposed: 0,
        window: Value::Null,
        innocent_named: Vec::new(),
        innocent_highest: 0.0,
        insider,
    };
    for (number, call) in (1..).zip(&calls) {
        let begun = Instant::now();
        let step = report(stage, &watch, call)?;
        told.slowest = told.slowest.max(begun.elapsed());
        teller.call(number, &step);
        told.named = texts(&step, "named");
        told.probability = number_of(&step, "probability");
        if !told.named.is_empty() {
            told.until_named = Some(number);
            break;
        }
    }
    conclude(&watch, &calls, &mut told)?;
    teller.named(&told);
    let played = told.until_named.unwrap_or(calls.len()).max(INNOCENT_CALLS_MIN).min(calls.len());
    for call in calls.iter().take(played) {
        let step = report(stage, &without, call)?;
        told.innocent_highest = told.innocent_highest.max(number_of(&step, "probability"));
        for name in texts(&step, "named") {
            if !told.innocent_named.contains(&name) {
                told.innocent_named.push(name);
            }
        }
    }
    teller.innocent(&told, played);
    Ok(told)
}

/// Asks for what the reports come to: leak window and exposure of the first account.
fn conclude(watch: &Watch, calls: &[Call], told: &mut Calls) -> anyhow::Result<()> {
    let played = told.until_named.unwrap_or(calls.len());
    let list: String = calls.iter().take(played).map(|call| format!("{},{KNOWN}\n", call.customer)).collect();
    let list = watch.write("calls.csv", &format!("subject,fields\n{list}"))?;
    let answer = watch.ask(&["trace", "--victims", &list, "--format", "json"])?;
    told.window = answer.get("window").cloned().unwrap_or_default();
    if let Some(name) = told.named.first() {
        let exposure = watch.ask(&["exposure", "--principal", name, "--format", "json"])?;
        told.exposed = exposure.get("subjects").and_then(Value::as_u64).unwrap_or_default();
        told.shown = exposure.pointer("/cohorts/language/en").and_then(Value::as_u64).unwrap_or_default();
    }
    Ok(())
}

impl Calls {
    /// Returns what was promised and did not hold.
    pub(super) fn broken(&self) -> Option<String> {
        match () {
            () if self.until_named.is_none() => Some(format!("{CALLS_MAX} calls named no account")),
            () if self.named != [self.insider.clone()] => {
                Some(format!("`{}` were named", self.named.join("`, `")))
            }
            () if !self.innocent_named.is_empty() => {
                Some(format!("`{}` were named where nobody is guilty", self.innocent_named.join("`, `")))
            }
            () => None,
        }
    }

    /// Returns the figures for the last line.
    pub(super) fn figures(&self) -> Value {
        json!({
            "copied_while_watching": self.copied,
            "calls_until_named": self.until_named,
            "named": self.named,
            "named_is_the_insider": self.named == [self.insider.clone()],
            "probability": self.probability,
            "slowest_answer_ms": millis(self.slowest),
            "exposed": self.exposed,
            "window": self.window,
            "named_where_nobody_is_guilty": self.innocent_named,
            "highest_where_nobody_is_guilty": self.innocent_highest,
        })
    }
}

/// Has every agent work on tickets and answer callers; returns how many customers an agent saw, in the middle.
async fn work(stage: &Stage, port: u16) -> anyhow::Result<usize> {
    let agents = stage.desk.logins().zip(0u64..).map(|(login, index)| async move {
        let session = stage.connect(port, &login).await?;
        let mine =
            "SELECT customer_id FROM tickets WHERE assignee = $1 AND status <> 'closed' ORDER BY id LIMIT $2";
        let look = session.prepare("SELECT id, name, email, phone FROM customers WHERE id = $1").await?;
        let mut customers: Vec<i64> = Vec::new();
        for row in session.query(mine, &[&login, &TICKETS_MAX]).await? {
            customers.push(row.try_get(0)?);
        }
        for caller in 0..CALLERS {
            let spread =
                (index * CALLERS + caller).wrapping_mul(104_729).wrapping_add(31) % stage.desk.customers;
            customers.push(i64::try_from(spread + 1)?);
        }
        let mut seen = HashSet::new();
        for customer in customers {
            session.query(&look, &[&customer]).await?;
            seen.insert(customer);
        }
        anyhow::Ok(seen.len())
    });
    let mut sizes = try_join_all(agents).await?;
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied().context("no agents")
}

/// Copies English-speaking customers, a page at a time from the end of the alphabet of keys.
async fn copy(stage: &Stage, watch: &Watch, insider: &str, count: usize) -> anyhow::Result<Vec<i64>> {
    let session = stage.connect(watch.port, insider).await?;
    let sql = "SELECT id, name, email, phone FROM customers WHERE language = 'en' AND id < $1 ORDER BY id DESC LIMIT 50";
    let mut copied: Vec<i64> = Vec::new();
    let mut last = i64::MAX;
    while copied.len() < count {
        let rows = session.query(sql, &[&last]).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            last = row.try_get(0)?;
            copied.push(last);
        }
    }
    ensure!(!copied.is_empty(), "there was nobody to copy");
    Ok(copied)
}

/// Draws who calls: copied customers in no order, and now and then somebody else.
fn choose_calls(stage: &Stage, copied: &[i64]) -> Vec<Call> {
    let mut calls = Vec::new();
    for number in 1..=CALLS_MAX {
        let drawn = number.wrapping_mul(7_919);
        let customer = if number % STRAY_EVERY == 0 {
            i64::try_from((drawn as u64).wrapping_mul(15_485_863) % stage.desk.customers + 1).ok()
        } else {
            copied.get(drawn % copied.len().max(1)).copied()
        };
        let Some(customer) = customer else { continue };
        let email = u64::try_from(customer).map(|id| stage.desk.customer(id).email).unwrap_or_default();
        calls.push(Call { customer, email });
    }
    calls
}

fn report(stage: &Stage, watch: &Watch, call: &Call) -> anyhow::Result<Value> {
    let (customer, population) = (call.customer.to_string(), stage.desk.customers.to_string());
    let who = match stage.desk.customers {
        0..=BY_EMAIL_MAX => ["--email", call.email.as_str()],
        _ => ["--subject", customer.as_str()],
    };
    let add = ["victims", "add", "--fields", KNOWN, "--population", &population, "--format", "ndjson"];
    watch.ask(&[&add[..], &who].concat())
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let list = value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

pub(super) fn number_of(value: &Value, name: &str) -> f64 {
    value.get(name).and_then(Value::as_f64).unwrap_or_default()
}

impl Teller {
    fn watching(&self, stage: &Stage, copied: usize, per_agent: usize) {
        self.say(&format!(
            "6. Before the cut was switched on\n   \
             At first Rastro only watched here (mode = \"observe\"): it wrote down, and cut nothing. In that time\n   \
             {} agents looked at about {per_agent} customers each, and one of them, not the one above, copied {}\n   \
             English-speaking customers, page by page. No budget was in force, so nobody noticed.\n",
            stage.desk.agents,
            grouped(copied as u64),
        ));
        self.say(
            "7. Customers call\n   \
             Criminals who pose as support staff know their names and e-mail addresses. Nobody has the stolen list.\n   \
             Each call is one `rastro victims add`; every fourth is about something else.",
        );
    }

    fn call(&self, number: usize, step: &Value) {
        let percent = |name: &str| number_of(step, name) * 100.0;
        let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        let nobody = percent("unknown_route") + percent("populations");
        self.say(&format!(
            "   call {number:>2}, customer {:<9} {} {:>5.1}%   none of the accounts {nobody:>5.1}%",
            text("subject"),
            text("principal"),
            percent("probability"),
        ));
    }

    fn named(&self, told: &Calls) {
        let window = |name: &str| {
            let time = told.window.get(name).and_then(Value::as_str).unwrap_or("?");
            time.get(..16).unwrap_or(time).replace('T', " ")
        };
        let verdict = match told.until_named {
            Some(calls) => format!(
                "The account is named after {calls} calls: {} ({:.1}%). The slowest answer took {} ms.",
                told.named.join(", "),
                told.probability * 100.0,
                grouped(millis(told.slowest))
            ),
            None => "NO ACCOUNT WAS NAMED.".to_owned(),
        };
        self.say(&format!(
            "   {verdict}\n   \
             The copy was taken between {} and {} UTC.\n   \
             What it was shown, by `rastro exposure`: {} customers, {} of them English-speaking.\n",
            window("from"),
            window("until"),
            grouped(told.exposed),
            grouped(told.shown),
        ));
    }

    fn innocent(&self, told: &Calls, played: usize) {
        let verdict = match told.innocent_named.as_slice() {
            [] => "Nobody is named".to_owned(),
            names => format!("NAMED ALL THE SAME: {}", names.join(", ")),
        };
        self.say(&format!(
            "8. The same calls, where nobody inside is guilty\n   \
             A second ledger of the same days: the same agents, the same work, but the list was stolen elsewhere.\n   \
             The first {played} calls come in, the same ones. {verdict}; the highest any account reached is {:.1}%.\n",
            told.innocent_highest * 100.0,
        ));
    }
}
