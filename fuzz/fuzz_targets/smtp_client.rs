//! A server's octets against the client session. The first two octets choose the flavour and the steps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_smtp::client::{Session, Settings, Step};
use postern_smtp::command::{MailParams, RcptParams, Xforward, XforwardName};
use postern_smtp::{Extension, Flavour};
use postern_types::{ForwardPath, ReversePath};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\n.\r\n..\n.\r\ra\r\0\n.\n\r.";

fn has_clean_lines(wire: &[u8]) -> bool {
    let is_odd = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
    !wire.windows(2).any(is_odd) && wire.first() != Some(&b'\n') && wire.last() != Some(&b'\r')
}

fn begin(client: &mut Session) {
    let _ = client.mail(&ReversePath::Null, &MailParams { size: Some(5), ..MailParams::default() });
    for address in ["a@example.test", "b@example.test"] {
        let path = ForwardPath::Address(address.parse().unwrap());
        let _ = client.rcpt(&path, &RcptParams::default());
    }
}

fuzz_target!(|data: &[u8]| {
    let [choice, cut, wire @ ..] = data else { return };
    let flavour = if choice & 1 == 0 { Flavour::Smtp } else { Flavour::Lmtp };
    let mut client = Session::new(Settings { flavour, name: "client.example".to_owned() });
    client.hello();
    let mut sent = Vec::new();
    for piece in wire.chunks(usize::from(*cut) + 1) {
        client.receive(piece);
        while let Ok(Some(answer)) = client.next() {
            match answer.step {
                Step::Hello if choice & 2 != 0 && client.start_tls().is_ok() => {}
                Step::Hello => {
                    client.xforward(&Xforward::new().with(XforwardName::Helo, Some("x y")));
                    begin(&mut client);
                    if client.extensions().has(Extension::Chunking) && choice & 4 != 0 {
                        for piece in MESSAGE.chunks(7) {
                            let _ = client.chunk(piece);
                        }
                        let _ = client.last_chunk(b"");
                    } else {
                        let _ = client.data();
                    }
                    client.noop();
                }
                Step::StartTls => {
                    client.tls_started();
                    client.hello();
                }
                Step::Data => {
                    let _ = client.body(MESSAGE);
                    let _ = client.end_body();
                    client.reset();
                    begin(&mut client);
                    client.quit();
                }
                _ => {}
            }
        }
        sent.append(client.output());
    }
    assert!(has_clean_lines(&sent), "{}", sent.escape_ascii());
});
