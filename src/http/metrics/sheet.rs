//! Writes one metric after the other.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::histogram::Spread;

/// What every name begins with, but for those that all programs have in common.
const PREFIX: &str = "chaincast";

pub(super) struct Sheet<'a> {
    encoder: DescriptorEncoder<'a>,
    /// Of what is being written: the encoder borrows it.
    name: String,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder, name: String::new() }
    }

    fn begin<'s>(
        &'s mut self,
        name: &str,
        help: &'s str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.name = format!("{PREFIX}_{name}");
        self.encoder.encode_descriptor(&self.name, help, unit, kind)
    }

    pub(super) fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> fmt::Result {
        self.begin(name, help, None, MetricType::Info)?.encode_info(&labels)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        ConstCounter::new(count).encode(self.begin(name, help, None, MetricType::Counter)?)
    }

    pub(super) fn counters(&mut self, name: &str, help: &str, label: &'static str, counts: &[(&'static str, u64)]) -> fmt::Result {
        let mut encoder = self.begin(name, help, None, MetricType::Counter)?;
        counts.iter().try_for_each(|(word, count)| ConstCounter::new(*count).encode(encoder.encode_family(&[(label, *word)])?))
    }

    /// Counters of any labels.
    pub(super) fn family<'l>(
        &mut self,
        name: &str,
        help: &str,
        mut counts: impl Iterator<Item = (Vec<(&'static str, &'l str)>, u64)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(name, help, None, MetricType::Counter)?;
        counts.try_for_each(|(labels, count)| ConstCounter::new(count).encode(encoder.encode_family(&labels)?))
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        ConstGauge::new(value).encode(self.begin(name, help, unit, MetricType::Gauge)?)
    }

    pub(super) fn gauges(&mut self, name: &str, help: &str, label: &'static str, values: &[(&'static str, u64)]) -> fmt::Result {
        let mut encoder = self.begin(name, help, None, MetricType::Gauge)?;
        values.iter().try_for_each(|(word, value)| ConstGauge::new(*value).encode(encoder.encode_family(&[(label, *word)])?))
    }

    /// A gauge that all programs have, under the name that they have agreed on.
    pub(super) fn standard(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: impl EncodeGaugeValue) -> fmt::Result {
        self.encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A counter of seconds that all programs have.
    pub(super) fn standard_seconds(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        ConstCounter::new(seconds).encode(self.encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?)
    }

    /// Durations.
    pub(super) fn histogram(&mut self, name: &str, help: &str, spread: &Spread) -> fmt::Result {
        write(&mut self.begin(name, help, Some(&Unit::Seconds), MetricType::Histogram)?, spread, 1)
    }

    /// Durations by route, with every second bound: there are many of them.
    pub(super) fn histograms<'l>(
        &mut self,
        name: &str,
        help: &str,
        mut spreads: impl Iterator<Item = (Vec<(&'static str, &'l str)>, &'l Spread)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        spreads.try_for_each(|(labels, spread)| write(&mut encoder.encode_family(&labels)?, spread, 2))
    }

    /// Sizes.
    pub(super) fn sizes(&mut self, name: &str, help: &str, (buckets, sum): &(Vec<(Option<u64>, u64)>, u64)) -> fmt::Result {
        let buckets: Vec<(f64, u64)> =
            buckets.iter().map(|(bound, count)| (bound.map_or(f64::INFINITY, |bound| bound as f64), *count)).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.begin(name, help, None, MetricType::Histogram)?.encode_histogram::<NoLabelSet>(*sum as f64, count, &buckets, None)
    }
}

/// Writes a histogram that has one of `every` bounds.
fn write(encoder: &mut MetricEncoder<'_>, spread: &Spread, every: usize) -> fmt::Result {
    let seconds = |micros: u64| micros as f64 / 1e6;
    let mut buckets: Vec<(f64, u64)> = Vec::new();
    for some in spread.buckets.chunks(every) {
        // the last of them has the widest bound; what has none is written as such
        let bound = some.last().and_then(|(bound, _)| *bound).map_or(f64::INFINITY, seconds);
        buckets.push((bound, some.iter().map(|(_, count)| count).sum()));
    }
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(seconds(spread.sum_micros), count, &buckets, None)
}
