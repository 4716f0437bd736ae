//! What a policy says of a request.

/// What a policy says of a request. Only `Satisfied` grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its rule holds.
    Satisfied,
    /// Its rule does not hold.
    NotSatisfied,
    /// Its rule could not be evaluated.
    Failed,
}

impl Verdict {
    /// The verdict of a rule that was evaluated.
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::Satisfied } else { Self::NotSatisfied }
    }

    /// Its name in traces and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Satisfied => "satisfied",
            Self::NotSatisfied => "not-satisfied",
            Self::Failed => "failed",
        }
    }
}
