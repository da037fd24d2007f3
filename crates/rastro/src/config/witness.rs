//! A witness as the configuration names it.

use std::str::FromStr;

use rastro_ledger::note::{NoteVerifier, SignatureKind};

use super::Config;

/// Where a witness is asked, and the key that its cosignatures are checked with.
#[derive(Clone, Debug)]
pub(crate) struct WitnessAddress {
    /// Without a slash at the end.
    pub(crate) url: String,
    pub(crate) key: NoteVerifier,
}

impl FromStr for WitnessAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<WitnessAddress, String> {
        let (url, key) = text.split_once(' ').unwrap_or((text, ""));
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("witness `{url}` is no http or https URL"));
        }
        let key = NoteVerifier::decode(key).map_err(|error| format!("witness `{url}`: {error}"))?;
        if key.kind() != SignatureKind::Cosignature {
            return Err(format!("witness `{url}`: its key is a log's, not a witness's"));
        }
        Ok(WitnessAddress { url: url.trim_end_matches('/').to_owned(), key })
    }
}

impl Config {
    /// Returns the witnesses of a validated configuration.
    pub(crate) fn witness_addresses(&self) -> Vec<WitnessAddress> {
        self.ledger.witnesses.iter().filter_map(|text| text.parse().ok()).collect()
    }
}
