//! Decides over one session: who is asking, what rows show, whether the budget allows it, and when the
//! ledger has it.

mod account;
mod copying;
mod recording;
mod settling;
mod sight;
mod text;
mod values;
mod wait;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use rastro_attribution::lineage::Lineage;
use rastro_attribution::statement::Normalised;
use rastro_attribution::tokens::Scanner;
use rastro_attribution::{Catalogue, PlanOutcome, RowPlan, RowScan, SubjectScan, row_description};
use rastro_detect::{Breach, Mode, PrincipalBudget, Suspensions};
use rastro_ledger::{EntryNo, PrincipalRef, SessionRef};
use rastro_model::{Principal, ShownBatch};
use rastro_wire::{Before, CancelKey, ClientError, Heard, Inspector, Reported, RowsEnd, Settlement};

use super::Gateway;
use super::catalogues::CatalogueCell;
use super::identity::Identity;
use super::metric;
use account::Counter;
use copying::Copying;
use sight::{Sight, Texts, View};
use text::StatementText;
use wait::Wait;

// Plans of a session's latest results, found again by their description.
const PLANS_MAX: usize = 16;

/// A principal as a session knows it.
pub(super) struct Seat {
    pub(super) principal: Principal,
    pub(super) reference: PrincipalRef,
    pub(super) budget: Arc<PrincipalBudget>,
    /// The seat is in the queue of those with open questions.
    pub(super) asked: AtomicBool,
}

/// One execution.
pub(super) struct Execution {
    seat: Arc<Seat>,
    text: Option<Arc<StatementText>>,
    ordinal: u64,
    recorded: bool,
    /// Rows of the statement that runs now were settled; questions and messages are no rows of it.
    told: bool,
    sight: Sight,
    /// Its rows show keys beside fields of others.
    mixed: bool,
    /// It may show something even if it fails.
    failure_tells: bool,
    /// Subjects that were asked for before it ran.
    asked_for: usize,
    /// They are being asked for now.
    asking: bool,
    /// The budget that all of them together would pass; see [`Sight::Guarded`].
    guard: Option<Breach>,
}

impl Execution {
    fn new(seat: Arc<Seat>, text: Option<Arc<StatementText>>, ordinal: u64, view: View) -> Execution {
        Execution {
            seat,
            text,
            ordinal,
            recorded: false,
            told: false,
            sight: view.sight,
            mixed: view.mixed,
            failure_tells: view.failure_tells,
            asked_for: 0,
            asking: false,
            guard: None,
        }
    }

    /// Returns what its text gave away when it was last looked at.
    fn lineage(&self) -> Option<Arc<Lineage>> {
        self.text.as_ref()?.source.lineage().map(|(_, lineage)| lineage)
    }

    /// Returns how its rows are read where each shows one subject, whom its values tell.
    fn one_each(&self) -> Option<Arc<SubjectScan>> {
        self.lineage()?.one_each.clone()
    }
}

/// What to do with the rows of a result by the origin of its columns.
#[derive(Clone)]
pub(super) enum Plan {
    /// They show nothing protected.
    Pass,
    /// They have to be read.
    Read(Arc<RowPlan>),
    /// Nobody can say what they show; they are counted.
    Count,
}

/// A plan, and which cells are read for known values.
#[derive(Clone)]
pub(super) struct Reading {
    plan: Plan,
    scan: Option<Arc<RowScan>>,
    // In place of both: rows whose subject their values have to tell.
    one_each: Option<Arc<SubjectScan>>,
}

struct KnownPlan {
    description: Box<[u8]>,
    generation: u64,
    reading: Reading,
}

/// The inspector of one session.
pub(super) struct SessionInspector {
    gateway: Arc<Gateway>,
    session: SessionRef,
    identity: Identity,
    seat: Arc<Seat>,
    database: Box<str>,
    // Asked for with the first result: by then the server has let the session in.
    catalogue: Option<Arc<CatalogueCell>>,
    refreshed: bool,
    plans: Vec<KnownPlan>,
    normalised: Normalised,
    texts: Texts,
    batch: ShownBatch,
    // The row behind those of the batch may not be shown.
    refusal: Option<ClientError>,
    scanner: Scanner,
    copying: Copying,
    embeds_ascii: bool,
    executions: u64,
    // DDL ran in the transaction that is open; only this session sees what it did.
    ddl_open: bool,
    suspensions: (u64, Arc<Suspensions>),
    // The highest ticket known to be released.
    released: u64,
    wait: Wait,
    cancel_key: Option<CancelKey>,
    counter: Counter,
}

impl SessionInspector {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        session: SessionRef,
        identity: Identity,
        database: &str,
    ) -> SessionInspector {
        let seat = gateway.seat(identity.name(None));
        let suspensions = (gateway.board.generation(), gateway.board.current());
        SessionInspector {
            gateway,
            session,
            identity,
            seat,
            database: database.into(),
            catalogue: None,
            refreshed: false,
            plans: Vec::new(),
            normalised: Normalised::default(),
            texts: Texts::default(),
            batch: ShownBatch::default(),
            refusal: None,
            scanner: Scanner::default(),
            copying: Copying::Unknown,
            embeds_ascii: false,
            executions: 0,
            ddl_open: false,
            suspensions,
            released: 0,
            wait: Wait::default(),
            cancel_key: None,
            counter: Counter::default(),
        }
    }

    fn catalogue(&mut self) -> Result<Arc<CatalogueCell>, ClientError> {
        if self.catalogue.is_none() {
            self.catalogue = self.gateway.catalogues.cell(&self.database);
        }
        let too_many = || ClientError::error("53300", "too many databases are in use through the gateway");
        self.catalogue.clone().ok_or_else(too_many)
    }

    // One atomic load unless suspensions changed.
    fn suspended(&mut self, principal: &Principal) -> Option<ClientError> {
        let generation = self.gateway.board.generation();
        if self.suspensions.0 != generation {
            self.suspensions = (generation, self.gateway.board.current());
        }
        if self.gateway.settings.mode == Mode::Observe {
            return None;
        }
        self.suspensions.1.of(principal).map(|_| {
            ClientError::error("42501", format!("access of \"{principal}\" is suspended"))
                .with_hint("Ask the security team, who suspended it, to restore access.")
        })
    }

    fn seat_for(&mut self, text: Option<&StatementText>) -> Arc<Seat> {
        let name = self.identity.name(text.map(StatementText::identity));
        if name != self.seat.principal.as_str() {
            self.seat = self.gateway.seat(name);
        }
        Arc::clone(&self.seat)
    }
}

fn ledger_error() -> ClientError {
    ClientError::error(
        "42501",
        "rows with personal data are refused: the disclosure ledger cannot record them",
    )
    .with_hint("Tell the operator of the gateway; other statements go on.")
}

// The snapshot does not know what this transaction has made of its relations: those it protects are read as
// ever, every other one is counted.
fn plan_amid_ddl(catalogue: &Catalogue, columns: row_description::Columns<'_>) -> Plan {
    const FIRST_USER_OID: u32 = 16384;
    match RowPlan::build_unresolved(catalogue, columns.clone()) {
        PlanOutcome::Protected(plan) => Plan::Read(Arc::new(plan)),
        PlanOutcome::Unprotected | PlanOutcome::Refresh { .. } => {
            let mut columns = columns;
            if columns.any(|column| column.table_oid >= FIRST_USER_OID) { Plan::Count } else { Plan::Pass }
        }
    }
}

impl Inspector for SessionInspector {
    type Text = Arc<StatementText>;
    type Statement = Execution;
    type Plan = Reading;

    fn cancel_key(&mut self, key: &CancelKey) {
        self.gateway.cancel_keys.lock().insert(key.clone(), self.session.id());
        self.cancel_key = Some(key.clone());
    }

    fn text(&mut self, sql: &[u8], truncated: bool) -> Arc<StatementText> {
        let mut text = StatementText::read(sql, truncated, &self.identity, &mut self.normalised);
        let readable = !truncated && self.normalised.is_complete();
        text.source = self.source(sql, readable, text.prepares());
        Arc::new(text)
    }

    fn begin(&mut self, text: Option<&Arc<StatementText>>) -> Result<Execution, (Execution, ClientError)> {
        let seat = self.seat_for(text.map(|text| &**text));
        if let Some(text) = text {
            self.identity.begin(self.executions + 1, text.identity());
            self.ddl_open |= text.is_ddl();
        }
        self.executions += 1;
        let refused =
            self.suspended(&seat.principal).filter(|_| !text.is_some_and(|text| text.is_rollback()));
        let view = text.map_or(View::default(), |text| self.view(text));
        let execution = Execution::new(seat, text.cloned(), self.executions, view);
        match refused {
            None => Ok(execution),
            Some(error) => {
                metric::statement_refused();
                Err((execution, error))
            }
        }
    }

    fn refuses(&mut self, text: Option<&Arc<StatementText>>) -> Option<ClientError> {
        let seat = match text {
            Some(text) if text.is_rollback() => return None,
            Some(text) => self.seat_for(Some(text)),
            None => Arc::clone(&self.seat),
        };
        self.suspended(&seat.principal)
    }

    fn before(&mut self, text: &Arc<StatementText>) -> Before {
        self.asks_before(text)
    }

    fn begins(&self, text: &Arc<StatementText>) -> bool {
        text.begins()
    }

    fn inquiry_row(&mut self, execution: &mut Execution, payload: &[u8]) -> Result<(), ClientError> {
        self.subject_row(execution, payload)
    }

    fn answered(&mut self, execution: &mut Execution, failed: bool) {
        self.subjects_known(execution, failed);
    }

    fn is_opaque(&self, execution: &Execution) -> bool {
        matches!(execution.sight, Sight::Unseen | Sight::Guarded)
    }

    fn is_dynamic(&self, text: Option<&Arc<StatementText>>) -> bool {
        text.is_none_or(|text| text.is_dynamic())
    }

    fn only_reads(&self, execution: &Execution) -> bool {
        execution.text.as_ref().is_some_and(|text| text.only_reads())
    }

    fn doubt(&self, execution: &Execution, reading: Option<&Reading>) -> Reading {
        if execution.sight == Sight::Guarded {
            return Reading { plan: Plan::Count, scan: None, one_each: execution.one_each() };
        }
        let plan = match reading.map(|reading| &reading.plan) {
            Some(Plan::Read(plan)) => Plan::Read(Arc::clone(plan)),
            Some(Plan::Pass | Plan::Count) | None => Plan::Count,
        };
        Reading { plan, scan: self.scan_of_anything(), one_each: None }
    }

    fn interrupt(&mut self, execution: &Execution) -> Option<ClientError> {
        self.suspended(&execution.seat.principal)
            .filter(|_| !execution.text.as_ref().is_some_and(|text| text.is_rollback()))
    }

    fn plan(&mut self, description: &[u8]) -> Result<Option<Reading>, ClientError> {
        let catalogue = self.catalogue()?;
        let Some(snapshot) = catalogue.snapshot() else {
            if let Some(error) = catalogue.failure() {
                return Err(error);
            }
            self.wait.for_catalogue(&catalogue);
            return Ok(None);
        };
        let generation = snapshot.generation;
        let is_known =
            |known: &&KnownPlan| known.generation == generation && *known.description == *description;
        if !self.ddl_open
            && let Some(known) = self.plans.iter().find(is_known)
        {
            return Ok(Some(known.reading.clone()));
        }
        let unreadable = |_| ClientError::error("08P01", "the description of the result cannot be read");
        let columns = row_description::columns(description).map_err(unreadable)?;
        let scan = self.scan(&snapshot.catalogue, columns.clone());
        if self.ddl_open {
            let plan = plan_amid_ddl(&snapshot.catalogue, columns);
            return Ok(Some(Reading { plan, scan, one_each: None }));
        }
        let outcome = match RowPlan::build(&snapshot.catalogue, columns) {
            PlanOutcome::Refresh { .. } if !self.refreshed => {
                self.refreshed = true;
                self.wait.for_catalogue(&catalogue);
                return Ok(None);
            }
            PlanOutcome::Refresh { .. } => {
                let columns = row_description::columns(description).map_err(unreadable)?;
                RowPlan::build_unresolved(&snapshot.catalogue, columns)
            }
            outcome => outcome,
        };
        // A relation that only its own transaction sees is asked for again the next time.
        let keep = !self.refreshed;
        self.refreshed = false;
        let plan = match outcome {
            PlanOutcome::Protected(plan) => Plan::Read(Arc::new(plan)),
            PlanOutcome::Unprotected | PlanOutcome::Refresh { .. } => Plan::Pass,
        };
        let reading = Reading { plan, scan, one_each: None };
        if keep {
            if self.plans.len() >= PLANS_MAX {
                self.plans.remove(0);
            }
            let description = description.into();
            self.plans.push(KnownPlan { description, generation, reading: reading.clone() });
        }
        Ok(Some(reading))
    }

    fn reads(&self, reading: &Reading) -> bool {
        !matches!(reading.plan, Plan::Pass) || reading.scan.is_some()
    }

    #[inline]
    fn row(&mut self, reading: &Reading, payload: &[u8]) -> Result<(), ClientError> {
        self.read_row(reading, payload)?;
        self.counter.read();
        Ok(())
    }

    fn copy_begins(&mut self, execution: &Execution, response: &[u8]) {
        self.begin_copying(execution, response);
    }

    fn copy_row(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        self.read_copied(payload)?;
        self.counter.read();
        Ok(())
    }

    fn passed(&mut self, rows: u64) {
        self.counter.passed(rows);
    }

    fn counted(&mut self, _: &mut Execution, reported: Option<Reported>) {
        self.count_statement(reported);
    }

    fn message(&mut self, execution: Option<&mut Execution>, tag: u8, payload: &[u8]) -> Heard {
        self.hear(execution, tag, payload)
    }

    fn settle(&mut self, execution: &mut Execution, end: RowsEnd) -> Settlement {
        self.settle_rows(execution, end)
    }

    fn stopped(&mut self, _: &mut Execution) {
        self.batch.clear();
        self.refusal = None;
        self.copying = Copying::Unknown;
        self.counter.dropped();
        self.count_statement(None);
        self.wait = Wait::default();
        metric::statement_cut();
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.wait.poll(cx)
    }

    fn released(&self) -> u64 {
        let durable = self.gateway.spool.durable().0;
        // Numbers pass over entries that the disk refused; then each ticket is asked for by itself.
        if self.gateway.spool.has_dropped() { self.released } else { durable }
    }

    fn poll_released(&mut self, hold: u64, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        let number = EntryNo(hold.saturating_sub(1));
        let settled = self.gateway.spool.poll_durable(number, cx).map_err(|_| ledger_error());
        let settled = match settled {
            Poll::Ready(Err(_)) if self.gateway.settings.mode == Mode::Observe => {
                metric::ledger_refused();
                Poll::Ready(Ok(()))
            }
            settled => settled,
        };
        if let Poll::Ready(Ok(())) = settled {
            self.released = self.released.max(hold);
        }
        settled
    }

    fn parameter_status(&mut self, name: &[u8], value: &[u8]) {
        self.identity.parameter_status(name, value);
        self.note_encoding(name, value);
    }

    fn ready_for_query(&mut self, status: u8) {
        self.identity.ready_for_query(status);
        self.tell_account(false);
        if self.ddl_open && status == b'I' {
            self.ddl_open = false;
            self.texts.ddl_concerned = false;
            self.gateway.catalogues.mark_stale(&self.database);
        }
    }
}

impl Drop for SessionInspector {
    fn drop(&mut self) {
        self.count_statement(None);
        self.tell_account(true);
        if let Some(key) = &self.cancel_key {
            self.gateway.cancel_keys.lock().remove(key);
        }
    }
}

impl Gateway {
    fn seat(&self, name: &str) -> Arc<Seat> {
        let principal = Principal::new(name);
        let reference = self.spool.principal(&principal);
        let budget = self.book.principal(&principal);
        Arc::new(Seat { principal, reference, budget, asked: AtomicBool::new(false) })
    }
}
