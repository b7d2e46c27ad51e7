//! The server behind: takes every message and counts it. A thread for each connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Failure;

/// Runs until the bench ends.
pub(super) struct Sink {
    pub(super) port: u16,
    count: Arc<AtomicUsize>,
}

impl Sink {
    pub(super) fn start() -> Result<Self, Failure> {
        let port = super::peer::free_port()?;
        let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| error.to_string())?;
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || serve(stream, &counter));
            }
        });
        Ok(Self { port, count })
    }

    /// How many messages came so far.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Ends with the connection.
fn serve(stream: TcpStream, counter: &AtomicUsize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(32 << 10, stream);
    let mut line = Vec::new();
    let mut in_data = false;
    stream.get_mut().write_all(b"220 sink.test ESMTP\r\n")?;
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if in_data && line != b".\r\n" {
            continue;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match verb.as_slice() {
            _ if in_data => {
                in_data = false;
                counter.fetch_add(1, Ordering::Relaxed);
                b"250 2.0.0 Accepted\r\n"
            }
            b"EHLO" => b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 52428800\r\n",
            b"DATA" => {
                in_data = true;
                b"354 Go on\r\n"
            }
            b"QUIT" => b"221 2.0.0 Bye\r\n",
            _ => b"250 2.0.0 OK\r\n",
        };
        stream.get_mut().write_all(reply)?;
        if verb == b"QUIT" {
            return Ok(());
        }
    }
}
