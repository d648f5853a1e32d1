//! Layers: as bytes, and as entries that are put together to one tree. Whatever they are, reading ends, costs no more than
//! allowed, and gives a tree that is one: nothing leaves the root, and what has something beneath it is a directory.
#![no_main]
use std::io::{Cursor, Read};
use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use provost_formats::layer::{Layer, Limits as HeaderLimits, Seekable, Stream};
use provost_formats::oci::Descriptor;
use provost_image::{Image, Kind, Limits, Remote, RemoteDocument, Select, Source};
use provost_model::sha256;

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    if first % 2 == 0 {
        bytes(data);
        image(vec![data.to_vec(), Vec::new()]);
    } else {
        let half = data.len() / 2;
        image(vec![entries(&data[..half]), entries(&data[half..])]);
    }
});

fn bytes(data: &[u8]) {
    let limits = HeaderLimits { header: 4096, headers: 4, pieces: 64 };
    let mut streamed = Layer::new(Stream(data), limits.clone());
    let mut sought = Layer::new(Seekable::new(Cursor::new(data)).expect("seek"), limits);
    for _ in 0..=data.len() / 512 + 1 {
        let header = streamed.next();
        assert_eq!(header.as_ref().ok(), sought.next().as_ref().ok());
        assert!(streamed.position() <= data.len() as u64);
        let Ok(Some(header)) = header else { return };
        let mut content = Vec::new();
        if (&mut streamed).take(1 << 16).read_to_end(&mut content).is_ok() {
            assert!(content.len() as u64 == header.size.min(1 << 16) || !header.kind.has_content());
        }
    }
    panic!("more headers than there are blocks");
}

/// Three bytes an entry: kind, name, target. Few names, so that they meet.
fn entries(data: &[u8]) -> Vec<u8> {
    const NAMES: [&str; 16] = [
        "a", "b", "a/b", "a/b/c", "b/a", "/a", "../a", "a/../b", ".wh.a", "a/.wh.b", ".wh..wh..opq", "a/.wh..wh..opq", "./",
        "a/.wh...", "c/", "b/c/d",
    ];
    const TARGETS: [&str; 8] = ["a", "b", "..", "/", "../../a/b", "a/b", "b/c", "."];
    let mut tar = Vec::new();
    for entry in data.chunks_exact(3).take(64) {
        let name = NAMES[usize::from(entry[1]) % NAMES.len()];
        let target = TARGETS[usize::from(entry[2]) % TARGETS.len()];
        let flag = b"0012355"[usize::from(entry[0]) % 7];
        let mut b = [0_u8; 512];
        b[..name.len()].copy_from_slice(name.as_bytes());
        b[100..107].copy_from_slice(b"0000644");
        if flag == b'1' || flag == b'2' {
            b[157..157 + target.len()].copy_from_slice(target.as_bytes());
        }
        b[156] = flag;
        b[257..265].copy_from_slice(b"ustar\x0000");
        b[148..156].fill(b' ');
        let sum: u32 = b.iter().map(|&byte| u32::from(byte)).sum();
        b[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend(b);
    }
    tar
}

struct Memory(Vec<u8>, Vec<Vec<u8>>);

impl Remote for Memory {
    fn name(&self) -> String {
        "memory".into()
    }
    fn wanted(&self) -> String {
        "latest".into()
    }
    fn manifest(&self, _: &str, _: usize) -> Result<RemoteDocument, provost_remote::Error> {
        Ok(RemoteDocument { bytes: self.0.clone(), media_type: None })
    }
    fn blob(&self, wanted: &Descriptor) -> Result<Box<dyn Read + Send>, provost_remote::Error> {
        let blob = self.1.iter().find(|blob| sha256(blob) == wanted.digest).cloned().unwrap_or_default();
        Ok(Box::new(Cursor::new(blob)))
    }
}

fn image(mut blobs: Vec<Vec<u8>>) {
    let digests: Vec<String> = blobs.iter().map(|blob| format!("\"sha256:{}\"", sha256(blob))).collect();
    let config = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, digests.join(","));
    let descriptor = |blob: &[u8], media_type: &str| {
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{}","size":{}}}"#, sha256(blob), blob.len())
    };
    let layers: Vec<String> =
        blobs.iter().map(|blob| descriptor(blob, "application/vnd.oci.image.layer.v1.tar")).collect();
    let config_descriptor = descriptor(config.as_bytes(), "application/vnd.oci.image.config.v1+json");
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config_descriptor},"layers":[{}]}}"#, layers.join(","));
    blobs.push(config.into_bytes());
    let source = Source::Registry(Box::new(Memory(manifest.into_bytes(), blobs)));
    let limits = Limits { entries: 256, unpacked: 1 << 20, kept: 1 << 16, kept_file: 1 << 12, depth: 16, ..Limits::default() };
    let image = Image::open(source, &Select::default(), &limits).expect("sound documents");
    let mut entries = 0;
    let walked = image.walk(&mut |_| true, &mut |entry, content| {
        entries += 1;
        assert!(!entry.path.starts_with(b"/"));
        if let Some(content) = content {
            let _ = content.take(1 << 16).read_to_end(&mut Vec::new());
        }
        ControlFlow::Continue(())
    });
    // Compressed layers are not what their diff id says: the tar file is the data itself here.
    let Ok(walked) = walked else { return };
    assert!(entries <= 256);
    let tree = &walked.tree;
    for (path, node) in tree.iter() {
        assert!(path.split(|&b| b == b'/').all(|part| part != b".." && part != b"."), "{path:?}");
        if let Some(at) = path.iter().rposition(|&b| b == b'/') {
            let parent = tree.node(&path[..at]).expect("a parent");
            assert_eq!(parent.kind, Kind::Directory);
        }
        if let Some(link) = &node.link {
            assert!(node.kind == Kind::Symlink && !link.is_empty());
            let _ = tree.resolve(path);
        }
    }
    for hidden in tree.hidden() {
        assert!(hidden.by < 2 && hidden.entry.layer <= hidden.by);
    }
}
