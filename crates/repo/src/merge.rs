//! The tree that a merge would give, without one being made. Only git's own text merge takes part: no driver, no attribute
//! and no configuration of the repository. Where a forge merges otherwise its result is another tree, and what was approved
//! for this one is not approved for that.

use crate::{RepoError, View};

/// What a merge would give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// This tree, without a conflict.
    Tree(String),
    /// It has to be done by hand.
    Conflict,
}

impl View {
    /// Merges a proposal's head into the tip of its target.
    ///
    /// # Errors
    /// A commit is missing, or they have no common ancestor.
    pub fn merge(&self, target: &str, head: &str) -> Result<Merge, RepoError> {
        let (target, head) = (self.id(target)?, self.id(head)?);
        let wrong = self.wrong();
        let options = self.git().tree_merge_options().map_err(|e| wrong(&e))?;
        let outcome = self
            .git()
            .merge_commits(target, head, gix::merge::blob::builtin_driver::text::Labels::default(), options.into())
            .map_err(|e| wrong(&format!("{target} and {head} cannot be merged: {e}")))?;
        self.finish(outcome.tree_merge)
    }

    /// Applies what changed from `ancestor` to `theirs` onto `ours` (all three trees or commits).
    ///
    /// # Errors
    /// An object is missing.
    pub fn merge_trees(&self, ancestor: &str, ours: &str, theirs: &str) -> Result<Merge, RepoError> {
        let (ancestor, ours, theirs) = (self.tree_id(ancestor)?, self.tree_id(ours)?, self.tree_id(theirs)?);
        if ancestor == ours {
            return Ok(Merge::Tree(theirs.to_string()));
        }
        let wrong = self.wrong();
        let options = self.git().tree_merge_options().map_err(|e| wrong(&e))?;
        let labels = gix::merge::blob::builtin_driver::text::Labels::default();
        let outcome = self
            .git()
            .merge_trees(ancestor, ours, theirs, labels, options)
            .map_err(|e| wrong(&format!("the trees cannot be merged: {e}")))?;
        self.finish(outcome)
    }

    fn finish(&self, mut outcome: gix::merge::tree::Outcome<'_>) -> Result<Merge, RepoError> {
        if outcome.has_unresolved_conflicts(gix::merge::tree::TreatAsUnresolved::git()) {
            return Ok(Merge::Conflict);
        }
        let tree = outcome.tree.write().map_err(|e| self.wrong()(&e))?;
        Ok(Merge::Tree(tree.to_string()))
    }
}
