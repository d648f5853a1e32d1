//! The policy, against honest evidence and against everything that has fooled verifiers before. The cases named
//! `advisory_…` are the twelve defects that another verifier published at once in July 2026.

mod documents;
mod fixture;
mod verdicts;
