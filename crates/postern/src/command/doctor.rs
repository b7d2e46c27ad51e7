//! `postern doctor`: whatever may keep mail from coming in.

use std::path::Path;

use postern_config::Config;
use postern_dns::Dns;
use postern_store::LocalDomain;
use postern_types::{Domain, Timestamp};

use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;
use crate::inspect::store::Look;
use crate::inspect::{Finding, State, clock, disk, files, folder, names, outbound, ports, store, tls};
use crate::open::{block_on, with_store};
use crate::output::Output;

/// Look for whatever may keep mail from coming in
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Check every message too: reads the whole store, while mail goes on
    #[arg(long)]
    thorough: bool,
    #[command(flatten)]
    network: Network,
}

/// What may be asked outside.
#[derive(Debug, clap::Args)]
pub(crate) struct Network {
    /// Ask nobody: no DNS, no connection to another mail server
    #[arg(long)]
    pub(crate) offline: bool,
    /// The domain whose mail server is greeted to see whether port 25 is open towards the internet
    #[arg(long, value_name = "DOMAIN", default_value = "gmail.com")]
    pub(crate) probe: Domain,
}

#[derive(serde::Serialize)]
struct Report {
    findings: Vec<Finding>,
}

impl Doctor {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        let mut findings = here(&config)?;
        let look = if self.thorough { Look::Thorough } else { Look::Quick };
        let domains = match with_store(&config, async |store| Ok(store.domains().await?)) {
            Ok(domains) => {
                findings.extend(store::inspect(&config, look));
                domains
            }
            Err(failure) => {
                findings.push(Finding::problem("store", failure.to_string()));
                Vec::new()
            }
        };
        if !self.network.offline {
            let domains: Vec<Domain> = domains.into_iter().map(|LocalDomain { name, .. }| name).collect();
            findings.extend(block_on(self.network.outside(&config, &domains))?);
        }
        let worst = findings.iter().map(|finding| finding.state).max_by_key(|state| *state as u8);
        out.value(&Report { findings })?;
        let healthy = matches!(worst, None | Some(State::Ok | State::Unknown));
        Ok(if healthy { Status::Fine } else { Status::Finding })
    }
}

/// What can be seen on this machine alone.
fn here(config: &Config) -> Result<Vec<Finding>, Failure> {
    let mistakes = block_on(async { Ok(files::inspect(config)) })?;
    let mut findings: Vec<Finding> = mistakes
        .iter()
        .map(|mistake| Finding::problem("configuration", format!("{}:{mistake}", config.file().display())))
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok("configuration", format!("SHA-256 {}", config.hash())));
    }
    findings.extend(folder::inspect(config));
    findings.push(disk::inspect(&config.data(), config.smtp.minimum_free_disk));
    findings.extend(tls::inspect(config, Timestamp::now()));
    findings.push(clock::inspect(Timestamp::now()));
    findings.extend(ports::inspect_running(config));
    Ok(findings)
}

impl Network {
    /// What others say of this server. Each question has the deadline of `[dns]`, and all are
    /// asked at the same time.
    pub(crate) async fn outside(&self, config: &Config, domains: &[Domain]) -> Result<Vec<Finding>, Failure> {
        let dns = Dns::new(compose::dns::settings(config))?;
        let hostname = &config.server.hostname;
        let own = names::own_addresses();
        let ours = async {
            let mut findings = Vec::new();
            for domain in domains {
                findings.extend(names::domain(&dns, domain, hostname).await);
            }
            findings
        };
        let (mut findings, ours, outbound) =
            tokio::join!(names::host(&dns, hostname, &own), ours, outbound::inspect(&dns, &self.probe));
        findings.extend(ours);
        findings.push(outbound);
        Ok(findings)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}
