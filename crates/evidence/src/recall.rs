//! A memory of what was read from a log, so that the next reader reads only what is new. It can be made again at any time: a
//! damaged one is thrown away.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::EvidenceError;
use crate::index::{database, number, renewed, wrong};

const VERSION: i64 = 1;

/// A state as of some number of entries, and values by key beside it. What is read is of one moment: others may write meanwhile.
#[derive(Debug)]
pub struct Recall {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Recall {
    /// Opens a memory, or begins one.
    ///
    /// # Errors
    /// Its file cannot be made.
    pub fn open(path: &Path) -> Result<Self, EvidenceError> {
        let connection = renewed(path, Self::try_open)?;
        Ok(Self { path: path.to_path_buf(), connection: Mutex::new(connection) })
    }

    fn try_open(path: &Path) -> rusqlite::Result<Connection> {
        // A loss of power costs the memory of the last moments, and nothing else.
        let connection = database(
            path,
            "OFF",
            VERSION,
            "DROP TABLE IF EXISTS state; DROP TABLE IF EXISTS value;
             CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER NOT NULL, state BLOB NOT NULL) STRICT;
             CREATE TABLE value (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
        )?;
        // From the first question on, all answers are of the same moment.
        connection.execute_batch("BEGIN")?;
        Ok(connection)
    }

    fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, EvidenceError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        question(&connection).map_err(|error| wrong(&self.path, &error))
    }

    /// The state, if there is one.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn state(&self) -> Result<Option<Vec<u8>>, EvidenceError> {
        self.ask(|connection| connection.query_row("SELECT state FROM state", [], |row| row.get(0)).optional())
    }

    /// The value of a key.
    ///
    /// # Errors
    /// As [`Recall::state`].
    pub fn value(&self, key: &str) -> Result<Option<Vec<u8>>, EvidenceError> {
        self.ask(|connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM value WHERE key = ?1")?;
            statement.query_row([key], |row| row.get(0)).optional()
        })
    }

    /// Puts a state and what changed with it in the place of an older one, all of it or nothing. `anew` forgets what was there.
    /// A state of as many entries, or of more, that somebody else wrote meanwhile stays. What this memory says afterwards is of
    /// the moment before: it is opened again to be asked further.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(
        self,
        entries: u64,
        state: &[u8],
        anew: bool,
        values: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<(), EvidenceError> {
        self.ask(|connection| connection.execute_batch("COMMIT"))?;
        let mut connection = self.connection.into_inner().unwrap_or_else(PoisonError::into_inner);
        let write = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let there: Option<i64> =
                transaction.query_row("SELECT entries FROM state", [], |row| row.get(0)).optional()?;
            if !anew && there.is_some_and(|there| there >= number(entries)) {
                return Ok(());
            }
            if anew {
                transaction.execute("DELETE FROM value", [])?;
            }
            transaction.execute("INSERT OR REPLACE INTO state VALUES (1, ?1, ?2)", params![number(entries), state])?;
            {
                let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO value VALUES (?1, ?2)")?;
                for (key, value) in values {
                    insert.execute(params![key, value])?;
                }
            }
            transaction.commit()
        };
        write().map_err(|error| wrong(&self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(key: &str, value: &str) -> (String, Vec<u8>) {
        (key.to_owned(), value.into())
    }

    #[test]
    fn what_was_put_is_there_and_of_one_moment() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("memory.sqlite");
        let open = || Recall::open(&path).expect("opens");
        assert_eq!(open().state().expect("read"), None);
        open().put(3, b"three", false, [value("a", "1"), value("b", "2")]).expect("written");
        let old = open();
        assert_eq!(old.state().expect("read").as_deref(), Some(&b"three"[..]));
        open().put(5, b"five", false, [value("a", "new")]).expect("written");
        // Whoever read the state of before sees what belonged to it.
        assert_eq!(old.value("a").expect("read").as_deref(), Some(&b"1"[..]));
        assert_eq!(open().value("a").expect("read").as_deref(), Some(&b"new"[..]));
        assert_eq!(open().value("b").expect("read").as_deref(), Some(&b"2"[..]));
        // An older reader writes nothing over a newer state.
        old.put(4, b"four", false, [value("b", "old")]).expect("passed over");
        assert_eq!(open().state().expect("read").as_deref(), Some(&b"five"[..]));
        assert_eq!(open().value("b").expect("read").as_deref(), Some(&b"2"[..]));
        open().put(1, b"anew", true, [value("c", "3")]).expect("written");
        assert_eq!((open().value("a").expect("read"), open().state().expect("read").is_some()), (None, true));
    }

    #[test]
    fn a_damaged_one_is_made_again() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("memory.sqlite");
        std::fs::write(&path, b"no database at all, and long enough to look like one".repeat(100)).expect("written");
        assert_eq!(Recall::open(&path).expect("opens").state().expect("read"), None);
    }
}
