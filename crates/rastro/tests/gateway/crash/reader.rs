//! A client that reads in every way and writes down each row the moment it has it.

use std::collections::HashSet;
use std::io;

use crate::support::Dice;
use crate::support::desk::{DATABASE, DESK};
use crate::support::message as m;
use crate::support::raw::{Cell, RawClient};

/// What one client has been shown.
pub struct Received {
    pub login: String,
    pub rows: u64,
    /// Subject and field.
    pub shown: HashSet<(String, &'static str)>,
}

impl Received {
    fn note(&mut self, row: &[Cell], columns: &[&'static str]) {
        self.rows += 1;
        let subject = String::from_utf8(row[0].clone().unwrap()).unwrap();
        for (cell, field) in row[1..].iter().zip(columns) {
            // NULL discloses nothing.
            if cell.is_some() {
                self.shown.insert((subject.clone(), field));
            }
        }
    }
}

/// Reads until the connection breaks, which is how a round ends.
pub fn read_until_cut_off(port: u16, login: String, mut dice: Dice) -> Received {
    let mut received = Received { login, rows: 0, shown: HashSet::new() };
    // Any I/O error is the crash; a message out of place would have panicked.
    let _: io::Error = read(port, &mut received, &mut dice).unwrap_err();
    received
}

fn read(port: u16, received: &mut Received, dice: &mut Dice) -> io::Result<std::convert::Infallible> {
    let mut client = RawClient::connect(port, &received.login.clone(), DATABASE)?;
    loop {
        let first = dice.between(1, DESK.customers);
        let count = dice.pick(&[1, 1, 3, 20, 100, 500]);
        let last = first + count;
        let people =
            format!("SELECT id, name, email, phone FROM customers WHERE id BETWEEN {first} AND {last}");
        let people_fields = ["name", "email", "phone"];
        match dice.between(0, 3) {
            0 => {
                client.send(&m::query(&people))?;
                client.read_rows(|row| received.note(row, &people_fields))?;
            }
            1 => {
                let sql = format!(
                    "SELECT c.id, t.ticket_number, c.name FROM tickets t JOIN customers c ON c.id = t.customer_id \
                     WHERE c.id BETWEEN {first} AND {last}"
                );
                client.send(&m::query(&sql))?;
                client.read_rows(|row| received.note(row, &["ticket", "name"]))?;
            }
            2 => {
                let one = [m::parse("", &people), m::bind("", "", &[], false), m::execute("", 0), m::sync()];
                // Three at once: the crash may come between any two.
                client.send(&[one.concat(), one.concat(), one.concat()].concat())?;
                for _ in 0..3 {
                    client.read_rows(|row| received.note(row, &people_fields))?;
                }
            }
            _ => {
                let open = [m::query("BEGIN"), m::parse("", &people), m::bind("", "", &[], false)].concat();
                client.send(
                    &[open, m::execute("", 7), m::execute("", 7), m::sync(), m::query("COMMIT")].concat(),
                )?;
                for _ in 0..3 {
                    client.read_rows(|row| received.note(row, &people_fields))?;
                }
            }
        }
    }
}
