//! The kinds of metric: what one holds, how it is described and written.
//!
//! Those that are split by a label hold one value per label value in an array: touching one
//! is an index and an atomic add, with no hashing and no lock.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::{
    EncodeLabel, EncodeLabelSet, EncodeMetric, LabelSetEncoder, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::label::Label;

/// Counts up.
pub type Counter = prometheus_client::metrics::counter::Counter;
/// Goes up and down.
pub type Gauge = prometheus_client::metrics::gauge::Gauge<i64, AtomicI64>;

/// What a metric is, for its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Counts up; `_total` is appended to its name.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets.
    Histogram,
}

/// What the declarations need to know of a metric's type.
pub(crate) trait Metric {
    const KIND: Kind;
    const LABELS: &'static [&'static str];
    fn create() -> Self;
    fn write(&self, encoder: MetricEncoder<'_>) -> fmt::Result;
}

impl Kind {
    pub(crate) fn open_metrics(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.open_metrics().as_str())
    }
}

macro_rules! plain {
    ($($name:ty = $kind:ident, $create:expr;)+) => {$(
        impl Metric for $name {
            const KIND: Kind = Kind::$kind;
            const LABELS: &'static [&'static str] = &[];
            fn create() -> Self {
                $create
            }
            fn write(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
                EncodeMetric::encode(self, encoder)
            }
        }
    )+};
}

plain! {
    Counter = Counter, Counter::default();
    Gauge = Gauge, Gauge::default();
}

/// Durations, in buckets from 100 µs to 100 s.
#[derive(Debug)]
pub struct Seconds(Histogram);

impl Seconds {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// Sizes in octets, in buckets from 1 KiB to 64 MiB.
#[derive(Debug)]
pub struct Bytes(Histogram);

impl Bytes {
    /// Counts one size.
    #[allow(clippy::cast_precision_loss, reason = "a size beyond 2^53 octets may lose its last digits")]
    pub fn observe(&self, octets: u64) {
        self.0.observe(octets as f64);
    }
}

const SECONDS: [f64; 13] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
const OCTETS: [f64; 9] =
    [1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0];

macro_rules! histograms {
    ($($name:ident = $buckets:ident;)+) => {$(
        impl Metric for $name {
            const KIND: Kind = Kind::Histogram;
            const LABELS: &'static [&'static str] = &[];
            fn create() -> Self {
                Self(Histogram::new($buckets))
            }
            fn write(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
                self.0.encode(encoder)
            }
        }
    )+};
}

histograms! {
    Seconds = SECONDS;
    Bytes = OCTETS;
}

/// One metric for each value of a label.
#[derive(Debug)]
pub struct Each<L, M> {
    each: Box<[M]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, M> Each<L, M> {
    /// The one for `value`.
    #[must_use]
    pub fn of(&self, value: L) -> &M {
        &self.each[value.index()]
    }
}

impl<L: Label, M: Metric> Metric for Each<L, M> {
    const KIND: Kind = M::KIND;
    const LABELS: &'static [&'static str] = &[L::NAME];
    fn create() -> Self {
        Self { each: L::ALL.iter().map(|_| M::create()).collect(), label: PhantomData }
    }
    fn write(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (value, metric) in L::ALL.iter().zip(&self.each) {
            metric.write(encoder.encode_family(&Pairs([(L::NAME, value.text())]))?)?;
        }
        Ok(())
    }
}

/// One metric for each pair of values of two labels.
#[derive(Debug)]
pub struct Grid<A, B, M> {
    cells: Box<[M]>,
    labels: PhantomData<fn(A, B)>,
}

impl<A: Label, B: Label, M> Grid<A, B, M> {
    /// The one for `a` and `b`.
    #[must_use]
    pub fn of(&self, a: A, b: B) -> &M {
        &self.cells[a.index() * B::ALL.len() + b.index()]
    }
}

impl<A: Label, B: Label, M: Metric> Metric for Grid<A, B, M> {
    const KIND: Kind = M::KIND;
    const LABELS: &'static [&'static str] = &[A::NAME, B::NAME];
    fn create() -> Self {
        let cells = (0..A::ALL.len() * B::ALL.len()).map(|_| M::create()).collect();
        Self { cells, labels: PhantomData }
    }
    fn write(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for &a in A::ALL {
            for &b in B::ALL {
                let labels = Pairs([(A::NAME, a.text()), (B::NAME, b.text())]);
                self.of(a, b).write(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// Labels with their values.
struct Pairs<const N: usize>([(&'static str, &'static str); N]);

impl<const N: usize> EncodeLabelSet for Pairs<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|pair| pair.encode(encoder.encode_label()))
    }
}

/// A gauge for each of a few names that the configuration gives (block-lists): not for the hot path.
#[derive(Debug)]
pub struct PerName(Family<Name, Gauge>);

/// The name as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name(String);

impl EncodeLabelSet for Name {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        ("name", self.0.as_str()).encode(encoder.encode_label())
    }
}

impl PerName {
    /// Sets the gauge of `name`, which must come from the configuration and never from a client.
    pub fn set(&self, name: &str, value: i64) {
        self.0.get_or_create(&Name(name.to_owned())).set(value);
    }
}

impl Metric for PerName {
    const KIND: Kind = Kind::Gauge;
    const LABELS: &'static [&'static str] = &["name"];
    fn create() -> Self {
        Self(Family::default())
    }
    fn write(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        EncodeMetric::encode(&self.0, encoder)
    }
}
