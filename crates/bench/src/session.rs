//! A client of PostgreSQL that costs as little as can be: blocking, large reads, frames counted in place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Bytes asked from the socket at once.
const READ_BYTES: usize = 256 * 1024;

/// A message kept whole may not be longer; errors and single values are far shorter.
const KEPT_BYTES_MAX: usize = READ_BYTES / 2;

/// A server that sends nothing for so long is taken for hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one query brought.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// DataRow and CopyData messages.
    pub(crate) rows: u64,
    /// All bytes.
    pub(crate) bytes: u64,
}

/// A connection that is ready for a query.
pub(crate) struct Session {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Session {
    /// Connects to `port` of the loopback interface as `role` without a password.
    pub(crate) fn open(port: u16, role: &str, database: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))
            .with_context(|| format!("cannot connect to port {port}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Most sessions stay idle and read little; the first large result grows the buffer.
        let mut session = Self { stream, buffer: vec![0; 4096] };
        session.stream.write_all(&startup_message(role, database)?)?;
        session.read_until_ready(|_| {}, |_| {}).context("cannot log in")?;
        Ok(session)
    }

    /// Runs `sql` by the simple protocol; `arrived` is told the rows of each read.
    ///
    /// # Errors
    /// An ErrorResponse, after the session is ready again; a broken connection.
    pub(crate) fn run(&mut self, sql: &str, arrived: impl FnMut(u64)) -> Result<Counts> {
        self.send_query(sql)?;
        self.read_until_ready(arrived, |_| {}).with_context(|| format!("cannot run `{sql}`"))
    }

    /// Returns the first column of the first row of `sql` as text; empty for NULL or no row.
    pub(crate) fn value(&mut self, sql: &str) -> Result<String> {
        let mut value = None;
        self.send_query(sql)?;
        self.read_until_ready(
            |_| {},
            |row| {
                value.get_or_insert_with(|| first_column(row).unwrap_or_default());
            },
        )
        .with_context(|| format!("cannot run `{sql}`"))?;
        Ok(value.unwrap_or_default())
    }

    fn send_query(&mut self, sql: &str) -> Result<()> {
        let length = u32::try_from(sql.len() + 5)?;
        let mut message = Vec::with_capacity(sql.len() + 6);
        message.push(b'Q');
        message.extend(length.to_be_bytes());
        message.extend(sql.as_bytes());
        message.push(0);
        self.stream.write_all(&message).context("cannot send a query")
    }

    /// Reads up to ReadyForQuery; `first_row` sees a row only while it fits into one read.
    fn read_until_ready(
        &mut self,
        mut arrived: impl FnMut(u64),
        mut seen: impl FnMut(&[u8]),
    ) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut failure = None;
        let mut held = 0;
        let mut skip = 0;
        loop {
            let space = self.buffer.get_mut(held..).unwrap_or_default();
            let got = self.stream.read(space).context("cannot read from the server")?;
            if got == 0 {
                bail!(failure.unwrap_or_else(|| "the server closed the connection".to_owned()));
            }
            counts.bytes += got as u64;
            held += got;
            let full = held == self.buffer.len();
            let walked = walk(self.buffer.get(..held).unwrap_or_default(), &mut skip, &mut seen);
            counts.rows += walked.rows;
            if walked.rows > 0 {
                arrived(walked.rows);
            }
            failure = failure.or(walked.failure);
            if walked.ready {
                return failure.map_or(Ok(counts), |text| Err(anyhow::anyhow!(text)));
            }
            self.buffer.copy_within(walked.taken..held, 0);
            held -= walked.taken;
            if full && self.buffer.len() < READ_BYTES {
                self.buffer.resize(READ_BYTES, 0);
            }
            if held > KEPT_BYTES_MAX {
                bail!("a message of more than {KEPT_BYTES_MAX} bytes that is no row");
            }
        }
    }
}

/// What one walk through the buffer found.
#[derive(Default)]
struct Walked {
    taken: usize,
    rows: u64,
    ready: bool,
    failure: Option<String>,
}

/// Walks the frames of `bytes`. A row is counted at its header, its body skipped, over reads if need be
/// (`skip`: bytes still to pass over); other messages wait until they are whole.
fn walk(bytes: &[u8], skip: &mut usize, seen: &mut impl FnMut(&[u8])) -> Walked {
    let mut walked = Walked::default();
    let mut rest = bytes;
    loop {
        let passed = rest.len().min(*skip);
        *skip -= passed;
        rest = rest.get(passed..).unwrap_or_default();
        let Some((&[tag, a, b, c, d], _)) = rest.split_first_chunk::<5>() else { break };
        let frame = 1 + u32::from_be_bytes([a, b, c, d]) as usize;
        match tag {
            b'D' | b'd' => {
                walked.rows += 1;
                seen(rest.get(5..frame).unwrap_or_default());
                *skip = frame;
                continue;
            }
            b'C' | b'H' | b'T' | b'c' | b'K' | b'S' | b'R' | b'N' | b'I' | b'E' | b'Z' => {}
            other => {
                walked.failure = Some(format!("unexpected message `{}`", other.escape_ascii()));
                walked.ready = true;
                break;
            }
        }
        let Some(body) = rest.get(5..frame) else { break };
        match tag {
            b'E' => walked.failure = walked.failure.or(Some(error_text(body))),
            // Only AuthenticationOk: the scratch cluster trusts the loopback interface.
            b'R' if body != [0, 0, 0, 0] => {
                walked.failure = Some("the server asks for a password".to_owned());
                walked.ready = true;
                break;
            }
            _ => {}
        }
        rest = rest.get(frame..).unwrap_or_default();
        // FATAL comes without ReadyForQuery; the closed connection ends the wait.
        if tag == b'Z' {
            walked.ready = true;
            break;
        }
    }
    walked.taken = bytes.len() - rest.len();
    walked
}

fn startup_message(role: &str, database: &str) -> Result<Vec<u8>> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", role, "database", database, "application_name", "bench", ""] {
        body.extend(text.as_bytes());
        body.push(0);
    }
    let mut message = u32::try_from(body.len() + 4)?.to_be_bytes().to_vec();
    message.extend(body);
    Ok(message)
}

/// Returns `SQLSTATE message` of an ErrorResponse.
fn error_text(body: &[u8]) -> String {
    let field = |wanted: u8| {
        body.split(|byte| *byte == 0)
            .find_map(|field| field.split_first().filter(|(tag, _)| **tag == wanted))
            .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
            .unwrap_or_default()
    };
    format!("{} {}", field(b'C'), field(b'M'))
}

fn first_column(row: &[u8]) -> Option<String> {
    let (_, after_count) = row.split_first_chunk::<2>()?;
    let (length, value) = after_count.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    Some(String::from_utf8_lossy(value.get(..length)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{error_text, first_column, walk};

    fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn walk_of_stream_split_anywhere_counts_every_row() {
        let mut stream = frame(b'T', b"columns");
        for _ in 0..3 {
            stream.extend(frame(b'D', b"a row of some bytes"));
        }
        stream.extend(frame(b'C', b"SELECT 3\0"));
        stream.extend(frame(b'Z', b"I"));
        for split in 0..=stream.len() {
            let mut skip = 0;
            let first = walk(&stream[..split], &mut skip, &mut |_| {});
            let second = walk(&stream[first.taken..], &mut skip, &mut |_| {});
            let ready = first.ready || second.ready;
            let rows = first.rows + if first.ready { 0 } else { second.rows };
            assert_eq!((rows, ready), (3, true), "split at {split}");
        }
    }

    #[test]
    fn error_text_holds_code_and_message() {
        assert_eq!(error_text(b"SERROR\0C53400\0Mtoo many\0\0"), "53400 too many");
    }

    #[test]
    fn first_column_of_null_is_none() {
        assert_eq!(first_column(&[0, 1, 255, 255, 255, 255]), None);
        assert_eq!(first_column(&[0, 1, 0, 0, 0, 2, b'4', b'2']), Some("42".to_owned()));
    }
}
