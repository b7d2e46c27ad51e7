//! What stands between a service and the network: sockets, TLS, limits, load shedding, the
//! life and the rights of the process.
//!
//! A service binds ([`Socket`], or [`Activation`] by systemd), the process gives up its rights
//! ([`privileges`], [`sandbox`]), the sockets become [`Listener`]s in the runtime, each
//! connection asks [`Admission`] and [`Pressure`] for entrance, lives as a [`Stream`], and is
//! counted by [`Shutdown`] until it ends.

mod activation;
mod certificate;
mod connect;
mod descriptors;
mod error;
pub mod limit;
mod listen;
pub mod measure;
pub mod notify;
pub mod pressure;
pub mod privileges;
mod rate;
pub mod sandbox;
mod shutdown;
mod signals;
mod stream;
mod tls_in;
mod tls_out;
mod unix;

pub use activation::Activation;
pub use certificate::{CertificateFacts, CertificateFiles};
pub use connect::connect;
pub use descriptors::raise_open_files;
pub use error::NetError;
pub use limit::{Admission, Admitted, Refused};
pub use listen::{Incoming, Listener, Socket};
pub use pressure::{Level, Pressure};
pub use rate::OverRate;
pub use shutdown::{LiveSession, Outcome, Shutdown};
pub use signals::{Signal, Signals};
pub use stream::{Peer, Stream, TlsInfo};
pub use tls_in::{Reload, TlsAcceptor, TlsMinimum, TlsSettings};
pub use tls_out::{Roots, TlsConnector, Verification};
pub use unix::{LocalListener, LocalSocket};
