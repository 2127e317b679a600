//! The JetStream API as data: what its subjects, requests, answers and acknowledgements look like on the wire.
//! Nothing here decides anything.
//!
//! | module | what it holds |
//! |---|---|
//! | [`error`] | every error, by number |
//! | [`stream_config`], [`stream_source`], [`consumer_config`] | configurations, fields in the order of the wire |
//! | [`from_json`], [`json`] | reading JSON as Go does |
//! | [`timestamp`], [`go_duration`] | times and durations as text |

pub mod consumer_config;
pub mod error;
mod error_table;
pub mod from_json;
pub mod go_duration;
pub mod json;
mod omit;
pub mod stream_config;
pub mod stream_source;
mod text_enum;
pub mod timestamp;
