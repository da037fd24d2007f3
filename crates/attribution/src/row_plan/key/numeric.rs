/// Longest text that is printed; longer numbers are kept as bytes.
pub(super) const BYTES_MAX: usize = 640;

const WEIGHT_MAX: i16 = 64;
const SCALE_MAX: u16 = 256;

/// Prints the binary form of a numeric as PostgreSQL does.
///
/// Returns None for malformed bytes and for numbers beyond 260 digits before or 256 after the point.
pub(super) fn print<'a>(bytes: &[u8], buffer: &'a mut [u8; BYTES_MAX]) -> Option<&'a [u8]> {
    let (header, mut rest) = bytes.split_first_chunk::<8>()?;
    let [n0, n1, w0, w1, s0, s1, d0, d1] = *header;
    let weight = i16::from_be_bytes([w0, w1]);
    let sign = u16::from_be_bytes([s0, s1]);
    let scale = u16::from_be_bytes([d0, d1]);
    let count = usize::try_from(i16::from_be_bytes([n0, n1])).ok()?;
    if rest.len() != count * 2 || !(-WEIGHT_MAX..=WEIGHT_MAX).contains(&weight) || scale > SCALE_MAX {
        return None;
    }
    let mut out = Out { buffer, len: 0 };
    match sign {
        0 => {}
        0x4000 => out.push(b"-")?,
        0xC000 => return Some(b"NaN"),
        0xD000 => return Some(b"Infinity"),
        0xF000 => return Some(b"-Infinity"),
        _ => return None,
    }
    let mut next_digit = || -> Option<[u8; 4]> {
        let Some((pair, tail)) = rest.split_first_chunk::<2>() else {
            return Some(*b"0000");
        };
        rest = tail;
        decimal(u16::from_be_bytes(*pair))
    };
    if weight < 0 {
        out.push(b"0")?;
    }
    for place in 0..=weight {
        let digits = next_digit()?;
        let zeros = if place == 0 { digits.iter().take(3).take_while(|d| **d == b'0').count() } else { 0 };
        out.push(digits.get(zeros..)?)?;
    }
    if scale > 0 {
        out.push(b".")?;
        let mut left = usize::from(scale);
        let mut place = -1;
        while left > 0 {
            let digits = if place > weight { *b"0000" } else { next_digit()? };
            let take = left.min(4);
            out.push(digits.get(..take)?)?;
            left -= take;
            place -= 1;
        }
    }
    let Out { buffer, len } = out;
    buffer.get(..len)
}

struct Out<'a> {
    buffer: &'a mut [u8; BYTES_MAX],
    len: usize,
}

impl Out<'_> {
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.buffer.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }
}

// The four decimal digits of one base-10,000 digit.
fn decimal(value: u16) -> Option<[u8; 4]> {
    if value > 9999 {
        return None;
    }
    let digit = |divisor: u16| u8::try_from(value / divisor % 10).map(|digit| b'0' + digit).ok();
    Some([digit(1000)?, digit(100)?, digit(10)?, digit(1)?])
}
