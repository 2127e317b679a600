//! Numbers in JSON as Go writes them: a float that is whole has no decimal point.

use serde::Serializer;

/// For `#[serde(serialize_with)]` on a float.
pub(super) fn float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// Go's `omitempty`: whether the value is the zero of its type.
pub(super) fn zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Moments as JSON has them.
pub(super) fn time<S: Serializer>(nanos: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&headwater_protocol::jetstream::timestamp::Timestamp(*nanos))
}
