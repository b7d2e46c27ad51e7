//! Line ends of message bodies.
