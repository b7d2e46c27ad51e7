//! What `setup` makes, and how it is taken back when a step fails.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::User;
use postern_config::{Config, quoted};
use postern_store::{Options, Route, Store};
use postern_types::{Address, Domain, Secret, Timestamp};
use rcgen::{CertificateParams, DnType, KeyPair};

use crate::command::password::NewPassword;
use crate::failure::Failure;
use crate::open::{block_on, find_user, hand_over};
use crate::rows::rows;

/// What is made where.
pub(crate) struct House {
    /// The first account.
    pub(crate) address: Address,
    /// Its domain.
    pub(crate) domain: Domain,
    /// The server's name.
    pub(crate) hostname: Domain,
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// The data folder as the configuration writes it.
    pub(crate) data: PathBuf,
    /// Whom root becomes.
    pub(crate) user: Option<String>,
    /// Where it will listen.
    pub(crate) ports: Ports,
}

impl House {
    /// Makes everything; returns the first account's password.
    pub(crate) fn build(self) -> Result<(Self, Secret<String>), Failure> {
        if self.file.exists() {
            return Err(Failure::Usage(format!(
                "{} is there already: look at it with `postern check`, or name another with --config",
                self.file.display()
            )));
        }
        let owner = self.owner()?;
        // A mistake in what would be written shows before anything is made.
        let config = self.config()?;
        let folder = config.data();
        let made = make_folder(&folder)?;
        let built = self.furnish(&folder, owner.as_ref());
        if built.is_err() && made == Made::New {
            // The failure is what the user must hear of; what is left of the folder does no harm.
            let _ = fs::remove_dir_all(&folder);
        }
        Ok((self, built?))
    }

    /// The configuration, as the file has it.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let config = Config::parse(&self.file, &self.source(), rows());
        config
            .map_err(|mistakes| Failure::Usage(format!("this would be no valid configuration:\n{mistakes}")))
    }

    fn furnish(&self, folder: &Path, owner: Option<&User>) -> Result<Secret<String>, Failure> {
        self.certificate(folder)?;
        let password = NewPassword::made_up()?;
        let store = Store::open(folder, Options::tool())?;
        block_on(async {
            store.add_domain(self.domain.clone(), Route::Mailbox).await?;
            store.add_account(self.address.clone(), password.hash).await?;
            Ok(store.close().await?)
        })?;
        if let Some(user) = owner {
            hand_over(folder, user)?;
        }
        self.write(owner)?;
        password.shown.ok_or_else(|| Failure::Finding("no password was made".into()))
    }

    /// Whose everything will be.
    fn owner(&self) -> Result<Option<User>, Failure> {
        let Some(name) = &self.user else { return Ok(None) };
        let user = find_user(name)?;
        if user.uid.is_root() {
            return Err(Failure::Usage(
                "the server must not run as root: name another user with --user".into(),
            ));
        }
        Ok(Some(user))
    }

    /// A certificate that vouches for itself: mail servers take it, and a better one can replace it.
    fn certificate(&self, folder: &Path) -> Result<(), Failure> {
        let failed = |error: rcgen::Error| Failure::Finding(format!("cannot make a certificate: {error}"));
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new([self.hostname.to_string()]).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, self.hostname.as_str());
        let (year, month, day) = date(Timestamp::now());
        params.not_before = rcgen::date_time_ymd(year, month, day);
        params.not_after = rcgen::date_time_ymd(year + 10, month, day.min(28));
        let certificate = params.self_signed(&key).map_err(failed)?;
        write_new(&folder.join(CERTIFICATE), 0o644, &certificate.pem())?;
        write_new(&folder.join(KEY), 0o600, &key.serialize_pem())
    }

    fn write(&self, owner: Option<&User>) -> Result<(), Failure> {
        if let Some(folder) = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(Failure::io(format!("cannot make {}", folder.display())))?;
        }
        write_new(&self.file, 0o640, &self.source())?;
        let group = owner.map(|user| user.gid.as_raw());
        let failed = Failure::io(format!("cannot let the server read {}", self.file.display()));
        group.map_or(Ok(()), |group| chown(&self.file, None, Some(group)).map_err(failed))
    }

    fn source(&self) -> String {
        let data = quoted(&self.data.to_string_lossy());
        let inside = |name: &str| quoted(&self.data.join(name).to_string_lossy());
        let [smtp, pop3, pop3s] = self.ports;
        let user = self.user.as_ref().map_or_else(String::new, |user| format!("user = {}\n", quoted(user)));
        format!(
            "# Postern's configuration, made by `postern setup`. Everything that is not written has its default:\n\
             # `postern config explain KEY` says what a setting is for, `postern check` finds mistakes.\n\
             # Domains, accounts and aliases are not here: `postern domain`, `postern account`, `postern alias`.\n\
             \n\
             [server]\nhostname = {hostname}\ndata = {data}\n{user}\
             \n\
             [listen]\n\
             {high}\
             smtp = [\"0.0.0.0:{smtp}\", \"[::]:{smtp}\"]\n\
             pop3 = [\"0.0.0.0:{pop3}\", \"[::]:{pop3}\"]\n\
             pop3s = [\"0.0.0.0:{pop3s}\", \"[::]:{pop3s}\"]\n\
             # Pages where people see and release what is held for them:\n\
             # web = [\"0.0.0.0:443\", \"[::]:443\"]\n\
             \n\
             [tls]\n\
             # Self-signed: mail servers accept it. For mail programs put a better one in its place.\n\
             certificate = {certificate}\nkey = {key}\n\
             \n\
             [signin]\n\
             # Add your own networks, so that a forgotten password never shuts your office out.\n\
             never_ban = [\"127.0.0.0/8\", \"::1\"]\n",
            hostname = quoted(self.hostname.as_str()),
            certificate = inside(CERTIFICATE),
            key = inside(KEY),
            high = if self.ports == WELL_KNOWN { "" } else { HIGH_NOTE },
        )
    }
}

/// The ports of SMTP, POP3 and POP3 over TLS.
pub(crate) type Ports = [u16; 3];

const WELL_KNOWN: Ports = [25, 110, 995];
const HIGH: Ports = [2525, 2110, 2995];
const HIGH_NOTE: &str =
    "# Who ran the setup may not open ports below 1024. Other mail servers come to port 25 only.\n";

/// Those that the server can open when this user starts it.
pub(super) fn ports() -> Ports {
    match TcpListener::bind(("127.0.0.1", WELL_KNOWN[0])) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => HIGH,
        _ => WELL_KNOWN,
    }
}

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

#[derive(PartialEq, Eq)]
enum Made {
    New,
    WasThere,
}

/// Makes the data folder, for its owner alone. One that is there must be empty.
fn make_folder(folder: &Path) -> Result<Made, Failure> {
    let failed = || Failure::io(format!("cannot make the data folder {}", folder.display()));
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs::create_dir_all(above).map_err(failed())?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return Ok(Made::New),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed()(error)),
    }
    let mut entries = fs::read_dir(folder).map_err(failed())?;
    if entries.next().is_some() {
        return Err(Failure::Usage(format!(
            "{} holds something already: name another data folder with --data",
            folder.display()
        )));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed())?;
    Ok(Made::WasThere)
}

fn write_new(file: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(Failure::io(format!("cannot write {}", file.display())))
}

/// Year, month and day of `2026-11-22T…`.
fn date(now: Timestamp) -> (i32, u8, u8) {
    let text = now.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<u16>().ok());
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    let small = |number: Option<u16>| number.and_then(|number| u8::try_from(number).ok()).unwrap_or(1);
    (year.map_or(2026, i32::from), small(month), small(day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        assert_eq!(date(Timestamp::from_millis(1_795_327_140_000)), (2026, 11, 22));
    }

    #[test]
    fn what_is_written_is_valid_whatever_the_names() {
        let house = House {
            address: Address::parse("ann@example.org").unwrap(),
            domain: Domain::parse("example.org").unwrap(),
            hostname: Domain::parse("mail.example.org").unwrap(),
            file: "/etc/postern/postern.toml".into(),
            data: "/srv/with \"quotes\" and ü".into(),
            user: Some("mail".into()),
            ports: WELL_KNOWN,
        };
        let config = house.config().unwrap();
        assert_eq!(config.data(), house.data);
        assert_eq!(config.listen.smtp[0].port(), 25);
        let house = House { ports: HIGH, ..house };
        assert_eq!(house.config().unwrap().listen.pop3s[1].port(), 2995);
        assert_eq!(config.tls.key.as_deref(), Some(&*house.data.join("key.pem")));
    }
}
