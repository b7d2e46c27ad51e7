//! `postern setup`: from nothing to a server that can be started.
//!
//! What is made: the data folder, a self-signed certificate, the store with a domain and a first
//! account, and last the configuration; when a step fails, what was made before is removed again.
//! Then everything is looked at, and the DNS records to publish are shown.

mod house;
mod records;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use nix::unistd::{geteuid, gethostname};
use postern_config::Config;
use postern_types::{Address, Domain, Secret, Timestamp};

use super::doctor::Network;
use crate::failure::{Failure, Status};
use crate::inspect::{Finding, clock, disk, names, ports, tls};
use crate::open::block_on;
use crate::output::Output;
use house::House;
use records::Record;

/// Make a configuration, a data folder and the first account
#[derive(Debug, clap::Args)]
pub(crate) struct Setup {
    /// Your address in the domain to receive mail for: it becomes the first account
    address: Address,
    /// The server's name in the DNS [default: this machine's own if it is below the domain, else mail.DOMAIN]
    #[arg(long, value_name = "NAME")]
    hostname: Option<Domain>,
    /// The data folder to make [default: /var/lib/postern for root, else `data` beside the configuration]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The user that the server becomes when root starts it [default: postern]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[command(flatten)]
    network: Network,
}

impl Setup {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let (house, password) = self.plan(named)?.build()?;
        let config = house.config()?;
        let mut findings = vec![clock::inspect(Timestamp::now())];
        findings.push(disk::inspect(&config.data(), config.smtp.minimum_free_disk));
        findings.extend(tls::inspect(&config, Timestamp::now()));
        findings.extend(ports::inspect(&config.listen));
        let domains = [house.domain.clone()];
        if !self.network.offline {
            findings.extend(block_on(self.network.outside(&config, &domains))?);
        }
        let own = if self.network.offline { Vec::new() } else { names::own_addresses() };
        out.value(&Report::new(&house, password, &config, findings, &own))?;
        Ok(Status::Fine)
    }

    /// Decides what is made where.
    fn plan(&self, named: Option<&Path>) -> Result<House, Failure> {
        let Some(domain) = self.address.domain().cloned() else {
            return Err(Failure::Usage("the address needs a domain, not an IP address".into()));
        };
        let root = geteuid().is_root();
        let file = match named {
            Some(file) => file.to_owned(),
            None if root => PathBuf::from(crate::file::PLACES[1]),
            None => PathBuf::from(crate::file::PLACES[0]),
        };
        let data = match &self.data {
            Some(data) => std::path::absolute(data).map_err(Failure::io("cannot use the data folder"))?,
            None if root => PathBuf::from("/var/lib/postern"),
            None => PathBuf::from("data"),
        };
        let user = match &self.user {
            Some(user) => Some(user.clone()),
            None if root => Some("postern".to_owned()),
            None => None,
        };
        let hostname = self.hostname.clone().or_else(|| machine(&domain)).unwrap_or_else(|| mail(&domain));
        let ports = house::ports();
        Ok(House { address: self.address.clone(), domain, hostname, file, data, user, ports })
    }
}

/// This machine's name, where it lies in the domain.
fn machine(domain: &Domain) -> Option<Domain> {
    let name = gethostname().ok()?.into_string().ok()?;
    Domain::parse(&name).ok().filter(|name| name.is_within(domain) && name.is_qualified())
}

/// The name that most give to their mail server.
fn mail(domain: &Domain) -> Domain {
    Domain::parse(&format!("mail.{domain}")).unwrap_or_else(|_| domain.clone())
}

/// What was made, what was seen, what is left to do.
#[derive(serde::Serialize)]
struct Report {
    config: PathBuf,
    data: PathBuf,
    hostname: Domain,
    address: Address,
    /// Shown this once.
    password: String,
    findings: Vec<Finding>,
    records: Vec<Record>,
}

impl Report {
    fn new(
        house: &House,
        password: Secret<String>,
        config: &Config,
        findings: Vec<Finding>,
        own: &[IpAddr],
    ) -> Self {
        Self {
            config: house.file.clone(),
            data: config.data(),
            hostname: house.hostname.clone(),
            address: house.address.clone(),
            password: password.expose().clone(),
            findings,
            records: records::of(&house.domain, &house.hostname, own),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "Made {} and the data folder {}.\n", self.config.display(), self.data.display())?;
        writeln!(f, "Account:  {}", self.address)?;
        writeln!(
            f,
            "Password: {}   (shown only now; change it with `postern account passwd`)\n",
            self.password
        )?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        writeln!(f, "\nDNS records to publish:\n")?;
        for record in &self.records {
            writeln!(f, "  {record}")?;
        }
        let start = if has_unit(&self.config) { "systemctl enable --now postern" } else { "postern serve" };
        writeln!(f, "\nThen: `{start}`, and `postern doctor` once the records are published.")
    }
}

/// Whether systemd runs here and has our unit, which reads this configuration.
fn has_unit(config: &Path) -> bool {
    let units = ["/usr/lib/systemd/system/postern.service", "/etc/systemd/system/postern.service"];
    config == Path::new(crate::file::PLACES[1])
        && Path::new("/run/systemd/system").is_dir()
        && units.iter().any(|unit| Path::new(unit).exists())
}
