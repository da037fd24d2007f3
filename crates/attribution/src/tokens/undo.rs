//! Escapes, hexadecimal and base64, undone.

const DECODED_BYTES_MAX: usize = 1 << 20;
const ENCODED_BYTES_MIN: usize = 10;

/// Appends `value` with its encoding undone; returns whether it had one.
pub(super) fn undo(value: &[u8], to: &mut Vec<u8>) -> bool {
    let value = value.get(..value.len().min(2 * DECODED_BYTES_MAX)).unwrap_or_default();
    if let Some(digits) = value.strip_prefix(b"\\x") {
        return hexadecimal(digits, to);
    }
    if value.len() >= ENCODED_BYTES_MIN && hexadecimal(value, to) {
        return is_text(to);
    }
    to.clear();
    if value.len() >= ENCODED_BYTES_MIN && base64(value, to) {
        return is_text(to);
    }
    to.clear();
    escapes(value, to)
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()))
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn hexadecimal(digits: &[u8], to: &mut Vec<u8>) -> bool {
    let (pairs, odd) = digits.as_chunks::<2>();
    for [high, low] in pairs {
        let (Some(high), Some(low)) = (nibble(*high), nibble(*low)) else { return false };
        to.push(high << 4 | low);
    }
    odd.is_empty() && !to.is_empty()
}

// As encode(…, 'base64') prints it: lines, padding at the end.
fn base64(value: &[u8], to: &mut Vec<u8>) -> bool {
    let (mut bits, mut held, mut digits, mut padding) = (0u32, 0, 0usize, 0usize);
    for byte in value {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\n' | b'\r' => continue,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return false,
        };
        if padding > 0 {
            return false;
        }
        digits += 1;
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            to.push((bits >> held) as u8);
        }
    }
    (digits + padding).is_multiple_of(4) && padding <= 2 && !to.is_empty()
}

// \u0040 of JSON, &#64; and &#x40; of XML, %40 of addresses.
fn escapes(value: &[u8], to: &mut Vec<u8>) -> bool {
    let mut done = 0;
    for place in memchr::memchr3_iter(b'\\', b'&', b'%', value) {
        let rest = value.get(place..).unwrap_or_default();
        if place < done {
            continue;
        }
        if let Some(len) = hexadecimal_len(rest) {
            to.extend_from_slice(value.get(done..place).unwrap_or_default());
            hexadecimal(rest.get(2..len).unwrap_or_default(), to);
            done = place + len;
            continue;
        }
        let Some((code, len)) = escape(rest) else { continue };
        to.extend_from_slice(value.get(done..place).unwrap_or_default());
        let mut utf8 = [0; 4];
        to.extend_from_slice(code.encode_utf8(&mut utf8).as_bytes());
        done = place + len;
        if to.len() > DECODED_BYTES_MAX {
            break;
        }
    }
    if done > 0 {
        to.extend_from_slice(value.get(done..).unwrap_or_default());
    }
    done > 0
}

// bytea among other things, such as COPY data.
fn hexadecimal_len(rest: &[u8]) -> Option<usize> {
    let digits = rest.strip_prefix(b"\\x")?.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    (digits >= ENCODED_BYTES_MIN).then_some(2 + digits - digits % 2)
}

fn escape(rest: &[u8]) -> Option<(char, usize)> {
    let code = |digits: &[u8], radix| {
        let text = std::str::from_utf8(digits).ok()?;
        u32::from_str_radix(text, radix).ok().and_then(char::from_u32)
    };
    match rest {
        [b'\\', b'u', ..] => Some((code(rest.get(2..6)?, 16)?, 6)),
        [b'%', ..] => Some((code(rest.get(1..3)?, 16).filter(char::is_ascii)?, 3)),
        [b'&', b'#', ..] => {
            let end = rest.iter().take(10).position(|byte| *byte == b';')?;
            let made = match rest.get(2..end)? {
                [b'x' | b'X', digits @ ..] => code(digits, 16)?,
                digits => code(digits, 10)?,
            };
            Some((made, end + 1))
        }
        _ => None,
    }
}
