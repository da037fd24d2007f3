//! Exports by our own client: rows a second, of one client or several at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::catalogue::{AGENT, COPY_TABLE, DATABASE, export_select};
use crate::session::Session;
use crate::work::{EXPORT_ROWS, FETCH_ROWS, Form};

/// What one measurement of exports takes.
#[derive(Clone, Copy)]
pub(crate) struct Exports {
    pub(crate) port: u16,
    pub(crate) form: Form,
    pub(crate) clients: u32,
    pub(crate) customers: u64,
    pub(crate) duration: Duration,
}

/// Rows received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    /// Within the duration.
    pub(crate) rows: u64,
    /// The duration as it was.
    pub(crate) seconds: f64,
    /// Up to the end of the last export.
    pub(crate) rows_in_all: u64,
}

impl Exports {
    /// Exports again and again for the duration; `at_start` and `at_end` are called at its ends.
    ///
    /// Rows count when they arrive within the duration; an export under way at its end is read out and
    /// its total checked all the same.
    ///
    /// # Errors
    /// Any export that fails or brings another number of rows than it should.
    pub(crate) fn measure(self, at_start: impl FnOnce(), at_end: impl FnOnce()) -> Result<Received> {
        let arrived = AtomicU64::new(0);
        let over = AtomicBool::new(false);
        // The clients, and the clock of this thread.
        let barrier = Barrier::new(self.clients as usize + 1);
        std::thread::scope(|scope| {
            let clients: Vec<ScopedJoinHandle<'_, Result<()>>> = (0..self.clients)
                .map(|_| {
                    scope.spawn(|| {
                        let opened = Session::open(self.port, AGENT, DATABASE);
                        barrier.wait();
                        self.export_until(opened?, &over, &arrived)
                    })
                })
                .collect();
            barrier.wait();
            at_start();
            let begin = Instant::now();
            std::thread::sleep(self.duration);
            let rows = arrived.load(Ordering::Relaxed);
            let seconds = begin.elapsed().as_secs_f64();
            at_end();
            over.store(true, Ordering::Relaxed);
            for client in clients {
                match client.join() {
                    Ok(outcome) => outcome?,
                    Err(_) => bail!("a client of the export stopped"),
                }
            }
            Ok(Received { rows, seconds, rows_in_all: arrived.load(Ordering::Relaxed) })
        })
    }

    fn export_until(self, mut session: Session, over: &AtomicBool, arrived: &AtomicU64) -> Result<()> {
        while !over.load(Ordering::Relaxed) {
            let count = |rows| {
                arrived.fetch_add(rows, Ordering::Relaxed);
            };
            let (rows, expected) = match self.form {
                Form::Select => (session.run(&export_select(self.customers), count)?.rows, EXPORT_ROWS),
                Form::CopyQuery => {
                    let copy = format!("COPY ({}) TO STDOUT", export_select(self.customers));
                    (session.run(&copy, count)?.rows, EXPORT_ROWS)
                }
                Form::CopyTable => (session.run(COPY_TABLE, count)?.rows, self.customers),
                Form::Cursor => (self.fetch_all(&mut session, count)?, EXPORT_ROWS),
            };
            if rows != expected {
                bail!("an export brought {rows} rows instead of {expected}");
            }
        }
        Ok(())
    }

    fn fetch_all(self, session: &mut Session, mut count: impl FnMut(u64)) -> Result<u64> {
        session.run("BEGIN", |_| {})?;
        session.run(&format!("DECLARE export CURSOR FOR {}", export_select(self.customers)), |_| {})?;
        let mut rows = 0;
        for _ in 0..EXPORT_ROWS / FETCH_ROWS {
            rows += session.run(&format!("FETCH {FETCH_ROWS} FROM export"), &mut count)?.rows;
        }
        session.run("COMMIT", |_| {})?;
        Ok(rows)
    }
}
