//! The ways of reading: each asks for `asked` subjects in its own messages and returns what it was shown.

use std::fmt;

use super::{Shown, assert_works};
use crate::support::desk::DATABASE;
use crate::support::message as m;
use crate::support::raw::{RawClient, Reply};

/// One random case.
#[derive(Debug)]
pub struct Case {
    pub login: String,
    pub way: Way,
    pub key: &'static str,
    pub budget: u64,
    pub asked: u64,
    /// Rows per subject.
    pub repeats: u64,
    /// Rows or subjects per round trip, where the way has such a number.
    pub step: u64,
    /// Subjects before the first one asked for.
    pub first: u64,
    pub binary: bool,
}

#[derive(Clone, Copy)]
pub struct Way {
    name: &'static str,
    pub read: fn(u16, &Case) -> Shown,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

pub const ALL_WAYS: &[Way] = &[
    Way { name: "simple", read: simple },
    Way { name: "simple in a transaction", read: simple_in_transaction },
    Way { name: "several statements in one simple query", read: several_in_one },
    Way { name: "extended", read: extended },
    Way { name: "portal with a row limit", read: portal },
    Way { name: "SQL cursor", read: cursor },
    Way { name: "executes before one sync", read: pipeline },
    Way { name: "pipelined syncs", read: syncs },
    Way { name: "pipelined simple queries", read: queries_at_once },
    Way { name: "point queries", read: points },
    Way { name: "sessions of one principal", read: sessions },
    Way { name: "copy", read: copy },
    Way { name: "copy known by its values", read: copy_of_values },
    Way { name: "changed values", read: changed_values },
];

impl Case {
    fn connect(&self, port: u16) -> RawClient {
        RawClient::connect(port, &self.login, DATABASE).unwrap()
    }

    /// Selects subjects `from` to `to`, counted from 0 among those asked for, the second not included.
    fn sql(&self, from: u64, to: u64) -> String {
        let (low, high) = (self.first + from + 1, self.first + to);
        let (key, repeats) = (self.key, self.repeats);
        format!(
            "SELECT s.key, s.email, s.name FROM by_{key} s, generate_series(1, {repeats}) \
             WHERE s.n BETWEEN {low} AND {high} ORDER BY s.n"
        )
    }

    fn all(&self) -> String {
        self.sql(0, self.asked)
    }

    /// Returns consecutive ranges of `step` subjects that cover what is asked.
    fn ranges(&self) -> Vec<(u64, u64)> {
        (0..self.asked)
            .step_by(self.step as usize)
            .map(|from| (from, (from + self.step).min(self.asked)))
            .collect()
    }

    /// Parse, Bind, Execute of one range through the unnamed statement and portal.
    fn execute(&self, (from, to): (u64, u64)) -> Vec<u8> {
        let parse = m::parse("", &self.sql(from, to));
        [parse, m::bind("", "", &[], self.binary), m::describe_portal(""), m::execute("", 0)].concat()
    }
}

/// Takes a reply and, if it was cut, checks that the session goes on.
fn settle(client: &mut RawClient, case: &Case, shown: &mut Shown, reply: &Reply) -> bool {
    shown.take(reply);
    if !reply.errors.is_empty() {
        assert_works(client, case);
    }
    reply.errors.is_empty()
}

fn simple(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    let reply = client.query(&case.all()).unwrap();
    settle(&mut client, case, &mut shown, &reply);
    shown
}

fn simple_in_transaction(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    client.query("BEGIN").unwrap();
    let reply = client.query(&case.all()).unwrap();
    shown.take(&reply);
    // After a cut the state is the server's own: failed if the cancel reached it, else still open.
    assert!(
        reply.status == 'T' || (reply.status == 'E' && !reply.errors.is_empty()),
        "{case:?}: {}",
        reply.status
    );
    let rollback = client.query("ROLLBACK").unwrap();
    assert_eq!((rollback.tags.as_slice(), rollback.status), (&["ROLLBACK".to_owned()][..], 'I'), "{case:?}");
    assert_works(&mut client, case);
    shown
}

fn several_in_one(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    let sql: Vec<_> = case.ranges().iter().map(|&(from, to)| case.sql(from, to)).collect();
    let reply = client.query(&sql.join(";")).unwrap();
    settle(&mut client, case, &mut shown, &reply);
    shown
}

fn extended(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    client.send(&[case.execute((0, case.asked)), m::sync()].concat()).unwrap();
    let reply = client.read_reply().unwrap();
    settle(&mut client, case, &mut shown, &reply);
    shown
}

fn portal(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    client.query("BEGIN").unwrap();
    let open = [m::parse("st", &case.all()), m::bind("po", "st", &[], case.binary), m::describe_portal("po")];
    client.send(&open.concat()).unwrap();
    loop {
        client.send(&[m::execute("po", case.step as u32), m::sync()].concat()).unwrap();
        let reply = client.read_reply().unwrap();
        shown.take(&reply);
        assert!(reply.rows.len() as u64 <= case.step, "{case:?}: {} rows", reply.rows.len());
        if reply.suspended == 0 {
            break;
        }
    }
    client.query("ROLLBACK").unwrap();
    assert_works(&mut client, case);
    shown
}

fn cursor(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    let declare = format!("BEGIN; DECLARE trail NO SCROLL CURSOR FOR {}", case.all());
    client.query(&declare).unwrap();
    loop {
        let reply = client.query(&format!("FETCH {} FROM trail", case.step)).unwrap();
        shown.take(&reply);
        if reply.rows.is_empty() || !reply.errors.is_empty() {
            break;
        }
    }
    client.query("ROLLBACK").unwrap();
    assert_works(&mut client, case);
    shown
}

fn pipeline(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    let mut bytes: Vec<u8> = case.ranges().into_iter().flat_map(|range| case.execute(range)).collect();
    bytes.extend(m::sync());
    client.send(&bytes).unwrap();
    let reply = client.read_reply().unwrap();
    settle(&mut client, case, &mut shown, &reply);
    shown
}

fn syncs(port: u16, case: &Case) -> Shown {
    let segments = case.ranges().into_iter().map(|range| [case.execute(range), m::sync()].concat());
    at_once(port, case, segments.collect())
}

fn queries_at_once(port: u16, case: &Case) -> Shown {
    at_once(port, case, case.ranges().into_iter().map(|(from, to)| m::query(&case.sql(from, to))).collect())
}

/// Sends all segments before reading any answer; each has its own, cut or not.
fn at_once(port: u16, case: &Case, segments: Vec<Vec<u8>>) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    client.send(&segments.concat()).unwrap();
    for _ in &segments {
        shown.take(&client.read_reply().unwrap());
    }
    assert_works(&mut client, case);
    shown
}

fn points(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    let sql = format!("SELECT key, name FROM by_{} WHERE n = $1", case.key);
    client.send(&[m::parse("point", &sql), m::sync()].concat()).unwrap();
    client.read_reply().unwrap();
    for nth in 0..case.asked {
        let n = (case.first + nth + 1).to_string();
        let bind = m::bind("", "point", &[&n], case.binary);
        client.send(&[bind, m::describe_portal(""), m::execute("", 0), m::sync()].concat()).unwrap();
        let reply = client.read_reply().unwrap();
        if !settle(&mut client, case, &mut shown, &reply) && nth > case.budget + 20 {
            break;
        }
    }
    shown
}

/// Finds the first value in a CopyData message.
type FirstCell = fn(&[u8]) -> Option<&[u8]>;

/// Subjects and name, in one of COPY's formats.
fn copy(port: u16, case: &Case) -> Shown {
    let (format, first): (_, FirstCell) = match case.step % 4 {
        0 => ("FORMAT text", |row| row.split(|byte| *byte == b'\t').next()),
        1 => ("FORMAT csv, FORCE_QUOTE *", |row| row.split(|byte| *byte == b'"').nth(1)),
        2 => ("DELIMITER '|', NULL ''", |row| row.split(|byte| *byte == b'|').next()),
        _ => ("FORMAT binary", |row| {
            let row = row.strip_prefix(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0").unwrap_or(row);
            let length = row.get(2..6)?;
            row.get(6..6 + u32::from_be_bytes(length.try_into().ok()?) as usize)
        }),
    };
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    let reply = client.query(&format!("COPY ({}) TO STDOUT ({format})", case.all())).unwrap();
    shown.subjects.extend(reply.copied.iter().filter_map(|row| first(row)).map(<[u8]>::to_vec));
    settle(&mut client, case, &mut shown, &reply);
    shown
}

fn values(case: &Case, what: &str) -> String {
    let all = case.all();
    format!("SELECT {what} FROM{}", all.split_once("FROM").unwrap().1)
}

fn copy_of_values(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    let format = ["text", "csv", "binary"][case.step as usize % 3];
    let sql = format!("COPY ({}) TO STDOUT (FORMAT {format})", values(case, "s.email"));
    let reply = client.query(&sql).unwrap();
    let address = |row: &Vec<u8>| {
        let at = row.iter().position(|byte| *byte == b'@')?;
        let start = row[..at].iter().rposition(|byte| !byte.is_ascii_digit()).map_or(0, |before| before + 1);
        Some(row[start..at].to_vec())
    };
    shown.subjects.extend(reply.copied.iter().filter_map(address));
    settle(&mut client, case, &mut shown, &reply);
    shown
}

fn changed_values(port: u16, case: &Case) -> Shown {
    let (mut client, mut shown) = (case.connect(port), Shown::default());
    let reply = client.query(&values(case, "upper(s.email) || ' (' || s.name || ')'")).unwrap();
    settle(&mut client, case, &mut shown, &reply);
    shown
}

fn sessions(port: u16, case: &Case) -> Shown {
    let share = case.asked.div_ceil(3).max(1);
    let parts = std::thread::scope(|scope| {
        let parts = [0, 1, 2].map(|nth| {
            scope.spawn(move || {
                let (mut client, mut shown) = (case.connect(port), Shown::default());
                let (from, to) = ((nth * share).min(case.asked), ((nth + 1) * share).min(case.asked));
                let reply = client.query(&case.sql(from, to)).unwrap();
                settle(&mut client, case, &mut shown, &reply);
                shown
            })
        });
        parts.map(|part| part.join().unwrap())
    });
    let mut all = Shown::default();
    for part in parts {
        all.subjects.extend(part.subjects);
        all.cuts += part.cuts;
    }
    all
}
