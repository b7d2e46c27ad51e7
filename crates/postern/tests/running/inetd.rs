//! What inetd does: one process for each connection, with the connection as all that it has.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use super::House;

/// Starts `postern wrap` with a program behind it for each of so many connections.
pub fn inetd(house: &House, program: &[&str], connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = house.config();
    let words: Vec<String> = program.iter().map(ToString::to_string).collect();
    std::thread::spawn(move || {
        for _ in 0..connections {
            let (connection, _) = listener.accept().unwrap();
            let [input, output, error] = [(); 3].map(|()| stdio(&connection));
            let mut child = Command::new(env!("CARGO_BIN_EXE_postern"))
                .args(["wrap", "--config", config.to_str().unwrap()])
                .args(words.iter().take(1).map(|_| "--"))
                .args(&words)
                .stdin(input)
                .stdout(output)
                .stderr(error)
                .spawn()
                .unwrap();
            drop(connection);
            std::thread::spawn(move || child.wait());
        }
    });
    address
}

fn stdio(connection: &TcpStream) -> Stdio {
    OwnedFd::from(connection.try_clone().unwrap()).into()
}
