//! Group commit: many appends from many threads share one write, one sync and one checkpoint.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use provost_keys::Signer;

use crate::store::{NewRecord, Receipt, Store};
use crate::{EvidenceError, Limits};

type Answer = Result<Receipt, String>;

/// Takes records from any thread and appends them in batches: whatever has come in while the last batch was written
/// goes into the next.
pub struct Batcher {
    sender: Option<Sender<(NewRecord, Sender<Answer>)>>,
    worker: Option<JoinHandle<()>>,
}

impl Batcher {
    /// Opens the store and starts the worker that owns it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(root: &Path, signer: Box<dyn Signer + Send>) -> Result<Self, EvidenceError> {
        let store = Store::open(root)?;
        let (sender, receiver) = channel();
        let worker = std::thread::spawn(move || work(&store, signer.as_ref(), &receiver));
        Ok(Self { sender: Some(sender), worker: Some(worker) })
    }

    /// Hands in a record; the receipt comes over the channel when the record is durable.
    pub fn submit(&self, record: NewRecord) -> Receiver<Answer> {
        let (sender, receiver) = channel();
        if let Some(worker) = &self.sender {
            let _ = worker.send((record, sender));
        }
        receiver
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn work(store: &Store, signer: &dyn Signer, receiver: &Receiver<(NewRecord, Sender<Answer>)>) {
    while let Ok(first) = receiver.recv() {
        let mut records = vec![first.0];
        let mut waiting = vec![first.1];
        while records.len() < Limits::BATCH
            && let Ok((record, sender)) = receiver.try_recv()
        {
            records.push(record);
            waiting.push(sender);
        }
        match store.append(&records, signer) {
            Ok(receipts) => {
                for (sender, receipt) in waiting.into_iter().zip(receipts) {
                    let _ = sender.send(Ok(receipt));
                }
            }
            Err(error) => {
                for sender in waiting {
                    let _ = sender.send(Err(error.to_string()));
                }
            }
        }
    }
}
