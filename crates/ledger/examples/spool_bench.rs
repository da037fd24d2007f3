//! Measures the spool on the disk below `TMPDIR`: appends, bytes per lookup, durable appends.
#![expect(clippy::unwrap_used, reason = "a measurement, not a service")]

use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rastro_ledger::{
    AppendError, DisclosureEntry, Durability, EntryNo, Outcome, Schema, SessionFacts, SessionRef, Spool,
    SpoolConfig,
};
use rastro_model::{Certainty, Clock, FieldSet, KindId, Login, Principal, ShownBatch, ShownKey, SystemClock};

const SQL: &str = "SELECT c.* FROM tickets t JOIN customers c ON c.id = t.customer_id WHERE t.number = $1";

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait(spool: &Spool, no: EntryNo, waker: &Waker) {
    loop {
        match spool.poll_durable(no, &mut Context::from_waker(waker)) {
            Poll::Ready(settled) => return settled.unwrap(),
            Poll::Pending => std::thread::park(),
        }
    }
}

fn session(spool: &Spool) -> SessionRef {
    spool.session(&SessionFacts {
        login: Login::new("helpdesk_app"),
        client_addr: "10.1.2.3:50123".into(),
        database: "support".into(),
        application: "desk".into(),
    })
}

/// A lookup: three rows of one customer.
fn lookup(
    spool: &Spool,
    session: &SessionRef,
    statement: u64,
    batch: &mut ShownBatch,
) -> Result<EntryNo, AppendError> {
    let key = (statement.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) % 12_000_000;
    batch.clear();
    for _ in 0..3 {
        batch.begin_row();
        batch.push(KindId(0), ShownKey::Int(key as i64), FieldSet(0b1011), Certainty::Exact);
    }
    spool.append_disclosure(&DisclosureEntry {
        time: SystemClock.now(),
        session,
        principal: &spool.principal(&Principal::new("agent-17")),
        statement,
        text: &spool.statement_text(42, SQL),
        outcome: Outcome::Completed,
        batch,
        rows: 3,
    })
}

fn open(dir: &Path, durability: Durability) -> Spool {
    let fields = ["name", "email", "phone", "ticket"].map(String::from).to_vec();
    let schema = Schema { kinds: vec!["customer".into()], fields };
    Spool::open(SpoolConfig { durability, ..SpoolConfig::new(dir, schema) }).unwrap()
}

fn used(dir: &Path) -> f64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>() as f64
}

fn measure_appends(durability: Durability) {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path(), durability);
    let (session, mut batch, n) = (session(&spool), ShownBatch::default(), 1_000_000);
    let began = Instant::now();
    for i in 0..n {
        while lookup(&spool, &session, i, &mut batch).is_err() {
            std::thread::yield_now();
        }
    }
    let appended = began.elapsed();
    spool.close().unwrap();
    println!(
        "{durability:?}: {:.0} ns per append, {:.0} appends/s until durable, {:.1} bytes per lookup",
        appended.as_nanos() as f64 / n as f64,
        n as f64 / began.elapsed().as_secs_f64(),
        used(dir.path()) / n as f64
    );
}

fn measure_durable(durability: Durability, waiters: u64) {
    let dir = tempfile::tempdir().unwrap();
    let spool = Arc::new(open(dir.path(), durability));
    let each = if durability == Durability::Strict { 3_000 / waiters.min(6) } else { 100 };
    let began = Instant::now();
    let run = move |spool: Arc<Spool>| {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let (session, mut batch) = (session(&spool), ShownBatch::default());
        let mut one = |i| {
            let at = Instant::now();
            wait(&spool, lookup(&spool, &session, i, &mut batch).unwrap(), &waker);
            at.elapsed()
        };
        (0..each).map(&mut one).collect::<Vec<_>>()
    };
    let threads: Vec<_> = (0..waiters)
        .map(|_| {
            let spool = Arc::clone(&spool);
            std::thread::spawn(move || run(spool))
        })
        .collect();
    let mut times: Vec<Duration> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let (n, took) = (times.len(), began.elapsed());
    times.sort_unstable();
    spool.close().unwrap();
    let at = |part: f64| times.get((n as f64 * part) as usize).unwrap().as_micros();
    println!(
        "{durability:?}, {waiters} waiters: p50 {} µs, p99 {} µs, {:.1} µs per append overall, {:.1} bytes each",
        at(0.5),
        at(0.99),
        took.as_micros() as f64 / n as f64,
        used(dir.path()) / n as f64
    );
}

fn main() {
    for durability in [Durability::Strict, Durability::Group] {
        measure_appends(durability);
        for waiters in [1, 8, 32] {
            measure_durable(durability, waiters);
        }
    }
}
