//! What known values in rows and messages tell (attribution step 2).

use std::sync::Arc;

use rastro_attribution::{Catalogue, ColumnDescription, RowScan};
use rastro_model::{Certainty, KindId, ShownKey};
use rastro_wire::{ClientError, Heard, Inspector, Next, RowsEnd};

use super::sight::View;
use super::{Execution, Plan, Reading, SessionInspector};
use crate::gateway::metric;

impl SessionInspector {
    /// Returns which cells of a result are read; `None` if none, or if there is no index.
    pub(super) fn scan(
        &self,
        catalogue: &Catalogue,
        columns: impl Iterator<Item = ColumnDescription> + Clone,
    ) -> Option<Arc<RowScan>> {
        self.gateway.values.load().as_ref()?;
        RowScan::build(catalogue, columns).map(Arc::new)
    }

    pub(super) fn scan_of_anything(&self) -> Option<Arc<RowScan>> {
        self.gateway.values.load().as_ref().map(|_| Arc::new(RowScan::of_anything()))
    }

    /// Adds what a row shows.
    ///
    /// # Errors
    /// It cannot be understood; no row was added.
    #[inline]
    pub(super) fn read_row(&mut self, reading: &Reading, payload: &[u8]) -> Result<(), ClientError> {
        if self.read_one_each(reading, payload) {
            return Ok(());
        }
        match &reading.plan {
            Plan::Pass => drop(self.batch.begin_row()),
            Plan::Count => self.count_row(),
            Plan::Read(plan) => plan.read_row(payload, &mut self.batch).map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "row was refused");
                ClientError::error("08P01", "a row of the result cannot be read and is refused")
            })?,
        }
        self.read_values(reading, payload);
        Ok(())
    }

    /// Adds an unattributed row.
    pub(super) fn count_row(&mut self) {
        self.batch.begin_row();
        let fields = self.gateway.settings.all_fields;
        self.batch.push(KindId(0), ShownKey::Unknown, fields, Certainty::Possible);
    }

    /// Adds what known values show to the row begun last. A counted row that shows some is attributed.
    #[inline]
    pub(super) fn read_values(&mut self, reading: &Reading, payload: &[u8]) {
        let Some(scan) = &reading.scan else { return };
        let SessionInspector { gateway, scanner, batch, .. } = self;
        let Some(index) = &*gateway.values.load() else { return };
        scan.read_row(index, payload, scanner, batch);
        if matches!(reading.plan, Plan::Count)
            && batch.last_row().iter().any(|shown| shown.certainty == Certainty::Exact)
        {
            batch.explain(KindId(0), gateway.settings.all_fields);
        }
    }

    /// Reads a row whose subject its values have to tell; returns whether it is one.
    #[inline]
    pub(super) fn read_one_each(&mut self, reading: &Reading, payload: &[u8]) -> bool {
        let Some(scan) = &reading.one_each else { return false };
        let SessionInspector { gateway, scanner, batch, .. } = self;
        let Some(index) = &*gateway.values.load() else { return false };
        scan.read_row(index, payload, scanner, batch);
        true
    }

    /// Reads bytes of a stream as part of the row begun last: a row that was counted and shows known values is
    /// attributed.
    pub(super) fn read_chunk(&mut self, payload: &[u8]) {
        let SessionInspector { gateway, scanner, batch, .. } = self;
        let Some(index) = &*gateway.values.load() else { return };
        scanner.clear();
        scanner.chunk(index, payload);
        scanner.record(batch);
        if batch.last_row().iter().any(|shown| shown.certainty == Certainty::Exact) {
            batch.explain(KindId(0), gateway.settings.all_fields);
        }
    }

    /// Reads the strings of a message as a row of its own and returns whether they show anything; if not, there is
    /// no row.
    fn read_message(&mut self, tag: u8, payload: &[u8]) -> bool {
        let SessionInspector { gateway, scanner, batch, .. } = self;
        let Some(index) = &*gateway.values.load() else { return false };
        scanner.clear();
        // A process before the strings of a notification, a code before each of an error or a notice.
        let (before, code) = match tag {
            b'A' => (4, 0),
            b'E' | b'N' => (0, 1),
            _ => (0, 0),
        };
        for string in payload.get(before..).unwrap_or_default().split(|byte| *byte == 0) {
            scanner.value(index, string.get(code..).unwrap_or_default());
        }
        if scanner.hits().is_empty() {
            return false;
        }
        batch.begin_row();
        scanner.record(batch);
        true
    }

    /// Records what a message that is no row shows, and says whether it may go on.
    pub(super) fn hear(&mut self, execution: Option<&mut Execution>, tag: u8, payload: &[u8]) -> Heard {
        // An answer may be half read.
        let answer = std::mem::take(&mut self.batch);
        let heard = self.hear_alone(execution, tag, payload);
        self.batch = answer;
        self.refusal = None;
        heard
    }

    fn hear_alone(&mut self, execution: Option<&mut Execution>, tag: u8, payload: &[u8]) -> Heard {
        if !self.read_message(tag, payload) {
            return Heard::Go { hold: 0 };
        }
        let settlement = match execution {
            Some(execution) => {
                let told = execution.told;
                let settlement = self.settle(execution, RowsEnd::Open);
                execution.told = told;
                settlement
            }
            None => {
                let mut outside = self.outside_execution();
                self.settle(&mut outside, RowsEnd::Open)
            }
        };
        match settlement.next {
            Next::Go => Heard::Go { hold: settlement.hold },
            Next::Wait => Heard::Wait,
            Next::Cut(error) => {
                metric::message_withheld();
                Heard::Withhold(error)
            }
        }
    }

    /// Returns an execution for what belongs to none.
    fn outside_execution(&self) -> Execution {
        Execution::new(Arc::clone(&self.seat), None, self.executions, View::default())
    }
}
