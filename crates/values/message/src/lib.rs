//! Internet messages (RFC 5322, MIME): header fields, Received, parse and build.
