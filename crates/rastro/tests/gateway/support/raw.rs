//! A client that speaks the protocol itself, so that any sequence of messages can be sent, and that trusts
//! nothing: a message out of place fails the test.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::message;

/// Longer than any answer takes; a gateway that hangs fails the test instead of stopping it.
const PATIENCE: Duration = Duration::from_secs(120);

/// One column's bytes; `None` is NULL.
pub type Cell = Option<Vec<u8>>;

/// What came back up to one ReadyForQuery.
#[derive(Debug, Default)]
pub struct Reply {
    pub rows: Vec<Vec<Cell>>,
    /// CopyData messages.
    pub copied: Vec<Vec<u8>>,
    pub tags: Vec<String>,
    /// Field letter to text, per ErrorResponse.
    pub errors: Vec<BTreeMap<char, String>>,
    /// How often a portal stopped at its row limit.
    pub suspended: usize,
    /// `I`, `T` or `E`.
    pub status: char,
}

pub struct RawClient<S: Read + Write = TcpStream> {
    stream: BufReader<S>,
    /// What came before the first ReadyForQuery: tag and body.
    pub greeting: Vec<(u8, Vec<u8>)>,
}

/// Connects to a port of this machine and says nothing.
pub fn open(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl RawClient {
    /// Connects and waits until the server is ready; the server must ask for no password.
    pub fn connect(port: u16, login: &str, database: &str) -> io::Result<RawClient> {
        RawClient::begin(open(port)?, &message::startup(login, database))
    }
}

impl<S: Read + Write> RawClient<S> {
    /// Sends a StartupMessage and waits until the server is ready; it must ask for no password.
    pub fn begin(stream: S, startup: &[u8]) -> io::Result<RawClient<S>> {
        let stream = BufReader::with_capacity(256 * 1024, stream);
        let mut client = RawClient { stream, greeting: Vec::new() };
        client.send(startup)?;
        loop {
            let (tag, body) = client.read_message()?;
            match tag {
                b'R' => assert_eq!(body, [0; 4], "the server asks for a password"),
                b'K' | b'S' | b'N' | b'v' => {}
                b'Z' => return Ok(client),
                b'E' => return Err(io::Error::other(format!("{:?}", fields(&body)))),
                _ => panic!("message `{}` during start-up", tag as char),
            }
            client.greeting.push((tag, body));
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    pub fn read_message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        assert!((4..1 << 30).contains(&length), "message `{}` of {length} bytes", head[0] as char);
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    /// Sends one simple query and reads its answer.
    pub fn query(&mut self, sql: &str) -> io::Result<Reply> {
        self.send(&message::query(sql))?;
        self.read_reply()
    }

    /// Reads up to the next ReadyForQuery.
    pub fn read_reply(&mut self) -> io::Result<Reply> {
        self.read_rows(|_| {})
    }

    /// As [`RawClient::read_reply`], and shows each row to `seen` the moment it is here: what a crash later
    /// takes away has still been seen.
    pub fn read_rows(&mut self, mut seen: impl FnMut(&[Cell])) -> io::Result<Reply> {
        let mut reply = Reply::default();
        let mut columns = None;
        loop {
            let (tag, body) = self.read_message()?;
            let failed = !reply.errors.is_empty();
            match tag {
                b'T' => columns = Some(u16::from_be_bytes([body[0], body[1]])),
                b'D' => {
                    let row = cells(&body);
                    assert!(columns.is_none_or(|columns| usize::from(columns) == row.len()), "ragged row");
                    assert!(!failed, "a row after an error");
                    seen(&row);
                    reply.rows.push(row);
                }
                b'C' => {
                    assert!(!failed, "a command completes after an error");
                    reply.tags.push(String::from_utf8_lossy(&body[..body.len() - 1]).into_owned());
                }
                b'E' => {
                    assert!(!failed, "a second error before ReadyForQuery");
                    reply.errors.push(fields(&body));
                }
                b's' => reply.suspended += 1,
                b'Z' => {
                    reply.status = body[0] as char;
                    return Ok(reply);
                }
                b'1' | b'2' | b'3' | b'n' | b't' | b'I' => {
                    assert!(!failed, "`{}` after an error", tag as char)
                }
                b'd' => {
                    assert!(!failed, "copied data after an error");
                    reply.copied.push(body);
                }
                b'N' | b'S' | b'A' | b'H' | b'c' => {}
                _ => panic!("message `{}` out of place", tag as char),
            }
        }
    }
}

fn cells(body: &[u8]) -> Vec<Cell> {
    let count = u16::from_be_bytes([body[0], body[1]]);
    let mut rest = &body[2..];
    let row = (0..count).map(|_| {
        let length = i32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]);
        rest = &rest[4..];
        let (cell, left) = rest.split_at(usize::try_from(length).ok()?);
        rest = left;
        Some(cell.to_vec())
    });
    let row = row.collect();
    assert!(rest.is_empty(), "bytes after the last column");
    row
}

fn fields(body: &[u8]) -> BTreeMap<char, String> {
    let text = String::from_utf8_lossy(body).into_owned();
    text.split('\0').filter_map(|field| Some((field.chars().next()?, field[1..].to_owned()))).collect()
}
