//! What MTA and filter agree on at the start: two sets of flags.

use std::fmt;
use std::ops::{BitAnd, BitOr};

macro_rules! flags {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $flag:ident = $value:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(u32);

        impl $name {
            /// None of them.
            pub const NONE: Self = Self(0);
            $($(#[$vdoc])* pub const $flag: Self = Self($value);)+
            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$flag, stringify!($flag)),)+];

            /// The set from its number; unknown flags stay in it.
            #[must_use]
            pub const fn from_bits(bits: u32) -> Self {
                Self(bits)
            }

            /// The set as a number.
            #[must_use]
            pub const fn bits(self) -> u32 {
                self.0
            }

            /// Whether all of `other` are in this set.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// What is in this set and not in `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }

            /// Whether the set has no flag.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }
        }

        impl BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitAnd for $name {
            type Output = Self;
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        /// The names, with ` | ` between them; what has no name as a number.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut left = *self;
                let mut first = true;
                for (flag, name) in Self::NAMES.iter().filter(|(flag, _)| self.contains(*flag)) {
                    left = left.without(*flag);
                    f.write_str(if first { "" } else { " | " })?;
                    f.write_str(name)?;
                    first = false;
                }
                match (left.0, first) {
                    (0, true) => f.write_str("nothing"),
                    (0, false) => Ok(()),
                    (bits, true) => write!(f, "{bits:#x}"),
                    (bits, false) => write!(f, " | {bits:#x}"),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

flags! {
    /// What the filter may do to a message (`SMFIF_*`).
    Actions {
        /// Add header fields at the end or anywhere (`SMFIF_ADDHDRS`).
        ADD_HEADERS = 0x001,
        /// Replace the body.
        CHANGE_BODY = 0x002,
        /// Add recipients.
        ADD_RECIPIENTS = 0x004,
        /// Take recipients out of the envelope.
        DELETE_RECIPIENTS = 0x008,
        /// Change and delete header fields.
        CHANGE_HEADERS = 0x010,
        /// Have the MTA hold the message.
        QUARANTINE = 0x020,
        /// Change the envelope sender (version 6).
        CHANGE_SENDER = 0x040,
        /// Add recipients with ESMTP parameters (version 6).
        ADD_RECIPIENTS_WITH_PARAMETERS = 0x080,
        /// Say which macros it wants (version 6).
        CHOOSE_MACROS = 0x100,
    }
}

flags! {
    /// What the MTA leaves out, and how the conversation goes (`SMFIP_*`).
    Steps {
        /// The MTA does not tell of the connection.
        NO_CONNECT = 0x1,
        /// Nor of HELO.
        NO_HELO = 0x2,
        /// Nor of MAIL.
        NO_MAIL = 0x4,
        /// Nor of RCPT.
        NO_RCPT = 0x8,
        /// Nor of the body.
        NO_BODY = 0x10,
        /// Nor of header fields.
        NO_HEADERS = 0x20,
        /// Nor of the end of the header.
        NO_END_OF_HEADER = 0x40,
        /// The filter does not answer to header fields.
        NO_REPLY_HEADER = 0x80,
        /// The MTA does not tell of unknown commands (version 3).
        NO_UNKNOWN = 0x100,
        /// Nor of DATA (version 4).
        NO_DATA = 0x200,
        /// The filter may answer that it has seen enough of the body (version 6).
        SKIP = 0x400,
        /// The MTA tells also of recipients that it has refused itself (version 6).
        REFUSED_RECIPIENTS = 0x800,
        /// The filter does not answer to the connection (this and the following: version 6).
        NO_REPLY_CONNECT = 0x1000,
        /// Nor to HELO.
        NO_REPLY_HELO = 0x2000,
        /// Nor to MAIL.
        NO_REPLY_MAIL = 0x4000,
        /// Nor to RCPT.
        NO_REPLY_RCPT = 0x8000,
        /// Nor to DATA.
        NO_REPLY_DATA = 0x1_0000,
        /// Nor to unknown commands.
        NO_REPLY_UNKNOWN = 0x2_0000,
        /// Nor to the end of the header.
        NO_REPLY_END_OF_HEADER = 0x4_0000,
        /// Nor to the body.
        NO_REPLY_BODY = 0x8_0000,
        /// Values of header fields come, and are given, with the space behind the colon.
        LEADING_SPACE = 0x10_0000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_say_what_they_hold() {
        let set = Actions::ADD_HEADERS | Actions::QUARANTINE;
        assert!(set.contains(Actions::QUARANTINE) && !set.contains(Actions::CHANGE_BODY));
        assert_eq!(set.to_string(), "ADD_HEADERS | QUARANTINE");
        assert_eq!(Actions::NONE.to_string(), "nothing");
        assert_eq!(Actions::from_bits(0x8000_0001).to_string(), "ADD_HEADERS | 0x80000000");
        assert_eq!(set.without(Actions::ADD_HEADERS), Actions::QUARANTINE);
        assert!(Steps::from_bits(0x1f_ffff).contains(Steps::LEADING_SPACE));
    }
}
