use super::SubjectId;

/// Most labels a history knows; the width of a subject's bitmap.
pub(crate) const MAX_COHORTS: usize = 64;

/// Which cohorts a subject belongs to.
#[derive(Debug, Default)]
pub(super) struct Cohorts {
    names: Vec<String>,
    of: Vec<u64>,
}

impl Cohorts {
    pub(super) fn add(&mut self, subject: SubjectId, label: &str) {
        let at = match self.names.iter().position(|name| name == label) {
            Some(at) => at,
            None if self.names.len() < MAX_COHORTS => {
                self.names.push(label.to_owned());
                self.names.len() - 1
            }
            None => return,
        };
        let Ok(id) = usize::try_from(subject.0) else { return };
        if self.of.len() <= id {
            self.of.resize(id + 1, 0);
        }
        if let Some(bits) = self.of.get_mut(id) {
            *bits |= 1 << at;
        }
    }

    pub(super) fn of(&self, subject: u32) -> u64 {
        usize::try_from(subject).ok().and_then(|id| self.of.get(id)).copied().unwrap_or(0)
    }

    pub(super) fn name(&self, cohort: usize) -> &str {
        self.names.get(cohort).map_or("", String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}
