//! A ledger as large as a company's, written by the ledger's own code, and the time `rastro trace` takes to read it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rastro_ledger::{
    AppendError, DisclosureEntry, Durability, EntryNo, Outcome, PrincipalRef, ReasonEntry, Schema,
    SessionFacts, SessionRef, Spool, SpoolConfig, TextRef,
};
use rastro_model::{Certainty, FieldSet, KindId, Login, ShownBatch, ShownKey, SubjectKey, Timestamp};
use rastro_sim::worlds::{Draw, Shown, World, fields};

use crate::options::Options;
use crate::stage::{name, resident_bytes, time};

/// Subjects of one statement, at most: a page.
const PAGE: usize = 50;
const TEXTS: u64 = 12;
const VICTIMS: usize = 20;
/// A reason is asked for anew after so long.
const REASON_MICROS: i64 = 3_600_000_000;

/// Writes the world's year into `dir` unless it is there, traces through it, and tells what that took.
pub(crate) fn measure(options: &Options, seed: u64, dir: &Path, rastro: &Path) -> Result<()> {
    if !dir.join("victims.csv").is_file() {
        write(options, seed, dir)?;
    }
    let spool = dir.join("data/spool");
    let bytes: u64 =
        std::fs::read_dir(&spool)?.filter_map(|file| file.ok()?.metadata().ok()).map(|file| file.len()).sum();
    println!("ledger: {:.2} GB in `{}`", bytes as f64 / 1e9, spool.display());
    let began = Instant::now();
    let mut child = Command::new(rastro)
        .current_dir(dir)
        .args(["trace", "--store", "data", "--victims", "victims.csv", "--format", "json", "--population"])
        .arg(options.world().subjects.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", rastro.display()))?;
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = peak.max(resident_bytes(&child.id().to_string()));
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = began.elapsed().as_secs_f64();
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the trace failed");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    println!("read and traced in {seconds:.1} s, at most {:.2} GB resident", peak as f64 / 1e9);
    println!("first account: {}", answer.pointer("/accounts/0").cloned().unwrap_or_default());
    println!("caveats: {}", answer.get("caveats").cloned().unwrap_or_default());
    Ok(())
}

/// One view in eight bytes that sort by time: hour, account, fields, subject, explained.
fn pack(shown: &Shown) -> u64 {
    let part = |value: u32, bits: u32, shift: u32| (u64::from(value) & ((1 << bits) - 1)) << shift;
    part(shown.hour, 18, 46)
        | part(shown.account, 13, 33)
        | part(shown.fields, 4, 29)
        | part(shown.subject, 28, 1)
        | u64::from(shown.explained)
}

fn unpack(bits: u64) -> Shown {
    let part = |width: u32, shift: u32| u32::try_from((bits >> shift) & ((1 << width) - 1)).unwrap_or(0);
    let (hour, account, fields, subject) = (part(18, 46), part(13, 33), part(4, 29), part(28, 1));
    Shown { hour, account, fields, subject, explained: bits & 1 == 1 }
}

fn write(options: &Options, seed: u64, dir: &Path) -> Result<()> {
    let mut size = options.world();
    size.seed = seed;
    let world = World::new(size);
    ensure!(size.principals <= 1 << 13 && size.subjects <= 1 << 28, "the world is too large to be packed");
    let mut views: Vec<u64> = Vec::new();
    let mut of_customer = Vec::new();
    for id in 0..size.subjects {
        of_customer.clear();
        world.shown(&world.customer(id), &mut of_customer);
        views.extend(of_customer.iter().map(pack));
    }
    // One account looks up some thousand customers on one day; the victims are among them.
    let mut draw = Draw::new(seed, 0x1ed6);
    let insider = draw.below_u32(world.ordinary());
    let hour = world.hours() / 2;
    let copied: Vec<Shown> = (0..2_000)
        .map(|_| Shown {
            account: insider,
            subject: draw.below_u32(size.subjects),
            hour: hour + draw.below_u32(8),
            fields: fields::NAME | fields::EMAIL | fields::TICKET,
            explained: false,
        })
        .collect();
    views.extend(copied.iter().map(pack));
    views.sort_unstable();
    eprintln!("{} views; account {insider} is the insider", views.len());
    std::fs::create_dir_all(dir.join("data"))?;
    let began = Instant::now();
    let entries = Writer::new(dir, size.principals)?.write(&views, options.ledger_reasons)?;
    let victims: Vec<String> = copied.iter().take(VICTIMS).map(|shown| shown.subject.to_string()).collect();
    std::fs::write(dir.join("victims.csv"), format!("subject\n{}\n", victims.join("\n")))?;
    eprintln!("{entries} entries written in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

struct Writer {
    spool: Spool,
    accounts: Vec<(SessionRef, PrincipalRef)>,
    texts: Vec<TextRef>,
}

impl Writer {
    fn new(dir: &Path, accounts: u32) -> Result<Writer> {
        let schema = Schema {
            kinds: vec!["customer".into()],
            fields: fields::NAMES.iter().map(|name| (*name).to_owned()).collect(),
        };
        let config =
            SpoolConfig { durability: Durability::Group, ..SpoolConfig::new(dir.join("data/spool"), schema) };
        let spool = Spool::open(config)?;
        let account = |number: u32| {
            let facts = SessionFacts {
                login: Login::new("helpdesk_app"),
                client_addr: "10.0.0.7:51000".into(),
                database: "support".into(),
                application: String::new(),
            };
            (spool.session(&facts), spool.principal(&name(number)))
        };
        let accounts = (0..accounts).map(account).collect();
        let text = |number| {
            let sql =
                format!("SELECT name, email, phone, ticket FROM customers WHERE id = ANY($1) /* {number} */");
            spool.statement_text(number, &sql)
        };
        let texts = (0..TEXTS).map(text).collect();
        Ok(Writer { spool, accounts, texts })
    }

    /// Writes sorted views, one statement for what an account saw in an hour; returns how many entries.
    fn write(self, views: &[u64], reasons: bool) -> Result<u64> {
        let mut entries = 0;
        let mut batch = ShownBatch::default();
        let of_account = |bits: u64| bits >> 33;
        for same in views.chunk_by(|a, b| of_account(*a) == of_account(*b)) {
            for page in same.chunks(PAGE) {
                let Some(first) = page.first().copied().map(unpack) else { continue };
                let Some((session, principal)) = self.accounts.get(first.account as usize) else { continue };
                let text = self.texts.get(first.account as usize % self.texts.len()).context("no texts")?;
                // Accounts take turns within the hour.
                let time = Timestamp(time(first.hour).0 + i64::from(first.account) * 430_000);
                batch.clear();
                for shown in page.iter().map(|bits| unpack(*bits)) {
                    batch.begin_row();
                    let (key, fields) = (ShownKey::Int(i64::from(shown.subject)), FieldSet(shown.fields));
                    batch.push(KindId(0), key, fields, Certainty::Exact);
                    if reasons && shown.explained {
                        let key = SubjectKey::Int(i64::from(shown.subject));
                        let until = Timestamp(time.0 + REASON_MICROS);
                        let (kind, reason) = (KindId(0), "T-1048576");
                        let entry = ReasonEntry { principal, kind, key: &key, reason, asked_at: time, until };
                        patiently(|| self.spool.append_reason(&entry))?;
                        entries += 1;
                    }
                }
                let entry = DisclosureEntry {
                    time,
                    session,
                    principal,
                    statement: 1,
                    text,
                    outcome: Outcome::Completed,
                    batch: &batch,
                    rows: batch.rows(),
                };
                patiently(|| self.spool.append_disclosure(&entry))?;
                entries += 1;
            }
        }
        self.spool.close()?;
        Ok(entries)
    }
}

/// Appends, again and again while the spool is full.
fn patiently(append: impl Fn() -> Result<EntryNo, AppendError>) -> Result<()> {
    loop {
        match append() {
            Err(AppendError::Full { .. }) => std::thread::sleep(Duration::from_millis(1)),
            other => return Ok(other.map(|_| ())?),
        }
    }
}
