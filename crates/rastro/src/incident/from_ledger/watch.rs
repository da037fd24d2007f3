//! Disclosures of victims, kept in full.

use std::collections::HashMap;

use rastro_intake::FieldNames;
use rastro_ledger::BriefDisclosure;
use rastro_model::{FieldSet, SubjectKey, Timestamp};
use rastro_trace::{Explanation, PrincipalId, Settling, SubjectId};

use crate::incident::{NOTED_MAX, Shown};

const FILTER_BITS: u32 = 16;

/// Looks for victims among the subjects of a ledger.
#[derive(Debug, Default)]
pub(super) struct Watch {
    victims: HashMap<SubjectKey, SubjectId>,
    /// Whether a whole number with this hash may be a victim; empty if none is one.
    filter: Vec<bool>,
    settling: Settling<Shown>,
    seen: Option<Timestamp>,
    noted: Vec<Shown>,
    dropped: usize,
}

fn hash(key: i64) -> usize {
    (key.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - FILTER_BITS)) as usize
}

impl Watch {
    pub(super) fn add(&mut self, key: SubjectKey, subject: SubjectId) {
        if let SubjectKey::Int(key) = key {
            self.filter.resize(1 << FILTER_BITS, false);
            if let Some(may_have) = self.filter.get_mut(hash(key)) {
                *may_have = true;
            }
        }
        self.victims.insert(key, subject);
    }

    /// Returns false for most numbers that are no victim's key.
    pub(super) fn may_have(&self, key: i64) -> bool {
        self.filter.get(hash(key)).copied().unwrap_or_default()
    }

    /// Keeps what a disclosure shows of `key` if that is a victim's. `fields`: which, and the names of all.
    pub(super) fn note(
        &mut self,
        principal: PrincipalId,
        key: &SubjectKey,
        entry: &BriefDisclosure<'_>,
        (fields, names): (FieldSet, &FieldNames),
        reasons_known: bool,
    ) {
        let Some(subject) = self.victims.get(key) else { return };
        let (session, facts) = (entry.session, &entry.session.facts);
        let all = names.names();
        let shown = Shown {
            time: entry.time,
            principal: entry.principal.clone(),
            subject: key.clone(),
            fields: fields.iter().filter_map(|index| all.get(index).cloned()).collect(),
            session: Some(format!("session {} of {} from {}", session.id, facts.login, facts.client_addr)),
            reason: None,
            statement: Some(entry.text.sql.clone()),
        };
        self.settling.show((principal, *subject), entry.time, reasons_known, shown);
        self.seen = self.seen.max(Some(entry.time));
        self.settle(self.seen);
    }

    /// Takes a reason, if it is about a victim.
    pub(super) fn explain(
        &mut self,
        principal: PrincipalId,
        key: &SubjectKey,
        from: Timestamp,
        until: Timestamp,
    ) {
        if let Some(subject) = self.victims.get(key) {
            self.settling.explain((principal, *subject), from, until);
        }
    }

    /// Takes up those whose reasons are known: see [`Settling::settle`].
    pub(super) fn settle(&mut self, seen: Option<Timestamp>) {
        let Watch { settling, noted, dropped, .. } = self;
        settling.settle(seen, |_, _, mut shown, explanation| {
            if noted.len() == NOTED_MAX {
                *dropped += 1;
                return;
            }
            shown.reason = (explanation == Explanation::Explained).then(|| "explained".to_owned());
            noted.push(shown);
        });
    }

    /// Returns how many are not kept.
    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    /// Returns those kept, in the order of the ledger.
    pub(super) fn into_noted(self) -> Vec<Shown> {
        self.noted
    }
}
