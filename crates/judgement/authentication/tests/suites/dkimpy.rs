//! The signed messages of dkimpy, and the keys that its tests have for them.

use std::path::Path;
use std::time::Duration;

use postern_types::Authenticity;
use tokio::time::Instant;

use crate::data::find;
use crate::message::{authenticate, dkim};
use crate::zone::{Record, Records};

fn read(folder: &Path, file: &str) -> Vec<u8> {
    let text = std::fs::read(folder.join(file)).unwrap();
    // Some of the files have bare line ends.
    let mut message = Vec::with_capacity(text.len() + 100);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let plain = line.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        message.extend_from_slice(plain.unwrap_or(line));
        if plain.is_some() {
            message.extend_from_slice(b"\r\n");
        }
    }
    message
}

/// The keys as dkimpy's tests answer for them.
fn zone(folder: &Path) -> Records {
    let mut zone = Records::default();
    let mut key = |name: &str, text: &str| zone.add(name, Record::Txt(text.trim().to_owned()));
    // dkimpy test_dkim_ed25519.py: the example of RFC 8463
    key(
        "brisbane._domainkey.football.example.com",
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    );
    key(
        "test._domainkey.football.example.com",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY\
         /J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2k\
         ryOTIKT+l/K4w3QIDAQAB",
    );
    key("sed._domainkey.test.ex", &std::fs::read_to_string(folder.join("eximtest.dns")).unwrap());
    // dkimpy test_dkim.py
    key(
        "20120113._domainkey.gmail.com",
        "k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1Kd87/UeJjenpabgbFwh+eBCsSTrqmwIYYvywlbhbqoo2Dymnd\
         FkbjOVIPIldNs/m40KF+yzMn1skyoxcTUGCQs8g3FgD2Ap3ZB5DekAo5wMmk4wimDO+U8QzI3SD07y2+07wlNWwIt8svnxgdxGkVbbhz\
         Y8i+RQ9DpSVpPbF7ykQxtKXkv/ahW3KjViiAH+ghvvIhkx4xYSIc9oSwVmAl5OctMEeWUwg8Istjqz8BZeTWbf41fbNhte7Y+YqZOwq1\
         Sd0DbvYAD9NOZK9vlfuac0598HY+vtSBczUiKERHv1yRbcaQtZFh5wtiRrN04BLUTD21MycBX5jYchHjPY/wIDAQAB",
    );
    zone
}

#[tokio::test]
async fn signed_messages_hold_and_changed_ones_do_not() {
    let Some(folder) = find("dkimpy-1.1.8/dkim/tests/data") else { return };
    let zone = zone(&folder);
    let deadline = Instant::now() + Duration::from_secs(60);
    // The file, its signatures, a word of its body and one of a signed field.
    for (file, signatures, body, field) in [
        ("rfc6376.signed.msg", 2, "hungry", "Is dinner"),
        ("rfc6376.signed.rsa.msg", 1, "hungry", "Is dinner"),
        ("ed25519test2.msg", 1, "content", "nobody@"),
        ("test2.message", 1, "Hello", "test mail"),
    ] {
        let message = read(&folder, file);
        for step in [1, 13, 100_000] {
            let found = authenticate(&zone, &message, step, deadline).await;
            assert_eq!(dkim(&found), vec![Authenticity::Pass; signatures], "{file}: {:?}", found.dkim);
        }
        let text = String::from_utf8(message).unwrap();
        let (header, rest) = text.split_once("\r\n\r\n").unwrap();
        for changed in [
            format!("{header}\r\n\r\n{}", rest.replacen(body, &body.to_uppercase(), 1)),
            format!("{}\r\n\r\n{rest}", header.replacen(field, &field.to_uppercase(), 1)),
        ] {
            assert_ne!(changed, text, "{file}");
            let found = authenticate(&zone, changed.as_bytes(), 100, deadline).await;
            assert!(
                dkim(&found).iter().all(|result| *result == Authenticity::Fail),
                "{file}: {:?}",
                found.dkim
            );
        }
    }
    // Its t= was taken out after it was signed.
    let message = read(&folder, "rfc6376.signed.no_t.msg");
    assert_eq!(dkim(&authenticate(&zone, &message, 100, deadline).await), [Authenticity::Fail]);
}
