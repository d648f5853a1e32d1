//! The index: which entries speak of which digest. It holds nothing that the log does not, and is rebuilt from it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use provost_attest::{Envelope, Statement};
use provost_model::Digest;
use rusqlite::{Connection, OptionalExtension as _, ToSql, Transaction, TransactionBehavior, params};

use crate::EvidenceError;

const VERSION: i64 = 2;

/// One entry, as the index knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Index in the log.
    pub index: u64,
    /// Digest of the envelope.
    pub envelope: Digest,
    /// Payload type of the envelope.
    pub payload_type: String,
    /// Predicate type, when it is a statement.
    pub predicate_type: Option<String>,
    /// Step that the statement names.
    pub step: Option<String>,
    /// Invocation that joins the statements of one run.
    pub invocation: Option<String>,
}

pub(crate) struct Index {
    path: PathBuf,
    connection: Connection,
}

impl Index {
    /// Opens or makes the index. A damaged or foreign file is thrown away: the log is the truth.
    pub(crate) fn open(path: &Path) -> Result<Self, EvidenceError> {
        renewed(path, Self::try_open)
    }

    fn try_open(path: &Path) -> rusqlite::Result<Self> {
        let connection = database(
            path,
            "NORMAL",
            VERSION,
                "DROP TABLE IF EXISTS record; DROP TABLE IF EXISTS subject; DROP TABLE IF EXISTS list;
                 DROP TABLE IF EXISTS pack; DROP TABLE IF EXISTS checkpoint;
                 CREATE TABLE record (idx INTEGER PRIMARY KEY, envelope BLOB NOT NULL, payload_type TEXT NOT NULL,
                   predicate_type TEXT, step TEXT, invocation TEXT, pack INTEGER NOT NULL, line INTEGER NOT NULL) STRICT;
                 CREATE INDEX record_by_payload ON record (payload_type, idx);
                 CREATE INDEX record_by_predicate ON record (predicate_type, idx);
                 CREATE INDEX record_by_invocation ON record (invocation);
                 CREATE INDEX record_by_envelope ON record (envelope);
                 CREATE TABLE subject (digest BLOB NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (digest, idx)) STRICT, WITHOUT ROWID;
                 CREATE TABLE list (blob BLOB NOT NULL, idx INTEGER NOT NULL, PRIMARY KEY (blob, idx)) STRICT, WITHOUT ROWID;
                 CREATE TABLE checkpoint (size INTEGER PRIMARY KEY) STRICT;",
        )?;
        Ok(Self { path: path.to_path_buf(), connection })
    }

    fn failed(&self, error: &rusqlite::Error) -> EvidenceError {
        wrong(&self.path, error)
    }

    /// How many entries are indexed.
    pub(crate) fn size(&self) -> Result<u64, EvidenceError> {
        self.connection
            .query_row("SELECT coalesce(max(idx) + 1, 0) FROM record", [], |row| row.get::<_, i64>(0))
            .map(|size| u64::try_from(size).unwrap_or(0))
            .map_err(|e| self.failed(&e))
    }

    /// A digest of everything that look-ups depend on.
    pub(crate) fn fingerprint(&self) -> Result<Digest, EvidenceError> {
        let failed = |e: rusqlite::Error| self.failed(&e);
        let state: String =
            self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if state != "ok" {
            return Err(EvidenceError::Index { path: self.path.clone(), why: state, advice: REBUILT });
        }
        let mut hasher = provost_model::Hasher::new();
        for query in [
            "SELECT idx, hex(envelope), payload_type, predicate_type, step, invocation, pack, line FROM record ORDER BY idx",
            "SELECT idx, hex(digest), '', NULL, NULL, NULL, 0, 0 FROM subject ORDER BY idx, digest",
            "SELECT idx, hex(blob), '', NULL, NULL, NULL, 0, 0 FROM list ORDER BY idx, blob",
        ] {
            let mut statement = self.connection.prepare(query).map_err(failed)?;
            let rows = statement.query_map([], |row| {
                let text = |at| row.get::<_, Option<String>>(at);
                let (idx, pack, line): (i64, i64, i64) = (row.get(0)?, row.get(6)?, row.get(7)?);
                Ok(format!(
                    "{idx} {:?} {:?} {:?} {:?} {:?} {pack} {line}\n",
                    text(1)?,
                    text(2)?,
                    text(3)?,
                    text(4)?,
                    text(5)?
                ))
            });
            for row in rows.map_err(failed)? {
                hasher.update(row.map_err(failed)?.as_bytes());
            }
            hasher.update(b"\n");
        }
        Ok(hasher.finish())
    }

    /// Adds the entries of one pack and the checkpoint after them.
    pub(crate) fn add(
        &mut self,
        first: u64,
        envelopes: &[(Digest, &Envelope)],
        size: u64,
    ) -> Result<(), EvidenceError> {
        let path = self.path.clone();
        let failed = |e: rusqlite::Error| wrong(&path, &e);
        let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate).map_err(failed)?;
        for (line, (digest, envelope)) in envelopes.iter().enumerate() {
            add_one(&transaction, first, line as u64, digest, envelope).map_err(failed)?;
        }
        transaction.execute("INSERT OR IGNORE INTO checkpoint (size) VALUES (?1)", [number(size)]).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Where an entry's envelope lies: pack and line.
    pub(crate) fn place(&self, index: u64) -> Result<Option<(u64, u64)>, EvidenceError> {
        self.connection
            .query_row("SELECT pack, line FROM record WHERE idx = ?1", [number(index)], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })
            .optional()
            .map(|found| found.map(|(pack, line)| (pack.unsigned_abs(), line.unsigned_abs())))
            .map_err(|e| self.failed(&e))
    }

    /// Where the envelopes of a predicate type lie: pack, line, entry; in order.
    pub(crate) fn places_of(&self, predicate_type: &str) -> Result<Vec<(u64, u64, u64)>, EvidenceError> {
        let failed = |e: rusqlite::Error| self.failed(&e);
        let query = "SELECT pack, line, idx FROM record WHERE predicate_type = ?1 ORDER BY pack, line";
        let mut statement = self.connection.prepare_cached(query).map_err(failed)?;
        let rows = statement.query_map([predicate_type], |row| {
            let at = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            Ok((at(0)?, at(1)?, at(2)?))
        });
        rows.map_err(failed)?.collect::<Result<_, _>>().map_err(failed)
    }

    /// Entries from `first` on, at most `limit`.
    pub(crate) fn records(&self, first: u64, limit: u64) -> Result<Vec<RecordRow>, EvidenceError> {
        self.rows("WHERE idx >= ?1 ORDER BY idx LIMIT ?2", params![number(first), number(limit)])
    }

    /// Entries from `first` on whose predicate type is one of these, at most `limit`.
    pub(crate) fn of_predicates(
        &self,
        types: &[&str],
        first: u64,
        limit: u64,
    ) -> Result<Vec<RecordRow>, EvidenceError> {
        let marks = vec!["?"; types.len()].join(", ");
        let (first, limit) = (number(first), number(limit));
        let values = types.iter().map(|kind| kind as &dyn ToSql).chain([&first as &dyn ToSql, &limit]);
        self.rows(
            &format!("WHERE predicate_type IN ({marks}) AND idx >= ? ORDER BY idx LIMIT ?"),
            rusqlite::params_from_iter(values),
        )
    }

    /// Entries of one invocation.
    pub(crate) fn of_invocation(&self, invocation: &str) -> Result<Vec<RecordRow>, EvidenceError> {
        self.rows("WHERE invocation = ?1 ORDER BY idx", params![invocation])
    }

    /// Entries whose envelope has this payload type.
    pub(crate) fn of_payload(&self, payload_type: &str) -> Result<Vec<RecordRow>, EvidenceError> {
        self.rows("WHERE payload_type = ?1 ORDER BY idx", params![payload_type])
    }

    /// Entries with a subject of this digest.
    pub(crate) fn of_subject(&self, digest: &Digest) -> Result<Vec<RecordRow>, EvidenceError> {
        self.rows(
            "WHERE idx IN (SELECT idx FROM subject WHERE digest = ?1) ORDER BY idx",
            params![digest.as_bytes().as_slice()],
        )
    }

    /// Blobs of file lists too long to be subjects, newest first, with the entry that names them.
    pub(crate) fn lists(&self) -> Result<Vec<(Digest, u64)>, EvidenceError> {
        let failed = |e: rusqlite::Error| self.failed(&e);
        let mut statement = self.connection.prepare("SELECT blob, idx FROM list ORDER BY idx DESC").map_err(failed)?;
        let rows =
            statement.query_map([], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, i64>(1)?))).map_err(failed)?;
        rows.map(|row| row.map(|(blob, idx)| (Digest::from_bytes(blob), idx.unsigned_abs())).map_err(failed)).collect()
    }

    /// Sizes of the newest published checkpoints, newest first.
    pub(crate) fn checkpoint_sizes(&self, limit: u64) -> Result<Vec<u64>, EvidenceError> {
        let failed = |e: rusqlite::Error| self.failed(&e);
        let mut statement =
            self.connection.prepare("SELECT size FROM checkpoint ORDER BY size DESC LIMIT ?1").map_err(failed)?;
        let rows = statement.query_map([number(limit)], |row| row.get::<_, i64>(0)).map_err(failed)?;
        rows.map(|row| row.map(i64::unsigned_abs).map_err(failed)).collect()
    }

    fn rows(&self, condition: &str, values: impl rusqlite::Params) -> Result<Vec<RecordRow>, EvidenceError> {
        let failed = |e: rusqlite::Error| self.failed(&e);
        let text =
            format!("SELECT idx, envelope, payload_type, predicate_type, step, invocation FROM record {condition}");
        let mut statement = self.connection.prepare_cached(&text).map_err(failed)?;
        let rows = statement
            .query_map(values, |row| {
                Ok(RecordRow {
                    index: row.get::<_, i64>(0)?.unsigned_abs(),
                    envelope: Digest::from_bytes(row.get(1)?),
                    payload_type: row.get(2)?,
                    predicate_type: row.get(3)?,
                    step: row.get(4)?,
                    invocation: row.get(5)?,
                })
            })
            .map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }
}

/// Opens a database that several processes may use; one of another version is made anew. `synchronous` says what a loss of power
/// may cost (SQLite, `PRAGMA synchronous`).
pub(crate) fn database(path: &Path, synchronous: &str, version: i64, tables: &str) -> rusqlite::Result<Connection> {
    let version_of =
        |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    if version_of(&connection)? != version {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Whoever waited here for another process finds it made, and in use.
        if version_of(&transaction)? != version {
            transaction.execute_batch(&format!("{tables} PRAGMA user_version = {version};"))?;
        }
        transaction.commit()?;
    }
    Ok(connection)
}

/// Opens a database that can be made again: a damaged or foreign file is thrown away.
pub(crate) fn renewed<T>(path: &Path, open: impl Fn(&Path) -> rusqlite::Result<T>) -> Result<T, EvidenceError> {
    match open(path) {
        Ok(opened) => Ok(opened),
        Err(rusqlite::Error::SqliteFailure(code, _))
            if matches!(code.code, rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) =>
        {
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
            }
            open(path).map_err(|e| wrong(path, &e))
        }
        Err(error) => Err(wrong(path, &error)),
    }
}

const REBUILT: &str = "It can be deleted: it is rebuilt from the log";

pub(crate) fn wrong(path: &Path, error: &rusqlite::Error) -> EvidenceError {
    // A full disk is seen as either: the memory that processes share is a file too.
    let advice = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::SystemIoFailure) => {
            "Make room on the disk and run it again; if there is room, the index can be deleted: it is rebuilt from the log"
        }
        _ => REBUILT,
    };
    EvidenceError::Index { path: path.to_path_buf(), why: error.to_string(), advice }
}

pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn add_one(
    transaction: &Transaction<'_>,
    first: u64,
    line: u64,
    digest: &Digest,
    envelope: &Envelope,
) -> rusqlite::Result<()> {
    let index = first + line;
    // Only for finding it again; whoever uses the entry verifies it.
    let statement = Statement::parse(envelope.unverified_payload()).ok();
    let member = |names: &[&str]| {
        let predicate = &statement.as_ref()?.predicate;
        names.iter().find_map(|name| predicate.pointer(name)?.as_str().map(str::to_owned))
    };
    let step = member(&["/provost_step", "/step", "/name", "/buildDefinition/externalParameters/step"]);
    let invocation = member(&[
        "/provost_invocationId",
        "/invocationId",
        "/monitoredProcess/event",
        "/runDetails/metadata/invocationId",
        "/byproducts/invocationId",
    ]);
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO record (idx, envelope, payload_type, predicate_type, step, invocation, pack, line)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            number(index),
            digest.as_bytes().as_slice(),
            envelope.payload_type(),
            statement.as_ref().map(|s| s.predicate_type.as_str()),
            step,
            invocation,
            number(first),
            number(line),
        ])?;
    let Some(statement) = &statement else { return Ok(()) };
    let mut subjects = transaction.prepare_cached("INSERT OR IGNORE INTO subject (digest, idx) VALUES (?1, ?2)")?;
    for digest in statement.subject.iter().filter_map(provost_attest::ResourceDescriptor::sha256) {
        subjects.execute(params![digest.as_bytes().as_slice(), number(index)])?;
    }
    let inline = statement.predicate.pointer("/files/entries").is_some();
    let leaves = statement.predicate.pointer("/files/leaves").and_then(|l| l.as_str()?.parse::<Digest>().ok());
    if let (Some(leaves), false, provost_attest::predicate::ARTIFACTS) =
        (leaves, inline, statement.predicate_type.as_str())
    {
        transaction
            .prepare_cached("INSERT OR IGNORE INTO list (blob, idx) VALUES (?1, ?2)")?
            .execute(params![leaves.as_bytes().as_slice(), number(index)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_another_process_makes_meanwhile_keep_what_it_puts_into_them() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("index.sqlite");
        let tables = "DROP TABLE IF EXISTS one; CREATE TABLE one (value INTEGER) STRICT;";
        let first = Connection::open(&path).expect("opens");
        first.pragma_update(None, "journal_mode", "WAL").expect("set");
        first.execute_batch("BEGIN IMMEDIATE").expect("begun");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| database(&path, "NORMAL", 1, tables));
            // Time to see that there are none.
            std::thread::sleep(Duration::from_millis(100));
            first
                .execute_batch(&format!("{tables} INSERT INTO one VALUES (7); PRAGMA user_version = 1; COMMIT"))
                .expect("made");
            let second = second.join().expect("no panic").expect("opens");
            let kept: i64 = second.query_row("SELECT count(*) FROM one", [], |row| row.get(0)).expect("counted");
            assert_eq!(kept, 1);
        });
    }
}
