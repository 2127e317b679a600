//! How long something lasts, as nats-server writes it: whole seconds, from years down, `1d0h3m20s`.

use crate::clock::UnixNanos;

/// Writes `nanos` as an uptime; what is negative counts as nothing.
pub fn uptime(nanos: UnixNanos) -> String {
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or_default();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let years = days / 365;
    let parts =
        [(years, 'y'), (days % 365, 'd'), (hours % 24, 'h'), (minutes % 60, 'm'), (seconds % 60, 's')];
    let first = parts.iter().position(|(value, _)| *value > 0).unwrap_or(parts.len() - 1);
    parts.iter().skip(first).map(|(value, unit)| format!("{value}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::uptime;

    #[test]
    fn an_uptime_starts_with_its_largest_unit() {
        const SECOND: i64 = 1_000_000_000;
        let cases = [
            (-5 * SECOND, "0s"),
            (SECOND - 1, "0s"),
            (63 * SECOND, "1m3s"),
            (3_600 * SECOND, "1h0m0s"),
            (86_400 * SECOND + 61 * SECOND, "1d0h1m1s"),
            (366 * 86_400 * SECOND, "1y1d0h0m0s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(uptime(nanos), text);
        }
    }
}
