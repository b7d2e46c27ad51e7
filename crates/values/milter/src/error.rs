//! What is wrong with a packet.

/// Bytes that are no milter packet, or no packet that may come now. There is no way back into step: the
/// connection ends, and the MTA does what it does without the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A length of zero: not even a command.
    #[error("a packet without a command")]
    Empty,
    /// Longer than the bound.
    #[error("a packet of {length} octets, the most is {limit}")]
    TooLong {
        /// What was announced.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// A command that this protocol does not have.
    #[error("the command {0:#04x} is none of the protocol")]
    UnknownCommand(u8),
    /// The data does not have the form that the command asks for.
    #[error("the data of command `{}` is not in its form: {why}", char::from(*.command))]
    Data {
        /// The command.
        command: u8,
        /// What is wrong.
        why: &'static str,
    },
}
