//! How many durable appends a second a store takes with group commit, and how long until a proof is at hand.
//!
//! `cargo run --release -p provost-evidence --example append -- DIRECTORY`
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use provost_attest::{ResourceDescriptor, Statement};
use provost_evidence::{Batcher, NewRecord, Store};
use provost_keys::{KeyAlgorithm, PrivateKey, Signer as _};
use provost_model::sha256;

const RECORDS: usize = 20_000;
const THREADS: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a directory for the store")?;
    let root = std::path::Path::new(&folder).join(format!("store-{}", std::process::id()));
    let builder = PrivateKey::generate(KeyAlgorithm::Ed25519)?;
    let log = PrivateKey::generate(KeyAlgorithm::Ed25519)?;
    Store::create(&root, "bench.test/log", &log)?;
    // Signing is the client's work, not the log's: the envelopes are made before the clock starts.
    let records = (0..RECORDS)
        .map(|i| {
            let subject = vec![ResourceDescriptor::named(format!("file-{i}"), sha256(&i.to_be_bytes()))];
            let statement = Statement::new(subject, "https://example.test/bench/v1", &serde_json::json!({"n": i}))?;
            Ok(NewRecord { envelope: statement.sign(&builder)?, key: builder.public_key().clone() })
        })
        .collect::<Result<Vec<_>, provost_attest::AttestError>>()?;
    let batcher = Arc::new(Batcher::open(&root, Box::new(log))?);
    let begun = Instant::now();
    let threads: Vec<_> = records
        .chunks(RECORDS / THREADS)
        .map(|chunk| {
            let (batcher, chunk) = (Arc::clone(&batcher), chunk.to_vec());
            std::thread::spawn(move || {
                let mut waits = Vec::new();
                // Each client has at most 500 records under way.
                for part in chunk.chunks(500) {
                    let receivers: Vec<_> =
                        part.iter().map(|record| (Instant::now(), batcher.submit(record.clone()))).collect();
                    for (at, receiver) in receivers {
                        receiver.recv().map_err(|e| e.to_string())??;
                        waits.push(at.elapsed());
                    }
                }
                Ok::<Vec<Duration>, String>(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for thread in threads {
        waits.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "{RECORDS} durable appends in {seconds:.2} s: {:.0} a second; proof after {:.0} ms (median), {:.0} ms (95 %), {:.0} ms (worst)",
        RECORDS as f64 / seconds,
        at(0.5),
        at(0.95),
        at(1.0)
    );
    std::fs::remove_dir_all(&root)?;
    Ok(())
}
