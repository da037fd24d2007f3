//! Signed notes as C2SP signed-note and tlog-cosignature describe them: a text, and under it signatures.

mod key;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

pub use key::{KeyError, NoteKey, NoteVerifier, SignatureKind};

/// Greatest number of signatures of a note that are looked at.
pub const SIGNATURES_MAX: usize = 64;
/// Greatest length of a note in bytes.
pub const NOTE_BYTES_MAX: usize = 64 << 10;

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    /// First four bytes of a hash of name and key.
    pub key_id: u32,
    /// What the key made of the text.
    pub bytes: Vec<u8>,
}

/// A text with signatures, none of them checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text, ending in a newline.
    pub text: String,
    /// The signatures, in their order.
    pub signatures: Vec<Signature>,
}

/// Why bytes are no signed note.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Longer than [`NOTE_BYTES_MAX`], or with more than [`SIGNATURES_MAX`] signatures.
    #[error("signed note is too long")]
    Long,
    /// Not UTF-8, or a control character other than newline.
    #[error("signed note holds a byte that is not text")]
    Text,
    /// No empty line followed by signatures.
    #[error("signed note has no signatures")]
    Unsigned,
    /// A signature line is not one.
    #[error("line {line} of the signatures is malformed")]
    Line {
        /// From 1.
        line: usize,
    },
}

/// Why a note is not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// None of the trusted keys signed it.
    #[error("no trusted key has signed it")]
    Unknown,
    /// A trusted key's signature does not fit the text.
    #[error("the signature of `{name}` does not fit the text")]
    Forged {
        /// Name of the key.
        name: String,
    },
}

impl Note {
    /// Makes a note without signatures of a text that ends in a newline.
    pub fn new(text: String) -> Note {
        Note { text, signatures: Vec::new() }
    }

    /// Reads a signed note.
    ///
    /// # Errors
    /// See [`NoteError`].
    pub fn decode(bytes: &[u8]) -> Result<Note, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Long);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        if text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Text);
        }
        let (text, lines) = text.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Unsigned)?;
        let mut signatures = Vec::new();
        for (i, line) in lines.split('\n').enumerate() {
            if i == SIGNATURES_MAX {
                return Err(NoteError::Long);
            }
            signatures.push(Signature::decode(line).ok_or(NoteError::Line { line: i + 1 })?);
        }
        Ok(Note { text: format!("{text}\n"), signatures })
    }

    /// Returns the note as it is stored and sent.
    pub fn encode(&self) -> String {
        let lines: String = self.signatures.iter().map(Signature::encode).collect();
        format!("{}\n{lines}", self.text)
    }

    /// Signs the text with `key` at `time` (seconds since 1970, used by cosignatures only).
    pub fn sign(&mut self, key: &NoteKey, time: u64) {
        self.signatures.push(key.sign(&self.text, time));
    }

    /// Returns those of `keys` that signed the text, each with the time its signature states (0 for a kind
    /// that states none).
    ///
    /// # Errors
    /// `Unknown`: none did. `Forged`: a signature that claims to be of one of them does not fit.
    pub fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k NoteVerifier>,
    ) -> Result<Vec<(&'k NoteVerifier, u64)>, SignatureError> {
        let mut found = Vec::new();
        for key in keys {
            for signature in self.signatures.iter().filter(|s| key.is_of(s)) {
                match key.verify(&self.text, signature) {
                    Some(time) => found.push((key, time)),
                    None => return Err(SignatureError::Forged { name: key.name().to_owned() }),
                }
            }
        }
        if found.is_empty() { Err(SignatureError::Unknown) } else { Ok(found) }
    }
}

impl Signature {
    /// Reads one line, without its newline.
    pub fn decode(line: &str) -> Option<Signature> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = BASE64.decode(encoded).ok()?;
        let (id, bytes) = bytes.split_first_chunk::<4>()?;
        let usable = is_key_name(name) && !bytes.is_empty();
        usable.then(|| Signature {
            name: name.to_owned(),
            key_id: u32::from_be_bytes(*id),
            bytes: bytes.to_vec(),
        })
    }

    /// Returns the line, with its newline.
    pub fn encode(&self) -> String {
        let bytes = [self.key_id.to_be_bytes().as_slice(), &self.bytes].concat();
        format!("— {} {}\n", self.name, BASE64.encode(bytes))
    }
}

/// Returns whether a text can be the name of a key.
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c < ' ')
}

#[cfg(test)]
mod tests;
