//! Logs, metrics and health, shown.
