//! What a database client is told by Rastro itself: one place for SQLSTATE, sentence and hint.

use crate::frame::write_frame;

/// An ErrorResponse that Rastro writes. Holds no personal value (P4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientError {
    /// `true` ends the session (FATAL), `false` leaves it usable (ERROR).
    pub fatal: bool,
    /// Five characters, see PostgreSQL's appendix A.
    pub sqlstate: &'static str,
    /// One neutral sentence without a full stop.
    pub message: String,
    /// Whom to ask.
    pub hint: Option<String>,
}

impl ClientError {
    /// An error that leaves the session usable.
    pub fn error(sqlstate: &'static str, message: impl Into<String>) -> ClientError {
        ClientError { fatal: false, sqlstate, message: message.into(), hint: None }
    }

    /// An error after which the session ends.
    pub fn fatal(sqlstate: &'static str, message: impl Into<String>) -> ClientError {
        ClientError { fatal: true, sqlstate, message: message.into(), hint: None }
    }

    /// Adds the hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> ClientError {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the ErrorResponse frame.
    pub fn to_frame(&self) -> Vec<u8> {
        let severity = if self.fatal { "FATAL" } else { "ERROR" };
        let mut fields = vec![('S', severity), ('V', severity), ('C', self.sqlstate), ('M', &self.message)];
        if let Some(hint) = &self.hint {
            fields.push(('H', hint));
        }
        let mut payload = Vec::new();
        for (code, value) in fields {
            payload.push(u8::try_from(code).unwrap_or(b'M'));
            payload.extend(value.bytes().filter(|&byte| byte != 0));
            payload.push(0);
        }
        payload.push(0);
        let mut frame = Vec::with_capacity(payload.len() + 5);
        write_frame(&mut frame, b'E', &[&payload]);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_error_is_a_well_formed_error_response() {
        let frame = ClientError::error("53400", "too many").with_hint("ask").to_frame();
        assert_eq!(frame[0], b'E');
        assert_eq!(u32::from_be_bytes([frame[1], frame[2], frame[3], frame[4]]) as usize, frame.len() - 1);
        assert!(frame.ends_with(b"Mtoo many\0Hask\0\0"));
    }
}
