//! A whole message through a plan.

use postern_authentication::{Authentication, Lookup, Plan};
use postern_types::Authenticity;
use tokio::time::Instant;

/// What comes of a message that arrives in pieces of `step` octets, at a time when nothing has expired.
pub(crate) async fn authenticate(
    lookup: &impl Lookup,
    message: &[u8],
    step: usize,
    deadline: Instant,
) -> Authentication {
    let end = message.windows(4).position(|at| at == b"\r\n\r\n").map(|at| at + 2);
    // A message may begin with the empty line.
    let end = if message.starts_with(b"\r\n") { Some(0) } else { end };
    let (header, body) = message.split_at(end.unwrap_or(message.len()));
    let plan = Plan::of(header);
    let mut hashes = plan.body();
    body.strip_prefix(b"\r\n").unwrap_or(body).chunks(step).for_each(|piece| hashes.push(piece));
    let known = plan.ask(lookup, deadline).await;
    plan.conclude(&known, hashes, None, &[], 1_600_000_000)
}

/// The results of all signatures.
pub(crate) fn dkim(found: &Authentication) -> Vec<Authenticity> {
    found.dkim.iter().map(|dkim| dkim.result).collect()
}
