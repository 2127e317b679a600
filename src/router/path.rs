//! How a message came to where it is handed out.

/// How a message came to the subscriptions it is handed to.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    /// The subject that decides who gets it; receivers may be shown another.
    pub to: &'a [u8],
    /// The last service import it came through, if any.
    pub import: Option<&'a ImportStep<'a>>,
}

/// One service import that a message came through, from one account into another.
#[derive(Debug, Clone, Copy)]
pub struct ImportStep<'a> {
    /// What is imported; one number for all who import it.
    pub export: usize,
    /// Whether the service is told all about the requestor.
    pub share: bool,
    /// The step before this one.
    pub before: Option<&'a ImportStep<'a>>,
}

impl<'a> Path<'a> {
    /// The path of a message that was published where it is.
    pub fn direct(to: &'a [u8]) -> Self {
        Self { to, import: None }
    }

    /// Whether the message came through this export already.
    pub fn passed(&self, export: usize) -> bool {
        std::iter::successors(self.import, |step| step.before).any(|step| step.export == export)
    }
}
