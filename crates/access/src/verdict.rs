//! What a policy says of a request.

use std::ops::Not;

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

    /// Both, in Kleene's manner: what failed might have been either.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotSatisfied, _) | (_, Self::NotSatisfied) => Self::NotSatisfied,
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::Satisfied, Self::Satisfied) => Self::Satisfied,
        }
    }

    /// Either, in Kleene's manner.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        !(!self).and(!other)
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

impl Not for Verdict {
    type Output = Self;

    /// The opposite; of what failed, it is not known either.
    fn not(self) -> Self {
        match self {
            Self::Satisfied => Self::NotSatisfied,
            Self::NotSatisfied => Self::Satisfied,
            Self::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Failed, NotSatisfied, Satisfied};

    const ALL: [Verdict; 3] = [Satisfied, NotSatisfied, Failed];

    #[test]
    fn what_failed_decides_only_where_nothing_else_does() {
        for verdict in ALL {
            assert_eq!(NotSatisfied.and(verdict), NotSatisfied);
            assert_eq!(Satisfied.and(verdict), verdict);
            assert_eq!(Satisfied.or(verdict), Satisfied);
            assert_eq!(NotSatisfied.or(verdict), verdict);
        }
        assert_eq!(Failed.and(Failed), Failed);
        assert_eq!(Failed.or(Failed), Failed);
        assert_eq!(!Failed, Failed);
    }

    #[test]
    fn the_algebra_is_kleenes() {
        for a in ALL {
            assert_eq!(!!a, a);
            assert_eq!(a.and(a), a);
            assert_eq!(a.or(a), a);
            for b in ALL {
                assert_eq!(a.and(b), b.and(a));
                assert_eq!(a.or(b), b.or(a));
                assert_eq!(!a.and(b), (!a).or(!b));
                assert_eq!(a.or(a.and(b)), a);
                for c in ALL {
                    assert_eq!(a.and(b).and(c), a.and(b.and(c)));
                    assert_eq!(a.or(b).or(c), a.or(b.or(c)));
                    assert_eq!(a.and(b.or(c)), a.and(b).or(a.and(c)));
                }
            }
        }
    }
}
