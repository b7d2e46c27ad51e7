//! A test internet on loopback: DNS, scripted SMTP peers, real servers.
