//! Listeners, TLS, limits, privileges: what stands between a service and the network.
