//! A small HTTP/1.1 client with a cookie jar: one connection for each request, every answer read to its end.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::Certificate;
use crate::tls::trusting_client;

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// A client that keeps cookies and follows nothing.
#[derive(Clone)]
pub struct HttpClient {
    server: SocketAddr,
    source: Option<SocketAddr>,
    tls: Option<Arc<rustls::ClientConfig>>,
    cookies: BTreeMap<String, String>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body; bytes that are not UTF-8 become `U+FFFD`.
    pub body: String,
}

impl HttpAnswer {
    /// The first field of that name (in lower case), or nothing.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

impl HttpClient {
    /// Talks HTTP.
    #[must_use]
    pub fn http(server: SocketAddr) -> Self {
        Self { server, source: None, tls: None, cookies: BTreeMap::new() }
    }

    /// Talks HTTPS to the server with this certificate, which must be for its address.
    ///
    /// # Errors
    /// The certificate cannot be a root.
    pub fn https(server: SocketAddr, certificate: &Certificate) -> io::Result<Self> {
        Ok(Self { tls: Some(certificate.client()?), ..Self::http(server) })
    }

    /// Talks HTTPS and takes any certificate.
    ///
    /// # Errors
    /// No TLS on this machine.
    pub fn https_unverified(server: SocketAddr) -> io::Result<Self> {
        Ok(Self { tls: Some(trusting_client()?), ..Self::http(server) })
    }

    /// Comes from this address from now on.
    #[must_use]
    pub fn from(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// The value of a cookie.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Sends this cookie from now on.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Asks for a page.
    ///
    /// # Errors
    /// No answer, or none that is HTTP.
    pub async fn get(&mut self, path: &str) -> io::Result<HttpAnswer> {
        self.request("GET", path, &[], b"").await
    }

    /// Sends a form (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> io::Result<HttpAnswer> {
        let pairs: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let fields = [("Content-Type", "application/x-www-form-urlencoded")];
        self.request("POST", path, &fields, pairs.join("&").as_bytes()).await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn request(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<HttpAnswer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.server);
        if method != "GET" && method != "HEAD" {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        let request = [head.as_bytes(), b"\r\n", body].concat();
        let raw = timeout(DEADLINE, self.exchange(&request)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        let answer = answer(&raw).ok_or_else(|| {
            io::Error::other(format!("no HTTP answer: {:?}", String::from_utf8_lossy(&raw)))
        })?;
        self.keep_cookies(&answer);
        Ok(answer)
    }

    /// Opens a connection, TLS included, for a test that speaks for itself.
    ///
    /// # Errors
    /// No connection, or no TLS.
    pub async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let tcp = match self.source {
            None => TcpStream::connect(self.server).await?,
            Some(source) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(source)?;
                socket.connect(self.server).await?
            }
        };
        match &self.tls {
            None => Ok(Box::new(tcp)),
            Some(config) => {
                let name = ServerName::IpAddress(self.server.ip().into());
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
                Ok(Box::new(connector.connect(name, tcp).await?))
            }
        }
    }

    async fn exchange(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut connection = self.connect().await?;
        // A server that has heard enough answers before the end.
        let _ = connection.write_all(request).await;
        let _ = connection.flush().await;
        let mut raw = Vec::new();
        let mut buffer = [0; 16 * 1024];
        while !is_whole(&raw) {
            match connection.read(&mut buffer).await {
                Ok(0) | Err(_) if !raw.is_empty() => break,
                Ok(read) if read > 0 => raw.extend_from_slice(&buffer[..read]),
                Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => return Err(error),
            }
        }
        Ok(raw)
    }

    fn keep_cookies(&mut self, answer: &HttpAnswer) {
        for (_, value) in answer.fields.iter().filter(|(name, _)| name == "set-cookie") {
            let Some((name, rest)) = value.split_once('=') else { continue };
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() || rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Something to read from and write to.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Percent-encoding of everything that is not a letter or digit.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn head_end(raw: &[u8]) -> Option<usize> {
    raw.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Whether everything that `Content-Length` announces is there.
fn is_whole(raw: &[u8]) -> bool {
    let Some(body) = head_end(raw) else { return false };
    let head = String::from_utf8_lossy(&raw[..body]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse::<usize>().ok()).is_some_and(|n| raw.len() >= body + n)
}

fn answer(raw: &[u8]) -> Option<HttpAnswer> {
    let body = head_end(raw)?;
    let head = String::from_utf8_lossy(&raw[..body]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(HttpAnswer { status, fields, body: String::from_utf8_lossy(&raw[body..]).into_owned() })
}
