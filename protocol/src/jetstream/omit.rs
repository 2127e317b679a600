//! When a field is left out of the JSON: Go's `omitempty`.

/// Values with a Go zero value.
pub(super) fn zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
