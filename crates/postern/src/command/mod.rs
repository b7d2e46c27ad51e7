//! One module for each command, or group of commands.

pub(crate) mod account;
pub(crate) mod alias;
pub(crate) mod backup;
pub(crate) mod ban;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod digest;
pub(crate) mod doctor;
pub(crate) mod domain;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod list;
pub(crate) mod owner;
pub(crate) mod password;
pub(crate) mod policy;
pub(crate) mod ports;
pub(crate) mod probe;
pub(crate) mod profile;
pub(crate) mod quarantine;
pub(crate) mod receive;
pub(crate) mod replay;
pub(crate) mod setup;
mod talk;
pub(crate) mod trace;
pub(crate) mod wrap;
