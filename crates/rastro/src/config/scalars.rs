//! Values written as text: periods, byte counts, secrets, identity sources.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, written as `500ms`, `30s`, `5m`, `24h`, `30d` or `2w`, or several in a row: `1h30m`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Period(pub(crate) Duration);

const PERIOD_UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Period, String> {
        let wrong = || format!("`{text}` is not a period such as `500ms`, `30s`, `5m`, `24h` or `30d`");
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(wrong());
        }
        let mut millis = 0u64;
        while !rest.is_empty() {
            let (count, after) = split_where(rest, |c| !c.is_ascii_digit());
            let (unit, after) = split_where(after, |c| !c.is_ascii_alphabetic());
            let (_, unit_millis) = PERIOD_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
            let count: u64 = count.parse().map_err(|_| wrong())?;
            let part = count.checked_mul(*unit_millis).ok_or_else(wrong)?;
            millis = millis.checked_add(part).ok_or_else(wrong)?;
            rest = after.trim_start();
        }
        Ok(Period(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        // Hours up to three days, as people write them.
        let (unit, size) = PERIOD_UNITS
            .iter()
            .rev()
            .find(|(unit, size)| {
                millis > 0
                    && millis.is_multiple_of(*size)
                    && !(["d", "w"].contains(unit) && millis <= 259_200_000)
            })
            .unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", millis / size)
    }
}

/// A number of bytes, written as `4MiB`, `1GiB` or `500kB`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ByteCount(pub(crate) u64);

const BYTE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for ByteCount {
    type Err = String;

    fn from_str(text: &str) -> Result<ByteCount, String> {
        let wrong = || format!("`{text}` is not a number of bytes such as `4MiB`");
        let (count, unit) = split_where(text.trim(), |c| !c.is_ascii_digit());
        let count: u64 = count.parse().map_err(|_| wrong())?;
        let unit = unit.trim();
        let (_, size) = BYTE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        count.checked_mul(*size).map(ByteCount).ok_or_else(wrong)
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = BYTE_UNITS.iter().take(3).find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size));
        let (unit, size) = unit.unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Text that no message, log or `Debug` shows.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Returns the text; keep it out of messages.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where the name of the person behind a shared login is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum IdentitySource {
    /// The value of this key in a sqlcommenter comment of the statement.
    Sqlcommenter(String),
    /// A session setting.
    Setting(String),
    /// The session's `application_name`.
    ApplicationName,
}

impl FromStr for IdentitySource {
    type Err = String;

    fn from_str(text: &str) -> Result<IdentitySource, String> {
        match text.split_once(':') {
            None if text == "application_name" => Ok(IdentitySource::ApplicationName),
            Some(("sqlcommenter", key)) if !key.is_empty() => {
                Ok(IdentitySource::Sqlcommenter(key.to_owned()))
            }
            Some(("setting", name)) if !name.is_empty() => Ok(IdentitySource::Setting(name.to_owned())),
            _ => Err(format!(
                "`{text}` is not an identity source: `sqlcommenter:KEY`, `setting:NAME` or `application_name`"
            )),
        }
    }
}

impl fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentitySource::Sqlcommenter(key) => write!(f, "sqlcommenter:{key}"),
            IdentitySource::Setting(name) => write!(f, "setting:{name}"),
            IdentitySource::ApplicationName => f.write_str("application_name"),
        }
    }
}

macro_rules! as_text {
    ($($type:ident $pattern:literal),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }
    )*};
}

as_text!(
    Period "^([0-9]+(ms|s|m|h|d|w) ?)+$",
    ByteCount "^[0-9]+ ?(GiB|MiB|KiB|GB|MB|kB|B)$",
    IdentitySource "^(sqlcommenter:.+|setting:.+|application_name)$"
);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteCount, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for IdentitySource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<IdentitySource, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn period_reads_and_prints_what_people_write() {
        let cases = [
            ("500ms", 500),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("24h", 86_400_000),
            ("30d", 2_592_000_000),
        ];
        for (text, millis) in cases {
            assert_eq!(text.parse(), Ok(Period(Duration::from_millis(millis))), "{text}");
        }
        for text in ["24h", "72h", "30d", "500ms", "5m"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        for text in ["", "5", "h", "-5s", "5 parsecs", "99999999999999999999s", "1.5h"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn byte_count_reads_and_prints_units() {
        for (text, bytes) in [("4MiB", 4 << 20), ("1GiB", 1 << 30), ("500kB", 500_000), ("17B", 17)] {
            assert_eq!(text.parse(), Ok(ByteCount(bytes)));
        }
        assert_eq!(ByteCount(4 << 20).to_string(), "4MiB");
        assert!("4".parse::<ByteCount>().is_err());
        assert!("99999999999GiB".parse::<ByteCount>().is_err());
    }

    #[test]
    fn identity_source_reads_its_three_forms() {
        for text in ["sqlcommenter:user", "setting:rastro.principal", "application_name"] {
            assert_eq!(text.parse::<IdentitySource>().unwrap().to_string(), text);
        }
        for text in ["", "sqlcommenter", "setting:", "application_name:x", "header:x"] {
            assert!(text.parse::<IdentitySource>().is_err(), "{text}");
        }
    }

    #[test]
    fn secret_is_not_shown() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
