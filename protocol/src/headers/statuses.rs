//! Status lines the broker sends: code and description.

/// A code and its description.
pub type Status = (u16, &'static str);

/// A consumer has had nothing to say for a while.
pub const IDLE_HEARTBEAT: Status = (100, "Idle Heartbeat");
/// A push consumer asks for a sign of life before it goes on.
pub const FLOW_CONTROL: Status = (100, "FlowControl Request");
/// The end of a direct get of several messages.
pub const END_OF_BATCH: Status = (204, "EOB");
/// A pull request that could not be understood; more text follows.
pub const BAD_REQUEST: Status = (400, "Bad Request");
/// Nothing to pull and no wish to wait.
pub const NO_MESSAGES: Status = (404, "No Messages");
/// A direct get found nothing.
pub const MESSAGE_NOT_FOUND: Status = (404, "Message Not Found");
/// A direct get of several subjects found nothing.
pub const NO_RESULTS: Status = (404, "No Results");
/// A pull request expired.
pub const REQUEST_TIMEOUT: Status = (408, "Request Timeout");
/// Earlier pull requests would take all there is.
pub const REQUESTS_PENDING: Status = (408, "Requests Pending");
/// Nobody listens to the pull request's reply subject any more.
pub const INTEREST_EXPIRED: Status = (408, "Interest Expired");
/// A direct get without a body.
pub const EMPTY_REQUEST: Status = (408, "Empty Request");
/// A direct get that is not JSON.
pub const MALFORMED_REQUEST: Status = (408, "Malformed Request");
/// A direct get with conflicting fields.
pub const CONFLICTING_REQUEST: Status = (408, "Bad Request");
/// The next message does not fit into the pull request's `max_bytes`.
pub const MESSAGE_SIZE_EXCEEDS_MAX_BYTES: Status = (409, "Message Size Exceeds MaxBytes");
/// The pull request's batch is complete.
pub const BATCH_COMPLETED: Status = (409, "Batch Completed");
/// Too many pull requests wait.
pub const EXCEEDED_MAX_WAITING: Status = (409, "Exceeded MaxWaiting");
/// The consumer or its stream was deleted.
pub const CONSUMER_DELETED: Status = (409, "Consumer Deleted");
/// A pull request to a push consumer.
pub const CONSUMER_IS_PUSH_BASED: Status = (409, "Consumer is push based");
/// The consumer has to begin anew, here: its store has failed.
pub const LEADERSHIP_CHANGE: Status = (409, "Leadership Change");
/// The broker is going away.
pub const SERVER_SHUTDOWN: Status = (409, "Server Shutdown");
/// The request needs a newer API than there is.
pub const REQUIRED_API_LEVEL: Status = (412, "Required Api Level");
/// A direct get matches too many subjects.
pub const TOO_MANY_RESULTS: Status = (413, "Too Many Results");
/// The pull request's pin id is not the pinned one.
pub const PIN_ID_MISMATCH: Status = (423, "Nats-Pin-Id mismatch");
/// A waiting pull request has a pin id that is no longer right.
pub const WRONG_PIN_ID: Status = (423, "Nats-Wrong-Pin-Id");
/// A stream's inbox is full.
pub const TOO_MANY_REQUESTS: Status = (429, "Too Many Requests");
/// Nobody listens to the subject.
pub const NO_RESPONDERS: Status = (503, "");
