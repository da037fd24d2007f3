//! The first packet of a connection: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest.

use crate::frame::split_cstr;

/// Longest first packet PostgreSQL accepts, in bytes.
pub const STARTUP_BYTES_MAX: usize = 10_000;
/// Longest cancel key of protocol 3.2, in bytes.
pub const CANCEL_KEY_BYTES_MAX: usize = 256;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// The SSLRequest packet.
pub const SSL_REQUEST_PACKET: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What the first packet asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FirstPacket {
    /// A session.
    Startup(Startup),
    /// TLS, answered with one byte.
    SslRequest,
    /// GSS encryption, answered with one byte.
    GssEncRequest,
    /// Cancel what the session with this key does.
    Cancel(CancelKey),
}

/// What BackendKeyData gave to a client and CancelRequest brings back.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CancelKey {
    /// The server process.
    pub process_id: u32,
    /// 4 bytes in protocol 3.0, up to 256 in 3.2.
    pub secret: Vec<u8>,
}

impl CancelKey {
    /// Reads the payload of BackendKeyData or what follows the code of CancelRequest.
    pub fn decode(payload: &[u8]) -> Option<CancelKey> {
        let (process_id, secret) = payload.split_first_chunk::<4>()?;
        (4..=CANCEL_KEY_BYTES_MAX)
            .contains(&secret.len())
            .then(|| CancelKey { process_id: u32::from_be_bytes(*process_id), secret: secret.to_vec() })
    }

    /// Returns the CancelRequest packet.
    pub fn to_cancel_request(&self) -> Vec<u8> {
        let length = u32::try_from(12 + self.secret.len()).unwrap_or(u32::MAX);
        let mut packet = Vec::with_capacity(12 + self.secret.len());
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(&CANCEL_REQUEST.to_be_bytes());
        packet.extend_from_slice(&self.process_id.to_be_bytes());
        packet.extend_from_slice(&self.secret);
        packet
    }
}

/// A StartupMessage: the packet as it came, and its parameters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Startup {
    /// The whole packet, forwarded unchanged.
    pub packet: Vec<u8>,
    /// Minor version of protocol 3.
    pub minor: u16,
    parameters: Vec<(String, String)>,
}

impl Startup {
    /// Returns a parameter's last value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the role the client wants to authenticate as.
    pub fn login(&self) -> &str {
        self.parameter("user").unwrap_or_default()
    }

    /// Returns the database, which defaults to the login's name.
    pub fn database(&self) -> &str {
        self.parameter("database").filter(|name| !name.is_empty()).unwrap_or_else(|| self.login())
    }

    /// Returns whether a replication connection is asked for, with PostgreSQL's reading of booleans.
    pub fn wants_replication(&self) -> bool {
        self.parameter("replication").is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            !(value == "0"
                || value == "of"
                || value == "off"
                || is_prefix(&value, "false")
                || is_prefix(&value, "no"))
        })
    }

    /// Returns the value of a setting given in `options` as `-c name=value` or `--name=value`, or as a
    /// parameter of its own.
    pub fn setting(&self, name: &str) -> Option<String> {
        if let Some(value) = self.parameter(name) {
            return Some(value.to_owned());
        }
        let words = split_options(self.parameter("options").unwrap_or_default());
        let mut found = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let assignment = match word.strip_prefix("--") {
                Some(rest) => rest,
                None => match word.strip_prefix("-c") {
                    Some("") => words.next().map_or("", String::as_str),
                    Some(rest) => rest,
                    None => continue,
                },
            };
            if let Some((key, value)) = assignment.split_once('=')
                && key.replace('-', "_").eq_ignore_ascii_case(name)
            {
                found = Some(value.to_owned());
            }
        }
        found
    }
}

fn is_prefix(value: &str, word: &str) -> bool {
    !value.is_empty() && word.starts_with(value)
}

// As pg_split_opts does: words between white space, a backslash takes the next character as it is.
fn split_options(options: &str) -> Vec<String> {
    let (mut words, mut word, mut started) = (Vec::new(), String::new(), false);
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            word.extend(chars.next());
            started = true;
        } else if c.is_ascii_whitespace() {
            if started {
                words.push(std::mem::take(&mut word));
            }
            started = false;
        } else {
            word.push(c);
            started = true;
        }
    }
    if started {
        words.push(word);
    }
    words
}

/// Why a first packet was not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// The length field is out of bounds.
    #[error("first packet has length {0}, expected 8 to {STARTUP_BYTES_MAX}")]
    Length(u32),
    /// Not protocol 3.
    #[error("protocol {major}.{minor} is not supported, expected 3.x")]
    Version {
        /// Major version asked for.
        major: u16,
        /// Minor version asked for.
        minor: u16,
    },
    /// The parameters are not NUL-terminated pairs, or name no login.
    #[error("startup parameters are malformed")]
    Parameters,
    /// A CancelRequest whose key has a wrong length.
    #[error("cancel request is malformed")]
    Cancel,
}

/// Returns how many bytes the first packet has, from its first four.
///
/// # Errors
/// `Length` outside 8 to 10,000.
pub fn first_packet_bytes(length: [u8; 4]) -> Result<usize, StartupError> {
    let length = u32::from_be_bytes(length);
    match usize::try_from(length) {
        Ok(bytes) if (8..=STARTUP_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(StartupError::Length(length)),
    }
}

/// Reads a whole first packet, length field included.
///
/// # Errors
/// See [`StartupError`].
pub fn decode_first_packet(packet: &[u8]) -> Result<FirstPacket, StartupError> {
    let (length, rest) = packet.split_first_chunk::<4>().ok_or(StartupError::Length(0))?;
    if first_packet_bytes(*length)? != packet.len() {
        return Err(StartupError::Length(u32::from_be_bytes(*length)));
    }
    let (code, body) = rest.split_first_chunk::<4>().ok_or(StartupError::Length(4))?;
    match u32::from_be_bytes(*code) {
        SSL_REQUEST => Ok(FirstPacket::SslRequest),
        GSSENC_REQUEST => Ok(FirstPacket::GssEncRequest),
        CANCEL_REQUEST => CancelKey::decode(body).map(FirstPacket::Cancel).ok_or(StartupError::Cancel),
        version => {
            let [major_high, major_low, minor_high, minor_low] = version.to_be_bytes();
            let major = u16::from_be_bytes([major_high, major_low]);
            let minor = u16::from_be_bytes([minor_high, minor_low]);
            if major != 3 {
                return Err(StartupError::Version { major, minor });
            }
            let parameters = decode_parameters(body).ok_or(StartupError::Parameters)?;
            let startup = Startup { packet: packet.to_vec(), minor, parameters };
            if startup.login().is_empty() {
                return Err(StartupError::Parameters);
            }
            Ok(FirstPacket::Startup(startup))
        }
    }
}

fn decode_parameters(mut body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    loop {
        let (name, rest) = split_cstr(body)?;
        if name.is_empty() {
            return rest.is_empty().then_some(parameters);
        }
        let (value, rest) = split_cstr(rest)?;
        parameters.push((String::from_utf8_lossy(name).into(), String::from_utf8_lossy(value).into()));
        body = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(version: u32, body: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(8 + body.len()).unwrap().to_be_bytes().to_vec();
        packet.extend_from_slice(&version.to_be_bytes());
        packet.extend_from_slice(body);
        packet
    }

    #[test]
    fn startup_gives_login_database_and_settings() {
        let packet = startup(0x30002, b"user\0ana\0options\0-c rastro.principal=b\\ o --work_mem=1MB\0\0");
        let FirstPacket::Startup(startup) = decode_first_packet(&packet).unwrap() else { panic!() };
        assert_eq!((startup.login(), startup.database(), startup.minor), ("ana", "ana", 2));
        assert_eq!(startup.setting("rastro.principal").as_deref(), Some("b o"));
        assert_eq!(startup.setting("work_mem").as_deref(), Some("1MB"));
        assert!(!startup.wants_replication());
        assert_eq!(startup.packet, packet);
    }

    #[test]
    fn startup_cut_at_any_byte_is_rejected() {
        let packet = startup(0x30000, b"user\0ana\0\0");
        for end in 0..packet.len() {
            assert!(decode_first_packet(&packet[..end]).is_err(), "{end}");
            let mut shorter = packet[..end].to_vec();
            if end >= 8 {
                shorter[..4].copy_from_slice(&u32::try_from(end).unwrap().to_be_bytes());
                assert!(decode_first_packet(&shorter).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn protocol_two_is_rejected_with_its_version() {
        let error = decode_first_packet(&startup(0x20000, b"x")).unwrap_err();
        assert_eq!(error, StartupError::Version { major: 2, minor: 0 });
    }

    #[test]
    fn replication_values_follow_postgresql() {
        for (value, expected) in
            [("database", true), ("true", true), ("1", true), ("off", false), ("f", false), ("0", false)]
        {
            let body = format!("user\0a\0replication\0{value}\0\0");
            let FirstPacket::Startup(startup) =
                decode_first_packet(&startup(0x30000, body.as_bytes())).unwrap()
            else {
                panic!()
            };
            assert_eq!(startup.wants_replication(), expected, "{value}");
        }
    }

    #[test]
    fn cancel_key_survives_a_round_trip() {
        let key = CancelKey { process_id: 77, secret: vec![9; 32] };
        assert_eq!(decode_first_packet(&key.to_cancel_request()), Ok(FirstPacket::Cancel(key)));
    }
}
