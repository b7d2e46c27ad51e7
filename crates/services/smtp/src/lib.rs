//! The SMTP service: server and proxy sessions.
