//! `[log]`.

use postern_config::{Config, LogFormat, LogLevel};
use postern_events::log::{Format, Level};

pub(crate) fn log(config: &Config) -> (Format, Level) {
    let format = match config.log.format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    let level = match config.log.level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    };
    (format, level)
}
