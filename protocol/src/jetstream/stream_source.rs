//! Where a mirror or a sourcing stream takes its messages from.

use serde::Serialize;

use super::from_json::json_object;
use super::omit;
use super::timestamp::ZonedTime;

/// One origin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StreamSource {
    /// The origin's name.
    pub name: String,
    /// The first sequence wanted.
    #[serde(skip_serializing_if = "omit::zero")]
    pub opt_start_seq: u64,
    /// The time of the first message wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_start_time: Option<ZonedTime>,
    /// The subjects wanted.
    #[serde(skip_serializing_if = "omit::zero")]
    pub filter_subject: String,
    /// The subjects wanted, and what becomes of them.
    #[serde(skip_serializing_if = "omit::zero")]
    pub subject_transforms: Vec<SubjectTransform>,
    /// How the origin is reached if it is not in this account and domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// The consumer of the origin to use, if it was made beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<ConsumerSource>,
}

json_object! { StreamSource as "StreamSource" {
    name, opt_start_seq, opt_start_time, filter_subject, subject_transforms, external, consumer,
} }

/// A subject pattern and what becomes of subjects that match it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SubjectTransform {
    /// The pattern.
    pub src: String,
    /// The new subject, `{{…}}` allowed.
    pub dest: String,
}

json_object! { SubjectTransform as "SubjectTransformConfig" { src, dest } }

/// The way to a stream of another account or domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct External {
    /// What stands in place of `$JS.API`.
    pub api: String,
    /// The prefix of subjects messages are delivered on.
    pub deliver: String,
}

json_object! { External as "ExternalStream" { api, deliver } }

/// A consumer that was made beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConsumerSource {
    /// Its name.
    #[serde(skip_serializing_if = "omit::zero")]
    pub name: String,
    /// Where it delivers to.
    #[serde(skip_serializing_if = "omit::zero")]
    pub deliver_subject: String,
}

json_object! { ConsumerSource as "StreamConsumerSource" { name, deliver_subject } }
