//! From a [`super::Command`] to its line.
