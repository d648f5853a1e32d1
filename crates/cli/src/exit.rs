//! Exit codes: the one table.

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: passed, done.
    Pass,
    /// 1: findings, or denied by the policy.
    Denied,
    /// 2: usage or configuration.
    Usage,
    /// 3: could not decide. Never the same as allowed.
    Undecided,
    /// The status of the wrapped command.
    Command(u8),
    /// The signal that ended the wrapped command.
    Signal(i32),
}

impl Exit {
    /// The process's status.
    pub fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Denied => 1,
            Self::Usage => 2,
            Self::Undecided => 3,
            Self::Command(status) => status,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(255),
        }
    }
}
