//! Ed25519 keys of notes, in the text forms that other implementations read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::{Signature, is_key_name};
use crate::merkle::digest;

/// What a signature says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureKind {
    /// The text is the signer's: type 0x01.
    Plain,
    /// A witness saw the log grow consistently up to here, at a stated time: type 0x04, C2SP
    /// tlog-cosignature.
    Cosignature,
}

impl SignatureKind {
    fn tag(self) -> u8 {
        match self {
            SignatureKind::Plain => 0x01,
            SignatureKind::Cosignature => 0x04,
        }
    }

    /// Returns what is signed for `text`.
    fn message(self, text: &str, time: u64) -> Vec<u8> {
        match self {
            SignatureKind::Plain => text.as_bytes().to_vec(),
            SignatureKind::Cosignature => format!("cosignature/v1\ntime {time}\n{text}").into_bytes(),
        }
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The name holds a space or a plus sign, or nothing.
    #[error("`{name}` cannot name a key")]
    Name {
        /// The name.
        name: String,
    },
    /// The text is not a key in its usual form.
    #[error("not an Ed25519 key in the form of signed notes")]
    Form,
    /// The operating system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// A private key with its name.
pub struct NoteKey {
    verifier: NoteVerifier,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl NoteKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// `Name`, `Random`.
    pub fn generate(name: &str, kind: SignatureKind) -> Result<NoteKey, KeyError> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| KeyError::Random)?;
        NoteKey::from_seed(name, kind, seed)
    }

    /// Makes the key of 32 secret bytes.
    ///
    /// # Errors
    /// `Name`.
    pub fn from_seed(name: &str, kind: SignatureKind, seed: [u8; 32]) -> Result<NoteKey, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Form)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Form)?;
        Ok(NoteKey { verifier: NoteVerifier::new(name, kind, public)?, seed, pair })
    }

    /// Reads `PRIVATE+KEY+<name>+<key id>+<base64>`.
    ///
    /// # Errors
    /// `Form`.
    pub fn decode(text: &str) -> Result<NoteKey, KeyError> {
        let rest = text.trim_end().strip_prefix("PRIVATE+KEY+").ok_or(KeyError::Form)?;
        let (name, id, kind, seed) = split(rest).ok_or(KeyError::Form)?;
        let key = NoteKey::from_seed(name, kind, seed)?;
        if key.verifier.key_id == id { Ok(key) } else { Err(KeyError::Form) }
    }

    /// Returns the private key's text.
    pub fn encode_private(&self) -> String {
        format!("PRIVATE+KEY+{}", self.verifier.encode_with(&self.seed))
    }

    /// Returns the public key.
    pub fn verifier(&self) -> &NoteVerifier {
        &self.verifier
    }

    pub(super) fn sign(&self, text: &str, time: u64) -> Signature {
        let kind = self.verifier.kind;
        let signed = self.pair.sign(&kind.message(text, time));
        let mut bytes = Vec::with_capacity(72);
        if kind == SignatureKind::Cosignature {
            bytes.extend_from_slice(&time.to_be_bytes());
        }
        bytes.extend_from_slice(signed.as_ref());
        Signature { name: self.verifier.name.clone(), key_id: self.verifier.key_id, bytes }
    }
}

impl std::fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoteKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

/// A public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    kind: SignatureKind,
    key_id: u32,
    public: [u8; 32],
}

impl NoteVerifier {
    fn new(name: &str, kind: SignatureKind, public: [u8; 32]) -> Result<NoteVerifier, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name { name: name.to_owned() });
        }
        let [a, b, c, d, ..] = digest(&[name.as_bytes(), b"\n", &[kind.tag()], &public]);
        let key_id = u32::from_be_bytes([a, b, c, d]);
        Ok(NoteVerifier { name: name.to_owned(), kind, key_id, public })
    }

    /// Reads `<name>+<key id>+<base64>`.
    ///
    /// # Errors
    /// `Form`.
    pub fn decode(text: &str) -> Result<NoteVerifier, KeyError> {
        let (name, id, kind, public) = split(text.trim_end()).ok_or(KeyError::Form)?;
        let key = NoteVerifier::new(name, kind, public)?;
        if key.key_id == id { Ok(key) } else { Err(KeyError::Form) }
    }

    /// Returns the key's text.
    pub fn encode(&self) -> String {
        self.encode_with(&self.public)
    }

    fn encode_with(&self, key: &[u8; 32]) -> String {
        let bytes = [[self.kind.tag()].as_slice(), key].concat();
        format!("{}+{:08x}+{}", self.name, self.key_id, BASE64.encode(bytes))
    }

    /// Returns the key's name: of a log's key, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what its signatures say.
    pub fn kind(&self) -> SignatureKind {
        self.kind
    }

    /// Returns whether a signature claims to be of this key.
    pub fn is_of(&self, signature: &Signature) -> bool {
        signature.name == self.name && signature.key_id == self.key_id
    }

    /// Returns the time that a signature states, if it fits `text`.
    pub(super) fn verify(&self, text: &str, signature: &Signature) -> Option<u64> {
        let (time, signed) = match self.kind {
            SignatureKind::Plain => (0, signature.bytes.as_slice()),
            SignatureKind::Cosignature => {
                let (time, signed) = signature.bytes.split_first_chunk::<8>()?;
                (u64::from_be_bytes(*time), signed)
            }
        };
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        let fits = time <= i64::MAX as u64 && key.verify(&self.kind.message(text, time), signed).is_ok();
        fits.then_some(time)
    }
}

fn split(text: &str) -> Option<(&str, u32, SignatureKind, [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let number = u32::from_str_radix(id, 16).ok().filter(|number| format!("{number:08x}") == id)?;
    let bytes = BASE64.decode(key).ok()?;
    let (tag, key) = bytes.split_first()?;
    let kind = [SignatureKind::Plain, SignatureKind::Cosignature].into_iter().find(|k| k.tag() == *tag)?;
    Some((name, number, kind, key.try_into().ok()?))
}
