//! Reasons kept apart from the log: `subject,principal,from,until,reason`.

use std::path::Path;

use hashbrown::HashMap;
use rastro_model::Timestamp;

use crate::access::{Names, name, unreadable_time};
use crate::cells::Record;
use crate::error::IntakeError;
use crate::header::{Column, Header};
use crate::source;
use crate::table::{TableFormat, Tally, Worker, read_table};
use crate::time::{TimeFormat, TimeReader};

/// Who had a reason to see whom, and when.
#[derive(Debug, Default)]
pub struct Reasons {
    spans: HashMap<(u32, u32), Vec<(Timestamp, Timestamp)>>,
}

impl Reasons {
    /// Reads a list of reasons. An empty `until` means that the reason still holds.
    ///
    /// # Errors
    /// The file cannot be used, or, unless bad lines are skipped, its first malformed line.
    pub fn read(
        path: &Path,
        format: &TableFormat,
        times: &TimeFormat,
        names: &Names,
        threads: usize,
    ) -> Result<(Reasons, Tally), IntakeError> {
        let columns = [
            Column { name: "subject", required: true },
            Column { name: "principal", required: true },
            Column { name: "from", required: true },
            Column { name: "until", required: true },
        ];
        let mut workers: Vec<ReasonWorker<'_>> =
            (0..threads.max(1)).map(|_| ReasonWorker { names, times: TimeReader::new(times) }).collect();
        let mut reasons = Reasons::default();
        let source = source::open(path, &format.columns.headers(&columns))?;
        let tally = read_table(source, &columns, format, &mut workers, |spans: Vec<Span>, _| {
            for (key, from, until) in spans {
                reasons.spans.entry(key).or_default().push((from, until));
            }
        })?;
        Ok((reasons, tally))
    }

    /// Returns both lists as one.
    #[must_use]
    pub fn with(mut self, other: Reasons) -> Reasons {
        for (key, spans) in other.spans {
            self.spans.entry(key).or_default().extend(spans);
        }
        self
    }

    /// Returns whether some reason holds at `time`. O(reasons of that pair).
    pub fn explain(&self, principal: u32, subject: u32, time: Timestamp) -> bool {
        self.spans
            .get(&(principal, subject))
            .is_some_and(|spans| spans.iter().any(|(from, until)| *from <= time && time <= *until))
    }
}

type Span = ((u32, u32), Timestamp, Timestamp);

struct ReasonWorker<'a> {
    names: &'a Names,
    times: TimeReader,
}

impl Worker for ReasonWorker<'_> {
    type Output = Vec<Span>;

    fn record(&mut self, record: &Record<'_>, header: &Header, spans: &mut Vec<Span>) -> Result<(), String> {
        let cell = |column: usize| {
            header.positions.get(column).copied().flatten().map(|position| record.get(position))
        };
        let subject = self.names.subjects.number(name(cell(0), "subject")?).ok_or("too many subjects")?;
        let principal =
            self.names.principals.number(name(cell(1), "principal")?).ok_or("too many principals")?;
        let from = cell(2).unwrap_or_default();
        let from = self.times.read(from).ok_or_else(|| unreadable_time(from))?;
        let until = match cell(3).unwrap_or_default().trim_ascii() {
            b"" => Timestamp(i64::MAX),
            text => self.times.read(text).ok_or_else(|| unreadable_time(text))?,
        };
        spans.push(((principal, subject), from, until));
        Ok(())
    }
}
