//! Signing in: who guesses waits, a right password opens the maildrop.

use postern_events::{Event as Happened, Service as EventService, SessionEnd, SignInOutcome};
use postern_pop3::{Credentials, Denial};
use postern_signin::{Admission, Answer, PasswordHash};
use postern_store::{Account, StoreError};
use postern_types::Address;

use crate::fetch::Maildrop;
use crate::folder::Folder;
use crate::maildrops::Closed;
use crate::service::{Service, banned};
use crate::session::Session;
use crate::settings::QuarantineNames;

impl Session {
    /// Answers [`postern_pop3::Event::Login`].
    pub(crate) async fn sign_in(&mut self, mut credentials: Credentials) {
        let folder = self.service.folder(&mut credentials.user);
        let name = credentials.user.clone();
        let guarded = self.service.guarded_name(&name);
        if !self.wait_for_turn(&guarded).await {
            self.report(&name, SignInOutcome::Banned);
            self.ended_by = SessionEnd::Refused;
            return self.protocol.end(&banned());
        }
        let account = match self.service.check(credentials).await {
            Ok(account) => account,
            Err(denial) => return self.protocol.login_denied(&denial),
        };
        let parts = &self.service.parts;
        let Some(account) = account else {
            parts.guard.failed(self.client, &guarded, parts.clock.now());
            self.report(&name, SignInOutcome::Failed);
            return self.protocol.login_denied(&Denial::wrong_password());
        };
        parts.guard.succeeded(&guarded);
        self.report(&name, SignInOutcome::Ok);
        match self.service.open(&account, folder).await {
            Ok((maildrop, entries)) => {
                self.maildrop = Some(maildrop);
                self.protocol.opened(entries);
            }
            Err(denial) => self.protocol.login_denied(&denial),
        }
    }

    /// Waits as long as the guard says; whether there is a turn at all.
    async fn wait_for_turn(&self, name: &str) -> bool {
        let parts = &self.service.parts;
        match parts.guard.admit(self.client, name, parts.clock.now()) {
            Admission::Now => true,
            Admission::Banned(_) => false,
            Admission::After(wait) => {
                parts.clock.wait(wait).await;
                // Other sessions may have gone on guessing meanwhile.
                parts.guard.banned(self.client, parts.clock.now()).is_none()
            }
        }
    }

    fn report(&self, account: &str, outcome: SignInOutcome) {
        let (service, client) = (EventService::Pop3, self.client);
        self.service.parts.events.emit(&Happened::SignIn { service, client, account, outcome });
    }
}

impl Service {
    /// The account, if name and password are right. Takes the same time for names that do not exist.
    async fn check(&self, credentials: Credentials) -> Result<Option<Account>, Denial> {
        let account = match self.address(&credentials.user) {
            Some(address) => self.parts.store.account(address).await.map_err(|error| {
                self.store_failed("read an account", &error);
                not_now()
            })?,
            None => None,
        };
        let hash = account.as_ref().and_then(|account| self.hash_of(account));
        // Fails only when the process is stopping.
        let answer = self.parts.verifier.verify(credentials.password, hash).await.map_err(|_| not_now())?;
        Ok(account.filter(|_| answer == Answer::Right))
    }

    /// Which mail a user name asks for; what says so is taken off the name, so that guesses at a password
    /// count together.
    fn folder(&self, user: &mut String) -> Folder {
        if self.parts.settings.quarantine == QuarantineNames::Unknown {
            return Folder::Inbox;
        }
        let (name, folder) = Folder::named(user);
        *user = name.to_owned();
        folder
    }

    /// The address that a name means.
    fn address(&self, name: &str) -> Option<Address> {
        match (&self.parts.settings.default_domain, name.contains('@')) {
            (Some(domain), false) => Address::parse(&format!("{name}@{domain}")).ok(),
            _ => Address::parse(name).ok(),
        }
    }

    /// The name that failures are counted by: the same for every way to write it.
    fn guarded_name(&self, name: &str) -> String {
        self.address(name).map_or_else(|| name.to_owned(), |address| address.to_string())
    }

    /// The account's hash; one that cannot be read lets nobody in, and is reported.
    fn hash_of(&self, account: &Account) -> Option<PasswordHash> {
        PasswordHash::parse(&account.password_hash)
            .inspect_err(|error| {
                let what = format!("password hash of {}: {error}", account.address);
                self.store_failed("read a password hash", &StoreError::Corrupt { what });
            })
            .ok()
    }

    /// Locks the maildrop of an account and looks what is in it.
    async fn open(
        &self,
        account: &Account,
        folder: Folder,
    ) -> Result<(Maildrop, postern_pop3::Maildrop), Denial> {
        let delay = self.parts.settings.protocol.login_delay;
        let lock = match self.maildrops.open((account.id, folder), delay, self.parts.clock.now()) {
            Ok(lock) => lock,
            Err(Closed::InUse) => return Err(Denial::in_use()),
            Err(Closed::TooSoon(left)) => return Err(Denial::login_delay(left)),
        };
        Maildrop::open(&self.parts.store, account, folder, lock).await.map_err(|error| {
            self.store_failed("open a mailbox", &error);
            not_now()
        })
    }
}

fn not_now() -> Denial {
    Denial::temporary("the mailbox cannot be opened just now")
}
