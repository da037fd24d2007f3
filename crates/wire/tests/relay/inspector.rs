//! An inspector that writes down what it is asked and does what the test tells it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use rastro_wire::{CancelKey, ClientError, Heard, Inspector, Next, RowsEnd, Settlement};

#[derive(Default)]
pub struct State {
    pub log: Vec<String>,
    /// Rows that may still be shown before the cut.
    pub cut_after: Option<u32>,
    /// Rows that may still be shown before the inspector has to be ready.
    pub wait_after: Option<u32>,
    pub is_ready: bool,
    /// Each settlement with rows waits for a ticket of its own.
    pub holds: bool,
    pub tickets: u64,
    pub released: u64,
    pub ledger_failed: Option<ClientError>,
    pub interrupt: Option<ClientError>,
    pub plan_unknown: bool,
    /// Messages that show something wait for an answer.
    pub message_waits: bool,
    /// What a completed statement counts besides its rows.
    pub counts_at_end: u32,
    statements: u32,
    pending: u32,
    wakers: Vec<Waker>,
}

#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Changes the state and wakes whoever waits for it.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        for waker in state.wakers.drain(..) {
            waker.wake();
        }
    }

    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }
}

pub fn cut_error() -> ClientError {
    ClientError::error("53400", "cut")
}

pub fn ledger_error() -> ClientError {
    ClientError::error("42501", "not recorded")
}

pub fn suspended_error() -> ClientError {
    ClientError::error("42501", "suspended")
}

impl Inspector for Shared {
    type Text = String;
    type Statement = u32;
    type Plan = u32;

    fn cancel_key(&mut self, key: &CancelKey) {
        self.state().log.push(format!("key {}", key.process_id));
    }

    fn text(&mut self, sql: &[u8], truncated: bool) -> String {
        let text = if sql.starts_with(b"refuse") {
            "refuse".into()
        } else if sql.len() > 60 {
            format!("{} bytes", sql.len())
        } else {
            String::from_utf8_lossy(sql).into_owned()
        };
        if truncated { format!("{text}…") } else { text }
    }

    fn begin(&mut self, text: Option<&String>) -> Result<u32, (u32, ClientError)> {
        let mut state = self.state();
        state.statements += 1;
        let number = state.statements;
        state.log.push(format!("begin {number} {}", text.map_or("?", String::as_str)));
        if text.is_some_and(|text| text.starts_with("refuse")) {
            return Err((number, suspended_error()));
        }
        Ok(number)
    }

    fn refuses(&mut self, _: Option<&String>) -> Option<ClientError> {
        None
    }

    fn is_dynamic(&self, text: Option<&String>) -> bool {
        text.is_none_or(|text| text.starts_with("execute") || text.starts_with("fetch"))
    }

    fn only_reads(&self, number: &u32) -> bool {
        !self.state().log.iter().any(|line| line.starts_with(&format!("begin {number} insert")))
    }

    fn doubt(&self, _: &u32, plan: Option<&u32>) -> u32 {
        plan.map_or(1, |plan| plan | 1)
    }

    fn interrupt(&mut self, _: &u32) -> Option<ClientError> {
        self.state().interrupt.take()
    }

    fn plan(&mut self, row_description: &[u8]) -> Result<Option<u32>, ClientError> {
        let mut state = self.state();
        if state.plan_unknown {
            state.log.push("plan unknown".into());
            return Ok(None);
        }
        let Some(oid) = row_description.get(7..11).and_then(|bytes| bytes.first_chunk()) else {
            return Err(cut_error());
        };
        let oid = u32::from_be_bytes(*oid);
        state.log.push(format!("plan {oid}"));
        if oid == 666 { Err(cut_error()) } else { Ok(Some(oid)) }
    }

    fn reads(&self, plan: &u32) -> bool {
        plan % 2 == 1
    }

    fn row(&mut self, plan: &u32, payload: &[u8]) -> Result<(), ClientError> {
        let mut state = self.state();
        if payload.ends_with(b"BAD") {
            return Err(cut_error());
        }
        state.pending += 1;
        state.log.push(format!("row of {plan}: {} bytes", payload.len()));
        Ok(())
    }

    fn copy_begins(&mut self, _: &u32, _: &[u8]) {
        self.state().log.push("copy begins".into());
    }

    fn copy_row(&mut self, payload: &[u8]) -> Result<(), ClientError> {
        let mut state = self.state();
        if payload.ends_with(b"BAD") {
            return Err(cut_error());
        }
        state.pending += 1;
        state.log.push("copy row".into());
        Ok(())
    }

    fn message(&mut self, _: Option<&mut u32>, tag: u8, payload: &[u8]) -> Heard {
        let mut state = self.state();
        let shows = |what: &[u8]| payload.windows(what.len()).any(|part| part == what);
        if shows(b"SECRET") {
            return Heard::Withhold(cut_error());
        }
        if !shows(b"VALUE") {
            return Heard::Go { hold: 0 };
        }
        if state.message_waits {
            state.is_ready = false;
            return Heard::Wait;
        }
        state.log.push(format!("message {}", char::from(tag)));
        state.tickets += 1;
        Heard::Go { hold: state.tickets }
    }

    fn settle(&mut self, statement: &mut u32, end: RowsEnd) -> Settlement {
        let mut state = self.state();
        if end != RowsEnd::Open {
            state.log.push(format!("settle {statement} {end:?}"));
        }
        if end == RowsEnd::Completed {
            state.pending += std::mem::take(&mut state.counts_at_end);
        }
        let pending = state.pending;
        let limit = state.cut_after.unwrap_or(u32::MAX).min(state.wait_after.unwrap_or(u32::MAX));
        let rows = pending.min(limit);
        state.cut_after = state.cut_after.map(|left| left - rows);
        state.wait_after = state.wait_after.map(|left| left - rows);
        let mut hold = 0;
        if rows > 0 && state.holds {
            state.tickets += 1;
            hold = state.tickets;
        }
        let next = if rows == pending {
            state.pending = 0;
            Next::Go
        } else if state.cut_after == Some(0) {
            state.pending = 0;
            Next::Cut(cut_error())
        } else {
            state.pending -= rows;
            state.is_ready = false;
            Next::Wait
        };
        Settlement { rows, hold, next }
    }

    fn stopped(&mut self, statement: &mut u32) {
        let mut state = self.state();
        state.pending = 0;
        state.log.push(format!("stopped {statement}"));
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.is_ready {
            return Poll::Ready(());
        }
        state.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn released(&self) -> u64 {
        self.state().released
    }

    fn poll_released(&mut self, hold: u64, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        let mut state = self.state();
        if state.released >= hold {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = &state.ledger_failed {
            return Poll::Ready(Err(error.clone()));
        }
        state.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn parameter_status(&mut self, name: &[u8], value: &[u8]) {
        let text = format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        self.state().log.push(text);
    }

    fn ready_for_query(&mut self, status: u8) {
        self.state().log.push(format!("ready {}", char::from(status)));
    }
}
