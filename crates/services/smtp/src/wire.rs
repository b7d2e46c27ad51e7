//! The way to the MTA behind: a connection, or a program that speaks SMTP on its standard input and output.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};

use postern_net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// An MTA that is started for each session, such as `/usr/sbin/sendmail -bs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What is started.
    pub path: PathBuf,
    /// With these arguments.
    pub arguments: Vec<String>,
}

/// The way to the MTA behind.
pub(crate) enum Wire {
    /// A connection.
    Net(Stream),
    /// A program.
    Program(Running),
}

/// A program that was started.
pub(crate) struct Running {
    // Before `child`: closed first.
    socket: UnixStream,
    child: Option<Child>,
}

impl Program {
    /// Starts it, with one end of a pair of sockets as its standard input and output.
    pub(crate) fn start(&self) -> io::Result<Running> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let output: OwnedFd = theirs.try_clone()?.into();
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        // Its complaints are not the client's: what it has to say goes to its log.
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::from(output)).stderr(Stdio::null());
        let child = command.spawn()?;
        ours.set_nonblocking(true)?;
        Ok(Running { socket: UnixStream::from_std(ours)?, child: Some(child) })
    }
}

impl Drop for Running {
    /// The program hears the end of its input, as an MTA hears a closed connection, and ends by itself: without the
    /// final dot it forgets the message; after its `250` it still has its queue to see to.
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        let id = child.id();
        // Somebody must wait for its end, or it stays as a zombie; the session does not.
        let waiting = std::thread::Builder::new().name("mta-program".into()).spawn(move || child.wait());
        if let Err(error) = waiting {
            tracing::warn!(id, %error, "nobody waits for the end of the MTA's program");
        }
    }
}

/// The inner stream, pinned, whichever it is.
macro_rules! inner {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Wire::Net($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Wire::Program(running) => {
                let $stream = Pin::new(&mut running.socket);
                $call
            }
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        inner!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_program_is_spoken_to_and_ends_with_its_input() {
        let cat = Program { path: "/bin/cat".into(), arguments: Vec::new() };
        let running = cat.start().unwrap();
        let process = format!("/proc/{}", running.child.as_ref().unwrap().id());
        let mut wire = Wire::Program(running);
        wire.write_all(b"EHLO\r\n").await.unwrap();
        let mut line = [0; 6];
        wire.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"EHLO\r\n");
        drop(wire);
        let gone = || !std::path::Path::new(&process).exists();
        let ended = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            gone()
        });
        assert!(ended, "it was neither ended nor waited for");
    }

    #[test]
    fn a_program_that_is_not_there_says_so() {
        let nothing = Program { path: "/nowhere/sendmail".into(), arguments: Vec::new() };
        assert_eq!(nothing.start().err().unwrap().kind(), io::ErrorKind::NotFound);
    }
}
