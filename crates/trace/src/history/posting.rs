use rastro_model::Timestamp;

use super::Explanation;

pub(super) const HOUR_MICROS: i64 = 3_600_000_000;
/// Disclosures of the same pair at most so many hours apart are one episode.
const MERGE_HOURS: i64 = 24;
const HOUR_BITS: u32 = 22;
const SPAN_BITS: u32 = 12;
/// Hour 0 is so many hours before 1970; with 22 bits the scale ends in 2330.
const HOUR_ZERO: i64 = 1_000_000;

/// One account's disclosures of one subject within a short time.
///
/// From the top: account 16 bits, first hour 22, field set 8, span in hours 12, explanation 2; sorts by
/// account and time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Posting(pub(super) u64);

impl Posting {
    pub(super) fn new(account: u16, time: Timestamp, fields: u8, explanation: Explanation) -> Posting {
        let hour = time.0.div_euclid(HOUR_MICROS);
        Posting::pack(account, hour, 0, fields, explanation)
    }

    fn pack(account: u16, hour: i64, span: i64, fields: u8, explanation: Explanation) -> Posting {
        let hour = hour.saturating_add(HOUR_ZERO).clamp(0, (1 << HOUR_BITS) - 1).unsigned_abs();
        let span = span.clamp(0, (1 << SPAN_BITS) - 1).unsigned_abs();
        let flag = match explanation {
            Explanation::Unknown => 0u64,
            Explanation::Explained => 1,
            Explanation::Unexplained => 2,
        };
        Posting(u64::from(account) << 48 | hour << 26 | u64::from(fields) << 18 | span << 6 | flag)
    }

    pub(crate) fn account(self) -> u16 {
        u16::try_from(self.0 >> 48).unwrap_or(u16::MAX)
    }

    pub(crate) fn first_hour(self) -> i64 {
        i64::try_from((self.0 >> 26) & ((1 << HOUR_BITS) - 1)).unwrap_or(0) - HOUR_ZERO
    }

    pub(crate) fn last_hour(self) -> i64 {
        self.first_hour() + i64::try_from((self.0 >> 6) & ((1 << SPAN_BITS) - 1)).unwrap_or(0)
    }

    pub(crate) fn fields(self) -> u8 {
        u8::try_from((self.0 >> 18) & 0xff).unwrap_or(0)
    }

    pub(crate) fn explanation(self) -> Explanation {
        match self.0 & 3 {
            0 => Explanation::Unknown,
            1 => Explanation::Explained,
            _ => Explanation::Unexplained,
        }
    }

    /// Returns both as one episode if they are of the same account and explanation, close in time, and
    /// `union` can name the fields of both. `self` must not be later than `next`.
    pub(super) fn merge(self, next: Posting, union: impl Fn(u8, u8) -> Option<u8>) -> Option<Posting> {
        let apart = next.first_hour() - self.last_hour();
        if self.account() != next.account() || self.explanation() != next.explanation() || apart > MERGE_HOURS
        {
            return None;
        }
        let span = self.last_hour().max(next.last_hour()) - self.first_hour();
        if span >= 1 << SPAN_BITS {
            return None;
        }
        let fields = union(self.fields(), next.fields())?;
        Some(Posting::pack(self.account(), self.first_hour(), span, fields, self.explanation()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posting_gives_back_what_was_packed_and_sorts_by_account_then_time() {
        let at = |hour: i64| Timestamp(hour * HOUR_MICROS + 17);
        let early = Posting::new(7, at(480_000), 255, Explanation::Unexplained);
        assert_eq!((early.account(), early.first_hour(), early.last_hour()), (7, 480_000, 480_000));
        assert_eq!((early.fields(), early.explanation()), (255, Explanation::Unexplained));
        let late = Posting::new(7, at(480_003), 255, Explanation::Unexplained);
        assert!(early < late && late < Posting::new(8, at(0), 0, Explanation::Unknown));
        let both = early.merge(late, |a, b| (a == b).then_some(a)).unwrap();
        assert_eq!((both.first_hour(), both.last_hour()), (480_000, 480_003));
        let far = Posting::new(7, at(480_100), 255, Explanation::Unexplained);
        assert_eq!(both.merge(far, |a, _| Some(a)), None);
        assert_eq!(Posting::new(7, at(-5), 0, Explanation::Explained).first_hour(), -5);
    }
}
