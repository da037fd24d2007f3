use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rastro_intake::{
    AccessBatch, AccessFormat, AccessReader, AccessTally, AuditTally, BadLines, Names, Noted, NotedSubjects,
    Reasons, SubjectTable, Tally, file_bytes, is_csvlog,
};
use rastro_model::Principal;
use rastro_trace::{Disclosure, Explanation, HistoryBuilder, PrincipalId, SubjectId};

use super::reports::subject_key;
use super::{NOTED_MAX, Progress, Record, Shown};

/// Buckets of subjects; as many as make one fit the cache.
const BUCKETS: usize = 128;

/// Where accesses and reasons are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogSources {
    pub(crate) logs: Vec<PathBuf>,
    pub(crate) reasons: Vec<PathBuf>,
    pub(crate) format: AccessFormat,
    /// Tables whose keys name subjects, for logs of pgaudit.
    pub(crate) tables: Vec<SubjectTable>,
}

/// Reads logs on all cores; accesses to `victims` (keys as text) are kept in full.
///
/// # Errors
/// A file cannot be used, or there are more principals than a history can name.
pub(crate) fn read_logs(sources: &LogSources, victims: &[String]) -> anyhow::Result<Record> {
    let names = Names::default();
    let mut noted = NotedSubjects::default();
    victims.iter().for_each(|victim| noted.insert(&names.subjects, victim));
    let mut record = Record::default();
    let mut filling = Filling {
        builder: HistoryBuilder::new(),
        principals: Vec::new(),
        subjects: vec![Vec::new(); BUCKETS],
    };
    let mut kept = Vec::new();
    let mut noted_dropped = 0;
    let caveats = stream_logs(sources, &names, &noted, false, &mut |read| {
        let Read::Batch(batch) = read else { return Ok(()) };
        filling.take(&batch, &names, &mut record)?;
        let room = NOTED_MAX - kept.len().min(NOTED_MAX);
        noted_dropped += batch.noted.len().saturating_sub(room);
        kept.extend(batch.noted.into_iter().take(room));
        Ok(())
    })?;
    record.caveats.extend(caveats);
    if noted_dropped > 0 {
        record.caveats.push(format!("{noted_dropped} of the accesses to victims are not listed"));
    }
    record.noted = kept.iter().map(|noted| shown(noted, &names)).collect();
    record.noted.sort_by(|a, b| (a.time, &a.principal, &a.subject).cmp(&(b.time, &b.principal, &b.subject)));
    record.history = filling.builder.finish();
    record.fields = names.fields;
    Ok(record)
}

/// What comes of reading logs.
pub(crate) enum Read<'a> {
    /// A file begins; `infers`: it holds statements, whose subjects are inferred from the keys they name.
    Begins { path: &'a Path, infers: bool },
    /// Accesses of the file begun last.
    Batch(AccessBatch),
    /// The file begun last is read.
    Ends(AccessTally),
}

/// Reads logs and lists of reasons on all cores, one log after the other; returns what there is to say of them.
///
/// # Errors
/// A file cannot be used, or `sink` gives one.
pub(crate) fn stream_logs(
    sources: &LogSources,
    names: &Names,
    noted: &NotedSubjects,
    keep_texts: bool,
    sink: &mut dyn FnMut(Read<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<String>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let AccessFormat { table, times, .. } = &sources.format;
    let mut caveats = Vec::new();
    let mut reasons: Option<Reasons> = None;
    for path in &sources.reasons {
        let (read, tally) = Reasons::read(path, table, times, names, threads)?;
        reasons = Some(match reasons {
            None => read,
            Some(all) => all.with(read),
        });
        caveats.extend(told(path, &tally));
    }
    let reasons = reasons.as_ref();
    let reader = AccessReader { format: &sources.format, names, noted, reasons, keep_texts, threads };
    let mut of_audit = Vec::new();
    for path in &sources.logs {
        let mut progress = Progress::new(format!("of `{}` read", path.display()), file_bytes(path));
        let infers = path.as_os_str() != "-" && is_csvlog(path)?;
        sink(Read::Begins { path, infers })?;
        let mut failed = None;
        let mut take = |batch: AccessBatch, bytes: u64| {
            if failed.is_none() {
                failed = sink(Read::Batch(batch)).err();
            }
            progress.at(bytes);
        };
        let tally = if infers {
            ensure!(
                !sources.tables.is_empty(),
                "`{}` is PostgreSQL's own log: name the subjects' table with -c, or --subject-table and --subject-key",
                path.display()
            );
            let (tally, audit) = reader.read_pgaudit(path, &sources.tables, &mut take)?;
            of_audit.extend(told_audit(path, audit));
            tally
        } else {
            reader.read(path, &mut take)?
        };
        if let Some(error) = failed {
            return Err(error);
        }
        caveats.extend(told(path, &tally.table));
        if tally.table.records > 0 && !tally.has_fields {
            caveats.push(format!(
                "`{}` does not say what was shown: every access counts as showing all that callers knew (see \
                 --shown-fields)",
                path.display()
            ));
        }
        if tally.assumed_utc {
            caveats.push(format!(
                "times without an offset in `{}` are read as UTC (see --time-zone)",
                path.display()
            ));
        }
        sink(Read::Ends(tally))?;
    }
    caveats.extend(of_audit);
    Ok(caveats)
}

/// Turns the numbers of the logs into those of the history.
struct Filling {
    builder: HistoryBuilder,
    principals: Vec<Option<PrincipalId>>,
    /// By the lower part of the number, which batches are ordered by: one bucket at a time is looked into.
    subjects: Vec<Vec<Option<SubjectId>>>,
}

impl Filling {
    fn take(&mut self, batch: &AccessBatch, names: &Names, record: &mut Record) -> anyhow::Result<()> {
        for access in &batch.accesses {
            let builder = &mut self.builder;
            let principal = numbered(&mut self.principals, access.principal, || {
                Ok(builder.principal(&Principal::new(names.principals.text(access.principal)))?)
            })?;
            let bucket = access.subject as usize % BUCKETS;
            let bucket = self.subjects.get_mut(bucket).context("a subject without a bucket")?;
            let subject = numbered(bucket, access.subject / BUCKETS as u32, || {
                Ok(builder.subject(&subject_key(&names.subjects.text(access.subject)))?)
            })?;
            let explanation = match access.explained {
                None => Explanation::Unknown,
                Some(true) => Explanation::Explained,
                Some(false) => Explanation::Unexplained,
            };
            self.builder.add(Disclosure {
                principal,
                subject,
                time: access.time,
                fields: access.fields,
                explanation,
            });
            record.note_time(access.time);
        }
        record.disclosures += batch.accesses.len() as u64;
        Ok(())
    }
}

fn numbered<T: Copy>(
    known: &mut Vec<Option<T>>,
    number: u32,
    new: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let at = number as usize;
    if let Some(Some(id)) = known.get(at) {
        return Ok(*id);
    }
    if known.len() <= at {
        known.resize((at + 1).max(known.len() * 2), None);
    }
    let id = new()?;
    if let Some(place) = known.get_mut(at) {
        *place = Some(id);
    }
    Ok(id)
}

fn shown(noted: &Noted, names: &Names) -> Shown {
    let all = names.fields.names();
    Shown {
        time: noted.access.time,
        principal: Principal::new(names.principals.text(noted.access.principal)),
        subject: subject_key(&names.subjects.text(noted.access.subject)),
        fields: noted.access.fields.iter().filter_map(|index| all.get(index).cloned()).collect(),
        session: None,
        reason: noted.reason.clone(),
        statement: noted.statement.clone(),
    }
}

/// Says what pgaudit's log cannot tell.
fn told_audit(path: &std::path::Path, audit: AuditTally) -> Vec<String> {
    let file = path.display();
    let mut told = vec![format!(
        "`{file}` is a log of statements: who was asked for by key is known, not what was shown"
    )];
    if audit.without_keys > 0 {
        told.push(format!(
            "{} of {} statements in `{file}` do not name their subjects by key and are not weighed",
            audit.without_keys, audit.statements
        ));
    }
    if audit.statements == 0 {
        told.push(format!("`{file}` holds no statement of pgaudit about subjects"));
    }
    told
}

/// Says what was left out of a file.
pub(crate) fn told(path: &std::path::Path, tally: &Tally) -> Vec<String> {
    let mut told = Vec::new();
    let file = path.display();
    if tally.bad > 0 {
        let first: Vec<String> =
            tally.bad_lines.iter().take(3).map(|bad| format!("line {}: {}", bad.line, bad.cause)).collect();
        told.push(format!("{} malformed lines of `{file}` were skipped ({})", tally.bad, first.join("; ")));
    }
    if tally.headers_repeated > 0 {
        told.push(format!("`{file}` repeats its header {} times", tally.headers_repeated));
    }
    if tally.records == 0 {
        told.push(format!("`{file}` holds no records"));
    }
    told
}

/// Returns how bad lines are taken.
pub(crate) fn bad_lines(skip: bool) -> BadLines {
    if skip { BadLines::Skip } else { BadLines::Refuse }
}
