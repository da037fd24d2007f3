//! `rastro demo`: a harvest and its end, on a scratch PostgreSQL, with every figure measured as it happens.

mod calls;
mod desk;
mod harvest;
mod stage;
mod telling;
mod watch;

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use calls::answer_calls;
use desk::{Morning, work_tickets};
use harvest::{Harvest, harvest};
use stage::Stage;
use telling::{Teller, grouped, millis};

/// Customers that one person may be shown in 24 hours without a reason.
const UNEXPLAINED_MAX: usize = 50;
/// Customers that one person may be shown in 24 hours in all.
const TOTAL_MAX: usize = 1_000;

/// What to play.
#[derive(Debug)]
pub(crate) struct DemoPlan {
    /// Customers in the database.
    pub(crate) customers: u64,
    /// Agents at work.
    pub(crate) agents: u32,
    /// Wait for Ctrl-C at the end.
    pub(crate) keep_running: bool,
    /// Only the JSON line.
    pub(crate) quiet: bool,
}

/// Plays the story and tells it; returns which promise did not hold, if any.
///
/// # Errors
/// The stage could not be set, or a step failed that has nothing to do with what is shown.
pub(crate) async fn tell(plan: &DemoPlan) -> anyhow::Result<Option<String>> {
    let begun = Instant::now();
    let teller = Teller { quiet: plan.quiet };
    let stage = Stage::set(plan, &teller).await?;
    let load_s = begun.elapsed().as_secs_f64();
    let insider = stage.insider();
    teller.desk(plan, &stage, &insider);

    let morning = work_tickets(&stage).await?;
    teller.morning(plan, &morning);

    let without = harvest(&stage, stage.cluster.port(), &insider).await?;
    let through = harvest(&stage, stage.port, &insider).await?;
    teller.harvest(&insider, &stage, &without, &through);

    let ledger = stage.read_ledger(&insider)?;
    teller.ledger(&insider, &ledger);
    let suspension = suspend(&stage, &insider).await?;
    teller.suspension(&insider, &suspension);

    let calls = answer_calls(&stage, &teller).await?;
    teller.close();

    let broken = broken_promise(&morning, &through, &ledger, &suspension)
        .or_else(|| calls.broken().map(|said| format!("a promise did not hold: {said}")));
    let mut figures = json!({
        "customers": plan.customers,
        "agents": plan.agents,
        "load_s": tenths(load_s),
        "tickets_worked": morning.tickets,
        "agents_refused": morning.refused,
        "disclosures": ledger.disclosures,
        "unattributed_rows": ledger.unattributed_rows,
        "insider_wanted": stage.english,
        "insider_asked": through.asked,
        "insider_got": through.subjects.len(),
        "insider_got_unexplained": through.unexplained,
        "budget_unexplained": UNEXPLAINED_MAX,
        "insider_in_ledger": ledger.subjects,
        "harvest_to_cut_ms": through.cut_after.map(millis),
        "without_gateway_got": without.subjects.len(),
        "without_gateway_ms": millis(without.took),
        "suspend_ms": millis(suspension.took),
        "ledger_bytes": ledger.bytes,
        "trace": calls.figures(),
        "promises_kept": broken.is_none(),
        "total_s": tenths(begun.elapsed().as_secs_f64()),
    });
    if plan.keep_running {
        teller.addresses(&stage);
        if let Some(figures) = figures.as_object_mut() {
            figures.insert("addresses".to_owned(), stage.addresses());
        }
    }
    println!("{figures}");
    if plan.keep_running {
        tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    }
    Ok(broken)
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

/// How the suspension went.
struct Suspension {
    /// From the command's start to the first refused statement.
    took: Duration,
    /// SQLSTATE of the refusal; `None` if the connection was closed instead.
    sqlstate: Option<String>,
    /// Whether a colleague was served afterwards.
    colleague_works: bool,
}

/// Suspends the insider, whose session asks for one of its own customers all the while.
async fn suspend(stage: &Stage, insider: &str) -> anyhow::Result<Suspension> {
    let session = stage.connect(stage.port, insider).await?;
    let begun = Instant::now();
    let mut command = stage.start(&["suspend", insider, "--why", "harvest of English-speaking customers"])?;
    let refusal = loop {
        match session.simple_query("SELECT current_user").await {
            Ok(_) if begun.elapsed() < Duration::from_secs(30) => {}
            Ok(_) => anyhow::bail!("`{insider}` still works 30 s after `rastro suspend`"),
            Err(error) => break error,
        }
    };
    let took = begun.elapsed();
    let status = command.wait().context("cannot wait for `rastro suspend`")?;
    anyhow::ensure!(status.success(), "`rastro suspend` ended with {status}");
    let colleague = stage.connect(stage.port, &stage.colleague()).await?;
    let colleague_works = colleague.simple_query("SELECT name FROM customers WHERE id = 1").await.is_ok();
    Ok(Suspension { took, sqlstate: refusal.code().map(|code| code.code().to_owned()), colleague_works })
}

/// Compares what was seen with what is promised; a demonstration that only looks good is worse than none.
fn broken_promise(
    morning: &Morning,
    through: &Harvest,
    ledger: &stage::LedgerFigures,
    suspension: &Suspension,
) -> Option<String> {
    let recorded = through.subjects.is_subset(&ledger.keys);
    let said = match () {
        () if morning.refused > 0 => format!("{} agents were refused while at work", morning.refused),
        () if through.unexplained != UNEXPLAINED_MAX => {
            format!("{} customers got out without a reason, not {UNEXPLAINED_MAX}", through.unexplained)
        }
        () if through.cut_after.is_none() => "the harvest was not cut".to_owned(),
        () if !recorded => "a customer the insider got is not in the ledger".to_owned(),
        () if suspension.took > Duration::from_secs(1) => {
            format!("the suspension took {} ms", grouped(millis(suspension.took)))
        }
        () if !suspension.colleague_works => "the suspension stopped a colleague too".to_owned(),
        () => return None,
    };
    Some(format!("a promise did not hold: {said}"))
}
