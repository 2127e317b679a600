//! The JetStream API as data: what its subjects, requests, answers and acknowledgements look like on the wire.
//! Nothing here decides anything.
//!
//! | module | what it holds |
//! |---|---|
//! | [`api_subject`] | which call a subject is |
//! | [`request`] | the bodies of requests |
//! | [`response`], [`response_type`], [`stored_msg`] | answers |
//! | [`advisory`], [`client_info`] | what is told unasked |
//! | [`error`] | every error, by number |
//! | [`stream_config`], [`stream_source`], [`consumer_config`] | configurations, fields in the order of the wire |
//! | [`stream_info`], [`consumer_info`], [`account_info`] | what streams, consumers and accounts say of themselves |
//! | [`pub_ack`] | the answer to a publish |
//! | [`pull`] | the body of a pull request |
//! | [`ack_token`], [`ack_kind`], [`flow_control`] | reply subjects of deliveries, and what is sent to them |
//! | [`from_json`], [`json`] | reading JSON as Go does |
//! | [`timestamp`], [`go_duration`] | times and durations as text |

pub mod account_info;
pub mod ack_kind;
pub mod ack_token;
pub mod advisory;
mod advisory_events;
pub mod api_subject;
pub mod client_info;
pub mod consumer_config;
pub mod consumer_info;
pub mod error;
mod error_table;
pub mod flow_control;
pub mod from_json;
pub mod go_duration;
pub mod json;
mod object_writer;
mod omit;
pub mod pub_ack;
pub mod pull;
pub mod request;
pub mod response;
pub mod response_type;
pub mod stored_msg;
pub mod stream_config;
pub mod stream_info;
pub mod stream_source;
mod text_enum;
pub mod timestamp;
