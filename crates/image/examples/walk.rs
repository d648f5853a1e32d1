//! Walks an image and says what that cost: `cargo run --release -p provost-image --example walk -- image.tar [read]`.
//! With `read`, all content is read, as a scan does.

#![allow(clippy::print_stdout)]

use std::ops::ControlFlow;
use std::time::Instant;

use provost_image::{Image, Limits, Select};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("which image?")?;
    let read = arguments.next().is_some();
    let begin = Instant::now();
    let image = Image::open_path(path.as_ref(), &Select::default(), &Limits::default())?;
    let opened = begin.elapsed();
    let keep = |path: &[u8]| path.starts_with(b"var/lib/dpkg/") || path.starts_with(b"lib/apk/");
    let walked = image.walk(&mut |entry| keep(&entry.path), &mut |_, content| {
        if let Some(content) = content.filter(|_| read) {
            let _ = std::io::copy(content, &mut std::io::sink());
        }
        ControlFlow::Continue(())
    })?;
    let unpacked: u64 = walked.layers.iter().map(|layer| layer.unpacked).sum();
    let packed: u64 = walked.layers.iter().map(|layer| layer.packed).sum();
    let entries: u64 = walked.layers.iter().map(|layer| layer.entries).sum();
    println!(
        "{} {:?}: {} layers, {packed} -> {unpacked} bytes, {entries} entries, {} paths, {} hidden, {:?} to open, {:?} in all",
        image.kind,
        image.subject(),
        image.layers.len(),
        walked.tree.len(),
        walked.tree.hidden().len(),
        opened,
        begin.elapsed(),
    );
    for problem in &walked.problems.listed {
        println!("{:?} {problem}", problem.what);
    }
    Ok(())
}
