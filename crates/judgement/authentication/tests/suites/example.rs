//! The example of RFC 8463 §A.3: one message with two signatures.

use postern_types::Authenticity;

use crate::zone::{Record, Records};

/// The message with its line ends.
pub(crate) fn signed() -> String {
    SIGNED.replace('\n', "\r\n")
}

/// The keys of the example.
pub(crate) fn keys() -> Records {
    let mut zone = Records::default();
    for (name, key) in KEYS {
        zone.add(name, Record::Txt(key.to_owned()));
    }
    zone
}

pub(crate) const PASS: [Authenticity; 2] = [Authenticity::Pass; 2];

pub(crate) const KEYS: [(&str, &str); 2] = [
    (
        "brisbane._domainkey.football.example.com",
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
    (
        "test._domainkey.football.example.com",
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY\
         /J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2k\
         ryOTIKT+l/K4w3QIDAQAB",
    ),
];

const SIGNED: &str = "\
DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; \n\
\x20d=football.example.com; i=@football.example.com; \n\
\x20q=dns/txt; s=brisbane; t=1518460054; h=from : to : \n\
\x20subject : date : message-id : from : subject : date; \n\
\x20bh=4bLNXImK9drULnmePzZNEBleUanJCX5PIsDIFoH4KTQ=; \n\
\x20b=9/dsDChY0YMTtD5Eyw3wx7x22BlSJP7M5ECbJ7GWrR45nXlTCGb8l0YB\n\
\x20o0wBLR++X5LqmsxXaOYLLJe46l10AQ==\n\
DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; \n\
\x20d=football.example.com; i=@football.example.com; \n\
\x20q=dns/txt; s=test; t=1527915362; h=from : to : subject : \n\
\x20date : message-id : from : subject : date; \n\
\x20bh=4bLNXImK9drULnmePzZNEBleUanJCX5PIsDIFoH4KTQ=; \n\
\x20b=icKcLSEZYXJ95flvWE8FT6hl5iqd8MC/LEKYH0QjsqYy6MO/4pgVNCZH\n\
\x20l/RAXAuADxE/40Fg7uTlxwwD1hjN2Ple6J//cJfslBdDOq6zTVbne1dqtl\n\
\x20NOat7iamJ1AfRqyG+ja7a2AZsrpUuJ7VA6O+0zRYPqpwMEkEFIzI9i/Xk=\n\
From: Joe SixPack <joe@football.example.com>\n\
To: Suzie Q <suzie@shopping.example.net>\n\
Subject: Is dinner ready?\n\
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n\
Message-ID: <20030712040037.46341.5F8J@football.example.com>\n\
\n\
Hi.\n\
\n\
We lost the game.  Are you hungry yet?\n\
\n\
Joe.\n\
\n\
";
