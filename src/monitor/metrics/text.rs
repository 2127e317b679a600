//! Prometheus' text format.

use std::fmt::{Display, Write};

/// What the values of a metric do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Goes up only.
    Counter,
    /// Goes up and down, or is what the exporter calls a gauge.
    Gauge,
}

/// Metrics as they are written, each with all its samples in one place.
#[derive(Default)]
pub(super) struct Text {
    text: String,
    name: String,
}

/// Labels of a sample, written once for all samples that have the same.
#[derive(Debug, Default, Clone)]
pub(super) struct Labels(String);

impl Labels {
    /// The labels with one more.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        self.0.push('"');
        self
    }
}

impl Text {
    /// Begins a metric; the samples follow.
    pub(super) fn metric(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        name.clone_into(&mut self.name);
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the metric begun last.
    pub(super) fn sample(&mut self, labels: &Labels, value: impl Display) {
        let _ = match labels.0.as_str() {
            "" => writeln!(self.text, "{} {value}", self.name),
            labels => writeln!(self.text, "{}{{{labels}}} {value}", self.name),
        };
    }

    /// A metric with a single sample.
    pub(super) fn single(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        labels: &Labels,
        value: impl Display,
    ) {
        self.metric(name, kind, help);
        self.sample(labels, value);
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_written_with_its_samples() {
        let mut text = Text::default();
        let base = Labels::default().with("a", "x\\y\"z\n");
        text.metric("m_total", Kind::Counter, "How many.");
        text.sample(&base, 1);
        text.sample(&base.with("b", ""), -2.5);
        text.single("n", Kind::Gauge, "One.", &Labels::default(), u64::MAX);
        let expected = "# HELP m_total How many.\n# TYPE m_total counter\n\
            m_total{a=\"x\\\\y\\\"z\\n\"} 1\nm_total{a=\"x\\\\y\\\"z\\n\",b=\"\"} -2.5\n\
            # HELP n One.\n# TYPE n gauge\nn 18446744073709551615\n";
        assert_eq!(text.finish(), expected);
    }
}
