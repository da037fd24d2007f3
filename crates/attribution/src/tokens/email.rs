use rastro_model::Certainty;

use super::{Scanner, lower};
use crate::value_index::{Class, ValueIndex};

const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 190;
const DOMAIN_BYTES_MIN: usize = 2;

impl Scanner {
    /// Looks up the address around the `@` at `place`. What stands before or behind it without a gap does not
    /// hide it: every beginning is tried with every end that is a known domain.
    pub(super) fn email(&mut self, index: &ValueIndex, bytes: &[u8], place: usize) {
        let before = bytes.get(place.saturating_sub(LOCAL_BYTES_MAX)..place).unwrap_or_default();
        let local = before.iter().rev().take_while(|byte| is_local(**byte)).count();
        let after = bytes.get(place + 1..).unwrap_or_default();
        let domain = after.iter().take(DOMAIN_BYTES_MAX).take_while(|byte| is_domain(**byte)).count();
        if local == 0 || domain < DOMAIN_BYTES_MIN {
            return;
        }
        let mut address = std::mem::take(&mut self.canonical);
        address.clear();
        address.extend_from_slice(bytes.get(place - local..=place + domain).unwrap_or_default());
        lower(&mut address);
        self.find_address(index, &address);
        self.canonical = address;
    }

    fn find_address(&mut self, index: &ValueIndex, address: &[u8]) {
        let Some(at) = memchr::memchr(b'@', address) else { return };
        let mut end = address.len();
        while end > at + DOMAIN_BYTES_MIN {
            let domain = address.get(at + 1..end).unwrap_or_default();
            let known = index.may_hold(index.key().hash(Class::Domain as u8, domain));
            let whole = end == address.len() || address.get(end) == Some(&b'.');
            if known || (index.shapes().any_domain && whole) {
                let ends = address.iter().skip(end).all(|byte| matches!(byte, b'.' | b'-'));
                let found = (0..at).any(|start| {
                    let candidate = address.get(start..end).unwrap_or_default();
                    let hash = index.key().hash(Class::Email as u8, candidate);
                    // Within a longer word it may as well be another address, which nobody has.
                    let begins = start.checked_sub(1).and_then(|before| address.get(before));
                    let whole = ends && !begins.is_some_and(|before| is_word(*before));
                    self.find_hash(index, hash, if whole { Certainty::Exact } else { Certainty::Possible })
                });
                if found {
                    return;
                }
            }
            end -= 1;
        }
    }
}

fn is_local(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !byte.is_ascii_control() && !b"\"<>(),:;[]\\@".contains(&byte)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'_' | b'-' | b'+')
}

fn is_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'-' | b'.')
}
