//! A small HTTP/1.1 server in which nothing is without bound: connections, the time and the
//! size of a request's head, the life of a connection, the end.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What clients may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time; more wait until one ends. 64.
    pub connections: usize,
    /// For the head of a request, also of the next one on the same connection. 10 s.
    pub head: Duration,
    /// Octets of a request's head. 16 KiB; at least 8 KiB.
    pub head_size: usize,
    /// Of a connection, whatever happens on it. 60 s.
    pub connection: Duration,
    /// From the order to stop until what is being answered is cut off. 2 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            head: Duration::from_secs(10),
            head_size: 16 * 1024,
            connection: Duration::from_mins(1),
            drain: Duration::from_secs(2),
        }
    }
}

/// Serves `router` until the sender of `stopped` is gone.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let slots = std::sync::Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            // The semaphore is never closed.
            let slot = slots.clone().acquire_owned().await.ok();
            (listener.accept().await, slot)
        };
        tokio::select! {
            (accepted, slot) = next => match accepted {
                Ok((stream, _)) => {
                    let answering = answer(stream, router.clone(), limits, stopped.clone());
                    connections.spawn(async move {
                        answering.await;
                        drop(slot);
                    });
                }
                // Out of file descriptors, or a client that left already: neither ends the service.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    let drained = timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        connections.shutdown().await;
    }
}

/// Answers the requests of one connection. Its errors are the client's own affair.
async fn answer(stream: TcpStream, router: Router, limits: Limits, mut stopped: watch::Receiver<()>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        // hyper takes no less than 8 KiB.
        .max_buf_size(limits.head_size.max(8 * 1024))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let whole = async {
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    };
    let _ = timeout(limits.connection, whole).await;
}
