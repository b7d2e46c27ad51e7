//! Packets: the frame around every command and reply, and the pieces that their data is made of.

use crate::Malformed;

/// Octets of the largest packet that is taken, command and data together: 1 MiB. MTAs send bodies in chunks of
/// 64 KiB and header fields whole.
pub const LARGEST_PACKET: usize = 1 << 20;

/// Cuts a stream of bytes into packets.
#[derive(Debug)]
pub struct Packets {
    input: Vec<u8>,
    /// How much of `input` has been taken.
    taken: usize,
    limit: usize,
}

/// One packet without its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) command: u8,
    pub(crate) data: Vec<u8>,
}

const LENGTH: usize = 4;

impl Default for Packets {
    fn default() -> Self {
        Self::with_limit(LARGEST_PACKET)
    }
}

impl Packets {
    /// Takes packets of at most `limit` octets.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { input: Vec::new(), taken: 0, limit }
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.taken);
        self.taken = 0;
        self.input.extend_from_slice(bytes);
    }

    /// The next whole packet: its command, and its data.
    ///
    /// # Errors
    /// [`Malformed::Empty`], [`Malformed::TooLong`]: as soon as the length is known.
    pub fn next_raw(&mut self) -> Result<Option<(u8, Vec<u8>)>, Malformed> {
        Ok(self.next_packet()?.map(|packet| (packet.command, packet.data)))
    }

    pub(crate) fn next_packet(&mut self) -> Result<Option<Packet>, Malformed> {
        let waiting = &self.input[self.taken..];
        let Some((length, rest)) = waiting.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(Malformed::TooLong { length, limit: self.limit });
        }
        let Some(packet) = rest.get(..length) else { return Ok(None) };
        let (&command, data) = packet.split_first().ok_or(Malformed::Empty)?;
        let packet = Packet { command, data: data.to_vec() };
        self.taken += LENGTH + length;
        Ok(Some(packet))
    }

    /// Octets that wait for the rest of their packet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.input.len() - self.taken
    }
}

/// Appends a packet; `data` writes what stands behind the command.
pub(crate) fn write(out: &mut Vec<u8>, command: u8, data: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    out.push(command);
    data(out);
    let length = u32::try_from(out.len() - start - LENGTH).unwrap_or(u32::MAX);
    out[start..start + LENGTH].copy_from_slice(&length.to_be_bytes());
}

/// Appends a text with the NUL that ends it. A NUL within would end it early: it becomes a space.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().map(|&octet| if octet == 0 { b' ' } else { octet }));
    out.push(0);
}

/// Reads the data of one command.
pub(crate) struct Data<'a> {
    command: u8,
    left: &'a [u8],
}

impl<'a> Data<'a> {
    pub(crate) fn of(packet: &'a Packet) -> Self {
        Self { command: packet.command, left: &packet.data }
    }

    pub(crate) fn wrong(&self, why: &'static str) -> Malformed {
        Malformed::Data { command: self.command, why }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    pub(crate) fn octet(&mut self) -> Result<u8, Malformed> {
        let (&octet, left) = self.left.split_first().ok_or(self.wrong("it is too short"))?;
        self.left = left;
        Ok(octet)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        let (octets, left) = self.left.split_first_chunk().ok_or(self.wrong("it is too short"))?;
        self.left = left;
        Ok(u16::from_be_bytes(*octets))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        let (octets, left) = self.left.split_first_chunk().ok_or(self.wrong("it is too short"))?;
        self.left = left;
        Ok(u32::from_be_bytes(*octets))
    }

    /// A text up to its NUL, which must be there.
    pub(crate) fn text(&mut self) -> Result<&'a [u8], Malformed> {
        let end = memchr::memchr(0, self.left).ok_or(self.wrong("a text has no end"))?;
        let (text, left) = self.left.split_at(end);
        self.left = &left[1..];
        Ok(text)
    }

    /// All texts up to the end, at most `most`.
    pub(crate) fn texts(&mut self, most: usize) -> Result<Vec<Vec<u8>>, Malformed> {
        let mut texts = Vec::new();
        while !self.is_empty() {
            if texts.len() == most {
                return Err(self.wrong("it has too many texts"));
            }
            texts.push(self.text()?.to_vec());
        }
        Ok(texts)
    }

    /// Everything up to the end.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(self.wrong("it is too long")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_its_data_comes() {
        let mut packets = Packets::default();
        packets.push(&[0x7f, 0xff, 0xff, 0xff]);
        let error = packets.next_raw().unwrap_err();
        assert_eq!(error, Malformed::TooLong { length: 0x7fff_ffff, limit: LARGEST_PACKET });
    }

    #[test]
    fn a_length_of_nothing_is_refused() {
        let mut packets = Packets::default();
        packets.push(&[0, 0, 0, 0]);
        assert_eq!(packets.next_raw(), Err(Malformed::Empty));
    }

    #[test]
    fn packets_come_out_one_by_one() {
        let mut packets = Packets::default();
        packets.push(b"\0\0\0\x01N\0\0\0\x03Hx\0\0\0");
        assert_eq!(packets.next_raw(), Ok(Some((b'N', Vec::new()))));
        assert_eq!(packets.next_raw(), Ok(Some((b'H', b"x\0".to_vec()))));
        assert_eq!(packets.next_raw(), Ok(None));
        assert_eq!(packets.waiting(), 2);
        packets.push(b"\0\x01Q");
        assert_eq!(packets.next_raw(), Ok(Some((b'Q', Vec::new()))));
        assert_eq!(packets.waiting(), 0);
    }
}
