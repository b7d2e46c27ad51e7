//! What time it is: handed in, so that tests of minutes and days need no time.

use std::sync::Arc;

use postern_types::Timestamp;

/// A clock. Limits, the cache and the circuit breakers go by it; deadlines of connections go by the real one.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}
