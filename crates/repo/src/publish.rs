//! Writing into a repository: files of a ref that a program keeps, in one commit a time. Nothing of the repository's
//! configuration takes part, no hook is run.

use std::path::{Path, PathBuf};

use gix::objs::tree::EntryKind;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};

use crate::RepoError;
use crate::history::problem;

/// A ref whose files a program keeps.
pub struct Published {
    repository: gix::Repository,
    path: PathBuf,
    reference: String,
}

impl Published {
    /// Opens a repository for it.
    ///
    /// # Errors
    /// There is none, or the name is no ref's.
    pub fn open(directory: &Path, reference: &str) -> Result<Self, RepoError> {
        let wrong = problem(directory);
        if !crate::valid_ref_name(reference) {
            return Err(wrong(&format!("`{reference}` is no ref")));
        }
        let repository = crate::open(directory)?;
        Ok(Self { repository, path: directory.to_path_buf(), reference: reference.to_owned() })
    }

    fn wrong(&self) -> impl Fn(&dyn std::fmt::Display) -> RepoError {
        problem(&self.path)
    }

    /// The commit that it is at.
    fn tip(&self) -> Result<Option<gix::ObjectId>, RepoError> {
        let found = self.repository.try_find_reference(self.reference.as_str()).map_err(|e| self.wrong()(&e))?;
        found
            .map(|mut reference| reference.peel_to_id().map(|id| id.detach()).map_err(|e| self.wrong()(&e)))
            .transpose()
    }

    /// A file of it; `None` when there is none.
    ///
    /// # Errors
    /// It cannot be read, or is larger than `limit` bytes.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, RepoError> {
        let wrong = self.wrong();
        let Some(tip) = self.tip()? else { return Ok(None) };
        let tree = self.repository.find_commit(tip).map_err(|e| wrong(&e))?.tree().map_err(|e| wrong(&e))?;
        let Some(entry) = tree.lookup_entry_by_path(path).map_err(|e| wrong(&e))? else { return Ok(None) };
        let size = self.repository.find_header(entry.object_id()).map_err(|e| wrong(&e))?.size();
        if size > limit {
            return Err(wrong(&format!("{path} of {} has {size} bytes, more than {limit}", self.reference)));
        }
        let object = entry.object().map_err(|e| wrong(&e))?.detach();
        Ok(Some(object.data))
    }

    /// Writes files in one commit on top of what is there; everything else stays.
    ///
    /// # Errors
    /// It cannot be written, or somebody else wrote at the same time.
    pub fn write(&self, files: &[(String, Vec<u8>)], message: &str, seconds: i64) -> Result<(), RepoError> {
        let wrong = self.wrong();
        let tip = self.tip()?;
        let repository = &self.repository;
        let base = match tip {
            Some(tip) => repository.find_commit(tip).map_err(|e| wrong(&e))?.tree_id().map_err(|e| wrong(&e))?.detach(),
            None => gix::ObjectId::empty_tree(repository.object_hash()),
        };
        let tree =
            if tip.is_none() { repository.empty_tree() } else { repository.find_tree(base).map_err(|e| wrong(&e))? };
        let mut editor = tree.edit().map_err(|e| wrong(&e))?;
        for (path, bytes) in files {
            let blob = repository.write_blob(bytes).map_err(|e| wrong(&e))?.detach();
            editor.upsert(path.as_str(), EntryKind::Blob, blob).map_err(|e| wrong(&e))?;
        }
        let tree = editor.write().map_err(|e| wrong(&e))?.detach();
        let who = gix::actor::Signature {
            name: "provost".into(),
            email: "provost@localhost".into(),
            time: gix::date::Time { seconds, offset: 0 },
        };
        let commit = gix::objs::Commit {
            tree,
            parents: tip.into_iter().collect(),
            author: who.clone(),
            committer: who.clone(),
            encoding: None,
            message: message.into(),
            extra_headers: Vec::new(),
        };
        let commit = repository.write_object(&commit).map_err(|e| wrong(&e))?.detach();
        let expected = match tip {
            Some(tip) => PreviousValue::MustExistAndMatch(gix::refs::Target::Object(tip)),
            None => PreviousValue::MustNotExist,
        };
        let name = self.reference.as_str().try_into().map_err(|e| wrong(&format!("{e:?}")))?;
        let edit = RefEdit {
            change: Change::Update {
                log: LogChange { mode: RefLog::AndReference, force_create_reflog: false, message: message.into() },
                expected,
                new: gix::refs::Target::Object(commit),
            },
            name,
            deref: false,
        };
        let mut buffer = gix::date::parse::TimeBuf::default();
        repository.edit_references_as(Some(edit), Some(who.to_ref(&mut buffer))).map_err(|e| wrong(&e))?;
        Ok(())
    }

    /// Deletes another ref, where it still holds what the caller thinks.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn delete(&self, reference: &str, id: &str) -> Result<(), RepoError> {
        let wrong = self.wrong();
        let id = gix::ObjectId::from_hex(id.as_bytes()).map_err(|e| wrong(&e))?;
        let name = reference.try_into().map_err(|e| wrong(&format!("{e:?}")))?;
        let expected = PreviousValue::MustExistAndMatch(gix::refs::Target::Object(id));
        let edit = RefEdit { change: Change::Delete { expected, log: RefLog::AndReference }, name, deref: false };
        let who = gix::actor::Signature {
            name: "provost".into(),
            email: "provost@localhost".into(),
            time: gix::date::Time::default(),
        };
        let mut buffer = gix::date::parse::TimeBuf::default();
        self.repository.edit_references_as(Some(edit), Some(who.to_ref(&mut buffer))).map_err(|e| wrong(&e))?;
        Ok(())
    }
}
