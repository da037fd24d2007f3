//! Every message but rows: what it answers, and whether it goes on.

use super::{Flow, Phase, Walk};
use crate::authentication;
use crate::buffer::Tag;
use crate::client_error::ClientError;
use crate::frame::{Frame, split_cstr};
use crate::inspector::{Heard, Inspector, RowsEnd};
use crate::relay::ops::Op;
use crate::relay::{Relay, RelayError};
use crate::startup::CancelKey;

/// What the inspector said of a message.
enum Told {
    /// It goes on; if it has to wait, it is forwarded already.
    Passes,
    Withheld(ClientError),
    /// It is not its turn.
    Flow(Flow),
}

fn drop_message(walk: &mut Walk, frame: Frame, cycle: u64) {
    walk.forward_to(walk.at, cycle);
    walk.at += frame.bytes;
    walk.drop_to(walk.at);
}

impl<I: Inspector + Unpin> Relay<I>
where
    I::Text: Unpin,
    I::Statement: Unpin,
    I::Plan: Unpin,
{
    pub(super) fn server_message(
        &mut self,
        walk: &mut Walk,
        bytes: &[u8],
        frame: Frame,
        payload: &[u8],
    ) -> Result<Flow, RelayError> {
        let dropping = self.from_server.phase == Phase::Dropping;
        match frame.tag {
            b'S' if self.from_server.phase == Phase::Startup => {
                self.read_parameter(payload);
                self.pass_aside(walk, frame, dropping);
                return Ok(Flow::On);
            }
            // A suspended person hears nothing more.
            b'A' if self.inspector.refuses(None).is_some() => {
                drop_message(walk, frame, self.from_server.cycle);
                return Ok(Flow::On);
            }
            b'N' if dropping || self.from_server.phase == Phase::Startup => {
                walk.at += frame.bytes;
                return Ok(Flow::On);
            }
            b'S' | b'A' | b'N' => return Ok(self.message_aside(walk, bytes, frame, payload)),
            b'Z' => return self.ready_for_query(walk, bytes, frame, payload),
            b'G' if dropping => {
                self.refuse_copy_in();
                walk.at += frame.bytes;
                return Ok(Flow::On);
            }
            _ if dropping => {
                if frame.tag == b'E' {
                    self.from_server.cut.failed = true;
                    if self.from_server.cut.extended {
                        self.ops.skip_to_sync();
                        self.from_client.dropping_to_sync |= self.ops.len() == 0;
                    }
                }
                walk.at += frame.bytes;
                return Ok(Flow::On);
            }
            _ if self.from_server.phase == Phase::Startup => {
                self.startup_message(walk, frame, payload);
                return Ok(Flow::On);
            }
            b'd' if self.from_server.copying_out => {
                return Ok(self.copy_rows(walk, bytes, frame, payload));
            }
            _ => {}
        }
        if frame.tag == b'V' && !payload.starts_with(&[0xff; 4]) {
            let flow = self.copy_row(walk, bytes, frame, payload.get(4..).unwrap_or_default());
            if matches!(flow, Flow::Stop) || self.from_server.phase == Phase::Dropping {
                return Ok(flow);
            }
            let flow = self.settle(walk, bytes, RowsEnd::Completed);
            if matches!(flow, Flow::On) {
                self.count_rows(frame, payload);
            }
            return Ok(flow);
        }
        let mut withheld = None;
        if frame.tag == b'E' && !self.is_refused() {
            match self.hear(walk, bytes, frame, payload) {
                Told::Passes => {}
                Told::Withheld(error) => withheld = Some(error),
                Told::Flow(flow) => return Ok(flow),
            }
        }
        let end = match frame.tag {
            b'C' | b's' | b'I' => RowsEnd::Completed,
            b'E' => RowsEnd::Failed,
            _ => RowsEnd::Open,
        };
        if let Flow::Stop = self.settle(walk, bytes, end) {
            return Ok(Flow::Stop);
        }
        if self.from_server.phase == Phase::Dropping {
            return Ok(Flow::On);
        }
        if end != RowsEnd::Open {
            self.count_rows(frame, payload);
        }
        self.answer(walk, frame, payload, withheld)
    }

    fn read_parameter(&mut self, payload: &[u8]) {
        if let Some((name, rest)) = split_cstr(payload) {
            self.inspector.parameter_status(name, split_cstr(rest).map_or(rest, |(value, _)| value));
        }
    }

    // The message at the front answers one that the gateway made fail.
    fn is_refused(&self) -> bool {
        matches!(
            self.ops.peek(),
            Some(Op::Query { refused: Some(_), .. } | Op::Parse { refused: Some(_), .. })
        )
    }

    // Settles the rows before a message and has the inspector read it.
    fn hear(&mut self, walk: &mut Walk, bytes: &[u8], frame: Frame, payload: &[u8]) -> Told {
        let dropping = self.from_server.phase == Phase::Dropping;
        if let Flow::Stop = self.settle(walk, bytes, RowsEnd::Open) {
            return Told::Flow(Flow::Stop);
        }
        if !dropping && self.from_server.phase == Phase::Dropping {
            return Told::Flow(Flow::On);
        }
        let statement = if dropping { None } else { self.ops.front().and_then(Op::statement_mut) };
        match self.inspector.message(statement, frame.tag, payload) {
            Heard::Go { hold: 0 } => Told::Passes,
            Heard::Go { hold } => {
                if dropping {
                    walk.drop_to(walk.at);
                } else {
                    walk.forward_to(walk.at, self.from_server.cycle);
                }
                // Forwarded at once: what follows has another ticket, or none.
                walk.hold = hold;
                walk.forward_to(walk.at + frame.bytes, self.from_server.cycle);
                walk.hold = 0;
                Told::Passes
            }
            Heard::Withhold(error) => Told::Withheld(error),
            Heard::Wait => {
                if dropping {
                    walk.drop_to(walk.at);
                }
                Told::Flow(self.wait_for_plan(walk))
            }
        }
    }

    // A message that may belong to no statement: read, then passed on or left out.
    fn message_aside(&mut self, walk: &mut Walk, bytes: &[u8], frame: Frame, payload: &[u8]) -> Flow {
        let dropping = self.from_server.phase == Phase::Dropping;
        match self.hear(walk, bytes, frame, payload) {
            Told::Passes if walk.from > walk.at => walk.at += frame.bytes,
            Told::Passes => self.pass_aside(walk, frame, dropping),
            Told::Withheld(_) => {
                if dropping {
                    walk.drop_to(walk.at);
                }
                drop_message(walk, frame, self.from_server.cycle);
            }
            Told::Flow(flow) => return flow,
        }
        if frame.tag == b'S' {
            self.read_parameter(payload);
        }
        Flow::On
    }

    // A message that belongs to no statement passes even while a cut drops the rest.
    fn pass_aside(&mut self, walk: &mut Walk, frame: Frame, dropping: bool) {
        let end = walk.at + frame.bytes;
        if dropping {
            walk.drop_to(walk.at);
            walk.at = end;
            walk.forward_to(end, self.from_server.cycle);
        } else {
            walk.at = end;
        }
    }

    fn startup_message(&mut self, walk: &mut Walk, frame: Frame, payload: &[u8]) {
        let end = walk.at + frame.bytes;
        match frame.tag {
            b'K' => {
                if let Some(key) = CancelKey::decode(payload) {
                    self.inspector.cancel_key(&key);
                    self.cancel_key = Some(key);
                }
            }
            b'R' if !self.from_server.keeps_channel_binding => {
                if let Some(bytes) = authentication::without_channel_binding(payload) {
                    walk.forward_to(walk.at, self.from_server.cycle);
                    walk.out.push_owned(bytes, Tag { hold: 0, cycle: self.from_server.cycle, raw: false });
                    walk.drop_to(end);
                }
            }
            _ => {}
        }
        walk.at = end;
    }

    // A message that answers the op in front.
    fn answer(
        &mut self,
        walk: &mut Walk,
        frame: Frame,
        payload: &[u8],
        withheld: Option<ClientError>,
    ) -> Result<Flow, RelayError> {
        let unexpected = |expected| Err(RelayError::Unexpected { tag: frame.tag, expected });
        let end = walk.at + frame.bytes;
        let front = self.ops.front();
        match (frame.tag, front) {
            (b'1', Some(Op::Parse { number, .. })) => {
                let number = *number;
                self.from_client.texts.parsed(number);
                self.ops.pop();
            }
            (b'2', Some(Op::Bind { replaced: portal })) | (b'3', Some(Op::Close { portal })) => {
                if let Some(portal) = *portal {
                    self.from_server.portals.close(portal);
                }
                self.ops.pop();
            }
            (b't', Some(Op::DescribeStatement)) => {}
            (b'T' | b'n', Some(Op::DescribeStatement)) => {
                self.ops.pop();
            }
            (b'T' | b'n', Some(Op::DescribePortal { portal, injected })) => {
                let (portal, injected) = (*portal, *injected);
                let plan = if frame.tag == b'T' {
                    match self.inspector.plan(payload) {
                        Ok(Some(plan)) => Some(plan),
                        Ok(None) => return Ok(self.wait_for_plan(walk)),
                        Err(error) => return Ok(self.cut_at(walk, end, &error)),
                    }
                } else {
                    None
                };
                let description = if plan.is_some() { payload } else { &[] };
                self.from_server.portals.describe(portal, description, plan);
                self.ops.pop();
                if injected {
                    walk.forward_to(walk.at, self.from_server.cycle);
                    walk.drop_to(end);
                }
            }
            (b'T', Some(Op::Query { .. })) => match self.inspector.plan(payload) {
                Ok(Some(plan)) => self.from_server.query_plan = Some(plan),
                Ok(None) => return Ok(self.wait_for_plan(walk)),
                Err(error) => return Ok(self.cut_at(walk, end, &error)),
            },
            (b'C' | b'I', Some(Op::Query { .. })) => {
                self.from_server.query_plan = None;
                self.from_server.copying_out = false;
            }
            (b'C' | b'I' | b's', Some(Op::Execute { .. })) => {
                self.from_server.copying_out = false;
                self.ops.pop();
            }
            (b'V', Some(Op::FunctionCall { .. })) => {}
            (b'G', Some(Op::Query { .. } | Op::Execute { .. })) => self.ops.begin_copy_in(),
            (b'H', Some(Op::Query { statement, .. } | Op::Execute { statement, .. })) => {
                self.inspector.copy_begins(statement, payload);
                self.from_server.copying_out = true;
            }
            (b'W', Some(Op::Query { statement, .. })) => {
                self.inspector.copy_begins(statement, payload);
                self.from_server.copying_out = true;
                self.ops.begin_copy_in();
            }
            (b'c', Some(Op::Query { .. } | Op::Execute { .. })) if self.from_server.copying_out => {}
            (b'E', front) => {
                let refused = match front {
                    Some(Op::Query { refused, .. } | Op::Parse { refused, .. }) => refused.take(),
                    _ => None,
                };
                if let Some(error) = refused.or(withheld) {
                    walk.forward_to(walk.at, self.from_server.cycle);
                    walk.out.push_owned(
                        error.to_frame(),
                        Tag { hold: 0, cycle: self.from_server.cycle, raw: false },
                    );
                    walk.drop_to(end);
                }
                self.from_server.copying_out = false;
                self.from_server.query_plan = None;
                self.ops.fail_front();
                if let Some(Op::Inquiry(asked)) = self.ops.front() {
                    asked.skip();
                }
                self.from_client.texts.failed_before(self.ops.first_parse());
            }
            (_, Some(_)) => return unexpected("the answer to an earlier message"),
            (_, None) => return unexpected("nothing"),
        }
        walk.at = end;
        Ok(Flow::On)
    }

    fn wait_for_plan(&mut self, walk: &mut Walk) -> Flow {
        walk.forward_to(walk.at, self.from_server.cycle);
        self.from_server.waiting = true;
        Flow::Stop
    }

    fn cut_at(&mut self, walk: &mut Walk, end: usize, error: &ClientError) -> Flow {
        walk.forward_to(walk.at, self.from_server.cycle);
        walk.at = end;
        self.cut_in_walk(walk, error);
        Flow::On
    }

    fn ready_for_query(
        &mut self,
        walk: &mut Walk,
        bytes: &[u8],
        frame: Frame,
        payload: &[u8],
    ) -> Result<Flow, RelayError> {
        if let Flow::Stop = self.settle(walk, bytes, RowsEnd::Open) {
            return Ok(Flow::Stop);
        }
        let end = walk.at + frame.bytes;
        if self.from_server.phase == Phase::Dropping {
            walk.drop_to(walk.at);
        }
        if self.from_server.phase != Phase::Startup {
            match self.ops.front() {
                Some(op) if op.ends_cycle() => drop(self.ops.pop()),
                _ => return Err(RelayError::Unexpected { tag: b'Z', expected: "no end of a cycle" }),
            }
        }
        let cut = std::mem::take(&mut self.from_server.cut);
        if cut.writes && !cut.failed && payload == b"I" {
            // The client was told of an error, and what it asked for was committed all the same.
            walk.at = end;
            walk.drop_to(end);
            let text = "the statement was cut off, but what it changed had been committed already";
            self.close_with(ClientError::fatal("08007", text));
            return Ok(Flow::On);
        }
        self.from_server.phase = Phase::Normal;
        self.from_server.query_plan = None;
        self.from_server.copying_out = false;
        self.from_server.status = payload.first().copied().unwrap_or(b'I');
        if self.from_server.status == b'I' {
            self.from_server.portals.clear();
        }
        self.inspector.ready_for_query(self.from_server.status);
        walk.at = end;
        walk.forward_to(end, self.from_server.cycle);
        walk.hold = 0;
        self.from_server.cycle += 1;
        Ok(Flow::On)
    }
}
