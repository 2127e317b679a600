//! Whole numbers of any size, in decimal: what counters count in (ADR-49).

use std::cmp::Ordering;
use std::fmt;

/// A whole number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// The lowest first, 0 to 9 each; none for zero.
    digits: Vec<u8>,
}

impl Decimal {
    /// Reads digits with an optional sign before them, and nothing else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(Self::from_digits(negative, digits.iter().rev().map(|digit| digit - b'0').collect()))
    }

    /// The sum of two numbers.
    pub fn plus(&self, other: &Self) -> Self {
        if self.negative == other.negative {
            return Self::from_digits(self.negative, sum(&self.digits, &other.digits));
        }
        match compare(&self.digits, &other.digits) {
            Ordering::Less => Self::from_digits(other.negative, difference(&other.digits, &self.digits)),
            _ => Self::from_digits(self.negative, difference(&self.digits, &other.digits)),
        }
    }

    /// The difference of two numbers.
    pub fn minus(&self, other: &Self) -> Self {
        self.plus(&Self { negative: !other.negative, digits: other.digits.clone() })
    }

    fn from_digits(negative: bool, mut digits: Vec<u8>) -> Self {
        let len = digits.iter().rposition(|digit| *digit != 0).map_or(0, |highest| highest + 1);
        digits.truncate(len);
        Self { negative: negative && len > 0, digits }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        if self.negative {
            f.write_str("-")?;
        }
        let text: String = self.digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect();
        f.write_str(&text)
    }
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut digits: Vec<u8> = (0..a.len().max(b.len()))
        .map(|at| {
            let digit = digit(a, at) + digit(b, at) + carry;
            carry = digit / 10;
            digit % 10
        })
        .collect();
    digits.push(carry);
    digits
}

/// `a - b`, where `a` is not less than `b`.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrowed = 0;
    (0..a.len())
        .map(|at| {
            let digit = 10 + digit(a, at) - digit(b, at) - borrowed;
            borrowed = u8::from(digit < 10);
            digit % 10
        })
        .collect()
}

fn digit(digits: &[u8], at: usize) -> u8 {
    digits.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_digits_with_a_sign_are_numbers() {
        for text in ["", "-", "+", "1.5", " 1", "1 ", "1_000", "abc", "--1", "0x1"] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read("+007").to_string(), "7");
        assert_eq!(read("-000").to_string(), "0");
    }

    #[test]
    fn numbers_larger_than_any_register_are_counted() {
        let nines = "9".repeat(1_000);
        assert_eq!(read(&nines).plus(&read("1")).to_string(), format!("1{}", "0".repeat(1_000)));
        assert_eq!(read("1").minus(&read(&nines)).to_string(), format!("-{}8", "9".repeat(999)));
    }

    proptest! {
        #[test]
        fn sums_and_differences_are_those_of_integers(a: i64, b: i64) {
            let (a, b) = (i128::from(a), i128::from(b));
            prop_assert_eq!(read(&a.to_string()).plus(&read(&b.to_string())).to_string(), (a + b).to_string());
            prop_assert_eq!(read(&a.to_string()).minus(&read(&b.to_string())).to_string(), (a - b).to_string());
        }
    }
}
