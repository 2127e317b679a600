//! The subject index of one account, queue groups, and delivery. Knows nothing of JetStream.
