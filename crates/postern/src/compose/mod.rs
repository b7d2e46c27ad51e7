//! From the configuration to the settings of each part: the only place that knows both.

pub(crate) mod dns;
pub(crate) mod events;
pub(crate) mod feedback;
pub(crate) mod gate;
pub(crate) mod milter;
pub(crate) mod net;
pub(crate) mod policy;
pub(crate) mod pop3;
pub(crate) mod probe;
pub(crate) mod signin;
pub(crate) mod smtp;
pub(crate) mod watch;
pub(crate) mod web;
pub(crate) mod zone;

/// A count of the configuration as a size in memory.
pub(crate) fn size(bytes: postern_config::Size) -> usize {
    usize::try_from(bytes.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
