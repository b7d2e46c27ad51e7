//! A real Postfix.
