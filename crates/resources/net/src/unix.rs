//! Local sockets: for programs on this host, such as an MTA that asks us.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use crate::NetError;

/// A bound local socket that no runtime knows yet: as [`Socket`](crate::Socket), for a path.
#[derive(Debug)]
pub struct LocalSocket {
    listener: StdListener,
    path: PathBuf,
}

/// A listening local socket in the runtime.
#[derive(Debug)]
pub struct LocalListener {
    inner: UnixListener,
    path: PathBuf,
}

/// Between attempts to accept while the process is out of file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(200);

impl LocalSocket {
    /// Binds a path. A socket that a process which is gone has left there is replaced; one that somebody
    /// serves is not. Everybody who can reach the path may connect, as with a port: its folder decides.
    ///
    /// # Errors
    /// [`NetError::BindLocal`].
    pub fn bind(path: &Path) -> Result<Self, NetError> {
        let bound = || -> io::Result<Self> {
            remove_abandoned(path)?;
            let listener = StdListener::bind(path)?;
            fs::set_permissions(path, Permissions::from_mode(0o666))?;
            listener.set_nonblocking(true)?;
            Ok(Self { listener, path: path.to_owned() })
        };
        bound().map_err(|source| NetError::BindLocal { path: path.to_owned(), source })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands the socket to the runtime; must be called inside one.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    pub fn listen(self) -> Result<LocalListener, NetError> {
        let Self { listener, path } = self;
        match UnixListener::from_std(listener) {
            Ok(inner) => Ok(LocalListener { inner, path }),
            Err(source) => Err(NetError::BindLocal { path, source }),
        }
    }
}

/// A socket file outlives its process, and stands in the way of the next one.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && StdStream::connect(path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
        fs::remove_file(path)?;
    }
    Ok(())
}

impl LocalListener {
    /// The next connection. Never fails: out of file descriptors or memory, it waits and tries again.
    ///
    /// Cancel-safe.
    pub async fn accept(&self) -> UnixStream {
        loop {
            match self.inner.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    tracing::warn!(listener = %self.path.display(), %error, "cannot accept connections");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_is_bound_can_be_connected_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = LocalSocket::bind(&path).unwrap().listen().unwrap();
        let mut client = UnixStream::connect(&path).await.unwrap();
        let mut server = listener.accept().await;
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    }

    #[test]
    fn an_abandoned_socket_is_replaced_and_a_served_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(LocalSocket::bind(&path).unwrap());
        let served = LocalSocket::bind(&path).unwrap();
        let error = LocalSocket::bind(&path).unwrap_err().to_string();
        assert!(error.contains("another program listens there"), "{error}");
        drop(served);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "no socket").unwrap();
        assert!(LocalSocket::bind(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"no socket");
    }
}
