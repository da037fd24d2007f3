//! Accesses to entries of a spool.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rastro_attribution::statement::{Normalised, normalise};
use rastro_intake::{Access, AccessTally, Names, TextNumber};
use rastro_ledger::{
    AppendError, ControlEntry, DisclosureEntry, Durability, EntryNo, Outcome, PrincipalRef, ReasonEntry,
    Schema, SessionFacts, SessionRef, Spool, SpoolConfig, TextRef,
};
use rastro_model::{Certainty, KindId, Login, Principal, ShownBatch, SubjectKey, Timestamp};

use crate::incident::subject_key;

/// The login that entries of imported logs have.
const LOGIN: &str = "imported";
/// Files of a size that several threads can verify at once.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Accesses of one entry.
const ROWS_MAX: usize = 100_000;
/// Stands for a reason that a list gave, and the log did not.
const LISTED: &str = "listed";

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) accesses: u64,
    pub(super) entries: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl Written {
    fn note_time(&mut self, time: Timestamp) {
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}

/// Writes accesses, in the order of their times within each part of a log; parts may overlap.
pub(super) struct Writer {
    dir: PathBuf,
    schema: Schema,
    spool: Spool,
    session: SessionRef,
    principals: Vec<Option<PrincipalRef>>,
    texts: Vec<Option<TextRef>>,
    no_text: TextRef,
    normalised: Normalised,
    batch: ShownBatch,
    statements: u64,
    log: String,
    /// Of what the log says was shown.
    certainty: Certainty,
    of_log: Written,
    total: Written,
}

fn open_spool(dir: &Path, schema: Schema) -> anyhow::Result<Spool> {
    let mut config = SpoolConfig::new(dir, schema);
    config.imported = true;
    config.durability = Durability::Group;
    config.group_delay = Duration::from_secs(1);
    config.file_bytes_max = FILE_BYTES_MAX;
    Spool::open(config).context("cannot begin the ledger")
}

fn session_of(spool: &Spool, log: &str) -> SessionRef {
    spool.session(&SessionFacts {
        login: Login::new(LOGIN),
        client_addr: String::new(),
        database: log.to_owned(),
        application: LOGIN.to_owned(),
    })
}

impl Writer {
    pub(super) fn open(dir: PathBuf, kind: &str) -> anyhow::Result<Writer> {
        let schema = Schema { kinds: vec![kind.to_owned()], fields: Vec::new() };
        let spool = open_spool(&dir, schema.clone())?;
        let (session, no_text) = (session_of(&spool, ""), spool.statement_text(0, ""));
        let (principals, texts) = (Vec::new(), Vec::new());
        let (normalised, batch, log, of_log, total) = Default::default();
        Ok(Writer {
            dir,
            schema,
            spool,
            session,
            principals,
            texts,
            no_text,
            normalised,
            batch,
            statements: 0,
            log,
            certainty: Certainty::Exact,
            of_log,
            total,
        })
    }

    pub(super) fn begin_log(&mut self, path: &Path, certainty: Certainty) {
        self.certainty = certainty;
        self.log =
            path.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned());
        self.session = session_of(&self.spool, &self.log);
        self.of_log = Written::default();
        self.statements = 0;
    }

    /// Says what was read of a log.
    pub(super) fn end_log(&self, tally: &AccessTally, digest: Option<&str>) -> String {
        let Written { accesses, first, last, .. } = self.of_log;
        let mut text = format!("`{}`: {accesses} accesses", self.log);
        if let (Some(first), Some(last)) = (first, last) {
            text += &format!(" from {first} to {last}");
        }
        if tally.table.bad > 0 {
            text += &format!(", {} malformed lines left out", tally.table.bad);
        }
        if let Some(digest) = digest {
            text += &format!(", SHA-256 {digest}");
        }
        text
    }

    pub(super) fn control(&mut self, entry: &ControlEntry<'_>) -> anyhow::Result<()> {
        append(|| self.spool.append_control(entry))?;
        self.total.entries += 1;
        Ok(())
    }

    /// Writes the accesses of one part of a log.
    pub(super) fn take(&mut self, mut accesses: Vec<Access>, names: &Names) -> anyhow::Result<()> {
        self.follow_fields(names)?;
        accesses.sort_unstable_by_key(|a| (a.time, a.principal, a.statement, a.subject));
        let same =
            |a: &Access, b: &Access| (a.time, a.principal, a.statement) == (b.time, b.principal, b.statement);
        for group in accesses.chunk_by(same) {
            for rows in group.chunks(ROWS_MAX) {
                self.write(rows, names)?;
            }
        }
        Ok(())
    }

    /// Fields come to be known as logs are read; a file of the spool knows those of its beginning.
    fn follow_fields(&mut self, names: &Names) -> anyhow::Result<()> {
        let fields = names.fields.names();
        if fields.len() == self.schema.fields.len() {
            return Ok(());
        }
        self.schema.fields = fields;
        self.spool.close()?;
        self.spool = open_spool(&self.dir, self.schema.clone())?;
        self.session = session_of(&self.spool, &self.log);
        Ok(())
    }

    fn write(&mut self, rows: &[Access], names: &Names) -> anyhow::Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let principal = self.principal(first.principal, names);
        let text = self.text(first.statement, names);
        self.batch.clear();
        let mut reasons: Vec<(SubjectKey, Option<TextNumber>)> = Vec::new();
        for access in rows {
            let key = match names.subjects.integer(access.subject).and_then(|key| i64::try_from(key).ok()) {
                Some(key) => SubjectKey::Int(key),
                None => subject_key(&names.subjects.text(access.subject)),
            };
            self.batch.begin_row();
            let shown = self.batch.subject(&key);
            self.batch.push(KindId(0), shown, access.fields, self.certainty);
            if access.explained == Some(true) {
                reasons.push((key, access.reason));
            }
        }
        self.statements += 1;
        let entry = DisclosureEntry {
            time: first.time,
            session: &self.session,
            principal: &principal,
            statement: self.statements,
            text: &text,
            outcome: Outcome::Completed,
            batch: &self.batch,
            rows: self.batch.rows(),
        };
        append(|| self.spool.append_disclosure(&entry))?;
        self.of_log.accesses += rows.len() as u64;
        self.total.accesses += rows.len() as u64;
        self.total.entries += 1 + reasons.len() as u64;
        self.of_log.note_time(first.time);
        self.total.note_time(first.time);
        for (key, reason) in &reasons {
            let reason = reason.map_or_else(|| LISTED.to_owned(), |number| names.text(number));
            let entry = ReasonEntry {
                principal: &principal,
                kind: KindId(0),
                key,
                reason: &reason,
                asked_at: first.time,
                until: first.time,
            };
            append(|| self.spool.append_reason(&entry))?;
        }
        Ok(())
    }

    fn principal(&mut self, number: u32, names: &Names) -> PrincipalRef {
        let spool = &self.spool;
        remembered(&mut self.principals, number, || {
            spool.principal(&Principal::new(names.principals.text(number)))
        })
    }

    /// Returns a statement without its literals (P4).
    fn text(&mut self, number: Option<TextNumber>, names: &Names) -> TextRef {
        let Some(number) = number else { return self.no_text.clone() };
        let (spool, normalised) = (&self.spool, &mut self.normalised);
        remembered(&mut self.texts, number.get(), || {
            normalise(names.text(number).as_bytes(), normalised);
            spool.statement_text(normalised.fingerprint(), &normalised.text())
        })
    }

    /// Puts everything on stable storage.
    pub(super) fn close(self) -> anyhow::Result<Written> {
        self.spool.close()?;
        Ok(self.total)
    }
}

fn remembered<T: Clone>(known: &mut Vec<Option<T>>, number: u32, new: impl FnOnce() -> T) -> T {
    let at = number as usize;
    if known.len() <= at {
        known.resize((at + 1).max(known.len() * 2), None);
    }
    match known.get_mut(at) {
        Some(place) => place.get_or_insert_with(new).clone(),
        None => new(),
    }
}

/// Appends, waiting for the disk where it is behind.
fn append(mut put: impl FnMut() -> Result<EntryNo, AppendError>) -> anyhow::Result<()> {
    loop {
        match put() {
            Ok(_) => return Ok(()),
            Err(AppendError::Full { .. }) => std::thread::sleep(Duration::from_micros(200)),
            Err(error) => return Err(anyhow::Error::from(error).context("cannot write the ledger")),
        }
    }
}
