//! Another mail server asks: the doors of `[milter]` and `[policy_service]`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::House;
use crate::server::{Server, connect};

/// What an MTA says first: version 6, everything that it could do.
const NEGOTIATE: &[u8] = b"\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";

fn negotiates(mut wire: impl Read + Write) {
    wire.write_all(NEGOTIATE).unwrap();
    let mut answer = [0; 9];
    wire.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\0\0\0\x0dO\0\0\0\x06");
}

#[test]
fn other_mail_servers_can_ask_where_the_configuration_says_so() {
    let house = House::new();
    house.edit(|source| {
        let source = source
            .replace("[listen]\n", "[listen]\nmilter = [\"127.0.0.1:0\"]\npolicy = [\"127.0.0.1:0\"]\n");
        format!("{source}\n[milter]\nsocket = \"milter.sock\"\n")
    });
    let mut server = Server::start(&house);
    let (milter, policy) = (server.address("milter"), server.address("policy"));
    negotiates(connect(milter));
    server.logs("socket=");
    negotiates(UnixStream::connect(house.path("milter.sock")).unwrap());
    let mut wire = connect(policy);
    wire.write_all(b"protocol_state=RCPT\nclient_address=127.0.0.1\nrecipient=ann@example.org\n\n").unwrap();
    let mut answer = [0; 14];
    wire.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"action=DUNNO\n\n");
    let ports = house.run(&["ports", "--json"]);
    let ports: serde_json::Value = serde_json::from_str(&ports.out).unwrap();
    let local = ports.as_array().unwrap().iter().find(|port| port["address"] == "milter.sock").unwrap();
    assert_eq!((&local["service"], &local["listens"]), (&"milter".into(), &true.into()));
    assert!(server.stop().success());
}
