//! POP3 without I/O: the server state machine.
