//! A strict reader of the OpenMetrics text format (version 1.0.0), as far as Postern writes it.

use std::collections::{BTreeMap, HashSet};

pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
}

#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// Reads the whole text; panics with the line that breaks a rule.
pub(crate) fn read(text: &str) -> Vec<Family> {
    let body = text.strip_suffix("# EOF\n").expect("the last line is # EOF");
    let mut families: Vec<Family> = Vec::new();
    let mut names = HashSet::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect(line);
            assert!(names.insert(name.to_owned()), "family twice: {line}");
            let (name, help) = (name.to_owned(), help.to_owned());
            families.push(Family { name, kind: String::new(), help, samples: Vec::new() });
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect(line);
            let family = families.last_mut().expect(line);
            assert_eq!(family.name, name, "TYPE follows its HELP: {line}");
            assert!(family.kind.is_empty() && family.samples.is_empty(), "{line}");
            kind.clone_into(&mut family.kind);
        } else {
            let sample = sample(line);
            families.last_mut().expect(line).samples.push(sample);
        }
    }
    families.iter().for_each(check);
    families
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect(line);
    let (name, rest) = line.split_at(end);
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    assert!(name.chars().all(valid) && !name.starts_with(|c: char| c.is_ascii_digit()), "{line}");
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest),
        None => (Labels::new(), rest),
    };
    let value = rest.strip_prefix(' ').expect(line);
    let value = if value == "+Inf" { f64::INFINITY } else { value.parse().expect(line) };
    Sample { name: name.to_owned(), labels, value }
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        rest = rest.strip_prefix(',').unwrap_or(rest);
        let (name, quoted) = rest.split_once("=\"").expect(rest);
        let (value, after) = quoted_value(quoted);
        assert!(labels.insert(name.to_owned(), value).is_none(), "label twice: {rest}");
        rest = after;
    }
}

fn quoted_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return (value, &text[i + 1..]),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, c @ ('"' | '\\'))) => c,
                other => panic!("no such escape: {other:?} in {text}"),
            }),
            c => value.push(c),
        }
    }
    panic!("no closing quote: {text}");
}

fn check(family: &Family) {
    let allowed: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_sum", "_count", "_bucket"],
        other => panic!("{}: kind {other:?}", family.name),
    };
    let mut seen = HashSet::new();
    for sample in &family.samples {
        let suffix = sample.name.strip_prefix(&family.name);
        assert!(suffix.is_some_and(|s| allowed.contains(&s)), "{} in {}", sample.name, family.name);
        assert!(seen.insert((&sample.name, &sample.labels)), "series twice: {sample:?}");
    }
    if family.kind == "histogram" {
        check_buckets(family);
    }
}

/// Buckets are cumulative and the last, of +Inf, is the count.
fn check_buckets(family: &Family) {
    let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in family.samples.iter().filter(|s| s.name.ends_with("_bucket")) {
        let mut labels = sample.labels.clone();
        let le = labels.remove("le").expect("a bucket has its bound");
        let le = if le == "+Inf" { f64::INFINITY } else { le.parse().expect("a bound is a number") };
        series.entry(labels).or_default().push((le, sample.value));
    }
    for (labels, buckets) in series {
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{} {labels:?}", family.name);
        let count = family.samples.iter().find(|s| s.name.ends_with("_count") && s.labels == labels);
        let last = buckets.last().map(|&(le, n)| (le, Some(n)));
        assert_eq!(last, Some((f64::INFINITY, count.map(|s| s.value))), "{} {labels:?}", family.name);
    }
}
