//! The lines with which a person sends and fetches mail by hand.

use std::net::SocketAddr;

use super::ready::Account;

/// What to type, each with what it does.
pub(crate) fn lines(smtp: SocketAddr, pop3: SocketAddr, account: &Account) -> [(&'static str, String); 3] {
    let Account { address, password } = account;
    [
        (
            "send by swaks",
            format!(
                "swaks --server {smtp} --helo mail.honest.test --from ann@honest.test --to {address} \
                 --header 'Subject: by hand'"
            ),
        ),
        (
            "send by curl",
            format!(
                "printf 'Subject: by hand\\r\\n\\r\\nHello.\\r\\n' | curl --silent --show-error \
                 smtp://{smtp}/mail.honest.test --mail-from ann@honest.test --mail-rcpt {address} --upload-file -"
            ),
        ),
        ("fetch by curl", format!("curl --silent --show-error --user {address}:{password} pop3://{pop3}/1")),
    ]
}
