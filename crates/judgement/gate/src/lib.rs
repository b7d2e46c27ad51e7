//! The collectors of evidence: address lists, DNS lists, HELO, MAIL and header checks.
