//! What CAPA answers (RFC 2449).

use crate::session::{Session, State};
use crate::settings::{Channel, Expire};

impl Session {
    // ---- CAPA (RFC 2449)

    pub(crate) fn capabilities(&mut self) {
        let signed_in = matches!(self.state, State::Transaction(_));
        let passwords = self.takes_passwords();
        let upgradable = self.channel == Channel::Upgradable && !signed_in;
        let Self { output, settings, .. } = self;
        output.ok("capabilities follow");
        output.line("TOP");
        output.line("UIDL");
        output.line("RESP-CODES");
        output.line("AUTH-RESP-CODE");
        output.line("PIPELINING");
        output.line("UTF8 USER");
        match settings.expire {
            Expire::Never => output.line("EXPIRE NEVER"),
            Expire::Days(days) => output.line(format_args!("EXPIRE {days}")),
        }
        if !settings.login_delay.is_zero() {
            output.line(format_args!("LOGIN-DELAY {}", settings.login_delay.as_secs()));
        }
        if passwords {
            output.line("USER");
            output.line("SASL PLAIN");
        }
        if upgradable {
            output.line("STLS");
        }
        output.line(format_args!("IMPLEMENTATION {}", settings.implementation));
        output.line(".");
    }
}
