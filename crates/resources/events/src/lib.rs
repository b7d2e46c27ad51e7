//! What happened, as typed events, and the metrics that count them.
