use std::fmt;

/// The position of a `[[subject]]` in the configuration, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct KindId(pub u8);

/// How sure Rastro is that a subject was shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Certainty {
    /// Read from the result itself: the key or a value that is the subject's alone.
    Exact,
    /// Concluded from the statement.
    Derived,
    /// A bound: the subject may have been shown.
    Possible,
}

impl Certainty {
    /// Returns the word used in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Certainty::Exact => "exact",
            Certainty::Derived => "derived",
            Certainty::Possible => "possible",
        }
    }
}

/// The key of one subject, in the cheapest form that keeps it apart from all others.
///
/// `Display` gives the key column's text, which is how people and files name a subject.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum SubjectKey {
    /// smallint, integer or bigint keys.
    Int(i64),
    /// uuid keys, big-endian.
    Uuid(u128),
    /// Every other type, as PostgreSQL prints it.
    Text(Box<str>),
}

impl fmt::Display for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubjectKey::Int(value) => write!(f, "{value}"),
            SubjectKey::Uuid(value) => {
                let hex = format!("{value:032x}");
                let part = |range| hex.get(range).unwrap_or_default();
                write!(f, "{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
            }
            SubjectKey::Text(value) => f.write_str(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_key_prints_as_postgresql_does() {
        let key = SubjectKey::Uuid(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        assert_eq!(key.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
