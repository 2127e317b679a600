//! The promises over many short runs, and the stories of promises that were broken once.

mod broker_stories;
mod stories;
