//! Subscriptions that reach into another account.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Weak};

use headwater_protocol::subject::transform::Transform;

use super::Subscription;

/// Stands in an exporting account for a subscription of an importing one, which gets the messages.
pub struct Shadow {
    original: Arc<Subscription>,
    naming: Naming,
    home: Weak<dyn Home>,
    allows_trace: bool,
}

/// What messages are called where they are imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// As where they come from.
    Same,
    /// All alike.
    Fixed(Box<str>),
    /// By a transform.
    Transformed(Arc<Transform>),
}

/// Where the original subscription lives.
pub trait Home: Send + Sync {
    /// The original got its last message.
    fn expire(&self, original: &Arc<Subscription>);
    /// The account's name.
    fn name(&self) -> Arc<str>;
}

impl Shadow {
    /// A shadow of `original`, which lives in `home`.
    pub fn new(
        original: Arc<Subscription>,
        naming: Naming,
        home: Weak<dyn Home>,
        allows_trace: bool,
    ) -> Self {
        Self { original, naming, home, allows_trace }
    }

    /// The subscription it stands for.
    pub fn original(&self) -> &Arc<Subscription> {
        &self.original
    }

    /// How it names messages.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// Whether the traces of messages follow them to the original.
    pub fn allows_trace(&self) -> bool {
        self.allows_trace
    }

    /// The name of the account the original lives in.
    pub fn importer(&self) -> Arc<str> {
        self.home.upgrade().map_or_else(|| "".into(), |home| home.name())
    }

    /// Ends the original, which got its last message.
    pub fn expire_original(&self) {
        if let Some(home) = self.home.upgrade() {
            home.expire(&self.original);
        }
    }
}

impl Naming {
    /// What a message on `subject` is called; `None` if the import does not concern it.
    pub fn name<'a>(&'a self, subject: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Same => Some(subject.into()),
            Self::Fixed(name) => Some(name.as_bytes().into()),
            // A subject that is published to may have tokens that look like wildcards: `$JS.API.CONSUMER.CREATE` has filters in it.
            Self::Transformed(transform) => {
                transform.apply(subject).or_else(|| transform.apply_to_filter(subject)).map(Cow::Owned)
            }
        }
    }
}

impl fmt::Debug for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shadow").field("original", &self.original).field("naming", &self.naming).finish()
    }
}
