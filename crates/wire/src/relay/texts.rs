//! The texts of a session's prepared statements, as the server has them: a Parse that fails there, or that the
//! server passes over, leaves the text that was.

use std::collections::VecDeque;

use hashbrown::HashMap;

/// Prepared statements whose text is remembered for each session; a client that makes more loses the oldest
/// memory wholesale, and their executions are recorded without text.
pub(super) const TEXTS_MAX: usize = 10_000;

pub(super) struct Texts<T> {
    known: HashMap<Box<[u8]>, T>,
    // As many as messages the server owes an answer to.
    unanswered: VecDeque<Unanswered<T>>,
    count: u64,
    // Sync messages so far: a failed Parse makes the server pass over the rest of its segment only.
    segment: u64,
}

struct Unanswered<T> {
    number: u64,
    segment: u64,
    name: Box<[u8]>,
    before: Option<T>,
}

impl<T: Clone> Texts<T> {
    pub(super) fn new() -> Texts<T> {
        Texts { known: HashMap::new(), unanswered: VecDeque::new(), count: 0, segment: 0 }
    }

    /// Takes the text of a Parse on its way to the server; returns its number.
    pub(super) fn parse(&mut self, name: &[u8], text: T) -> u64 {
        if self.known.len() >= TEXTS_MAX {
            self.known.clear();
        }
        let before = self.known.insert(name.into(), text);
        self.count += 1;
        let (number, segment) = (self.count, self.segment);
        self.unanswered.push_back(Unanswered { number, segment, name: name.into(), before });
        number
    }

    /// Returns the text of a statement; `None` also while it may be one of two, because an earlier segment
    /// gives it anew and the server has not said whether it did.
    pub(super) fn get(&self, name: &[u8]) -> Option<T> {
        let last = self.unanswered.iter().rev().find(|parse| *parse.name == *name);
        match last {
            Some(parse) if parse.segment < self.segment && parse.before.is_some() => None,
            _ => self.known.get(name).cloned(),
        }
    }

    pub(super) fn close(&mut self, name: &[u8]) {
        self.known.remove(name);
    }

    pub(super) fn end_segment(&mut self) {
        self.segment += 1;
    }

    /// The server did what Parse `number` asked.
    pub(super) fn parsed(&mut self, number: u64) {
        while self.unanswered.pop_front_if(|parse| parse.number <= number).is_some() {}
    }

    /// Nobody will hear whether the server did what was asked before Parse `first` (`None`: any of them).
    pub(super) fn unheard_before(&mut self, first: Option<u64>) {
        while let Some(parse) = self.unanswered.pop_front_if(|parse| first.is_none_or(|n| parse.number < n)) {
            match self.unanswered.iter_mut().find(|later| later.name == parse.name) {
                Some(later) => later.before = parse.before,
                None => drop(self.known.remove(&parse.name)),
            }
        }
    }

    /// The server did not do what was asked before Parse `first` (`None`: not any of them).
    pub(super) fn failed_before(&mut self, first: Option<u64>) {
        while let Some(parse) = self.unanswered.pop_front_if(|parse| first.is_none_or(|n| parse.number < n)) {
            if let Some(later) = self.unanswered.iter_mut().find(|later| later.name == parse.name) {
                later.before = parse.before;
            } else if let Some(before) = parse.before {
                self.known.insert(parse.name, before);
            } else {
                self.known.remove(&parse.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_parse_leaves_the_text_that_was() {
        let mut texts = Texts::new();
        let first = texts.parse(b"s", 1);
        texts.parsed(first);
        texts.parse(b"s", 2);
        texts.parse(b"s", 3);
        let last = texts.parse(b"s", 4);
        texts.failed_before(Some(last));
        assert_eq!(texts.get(b"s"), Some(4));
        texts.failed_before(None);
        assert_eq!(texts.get(b"s"), Some(1));
    }

    #[test]
    fn text_behind_a_cut_is_not_known() {
        let mut texts = Texts::new();
        texts.parse(b"s", 1);
        texts.unheard_before(None);
        assert_eq!(texts.get(b"s"), None);
        assert!(texts.unanswered.is_empty());
    }

    #[test]
    fn failed_first_parse_leaves_no_text() {
        let mut texts = Texts::new();
        texts.parse(b"s", 1);
        texts.failed_before(None);
        assert_eq!(texts.get(b"s"), None);
    }

    #[test]
    fn text_is_unknown_while_it_may_be_one_of_two() {
        let mut texts = Texts::new();
        let first = texts.parse(b"s", 1);
        texts.parsed(first);
        texts.end_segment();
        let second = texts.parse(b"s", 2);
        assert_eq!(texts.get(b"s"), Some(2), "what follows in the segment runs only if Parse succeeds");
        texts.end_segment();
        assert_eq!(texts.get(b"s"), None);
        texts.parsed(second);
        assert_eq!(texts.get(b"s"), Some(2));
    }
}
