//! Can this machine reach other mail servers on port 25? Many providers block it.

use std::net::SocketAddr;
use std::time::Duration;

use postern_dns::{Answer, Dns, MailHosts};
use postern_types::Domain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Finding;

/// How long the other server may take to answer and greet.
const PATIENCE: Duration = Duration::from_secs(8);

/// Connects to the first mail server of `domain`, reads its greeting and says QUIT.
pub(crate) async fn inspect(dns: &Dns, domain: &Domain) -> Finding {
    let about = "outbound port 25";
    let host = match dns.mail_hosts(domain).await {
        Answer::Found { value: MailHosts::Mx(hosts), .. } => hosts.first().map(|mx| mx.exchange.clone()),
        Answer::Found { .. } | Answer::NotFound(_) => None,
        Answer::Unknown(why) => return Finding::unknown(about, format!("MX of {domain}: {why}")),
    };
    let Some(host) = host else { return Finding::unknown(about, format!("{domain} has no MX to try")) };
    let address = match dns.a(&host).await {
        Answer::Found { value, .. } => value.first().map(|ip| SocketAddr::new((*ip).into(), 25)),
        Answer::NotFound(_) => None,
        Answer::Unknown(why) => return Finding::unknown(about, format!("address of {host}: {why}")),
    };
    let Some(address) = address else {
        return Finding::unknown(about, format!("{host} has no IPv4 address"));
    };
    match timeout(PATIENCE, greeting(address)).await {
        Ok(Ok(greeting)) if greeting.starts_with("220") => Finding::ok(about, format!("{host} answers")),
        Ok(Ok(_)) => Finding::warning(about, format!("{host} answers, and does not want to talk"))
            .so("Its operator may have this address on a block list."),
        Ok(Err(error)) => closed(&format!("{host}: {error}")),
        Err(_) => closed(&format!("no answer from {host}")),
    }
}

fn closed(found: &str) -> Finding {
    Finding::warning("outbound port 25", found)
        .so("Receiving works without it. Ask your provider to open port 25 before this server sends mail.")
}

/// At most the first 512 octets of what the server says.
async fn greeting(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let mut bytes = [0; 512];
    let length = stream.read(&mut bytes).await?;
    // The greeting is what counts; whether the goodbye arrives does not.
    let _ = stream.write_all(b"QUIT\r\n").await;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_is_greeted_and_left() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"220 mx.example ready\r\n").await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            said
        };
        let (greeting, said) = tokio::join!(greeting(address), server);
        assert_eq!((greeting.unwrap().as_str(), said.as_str()), ("220 mx.example ready\r\n", "QUIT\r\n"));
    }
}
