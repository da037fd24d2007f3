//! How one segment answers what an archive is asked.

use std::collections::HashMap;
use std::sync::Arc;

use rastro_ledger::Entry;
use rastro_model::Principal;
use roaring::RoaringBitmap;

use crate::archive::{Exposure, Query, Sighting, Told, exposures_of};
use crate::assemble::Wanted;
use crate::clock::Tick;
use crate::columns::{Integers, Words};
use crate::error::ArchiveError;
use crate::open::OpenSegment;
use crate::packed;
use crate::row::{Disclosed, Exposed, Key, SetFacts};
use crate::table::{Combinations, Table, decode_exposure, ticks_of};

/// Rows of `disclosures` put together at a time where a segment is read whole.
const CHUNK_ROWS: u64 = 4 << 20;

impl OpenSegment {
    /// Returns whether some of the segment may be of the query's time.
    pub(crate) fn is_within(&self, query: &Query) -> bool {
        query.since.is_none_or(|since| since.0 <= self.facts.max_time)
            && query.until.is_none_or(|until| self.facts.min_time < until.0)
    }

    pub(crate) fn entries<'a>(
        &'a self,
        query: &'a Query,
    ) -> impl Iterator<Item = Result<Entry, ArchiveError>> + 'a {
        let wanted = query.subjects.clone().map(Wanted::new);
        let chunks = match self.chunks(query, wanted.as_ref()) {
            Ok(chunks) => chunks.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        };
        chunks.into_iter().flat_map(move |chunk| {
            match chunk.and_then(|rows| self.assemble(rows.as_ref(), wanted.as_ref())) {
                Ok(entries) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(error)],
            }
        })
    }

    /// Returns the rows that a query is about, in chunks whose entries follow each other; `None` stands for
    /// all rows of the segment.
    fn chunks(
        &self,
        query: &Query,
        wanted: Option<&Wanted>,
    ) -> Result<Vec<Option<RoaringBitmap>>, ArchiveError> {
        let mut rows = None;
        let mut narrow = |found: RoaringBitmap| {
            rows = Some(match rows.take() {
                Some(known) => found & known,
                None => found,
            });
        };
        if let Some(principal) = &query.principal {
            narrow(self.rows_of(principal)?);
        }
        if query.only_reasons {
            narrow(self.reasons(None, wanted)?.iter().filter_map(|row| self.offset_of(row.row)).collect());
        } else if let Some(wanted) = wanted {
            let mut found: RoaringBitmap =
                self.keyed(wanted)?.iter().filter_map(|row| self.offset_of(row.row)).collect();
            found.extend(self.reasons(None, Some(wanted))?.iter().filter_map(|row| self.offset_of(row.row)));
            self.sets_with(wanted, |set, _| found.extend(self.offset_of(set.row)))?;
            narrow(found);
        }
        if let Some(rows) = rows {
            return Ok(if rows.is_empty() { Vec::new() } else { vec![Some(rows)] });
        }
        let count = self.table(Table::Disclosures).map_or(0, |table| table.rows).div_ceil(CHUNK_ROWS).max(1);
        if count == 1 {
            return Ok(vec![None]);
        }
        self.chunks_in_order(count)
    }

    /// Returns all rows in `count` chunks, by the numbers of their entries.
    fn chunks_in_order(&self, count: u64) -> Result<Vec<Option<RoaringBitmap>>, ArchiveError> {
        let Some(table) = self.table(Table::Statements) else { return Ok(Vec::new()) };
        let facts = &self.facts;
        let width = (facts.next_entry - facts.first_entry).div_ceil(count).max(1);
        let mut chunks = vec![RoaringBitmap::new(); usize::try_from(count).unwrap_or(1)];
        let mut offset = 0u32;
        let clock = self.clock()?;
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        for batch in table.read(&self.entry_columns(), None)? {
            for Tick { entry, .. } in ticks_of(&batch?, &clock).map_err(malformed)? {
                let chunk = entry.wrapping_sub(facts.first_entry) / width;
                let chunk = usize::try_from(chunk).ok().and_then(|chunk| chunks.get_mut(chunk));
                chunk.ok_or_else(|| self.malformed("entry"))?.insert(offset);
                offset += 1;
            }
        }
        Ok(chunks.into_iter().map(Some).collect())
    }

    /// Returns the rows of `statements` that are about a principal.
    pub(crate) fn rows_of(&self, principal: &Principal) -> Result<RoaringBitmap, ArchiveError> {
        let mut rows = RoaringBitmap::new();
        let Some(table) = self.table(Table::Statements) else { return Ok(rows) };
        let pages = table.pages_with_word("principal", principal.as_str());
        if pages.is_empty() {
            return Ok(rows);
        }
        let pages = table.select(pages);
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        for batch in table.read(&["line", "principal"], Some(pages))? {
            let batch = batch?;
            let row = Integers::of(&batch, "line").map_err(malformed)?;
            let names = Words::of(&batch, "principal").map_err(malformed)?;
            for at in 0..batch.num_rows() {
                if names.get(at) == Some(principal.as_str()) {
                    let row = row.unsigned(at, "line").map_err(malformed)?;
                    rows.insert(self.offset_of(row).ok_or_else(|| malformed("line"))?);
                }
            }
        }
        Ok(rows)
    }

    pub(crate) fn sightings(&self, wanted: &Wanted, query: &Query) -> Result<Vec<Sighting>, ArchiveError> {
        let mut seen = self.keyed(wanted)?;
        self.sets_with(wanted, |set, keys| {
            let of_key = |key| Disclosed { key, row: set.row, combination: Arc::clone(&set.combination) };
            seen.extend(keys.into_iter().map(of_key));
        })?;
        let told = self.told(seen.iter().filter_map(|row| self.offset_of(row.row)).collect())?;
        let mut found = Vec::new();
        for Disclosed { key, row, combination } in seen {
            let Told { entry, time, principal, .. } = told.get(&row).ok_or_else(|| self.malformed("line"))?;
            let principal = principal.as_ref().ok_or_else(|| self.malformed("principal"))?;
            if query.has_time(*time) && query.principal.as_ref().is_none_or(|wanted| wanted == principal) {
                let (entry, time, principal) = (*entry, *time, principal.clone());
                found.push(Sighting { entry, time, principal, key, combination });
            }
        }
        found.sort_by(|a, b| (a.entry, &a.key).cmp(&(b.entry, &b.key)));
        Ok(found)
    }

    /// Gives each large set that has wanted keys, with these, to `each`.
    fn sets_with(
        &self,
        wanted: &Wanted,
        mut each: impl FnMut(&SetFacts, Vec<Key>),
    ) -> Result<(), ArchiveError> {
        let known = self.known_sets()?;
        let mut unsure = Vec::new();
        for (row, set) in (0u32..).zip(known.iter()) {
            match wanted.known(set) {
                Some(keys) if keys.is_empty() => {}
                Some(keys) => each(set, keys),
                None => unsure.push(row),
            }
        }
        self.each_set(&unsure, |row, found| {
            let Some(set) = known.get(row as usize) else { return Ok(()) };
            let keys = wanted.within(set, found).map_err(|column| self.malformed(column))?;
            if !keys.is_empty() {
                each(set, keys);
            }
            Ok(())
        })
    }

    /// Returns to whom each large set was shown.
    pub(crate) fn shown_sets(&self) -> Result<Vec<Principal>, ArchiveError> {
        let known = self.known_sets()?;
        let told = self.told(known.iter().filter_map(|set| self.offset_of(set.row)).collect())?;
        let principal_of = |set: &SetFacts| {
            let told = told.get(&set.row).ok_or_else(|| self.malformed("line"))?;
            told.principal.clone().ok_or_else(|| self.malformed("principal"))
        };
        known.iter().map(principal_of).collect()
    }

    /// Returns what is told of some rows, by line.
    pub(crate) fn told(&self, rows: RoaringBitmap) -> Result<HashMap<u64, Told>, ArchiveError> {
        let mut found = HashMap::new();
        let mut missing = RoaringBitmap::new();
        for row in rows {
            match self.kept.told.get(&(self.facts.first_entry, row as usize)) {
                Some(told) => drop(found.insert(told.row, told)),
                None => drop(missing.insert(row)),
            }
        }
        let Some(table) = self.table(Table::Statements).filter(|_| !missing.is_empty()) else {
            return Ok(found);
        };
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        let clock = self.clock()?;
        let [time, after] = self.entry_columns();
        let selection = table.select(missing.iter().map(|row| row as usize..row as usize + 1));
        let mut rows = missing.iter();
        for batch in table.read(&[time, after, "principal"], Some(selection))? {
            let batch = batch?;
            let ticks = ticks_of(&batch, &clock).map_err(malformed)?;
            let names = Words::of(&batch, "principal").map_err(malformed)?;
            let mut last: Option<(usize, Principal)> = None;
            for ((at, Tick { time, entry }), row) in ticks.into_iter().enumerate().zip(&mut rows) {
                let principal = names.place(at).map(|place| match &last {
                    Some((known, principal)) if *known == place => principal.clone(),
                    _ => {
                        let principal = Principal::new(names.get(at).unwrap_or_default());
                        last.insert((place, principal)).1.clone()
                    }
                });
                let line = self.facts.first_line() + u64::from(row);
                let told = Told { row: line, entry, time, principal };
                self.kept.told.insert((self.facts.first_entry, row as usize), told.clone());
                found.insert(line, told);
            }
        }
        Ok(found)
    }

    /// Returns the subjects of a query's principal, or of all.
    pub(crate) fn exposures(&self, query: &Query) -> Result<Vec<Exposure>, ArchiveError> {
        if !query.covers(self.facts.min_time, self.facts.max_time) {
            return self.exposures_by_entry(query);
        }
        let mut found = Vec::new();
        for row in self.exposed(query.principal.as_ref())?.iter() {
            for (combination, subjects) in row.sets().map_err(|column| self.malformed(column))? {
                found.push(Exposure { principal: row.principal.clone(), combination, subjects });
            }
        }
        let (known, shown) = (self.known_sets()?, self.shown_sets()?);
        let is_wanted = |shown: &Principal| query.principal.as_ref().is_none_or(|wanted| wanted == shown);
        let rows: Vec<u32> =
            (0u32..).zip(&shown).filter_map(|(row, shown)| is_wanted(shown).then_some(row)).collect();
        self.each_set(&rows, |row, set| {
            let (subjects, _) = packed::decode(set.coded()).map_err(|column| self.malformed(column))?;
            if let (Some(facts), Some(principal)) = (known.get(row as usize), shown.get(row as usize)) {
                let (principal, combination) = (principal.clone(), Arc::clone(&facts.combination));
                found.push(Exposure { principal, combination, subjects });
            }
            Ok(())
        })?;
        found.retain(|exposure| !exposure.subjects.is_empty());
        Ok(found)
    }

    /// Returns the rows of `exposure` of a principal, or all.
    fn exposed(&self, principal: Option<&Principal>) -> Result<Arc<[Exposed]>, ArchiveError> {
        let key = principal.map(|principal| (self.facts.first_entry, principal.clone()));
        if let Some(kept) = key.as_ref().and_then(|key| self.kept.exposed.get(key)) {
            return Ok(kept);
        }
        let mut rows = Vec::new();
        if let Some(table) = self.table(Table::Exposure) {
            let mut combinations = Combinations::default();
            let pages = principal.map(|name| table.pages_with_word("principal", name.as_str()));
            if pages.as_ref().is_none_or(|pages| !pages.is_empty()) {
                for batch in table.read(&[], pages.map(|pages| table.select(pages)))? {
                    let wanted = |found: &str| principal.is_none_or(|name| name.as_str() == found);
                    let decoded = decode_exposure(&batch?, &mut combinations, wanted);
                    rows.extend(decoded.map_err(ArchiveError::malformed(table.file.path()))?);
                }
            }
        }
        let rows: Arc<[Exposed]> = rows.into();
        if let Some(key) = key {
            self.kept.exposed.insert(key, Arc::clone(&rows));
        }
        Ok(rows)
    }

    /// The same where the query's window covers the segment in part: from its entries.
    fn exposures_by_entry(&self, query: &Query) -> Result<Vec<Exposure>, ArchiveError> {
        let mut found = Vec::new();
        for chunk in self.chunks(&Query { subjects: None, only_reasons: false, ..query.clone() }, None)? {
            for entry in self.assemble(chunk.as_ref(), None)? {
                found.extend(exposures_of(&entry, query));
            }
        }
        Ok(found)
    }
}
