//! Evidence and the pure judgement over it.
