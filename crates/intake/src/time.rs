//! Times as logs write them, to µs since 1970-01-01 UTC.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rastro_model::Timestamp;

/// Local times are converted once for each quarter of an hour: no zone in use changes its offset within one.
const OFFSET_SPAN: i64 = 900;
const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// How times without an offset are meant, and which form they have.
#[derive(Clone, Debug, Default)]
pub struct TimeFormat {
    /// The zone of times that carry no offset; UTC if missing.
    pub zone: Option<TimeZone>,
    /// A `strptime` pattern, for forms that are not recognised by themselves.
    pub pattern: Option<String>,
}

impl TimeFormat {
    /// Returns a format for the zone of that IANA name, such as `America/Sao_Paulo`.
    ///
    /// # Errors
    /// There is no such zone; the text says so.
    pub fn in_zone(name: &str) -> Result<TimeFormat, String> {
        let zone = TimeZone::get(name)
            .map_err(|_| format!("`{name}` is not a time zone such as `UTC` or `America/Sao_Paulo`"))?;
        Ok(TimeFormat { zone: Some(zone), pattern: None })
    }
}

/// Reads times of one file; remembers the last offset of its zone.
#[derive(Clone, Debug)]
pub(crate) struct TimeReader {
    format: TimeFormat,
    zone: TimeZone,
    span: i64,
    offset: i64,
    /// Whether a time without an offset was taken for UTC, because no zone was given.
    pub(crate) assumed_utc: bool,
}

impl TimeReader {
    pub(crate) fn new(format: &TimeFormat) -> TimeReader {
        let zone = format.zone.clone().unwrap_or(TimeZone::UTC);
        TimeReader { format: format.clone(), zone, span: i64::MIN, offset: 0, assumed_utc: false }
    }

    /// Reads RFC 3339 with `T` or a blank, with or without an offset; a date; seconds, milliseconds,
    /// microseconds or nanoseconds since 1970, told apart by their size; or the pattern that was given.
    /// `None` if the text is none of these.
    pub(crate) fn read(&mut self, text: &[u8]) -> Option<Timestamp> {
        if self.format.pattern.is_some() {
            return self.read_pattern(text);
        }
        read_civil(text)
            .and_then(|(local, micros, rest)| self.settle(local, micros, rest))
            .or_else(|| read_epoch(text))
    }

    fn settle(&mut self, local: i64, micros: i64, rest: &[u8]) -> Option<Timestamp> {
        let offset = match trim(rest) {
            b"" => self.local_offset(local)?,
            b"Z" | b"z" | b"UTC" | b"GMT" => 0,
            [sign @ (b'+' | b'-'), digits @ ..] => signed(*sign, read_offset(digits)?),
            // PostgreSQL's csvlog names its zone by letters that only --time-zone can explain.
            name if name.len() <= 5
                && name.iter().all(u8::is_ascii_alphabetic)
                && self.format.zone.is_some() =>
            {
                self.local_offset(local)?
            }
            _ => return None,
        };
        Some(Timestamp((local - offset).checked_mul(MICROS)?.checked_add(micros)?))
    }

    fn local_offset(&mut self, local: i64) -> Option<i64> {
        if self.format.zone.is_none() {
            self.assumed_utc = true;
            return Some(0);
        }
        let span = local.div_euclid(OFFSET_SPAN);
        if span != self.span {
            let naive = jiff::Timestamp::from_second(local).ok()?;
            let civil = jiff::tz::Offset::UTC.to_datetime(naive);
            let instant = self.zone.to_ambiguous_timestamp(civil).compatible().ok()?;
            (self.span, self.offset) = (span, local - instant.as_second());
        }
        Some(self.offset)
    }

    fn read_pattern(&mut self, text: &[u8]) -> Option<Timestamp> {
        let pattern = self.format.pattern.as_deref()?;
        let parsed = jiff::fmt::strtime::parse(pattern, trim(text)).ok()?;
        if let Ok(instant) = parsed.to_timestamp() {
            return Some(Timestamp(instant.as_microsecond()));
        }
        let civil: DateTime =
            parsed.to_datetime().or_else(|_| parsed.to_date().map(|date| date.at(0, 0, 0, 0))).ok()?;
        let local = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
        let offset = self.local_offset(local.as_second())?;
        Some(Timestamp(local.as_microsecond() - offset * MICROS))
    }
}

/// Reads `YYYY-MM-DD[( |T)HH:MM[:SS[.fraction]]]`; returns seconds as if in UTC, µs, and what follows.
fn read_civil(text: &[u8]) -> Option<(i64, i64, &[u8])> {
    let text = trim(text);
    let (date, rest) = text.split_at_checked(10)?;
    let &[y1, y2, y3, y4, b'-' | b'/', m1, m2, b'-' | b'/', d1, d2] = date else { return None };
    let year = number(&[y1, y2, y3, y4])?;
    let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
        return None;
    }
    let midnight = days_from_civil(year, month, day) * DAY;
    let Some((b'T' | b't' | b' ', rest)) = rest.split_first() else {
        return rest.is_empty().then_some((midnight, 0, rest));
    };
    let (clock, rest) = rest.split_at_checked(5)?;
    let &[h1, h2, b':', i1, i2] = clock else { return None };
    let (hour, minute) = (number(&[h1, h2])?, number(&[i1, i2])?);
    let (mut second, mut micros, mut rest) = (0, 0, rest);
    if let [b':', s1, s2, after @ ..] = rest {
        second = number(&[*s1, *s2])?;
        rest = after;
        if let [b'.' | b',', after @ ..] = rest {
            let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
            let (fraction, after) = after.split_at(digits);
            micros = read_fraction(fraction)?;
            rest = after;
        }
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((midnight + hour * 3_600 + minute * 60 + second, micros, rest))
}

/// Reads the digits after a decimal point as µs.
fn read_fraction(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    Some((0..6).fold(0, |micros, place| {
        micros * 10 + digits.get(place).map_or(0, |digit| i64::from(digit.wrapping_sub(b'0')))
    }))
}

/// Reads `HH`, `HHMM`, `HH:MM` or either with seconds; returns seconds.
fn read_offset(digits: &[u8]) -> Option<i64> {
    let plain: Vec<u8> = digits.iter().copied().filter(|b| *b != b':').collect();
    let part = |range: std::ops::Range<usize>| plain.get(range).map_or(Some(0), number);
    let known = matches!(plain.len(), 2 | 4 | 6);
    let (hours, minutes, seconds) = (part(0..2)?, part(2..4)?, part(4..6)?);
    (known && hours <= 18 && minutes < 60 && seconds < 60).then_some(hours * 3_600 + minutes * 60 + seconds)
}

/// Reads a count since 1970: seconds up to the year 5138, then ms, µs, ns.
fn read_epoch(text: &[u8]) -> Option<Timestamp> {
    let text = trim(text);
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (b'-', digits),
        digits => (b'+', digits),
    };
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at(whole);
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let count = number(digits)?;
    let fraction = match rest {
        [] => 0,
        [b'.', fraction @ ..] if fraction.iter().all(u8::is_ascii_digit) => read_fraction(fraction)?,
        _ => return None,
    };
    let micros = match count {
        0..=99_999_999_999 => count * MICROS + fraction,
        100_000_000_000..=99_999_999_999_999 => count * 1_000 + fraction / 1_000,
        100_000_000_000_000..=99_999_999_999_999_999 => count,
        _ => count / 1_000,
    };
    Some(Timestamp(signed(sign, micros)))
}

fn signed(sign: u8, value: i64) -> i64 {
    if sign == b'-' { -value } else { value }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0i64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns days since 1970-01-01 in the Gregorian calendar (Hinnant, "chrono-compatible date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: Option<&str>, text: &str, expected: Option<&str>) {
        let format = zone.map_or_else(TimeFormat::default, |zone| TimeFormat::in_zone(zone).unwrap());
        let found = TimeReader::new(&format).read(text.as_bytes());
        assert_eq!(found.map(|time| time.to_string()).as_deref(), expected, "{text} in {zone:?}");
    }

    #[test]
    fn time_is_read_in_every_form_it_is_promised_in() {
        for (text, expected) in [
            ("2026-05-12T08:00:00Z", "2026-05-12T08:00:00.000000Z"),
            ("2026-05-12T08:00:00.123456789Z", "2026-05-12T08:00:00.123456Z"),
            ("2026-05-12T08:00:00+02:00", "2026-05-12T06:00:00.000000Z"),
            ("2026-05-12T08:00:00-0330", "2026-05-12T11:30:00.000000Z"),
            ("2026-05-12 08:00:00.5+02", "2026-05-12T06:00:00.500000Z"),
            (" 2026-05-12 08:00:00 UTC ", "2026-05-12T08:00:00.000000Z"),
            ("2026-05-12 08:00", "2026-05-12T08:00:00.000000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000000Z"),
            ("1778572800", "2026-05-12T08:00:00.000000Z"),
            ("1778572800.25", "2026-05-12T08:00:00.250000Z"),
            ("1778572800250", "2026-05-12T08:00:00.250000Z"),
            ("1778572800250001", "2026-05-12T08:00:00.250001Z"),
            ("1778572800250001000", "2026-05-12T08:00:00.250001Z"),
            ("-1", "1969-12-31T23:59:59.000000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ] {
            check(None, text, Some(expected));
        }
    }

    #[test]
    fn text_that_is_no_time_is_none() {
        for text in [
            "",
            "-",
            "time",
            "2026-13-01",
            "2026-02-29",
            "2026-05-12T25:00:00Z",
            "2026-05-12T08:00:00 CEST",
            "2026-05-12T08:00:00+99:00",
            "2026-05-12T",
            "2026-05-1",
            "12.5.2026",
            "1e9",
            "99999999999999999999",
            "2026-05-12T08:00:00.Z",
            "\u{661}\u{662}",
        ] {
            check(None, text, None);
        }
    }

    #[test]
    fn local_time_follows_its_zone_through_both_changes_of_the_clock() {
        let berlin = Some("Europe/Berlin");
        for (text, expected) in [
            ("2026-01-12 08:00:00", "2026-01-12T07:00:00.000000Z"),
            ("2026-07-12 08:00:00", "2026-07-12T06:00:00.000000Z"),
            ("2026-07-12 08:00:00 CEST", "2026-07-12T06:00:00.000000Z"),
            ("2026-03-29 01:59:59", "2026-03-29T00:59:59.000000Z"),
            ("2026-03-29 03:00:00", "2026-03-29T01:00:00.000000Z"),
            ("2026-10-25 02:30:00", "2026-10-25T00:30:00.000000Z"),
            ("2026-10-25 03:00:00", "2026-10-25T02:00:00.000000Z"),
            ("2026-07-12T08:00:00Z", "2026-07-12T08:00:00.000000Z"),
        ] {
            check(berlin, text, Some(expected));
        }
        assert!(TimeFormat::in_zone("Mars/Olympus").unwrap_err().contains("`Mars/Olympus`"));
    }

    #[test]
    fn pattern_reads_day_before_month() {
        let format = TimeFormat {
            pattern: Some("%d-%m-%Y %H:%M".into()),
            ..TimeFormat::in_zone("Europe/Berlin").unwrap()
        };
        let mut reader = TimeReader::new(&format);
        assert_eq!(reader.read(b"29-02-2016 01:23").unwrap().to_string(), "2016-02-29T00:23:00.000000Z");
        assert_eq!(reader.read(b"2016-02-29"), None);
    }
}
