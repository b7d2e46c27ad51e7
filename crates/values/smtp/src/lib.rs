//! SMTP and LMTP without I/O: server and client state machines, PROXY protocol.
