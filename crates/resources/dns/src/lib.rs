//! DNS questions that mail asks, with bounded time and cached answers.
