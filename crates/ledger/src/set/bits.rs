use crate::bytes::FormatError;

pub(super) struct BitWriter<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) word: u64,
    pub(super) used: u32,
}

impl BitWriter<'_> {
    fn put(&mut self, value: u64, bits: u32) {
        // Fewer than 8 bits wait in `word`, so 56 always fit.
        if bits > 56 {
            self.put(value & ((1 << 32) - 1), 32);
            return self.put(value >> 32, bits - 32);
        }
        self.word |= value << self.used;
        self.used += bits;
        while self.used >= 8 {
            self.out.push(self.word as u8);
            self.word >>= 8;
            self.used -= 8;
        }
    }

    pub(super) fn put_rice(&mut self, value: u64, parameter: u32) {
        let mut zeros = value >> parameter;
        while zeros >= 32 {
            self.put(0, 32);
            zeros -= 32;
        }
        self.put(1 << zeros, zeros as u32 + 1);
        if parameter > 0 {
            self.put(value & ((1 << parameter) - 1), parameter);
        }
    }

    pub(super) fn finish(self) {
        if self.used > 0 {
            self.out.push(self.word as u8);
        }
    }
}

pub(super) struct BitReader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) word: u64,
    pub(super) left: u32,
}

impl BitReader<'_> {
    fn fill(&mut self) {
        if self.left > 56 {
            return;
        }
        if let Some(eight) = self.bytes.first_chunk::<8>() {
            // As many whole bytes as there is room for, in one go.
            let whole = (63 - self.left) / 8;
            let low = u64::from_le_bytes(*eight) & ((1 << (whole * 8)) - 1);
            self.word |= low << self.left;
            self.left += whole * 8;
            self.bytes = self.bytes.get(whole as usize..).unwrap_or_default();
            return;
        }
        while self.left <= 56
            && let Some((byte, rest)) = self.bytes.split_first()
        {
            self.word |= u64::from(*byte) << self.left;
            self.left += 8;
            self.bytes = rest;
        }
    }

    fn take(&mut self, bits: u32) -> Result<u64, FormatError> {
        if bits > 32 {
            let low = self.take(32)?;
            return Ok(low | self.take(bits - 32)? << 32);
        }
        self.fill();
        if self.left < bits {
            return Err(FormatError::Short);
        }
        let value = self.word & ((1u64 << bits) - 1);
        self.word >>= bits;
        self.left -= bits;
        Ok(value)
    }

    pub(super) fn take_rice(&mut self, parameter: u32) -> Result<u64, FormatError> {
        let mut high = 0u64;
        loop {
            self.fill();
            if self.left == 0 {
                return Err(FormatError::Short);
            }
            let zeros = self.word.trailing_zeros().min(self.left);
            high += u64::from(zeros);
            if zeros < self.left {
                self.take(zeros)?;
                self.take(1)?;
                break;
            }
            (self.word, self.left) = (0, 0);
        }
        if high > u64::MAX >> parameter {
            return Err(FormatError::Range("gap"));
        }
        Ok(high << parameter | self.take(parameter)?)
    }

    /// Checks that what is left is padding: fewer than 8 bits, all zero.
    pub(super) fn finish(&self) -> Result<(), FormatError> {
        if self.bytes.is_empty() && self.left < 8 && self.word == 0 {
            Ok(())
        } else {
            Err(FormatError::Left(self.bytes.len()))
        }
    }
}
