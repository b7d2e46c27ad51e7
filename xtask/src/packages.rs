//! The Debian packages that tests and bench use, and their installation where we may.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;
use crate::step::demand;

/// A package, and a program by which its presence is seen.
pub(crate) type Package = (&'static str, &'static str);

/// Real clients and servers that the test-suite talks to. This is the one list.
pub(crate) const TESTS: &[Package] = &[
    ("postfix", "/usr/sbin/postfix"),
    ("swaks", "swaks"),
    ("curl", "curl"),
    ("msmtp", "msmtp"),
    ("fetchmail", "fetchmail"),
    ("getmail6", "getmail"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("bind9-dnsutils", "dig"),
    ("strace", "strace"),
    // For the Sendmail that is unpacked: it makes its configuration, and a library that no other package here wants.
    ("m4", "m4"),
    ("libwrap0", "/usr/share/doc/libwrap0/copyright"),
    ("chromium", "chromium"),
    ("chromium-driver", "chromedriver"),
];

/// Programs of packages that cannot be installed beside the others, for two MTAs each want to be the only one: they
/// are unpacked, and nothing else.
const UNPACKED: &[Package] =
    &[("sendmail-bin", "usr/libexec/sendmail/sendmail"), ("sendmail-cf", "usr/share/sendmail/cf/m4/cf.m4")];

/// Where they are unpacked; `crates/dev/testnet/src/sendmail.rs` looks there.
const UNPACKED_TO: &str = "/usr/local/lib/postern-tests";

/// What `cargo xtask bench` loads Postern with.
pub(crate) const LOAD: &[Package] = &[("postfix", "/usr/sbin/smtp-source")];

/// What `cargo xtask bench` measures Postern against, and loads both with.
pub(crate) const BENCH: &[Package] = &[
    ("postfix", "/usr/sbin/postfix"),
    ("dovecot-core", "/usr/sbin/dovecot"),
    ("dovecot-lmtpd", "/usr/lib/dovecot/lmtp"),
    ("dovecot-pop3d", "/usr/lib/dovecot/pop3"),
];

/// Whether this is Debian (or one of its children) and we are root.
pub(crate) fn can_install() -> bool {
    is_root() && Path::new("/usr/bin/apt-get").exists()
}

pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Installs what is missing; where that is not allowed, says what it is, and goes on.
pub(crate) fn install(wanted: &[Package]) -> Result<String, Failure> {
    let missing: Vec<&str> =
        wanted.iter().filter(|(_, program)| !present(program)).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(format!("all {} are there", wanted.len()));
    }
    let names = missing.join(" ");
    if !can_install() {
        return Ok(format!("MISSING, their tests are skipped: {names} (as root: apt-get install {names})"));
    }
    let starter = NoServices::while_installing()?;
    // Else Debian's Postfix asks what kind of site this is.
    let answers = "postfix postfix/main_mailer_type select No configuration\n";
    debconf(answers)?;
    apt(&["update", "-qq"])?;
    let mut words = vec!["install", "-y", "-qq", "--no-install-recommends"];
    words.extend(&missing);
    apt(&words)?;
    drop(starter);
    Ok(format!("installed {names}"))
}

/// Unpacks what is missing of [`UNPACKED`], where that is allowed.
pub(crate) fn unpack() -> Result<String, Failure> {
    let folder = Path::new(UNPACKED_TO);
    let missing: Vec<&str> = UNPACKED
        .iter()
        .filter(|(_, file)| !folder.join(file).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() || !can_install() {
        let missing = missing.join(" ");
        return Ok(if missing.is_empty() { "all are there".into() } else { format!("MISSING: {missing}") });
    }
    std::fs::create_dir_all(folder).map_err(|error| format!("{UNPACKED_TO}: {error}"))?;
    apt(&["update", "-qq"])?;
    for package in missing {
        // Not by `demand`, which works at the root of the repository.
        let mut download = Command::new("apt-get");
        let done = download.args(["download", "-qq", package]).current_dir(folder).status();
        if !done.is_ok_and(|status| status.success()) {
            return Err(format!("{package} cannot be downloaded"));
        }
        let files = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
        for file in files.flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|extension| extension == "deb") {
                demand(Command::new("dpkg-deb").arg("-x").arg(&file).arg(folder), "")?;
                std::fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            }
        }
    }
    Ok("unpacked".into())
}

fn present(program: &str) -> bool {
    if program.starts_with('/') {
        return Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn apt(words: &[&str]) -> Result<String, Failure> {
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=600"]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
    demand(&mut command, "")
}

fn debconf(answers: &str) -> Result<(), Failure> {
    use std::io::Write;
    let spawned = Command::new("debconf-set-selections").stdin(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| format!("debconf-set-selections: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(answers.as_bytes()).map_err(|error| error.to_string())?;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err("debconf-set-selections failed".into()) }
}

/// While this lives, Debian starts no service that it installs (policy-rc.d says no).
struct NoServices(Option<&'static str>);

impl NoServices {
    fn while_installing() -> Result<Self, Failure> {
        use std::os::unix::fs::PermissionsExt;
        const FILE: &str = "/usr/sbin/policy-rc.d";
        if Path::new(FILE).exists() {
            return Ok(Self(None));
        }
        std::fs::write(FILE, "#!/bin/sh\nexit 101\n").map_err(|error| format!("{FILE}: {error}"))?;
        let made = Self(Some(FILE));
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(FILE, executable).map_err(|error| format!("{FILE}: {error}"))?;
        Ok(made)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(file) = self.0 {
            // Nothing depends on it any more.
            let _ = std::fs::remove_file(file);
        }
    }
}
