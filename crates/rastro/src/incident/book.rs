//! Reports of an incident, kept in the data directory: one line of JSON for each, appended and synced, never
//! changed. The format is in `docs/incident-format.md`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use rastro_intake::{Report, VictimName};
use rastro_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest name of an incident.
const NAME_CHARS_MAX: usize = 64;
/// A book is written by people; a larger file is something else.
const BOOK_BYTES_MAX: u64 = 256 << 20;

/// One line of a book.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BookEntry {
    /// When it was written down, RFC 3339.
    pub(crate) noted_at: String,
    /// By whom.
    pub(crate) noted_by: String,
    /// Kind of subject: the name of a `[[subject]]`, the first one if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    /// Key of the subject.
    pub(crate) subject: String,
    /// When the subject reported, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reported_at: Option<String>,
    /// What the caller knew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<String>,
    /// From when the values that the caller knew were current, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current_from: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current_until: Option<String>,
}

impl BookEntry {
    /// Returns what is written of a report about `subject`, one of the kind given.
    pub(crate) fn new(
        noted_at: &str,
        noted_by: &str,
        kind: &str,
        subject: String,
        report: Report,
    ) -> BookEntry {
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let (from, until) = report.current.unwrap_or_default();
        BookEntry {
            noted_at: noted_at.to_owned(),
            noted_by: noted_by.to_owned(),
            kind: Some(kind.to_owned()),
            subject,
            reported_at: text(report.reported_at),
            fields: report.fields,
            current_from: text(from),
            current_until: text(until),
        }
    }

    /// Returns the report that the entry stands for.
    ///
    /// # Errors
    /// One of its times is not a time.
    pub(crate) fn report(&self, line: u64) -> anyhow::Result<Report> {
        let time = |text: &Option<String>| -> anyhow::Result<Option<Timestamp>> {
            let Some(text) = text else { return Ok(None) };
            Ok(Some(text.parse::<Timestamp>().with_context(|| format!("`{text}` is not a time"))?))
        };
        let (reported_at, from, until) =
            (time(&self.reported_at)?, time(&self.current_from)?, time(&self.current_until)?);
        let current = (from.is_some() || until.is_some()).then_some((from, until));
        let name = VictimName::Subject(self.subject.clone());
        Ok(Report { line, name, reported_at, fields: self.fields.clone(), current })
    }
}

/// The reports of one incident.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
}

impl Book {
    /// Returns the book of the incident `name` below `data_dir`; nothing is created yet.
    ///
    /// # Errors
    /// The name is empty, long, or holds more than letters, digits, `-`, `_` and `.`.
    pub(crate) fn new(data_dir: &Path, name: &str) -> anyhow::Result<Book> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        ensure!(
            !name.is_empty()
                && name.len() <= NAME_CHARS_MAX
                && name.chars().all(plain)
                && !name.starts_with('.'),
            "`{name}` is not a name for an incident: letters, digits, `-`, `_` and `.`"
        );
        Ok(Book { path: data_dir.join("incidents").join(format!("{name}.ndjson")) })
    }

    /// Reads all entries, in the order in which they were written; none if there is no book yet. A last line
    /// without its end was never finished, and is left out.
    ///
    /// # Errors
    /// A line is damaged.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<BookEntry>> {
        let mut text = String::new();
        match File::open(&self.path) {
            Ok(file) => file.take(BOOK_BYTES_MAX).read_to_string(&mut text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => Err(error),
        }
        .with_context(|| format!("cannot read `{}`", self.path.display()))?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines = text.get(..whole).unwrap_or_default().lines();
        let mut entries = Vec::new();
        for (line, text) in lines.enumerate() {
            match serde_json::from_str(text) {
                Ok(entry) => entries.push(entry),
                Err(_) => bail!("`{}` line {} is damaged", self.path.display(), line + 1),
            }
        }
        Ok(entries)
    }

    /// Appends entries; they are durable on return, all or none of them after a crash.
    ///
    /// # Errors
    /// The file cannot be locked or written.
    pub(crate) fn append(&self, entries: &[BookEntry]) -> anyhow::Result<()> {
        let context = || format!("cannot write `{}`", self.path.display());
        let folder = self.path.parent().context("an incident needs a directory")?;
        std::fs::create_dir_all(folder).with_context(context)?;
        let mut options = OpenOptions::new();
        let mut file = options.create(true).read(true).append(true).open(&self.path).with_context(context)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).with_context(context)?;
        let mut text = String::new();
        if !ends_with_newline(&mut file).with_context(context)? {
            // What a crash left unfinished becomes no entry.
            self.drop_unfinished(&file).with_context(context)?;
        }
        for entry in entries {
            text.push_str(&serde_json::to_string(entry)?);
            text.push('\n');
        }
        file.write_all(text.as_bytes()).with_context(context)?;
        file.sync_all().with_context(context)?;
        File::open(folder).and_then(|folder| folder.sync_all()).with_context(context)
    }

    fn drop_unfinished(&self, file: &File) -> std::io::Result<()> {
        let bytes = std::fs::read(&self.path)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)
    }
}

/// Removes the reports of a subject from the books of all incidents below `data_dir`; returns how many there
/// were. Each book is replaced as a whole.
///
/// # Errors
/// A book is damaged, or cannot be written.
pub(crate) fn forget_subject(data_dir: &Path, subject: &str) -> anyhow::Result<usize> {
    let folder = data_dir.join("incidents");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", folder.display())),
    };
    let mut removed = 0;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read `{}`", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            removed += forget_in(&folder, Book { path }, subject)?;
        }
    }
    Ok(removed)
}

fn forget_in(folder: &Path, book: Book, subject: &str) -> anyhow::Result<usize> {
    let context = || format!("cannot write `{}`", book.path.display());
    let file = File::open(&book.path).with_context(context)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).with_context(context)?;
    let mut entries = book.read()?;
    let all = entries.len();
    entries.retain(|entry| entry.subject != subject);
    let unfinished = file.metadata().with_context(context)?.len() > 0 && {
        let bytes = std::fs::read(&book.path).with_context(context)?;
        !bytes.ends_with(b"\n")
    };
    if entries.len() == all && !unfinished {
        return Ok(0);
    }
    let mut text = String::new();
    for entry in &entries {
        text.push_str(&serde_json::to_string(entry)?);
        text.push('\n');
    }
    // What an append broke off left may name anybody; it is not kept either.
    let new = book.path.with_extension("new");
    let mut anew = File::create(&new).with_context(context)?;
    anew.write_all(text.as_bytes()).and_then(|()| anew.sync_all()).with_context(context)?;
    std::fs::rename(&new, &book.path).and_then(|()| File::open(folder)?.sync_all()).with_context(context)?;
    Ok(all - entries.len())
}

fn ends_with_newline(file: &mut File) -> std::io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(subject: &str) -> BookEntry {
        BookEntry {
            noted_at: "2026-08-03T09:00:00Z".into(),
            noted_by: "ana".into(),
            kind: Some("customer".into()),
            subject: subject.into(),
            reported_at: Some("2026-08-02T00:00:00Z".into()),
            fields: vec!["name".into()],
            current_from: None,
            current_until: Some("2026-07-01T00:00:00Z".into()),
        }
    }

    #[test]
    fn report_is_the_same_after_it_was_kept() {
        let known = entry("17").report(1).unwrap();
        assert_eq!(known.current, Some((None, "2026-07-01T00:00:00Z".parse().ok())));
        let kept = BookEntry::new("2026-08-03T09:00:00Z", "ana", "customer", "17".into(), known.clone());
        assert_eq!(kept.report(1).unwrap(), known);
        // As written before there were values' times, and kinds.
        let old = r#"{"noted_at":"2026-08-03T09:00:00Z","noted_by":"ana","subject":"17"}"#;
        let old: BookEntry = serde_json::from_str(old).unwrap();
        assert_eq!((old.report(1).unwrap().current, old.kind), (None, None));
    }

    #[test]
    fn book_keeps_what_was_appended_and_drops_what_a_crash_left() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::new(folder.path(), "case-7").unwrap();
        assert_eq!(book.read().unwrap(), []);
        book.append(&[entry("1"), entry("2")]).unwrap();
        let path = folder.path().join("incidents/case-7.ndjson");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), b"{\"noted_at\":\"20"].concat()).unwrap();
        assert_eq!(book.read().unwrap(), [entry("1"), entry("2")]);
        book.append(&[entry("3")]).unwrap();
        assert_eq!(book.read().unwrap(), [entry("1"), entry("2"), entry("3")]);
        std::fs::write(&path, "{}\n").unwrap();
        assert!(book.read().unwrap_err().to_string().contains("line 1 is damaged"));
    }

    #[test]
    fn reports_of_a_subject_go_from_every_book_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(forget_subject(folder.path(), "2").unwrap(), 0);
        let books = ["a", "b"].map(|name| Book::new(folder.path(), name).unwrap());
        books[0].append(&[entry("1"), entry("2"), entry("22")]).unwrap();
        books[1].append(&[entry("2"), entry("2")]).unwrap();
        assert_eq!(forget_subject(folder.path(), "2").unwrap(), 3);
        assert_eq!(books[0].read().unwrap(), [entry("1"), entry("22")]);
        assert_eq!(books[1].read().unwrap(), []);
    }

    #[test]
    fn incident_name_stays_inside_its_directory() {
        for name in ["", "..", "../x", "a/b", ".hidden", "x\0y"] {
            assert!(Book::new(Path::new("data"), name).is_err(), "{name:?}");
        }
    }
}
