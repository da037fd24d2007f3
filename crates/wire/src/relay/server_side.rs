//! From the server: which rows belong to which statement, and what of them goes on.

mod messages;
mod rows;

use std::sync::Arc;

use super::ops::Op;
use super::portals::Portals;
use super::{Relay, RelayError};
use crate::buffer::{Buffer, OutQueue, Tag};
use crate::client_error::ClientError;
use crate::frame::{Frame, HEADER_BYTES, read_header};
use crate::inspector::{Inspector, RowsEnd};

const SERVER_FRAME_BYTES_MAX: usize = 0x3fff_ffff + 4;

/// The server's half of the relay's state.
pub(super) struct ServerSide<I: Inspector> {
    pub(super) input: Option<Buffer>,
    /// The server closed the connection.
    pub(super) ended: bool,
    /// There was nothing to read; the task is woken when there is.
    pub(super) dry: bool,
    /// The inspector has to be ready before the walk goes on.
    pub(super) waiting: bool,
    phase: Phase,
    cycle: u64,
    // The transaction's state in the last ReadyForQuery.
    status: u8,
    // Bytes at the start of `input` whose rows the inspector has read but not settled.
    unsettled: usize,
    // `input` holds whole frames not yet walked.
    unwalked: bool,
    rest: usize,
    rest_dropped: bool,
    portals: Portals<I::Plan>,
    query_plan: Option<I::Plan>,
    copying_out: bool,
    pub(super) cut: Cut,
    /// The cut statement's cancel request was sent.
    pub(super) cancel_asked: bool,
    keeps_channel_binding: bool,
}

/// What has to be known of a cut until its ReadyForQuery.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cut {
    /// The cut statement came in extended messages: an error makes the server skip to Sync.
    pub(super) extended: bool,
    /// The cut statement, or one behind it in the cycle, may have changed something.
    pub(super) writes: bool,
    /// The server reported an error, so the cycle's work is undone.
    pub(super) failed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Until the first ReadyForQuery.
    Startup,
    Normal,
    /// A statement was cut: everything up to its ReadyForQuery is dropped.
    Dropping,
}

impl<I: Inspector> ServerSide<I> {
    pub(super) fn new(keeps_channel_binding: bool) -> Self {
        ServerSide {
            input: None,
            ended: false,
            dry: false,
            waiting: false,
            phase: Phase::Startup,
            cycle: 0,
            status: b'I',
            unsettled: 0,
            unwalked: false,
            rest: 0,
            rest_dropped: false,
            portals: Portals::new(),
            cut: Cut::default(),
            query_plan: None,
            copying_out: false,
            cancel_asked: false,
            keeps_channel_binding,
        }
    }

    pub(super) fn cycle(&self) -> u64 {
        self.cycle
    }

    /// Returns whether a walk stopped for the inspector can go on with what is already read.
    pub(super) fn resumed(&self) -> bool {
        self.unwalked && !self.waiting
    }

    pub(super) fn is_normal(&self) -> bool {
        self.phase == Phase::Normal
    }

    /// Returns whether a transaction block is open, as of the last ReadyForQuery.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.status == b'T'
    }

    /// Returns whether the open transaction has failed.
    pub(super) fn is_failed(&self) -> bool {
        self.status == b'E'
    }

    pub(super) fn set_status(&mut self, status: u8) {
        self.status = status;
    }

    /// Returns whether the server waits for a statement outside of a transaction.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Normal && self.status == b'I'
    }

    pub(super) fn is_dropping(&self) -> bool {
        self.phase == Phase::Dropping
    }

    /// Returns whether a frame is being passed on in parts, which cannot be cut.
    pub(super) fn mid_frame(&self) -> bool {
        self.rest > 0 && !self.rest_dropped
    }

    /// Drops the rest of a frame whose beginning was taken back.
    pub(super) fn drop_rest(&mut self) {
        self.rest_dropped = true;
    }

    /// Drops what comes until the present cycle's ReadyForQuery, rows read but not settled included.
    pub(super) fn begin_dropping(&mut self) {
        self.phase = Phase::Dropping;
        self.cancel_asked = false;
        self.query_plan = None;
        self.copying_out = false;
        self.unwalked |= self.unsettled > 0;
        self.unsettled = 0;
        self.waiting = false;
    }
}

/// The walk over one input buffer.
struct Walk {
    out: OutQueue,
    input: Arc<Buffer>,
    /// First byte not yet forwarded or dropped.
    from: usize,
    /// First byte not yet looked at.
    at: usize,
    /// Start of the rows read since the last settlement.
    rows_from: Option<usize>,
    hold: u64,
}

impl Walk {
    // A message whose ticket is its own is forwarded ahead of the walk.
    fn forward_to(&mut self, end: usize, cycle: u64) {
        if end <= self.from {
            return;
        }
        self.out.push(&self.input, self.from, end, Tag { hold: self.hold, cycle, raw: false });
        self.from = end;
    }

    fn drop_to(&mut self, end: usize) {
        self.from = end;
    }
}

pub(super) enum Flow {
    /// Go on.
    On,
    /// Stop here until the inspector is ready.
    Stop,
}

impl<I: Inspector + Unpin> Relay<I>
where
    I::Text: Unpin,
    I::Statement: Unpin,
    I::Plan: Unpin,
{
    /// Walks what the server sent and queues what may go to the client.
    pub(super) fn walk_server(&mut self) -> Result<(), RelayError> {
        let Some(input) = self.from_server.input.take() else { return Ok(()) };
        let input = Arc::new(input);
        let unsettled = std::mem::take(&mut self.from_server.unsettled);
        let mut walk = Walk {
            out: OutQueue::default(),
            input: Arc::clone(&input),
            from: 0,
            at: unsettled,
            rows_from: (unsettled > 0).then_some(0),
            hold: 0,
        };
        self.from_server.unwalked = false;
        let result = self.walk_frames(&mut walk, input.bytes());
        if self.from_server.phase == Phase::Dropping {
            walk.drop_to(walk.at);
            self.begin_cancel();
        } else {
            let end = walk.rows_from.unwrap_or(walk.at);
            walk.forward_to(end, self.from_server.cycle);
        }
        let Walk { out, from, at, rows_from, input: walked, .. } = walk;
        self.to_client.append(out);
        drop(walked);
        let wanted = result?;
        // Rows that wait are walked already; they come again at the start of the next buffer.
        if let Some(rows_from) = rows_from {
            self.from_server.unsettled = at - rows_from;
        }
        if from < input.bytes().len() {
            self.from_server.unwalked = self.from_server.waiting;
            self.from_server.input = Some(Buffer::tail(input, from, wanted));
        }
        Ok(())
    }

    // Returns the room in bytes that the frame cut off at the end needs.
    fn walk_frames(&mut self, walk: &mut Walk, bytes: &[u8]) -> Result<usize, RelayError> {
        if walk.rows_from.is_some() && matches!(self.settle(walk, bytes, RowsEnd::Open), Flow::Stop) {
            return Ok(0);
        }
        if let Flow::Stop = self.settle_inquiry() {
            return Ok(0);
        }
        while walk.at < bytes.len() {
            if self.from_server.rest > 0 {
                self.pass_rest(walk, bytes.len());
                continue;
            }
            let rest = bytes.get(walk.at..).unwrap_or_default();
            let Some(frame) = read_header(rest, SERVER_FRAME_BYTES_MAX).map_err(RelayError::ServerFrame)?
            else {
                break;
            };
            if rest.len() < frame.bytes {
                if let Flow::Stop = self.settle(walk, bytes, RowsEnd::Open) {
                    return Ok(0);
                }
                if !self.passes_in_parts(frame.tag)? {
                    if frame.bytes <= self.limits.row_bytes_max {
                        // Memory follows what really arrives, not what the header announces.
                        return Ok(frame.bytes.min(rest.len().saturating_mul(2)));
                    }
                    if frame.tag != b'N' {
                        self.cut_too_large(walk, frame)?;
                    }
                }
                self.begin_parts(walk, frame, bytes.len());
                continue;
            }
            let payload = rest.get(HEADER_BYTES..frame.bytes).unwrap_or_default();
            if !matches!(frame.tag, b'S' | b'A')
                && let Some(flow) = self.inquiry_message(frame.tag, payload)?
            {
                walk.forward_to(walk.at, self.from_server.cycle);
                walk.at += frame.bytes;
                walk.drop_to(walk.at);
                if matches!(flow, Flow::Stop) {
                    return Ok(0);
                }
                continue;
            }
            let flow = match frame.tag {
                b'D' => self.data_row(walk, bytes, frame, payload)?,
                _ => self.server_message(walk, bytes, frame, payload)?,
            };
            if matches!(flow, Flow::Stop) || self.closing.is_some() {
                return Ok(0);
            }
        }
        self.settle(walk, bytes, RowsEnd::Open);
        Ok(0)
    }

    fn passes_in_parts(&self, tag: u8) -> Result<bool, RelayError> {
        match tag {
            // Acted upon in every phase.
            b'S' | b'A' | b'G' | b'Z' => Ok(false),
            _ if matches!(self.ops.peek(), Some(Op::Inquiry(_))) => Ok(false),
            _ if self.from_server.phase == Phase::Dropping => Ok(true),
            b'D' => Ok(!self.inspector.reads(&self.current_plan()?)),
            b'd' if !self.from_server.copying_out => {
                Err(RelayError::Unexpected { tag, expected: "no COPY data" })
            }
            _ => Ok(false),
        }
    }

    fn cut_too_large(&mut self, walk: &mut Walk, frame: Frame) -> Result<(), RelayError> {
        if self.from_server.phase != Phase::Normal || matches!(self.ops.peek(), None | Some(Op::Inquiry(_))) {
            return Err(RelayError::Unexpected { tag: frame.tag, expected: "a message of a sensible size" });
        }
        let text = format!("a row of {} bytes is larger than the gateway's limit", frame.bytes);
        walk.forward_to(walk.at, self.from_server.cycle);
        self.cut_in_walk(walk, &ClientError::error("54000", text));
        Ok(())
    }

    fn begin_parts(&mut self, walk: &mut Walk, frame: Frame, end: usize) {
        let there = end - walk.at;
        self.from_server.rest = frame.bytes - there;
        // A notice that cannot be read as a whole is left out.
        self.from_server.rest_dropped = self.from_server.phase == Phase::Dropping || frame.tag == b'N';
        if self.from_server.rest_dropped {
            if self.from_server.phase != Phase::Dropping {
                walk.forward_to(walk.at, self.from_server.cycle);
            }
            walk.at = end;
            walk.drop_to(end);
            return;
        }
        walk.forward_to(walk.at, self.from_server.cycle);
        if frame.tag == b'D' {
            self.inspector.passed(1);
        }
        let tag = Tag { hold: walk.hold, cycle: self.from_server.cycle, raw: true };
        walk.out.push(&walk.input, walk.from, end, tag);
        walk.at = end;
        walk.drop_to(end);
    }

    fn pass_rest(&mut self, walk: &mut Walk, end: usize) {
        let count = self.from_server.rest.min(end - walk.at);
        self.from_server.rest -= count;
        walk.at += count;
        if self.from_server.rest_dropped {
            walk.drop_to(walk.at);
        } else {
            let tag = Tag { hold: 0, cycle: self.from_server.cycle, raw: true };
            walk.out.push(&walk.input, walk.from, walk.at, tag);
            walk.drop_to(walk.at);
        }
    }

    // The plan that the next row follows. A row whose description cannot be trusted is at least counted.
    fn current_plan(&self) -> Result<I::Plan, RelayError> {
        const UNEXPECTED: RelayError =
            RelayError::Unexpected { tag: b'D', expected: "a description of the rows" };
        match self.ops.peek() {
            Some(Op::Query { statement, .. }) => {
                let plan = self.from_server.query_plan.as_ref().ok_or(UNEXPECTED)?;
                let opaque = self.inspector.is_opaque(statement);
                Ok(if opaque { self.inspector.doubt(statement, Some(plan)) } else { plan.clone() })
            }
            Some(Op::Execute { portal, doubtful, statement }) => {
                let (plan, trusted) = self.from_server.portals.plan(*portal).ok_or(UNEXPECTED)?;
                match plan {
                    _ if *doubtful || !trusted || self.inspector.is_opaque(statement) => {
                        Ok(self.inspector.doubt(statement, plan))
                    }
                    Some(plan) => Ok(plan.clone()),
                    None => Err(RelayError::Unexpected { tag: b'D', expected: "no row" }),
                }
            }
            _ => Err(UNEXPECTED),
        }
    }
}
