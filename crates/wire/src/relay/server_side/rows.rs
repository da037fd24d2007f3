//! Rows: read, settled with the inspector, forwarded up to the last one admitted.

use super::{Flow, Phase, SERVER_FRAME_BYTES_MAX, Walk};
use crate::buffer::Tag;
use crate::client_error::ClientError;
use crate::frame::{Frame, HEADER_BYTES, read_header};
use crate::inspector::{Inspector, Next, Reported, RowsEnd};
use crate::relay::ops::Op;
use crate::relay::{Relay, RelayError};

impl<I: Inspector + Unpin> Relay<I>
where
    I::Text: Unpin,
    I::Statement: Unpin,
    I::Plan: Unpin,
{
    // The hot path: runs of DataRows.
    pub(super) fn data_row(
        &mut self,
        walk: &mut Walk,
        bytes: &[u8],
        first: Frame,
        payload: &[u8],
    ) -> Result<Flow, RelayError> {
        if self.from_server.phase == Phase::Dropping {
            walk.at += first.bytes;
            return Ok(Flow::On);
        }
        let plan = self.current_plan()?;
        if !self.inspector.reads(&plan) {
            walk.at += first.bytes;
            let mut rows = 1;
            while let Some(frame) = next_frame(bytes, walk.at, b'D') {
                walk.at += frame.bytes;
                rows += 1;
            }
            self.inspector.passed(rows);
            return Ok(Flow::On);
        }
        walk.rows_from.get_or_insert(walk.at);
        let (mut frame, mut payload) = (first, payload);
        loop {
            if let Err(error) = self.inspector.row(&plan, payload) {
                return Ok(self.cut_before(walk, bytes, &error));
            }
            walk.at += frame.bytes;
            match next_frame(bytes, walk.at, b'D') {
                Some(next) => {
                    frame = next;
                    payload = bytes.get(walk.at + HEADER_BYTES..walk.at + next.bytes).unwrap_or_default();
                }
                None => return Ok(Flow::On),
            }
        }
    }

    // The hot path of COPY: runs of CopyData.
    pub(super) fn copy_rows(&mut self, walk: &mut Walk, bytes: &[u8], first: Frame, payload: &[u8]) -> Flow {
        let (mut frame, mut payload) = (first, payload);
        loop {
            let flow = self.copy_row(walk, bytes, frame, payload);
            if matches!(flow, Flow::Stop) || self.from_server.phase == Phase::Dropping {
                return flow;
            }
            match next_frame(bytes, walk.at, b'd') {
                Some(next) => {
                    frame = next;
                    payload = bytes.get(walk.at + HEADER_BYTES..walk.at + next.bytes).unwrap_or_default();
                }
                None => return Flow::On,
            }
        }
    }

    pub(super) fn copy_row(&mut self, walk: &mut Walk, bytes: &[u8], frame: Frame, payload: &[u8]) -> Flow {
        walk.rows_from.get_or_insert(walk.at);
        if let Err(error) = self.inspector.copy_row(payload) {
            return self.cut_before(walk, bytes, &error);
        }
        walk.at += frame.bytes;
        Flow::On
    }

    // Settles what was read and cuts the statement before the row that may not be shown.
    fn cut_before(&mut self, walk: &mut Walk, bytes: &[u8], error: &ClientError) -> Flow {
        let flow = self.settle(walk, bytes, RowsEnd::Open);
        if matches!(flow, Flow::On) && self.from_server.phase != Phase::Dropping {
            walk.forward_to(walk.at, self.from_server.cycle);
            self.cut_in_walk(walk, error);
        }
        flow
    }

    pub(super) fn settle(&mut self, walk: &mut Walk, bytes: &[u8], end: RowsEnd) -> Flow {
        let rows_from = match walk.rows_from {
            Some(rows_from) => rows_from,
            None if end == RowsEnd::Open => return Flow::On,
            // The end of a statement is settled too: the inspector may count what no row showed.
            None => walk.at,
        };
        let Some((rows, next)) = self.settle_rows(walk, walk.at, end) else { return Flow::On };
        if walk.from > walk.at {
            // An error that has gone its way already: what it told is settled with what comes next.
            return Flow::On;
        }
        // Some rows stay behind: find the byte after those admitted.
        let mut cut_at = rows_from;
        let mut left = rows;
        while left > 0
            && let Some(Ok(Some(frame))) = bytes.get(cut_at..).map(|b| read_header(b, SERVER_FRAME_BYTES_MAX))
        {
            if cut_at + frame.bytes > walk.at {
                break;
            }
            if matches!(frame.tag, b'D' | b'd') {
                left -= 1;
            }
            cut_at += frame.bytes;
        }
        walk.forward_to(cut_at, self.from_server.cycle);
        match next {
            Next::Cut(error) => {
                walk.rows_from = None;
                self.cut_in_walk(walk, &error);
                Flow::On
            }
            Next::Wait | Next::Go => {
                walk.rows_from = Some(cut_at);
                self.from_server.waiting = true;
                Flow::Stop
            }
        }
    }

    /// Tells the inspector how many rows the server says the statement in front gave.
    pub(super) fn count_rows(&mut self, frame: Frame, payload: &[u8]) {
        let reported = (frame.tag == b'C').then(|| self.reported_rows(payload)).flatten();
        if let Some(statement) = self.ops.front().and_then(Op::statement_mut) {
            self.inspector.counted(statement, reported);
        }
    }

    // A count of rows that were changed says nothing of rows that were given, unless some were announced.
    fn reported_rows(&self, tag: &[u8]) -> Option<Reported> {
        let copied = self.from_server.copying_out;
        let announced = match self.ops.peek()? {
            Op::Query { .. } => self.from_server.query_plan.is_some(),
            Op::Execute { portal, .. } => self.from_server.portals.plan(*portal)?.0.is_some(),
            _ => false,
        };
        if !copied && !announced {
            return None;
        }
        let tag = std::str::from_utf8(tag.strip_suffix(&[0])?).ok()?;
        let (command, count) = tag.rsplit_once(' ')?;
        let command = command.split(' ').next()?;
        let gives = match command {
            "COPY" => copied,
            "SELECT" | "FETCH" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" => !copied,
            _ => false,
        };
        gives.then(|| Some(Reported { rows: count.parse().ok()?, copied }))?
    }

    // `None` when all rows were admitted.
    pub(super) fn settle_rows(
        &mut self,
        walk: &mut Walk,
        end_at: usize,
        end: RowsEnd,
    ) -> Option<(u32, Next)> {
        let Some(statement) = self.ops.front().and_then(Op::statement_mut) else {
            walk.rows_from = None;
            return None;
        };
        let settlement = self.inspector.settle(statement, end);
        walk.hold = settlement.hold;
        if settlement.next == Next::Go {
            walk.rows_from = None;
            walk.forward_to(end_at, self.from_server.cycle);
            return None;
        }
        Some((settlement.rows, settlement.next))
    }

    // Puts the error behind what was forwarded so far and drops the rest of the cycle.
    pub(super) fn cut_in_walk(&mut self, walk: &mut Walk, error: &ClientError) {
        let tag = Tag { hold: 0, cycle: self.from_server.cycle, raw: false };
        walk.out.push_owned(error.to_frame(), tag);
        self.enter_cut();
    }
}

#[inline]
fn next_frame(bytes: &[u8], at: usize, tag: u8) -> Option<Frame> {
    let rest = bytes.get(at..)?;
    let frame = read_header(rest, SERVER_FRAME_BYTES_MAX).ok()??;
    (frame.tag == tag && frame.bytes <= rest.len()).then_some(frame)
}
