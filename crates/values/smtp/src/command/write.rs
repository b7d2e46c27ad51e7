//! From a [`Command`] to its line: `Display`, without CR LF and never holding one.

use std::fmt;

use base64ct::{Base64, Encoding as _};

use super::{Attributes, Command, HelloVerb, MailParams, RcptParams};
use crate::xtext;

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hello(hello) => write!(f, "{} {}", hello.verb, Clean(&hello.name)),
            Self::Mail(mail) => write!(f, "MAIL FROM:<{}>{}", mail.path, mail.params),
            Self::Rcpt(rcpt) => write!(f, "RCPT TO:<{}>{}", rcpt.path, rcpt.params),
            Self::Data => f.write_str("DATA"),
            Self::Bdat(bdat) => write!(f, "BDAT {}{}", bdat.octets, if bdat.last { " LAST" } else { "" }),
            Self::Rset => f.write_str("RSET"),
            Self::Vrfy(text) => write!(f, "VRFY {}", Clean(text)),
            Self::Expn(text) => write!(f, "EXPN {}", Clean(text)),
            Self::Help => f.write_str("HELP"),
            Self::Noop => f.write_str("NOOP"),
            Self::Quit => f.write_str("QUIT"),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Auth(auth) => {
                write!(f, "AUTH {}", Clean(&auth.mechanism))?;
                match auth.initial.as_ref().map(|initial| initial.expose().as_slice()) {
                    None => Ok(()),
                    // rfc4954 §4: an initial response of no octets is written `=`.
                    Some([]) => f.write_str(" ="),
                    Some(octets) => write!(f, " {}", Base64::encode_string(octets)),
                }
            }
            Self::Xclient(attributes) => write!(f, "XCLIENT{attributes}"),
            Self::Xforward(attributes) => write!(f, "XFORWARD{attributes}"),
        }
    }
}

/// Text with control characters as `?`, so that it stays on its line.
struct Clean<'a>(&'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace(char::is_control, "?"))
    }
}

impl fmt::Display for HelloVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helo => "HELO",
            Self::Ehlo => "EHLO",
            Self::Lhlo => "LHLO",
        })
    }
}

/// Each with a space in front.
impl fmt::Display for MailParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(size) = self.size {
            write!(f, " SIZE={size}")?;
        }
        if let Some(body) = self.body {
            write!(f, " BODY={}", body.as_str())?;
        }
        if self.smtp_utf8 {
            f.write_str(" SMTPUTF8")?;
        }
        if let Some(ret) = self.ret {
            write!(f, " RET={}", ret.as_str())?;
        }
        if let Some(envid) = &self.envid {
            write!(f, " ENVID={}", xtext::encode(envid))?;
        }
        if let Some(auth) = &self.auth {
            // rfc4954 §5: `<>` is written as it is.
            write!(f, " AUTH={}", xtext::encode(auth))?;
        }
        if self.require_tls {
            f.write_str(" REQUIRETLS")?;
        }
        Ok(())
    }
}

/// Each with a space in front.
impl fmt::Display for RcptParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(notify) = self.notify {
            write!(f, " NOTIFY={notify}")?;
        }
        if let Some(orcpt) = &self.orcpt {
            write!(f, " ORCPT={orcpt}")?;
        }
        Ok(())
    }
}

/// Each with a space in front.
impl<N: fmt::Display> fmt::Display for Attributes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.pairs {
            match value {
                Some(value) => write!(f, " {name}={}", xtext::encode(value))?,
                None => write!(f, " {name}=[UNAVAILABLE]")?,
            }
        }
        Ok(())
    }
}
