//! Names that people have labelled: `address,name[;name…],neighbour=name|neighbour=name…,label`.
//!
//! A line that begins with `#` is a comment; `# calibrate …` and `# held out …` say which part the lines
//! below them belong to (held out, unless said otherwise). The third field may be empty.

use std::net::IpAddr;

use crate::{Neighbour, Observation};

/// One labelled line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What is known about the host.
    pub observation: Observation,
    /// What it is.
    pub label: Label,
    /// Whether the weights may be set by it.
    pub part: Part,
    /// The comment above it, which says where it comes from.
    pub source: String,
}

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// Residential or dynamic: it should not send mail directly.
    Dialup,
    /// A mail server, or a host that may be one.
    Server,
}

/// What a line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// To set the weights by.
    Calibrate,
    /// To measure them on.
    HeldOut,
}

/// A line that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl std::fmt::Display for SampleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for SampleError {}

/// Reads labelled lines.
///
/// # Errors
/// The first line that is none.
pub fn read_samples(text: &str) -> Result<Vec<Sample>, SampleError> {
    let (mut part, mut source) = (Part::HeldOut, "");
    let mut samples = Vec::new();
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if let Some(comment) = line.strip_prefix('#').map(str::trim) {
            if let Some(from) = comment.strip_prefix("calibrate") {
                (part, source) = (Part::Calibrate, from.trim());
            } else if let Some(from) = comment.strip_prefix("held out") {
                (part, source) = (Part::HeldOut, from.trim());
            }
        } else if !line.is_empty() {
            let (observation, label) = read(line).map_err(|what| SampleError { line: at, what })?;
            samples.push(Sample { observation, label, part, source: source.to_owned() });
        }
    }
    Ok(samples)
}

fn read(line: &str) -> Result<(Observation, Label), &'static str> {
    let fields: Vec<_> = line.split(',').map(str::trim).collect();
    let (address, names, near, label) = match *fields {
        [address, names, near, label] => (address, names, near, label),
        [address, names, label] => (address, names, "", label),
        _ => return Err("expected address,name[;name…],neighbour=name|…,label"),
    };
    let address = address.parse().map_err(|_| "the first field is no IP address")?;
    let label = match label {
        "dialup" => Label::Dialup,
        "server" => Label::Server,
        _ => return Err("the label must be `dialup` or `server`"),
    };
    let names = names.split(';').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    let mut observation = Observation::new(address, names.collect());
    for near in near.split('|').filter(|near| !near.is_empty()) {
        let (address, name) = near.split_once('=').ok_or("a neighbour is address=name")?;
        let address: IpAddr = address.trim().parse().map_err(|_| "a neighbour's address is none")?;
        observation.neighbours.push(Neighbour { address, names: vec![name.trim().to_owned()] });
    }
    Ok((observation, label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let text = "# calibrate x\n203.0.113.9,a.example;b.example,203.0.113.8=c.example|203.0.113.7=d.example,server\n\
                    # held out y\n2001:db8::1,e.example,dialup\n";
        let samples = read_samples(text).unwrap();
        assert_eq!((samples[0].part, samples[1].part), (Part::Calibrate, Part::HeldOut));
        assert_eq!((samples[0].label, samples[1].label), (Label::Server, Label::Dialup));
        assert_eq!(samples[0].observation.names, ["a.example", "b.example"]);
        assert_eq!(samples[0].observation.neighbours.len(), 2);
        assert_eq!(samples[1].source, "y");
    }

    #[test]
    fn a_mistake_has_its_line() {
        for (text, line) in [("\nx,a,dialup", 2), ("::1,a,spam", 1), ("::1", 1), ("::1,a,b,dialup", 1)] {
            assert_eq!(read_samples(text).unwrap_err().line, line, "{text}");
        }
    }
}
