use super::*;
use proptest::prelude::*;

mod dialogue;
mod json;
mod split;
