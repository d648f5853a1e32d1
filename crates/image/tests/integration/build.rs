//! Builds images: layers by hand, layouts and archives around them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use provost_image::{Entry, EntryKind, Error, Image, Limits, Select, Walked};
use provost_model::{Digest, sha256};
use serde_json::{Value, json};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A tar file under construction.
#[derive(Default, Clone)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn raw(mut self, name: &[u8], flag: u8, mode: u32, link: &[u8], content: &[u8]) -> Self {
        assert!(name.len() <= 100 && link.len() <= 100, "short names only: use pax");
        let mut b = [0_u8; 512];
        b[..name.len()].copy_from_slice(name);
        b[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
        b[108..115].copy_from_slice(b"0000000");
        b[116..123].copy_from_slice(b"0000000");
        b[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        b[136..147].copy_from_slice(b"00000000000");
        b[156] = flag;
        b[157..157 + link.len()].copy_from_slice(link);
        b[257..265].copy_from_slice(b"ustar\x0000");
        b[148..156].fill(b' ');
        let sum: u32 = b.iter().map(|&byte| u32::from(byte)).sum();
        b[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(b);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.raw(name.as_bytes(), b'0', 0o644, b"", content.as_bytes())
    }

    pub(crate) fn mode(self, name: &str, mode: u32) -> Self {
        self.raw(name.as_bytes(), b'0', mode, b"", b"")
    }

    pub(crate) fn directory(self, name: &str) -> Self {
        self.raw(name.as_bytes(), b'5', 0o755, b"", b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), b'2', 0o777, target.as_bytes(), b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), b'1', 0o644, target.as_bytes(), b"")
    }

    pub(crate) fn whiteout(self, name: &str) -> Self {
        let (parent, base) = name.rsplit_once('/').map_or(("", name), |(parent, base)| (parent, base));
        let slash = if parent.is_empty() { "" } else { "/" };
        self.file(&format!("{parent}{slash}.wh.{base}"), "")
    }

    pub(crate) fn opaque(self, directory: &str) -> Self {
        self.file(&format!("{directory}/.wh..wh..opq"), "")
    }

    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest + 1..).find(|n| n.to_string().len() + rest == *n).unwrap();
            text.push_str(&format!("{length} {key}={value}\n"));
        }
        self.raw(b"pax", b'x', 0o644, b"", text.as_bytes())
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image under construction: layers as they are stored, and what is said of them.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) layers: Vec<(Vec<u8>, Vec<u8>, String)>,
    pub(crate) runtime: Value,
    pub(crate) history: Value,
    pub(crate) platform: (String, String),
}

impl Default for Draft {
    fn default() -> Self {
        let platform = ("linux".to_owned(), "amd64".to_owned());
        Self { layers: Vec::new(), runtime: json!({}), history: json!([]), platform }
    }
}

/// Blobs, and the digest of the manifest among them.
pub(crate) struct Drafted {
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) manifest: Value,
    pub(crate) manifest_bytes: Vec<u8>,
    pub(crate) config_bytes: Vec<u8>,
}

impl Draft {
    /// A gzipped layer.
    pub(crate) fn layer(mut self, tar: Tar) -> Self {
        let bytes = tar.end();
        self.layers.push((gzip(&bytes), bytes, TAR_GZIP.to_owned()));
        self
    }

    /// A layer as it stands there.
    pub(crate) fn plain(mut self, bytes: Vec<u8>) -> Self {
        self.layers.push((bytes.clone(), bytes, TAR.to_owned()));
        self
    }

    pub(crate) fn config(&self) -> Value {
        let diff_ids: Vec<String> = self.layers.iter().map(|(_, tar, _)| format!("sha256:{}", sha256(tar))).collect();
        json!({
            "os": self.platform.0, "architecture": self.platform.1,
            "created": "2024-05-06T07:08:09Z",
            "config": self.runtime, "history": self.history,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        })
    }

    pub(crate) fn finish(&self) -> Drafted {
        let mut blobs = BTreeMap::new();
        let mut add = |bytes: &[u8], media_type: &str| {
            let digest = sha256(bytes);
            blobs.insert(digest, bytes.to_vec());
            json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
        };
        let config_bytes = serde_json::to_vec(&self.config()).unwrap();
        let config = add(&config_bytes, CONFIG);
        let layers: Vec<Value> = self.layers.iter().map(|(blob, _, media_type)| add(blob, media_type)).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        let manifest_bytes = serde_json::to_vec(&manifest).unwrap();
        add(&manifest_bytes, MANIFEST);
        Drafted { blobs, manifest, manifest_bytes, config_bytes }
    }

    /// An OCI layout in a new directory.
    pub(crate) fn layout(&self) -> Layout {
        self.finish().layout()
    }

    /// A `docker save` archive's bytes.
    pub(crate) fn docker(&self, name: &str) -> Vec<u8> {
        let config = serde_json::to_vec(&self.config()).unwrap();
        let config_name = format!("{}.json", sha256(&config));
        let mut tar = Tar::default().raw(config_name.as_bytes(), b'0', 0o644, b"", &config);
        let mut names = Vec::new();
        for (n, (_, layer, _)) in self.layers.iter().enumerate() {
            let member = format!("{n}/layer.tar");
            tar = tar.raw(member.as_bytes(), b'0', 0o644, b"", layer);
            names.push(member);
        }
        let manifest = json!([{"Config": config_name, "RepoTags": [name], "Layers": names}]);
        tar.raw(b"manifest.json", b'0', 0o644, b"", &serde_json::to_vec(&manifest).unwrap()).end()
    }
}

impl Drafted {
    pub(crate) fn descriptor(&self) -> Value {
        let digest = format!("sha256:{}", sha256(&self.manifest_bytes));
        json!({"mediaType": MANIFEST, "digest": digest, "size": self.manifest_bytes.len()})
    }

    pub(crate) fn layout(&self) -> Layout {
        let layout = Layout::new();
        for bytes in self.blobs.values() {
            layout.blob(bytes);
        }
        layout.index(&[self.descriptor()]);
        layout
    }
}

/// A layout on disk.
pub(crate) struct Layout {
    pub(crate) directory: tempfile::TempDir,
}

impl Layout {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
        fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = sha256(bytes);
        fs::write(self.blob_path(&digest), bytes).unwrap();
        digest
    }

    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path().join(format!("blobs/sha256/{digest}"))
    }

    pub(crate) fn index(&self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        fs::write(self.path().join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    }

    /// The same layout as a tar file.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut tar = Tar::default();
        let mut add = |name: &str| {
            let content = fs::read(self.path().join(name)).unwrap();
            tar = std::mem::take(&mut tar).raw(format!("./{name}").as_bytes(), b'0', 0o644, b"", &content);
        };
        add("oci-layout");
        add("index.json");
        let blobs = fs::read_dir(self.path().join("blobs/sha256")).unwrap();
        let mut names: Vec<_> = blobs.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        for name in names {
            add(&format!("blobs/sha256/{name}"));
        }
        tar.end()
    }
}

pub(crate) fn write(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file.flush().unwrap();
    file
}

pub(crate) fn open(path: &Path) -> Result<Image, Error> {
    Image::open_path(path, &Select::default(), &Limits::default())
}

/// What a walk gave: every entry with its content, and the result.
pub(crate) struct Seen {
    pub(crate) entries: Vec<(Entry, Vec<u8>)>,
    pub(crate) walked: Walked,
}

pub(crate) fn walk(image: &Image) -> Result<Seen, Error> {
    let mut entries = Vec::new();
    let walked = image.walk(&mut |entry| entry.size < 10_000, &mut |entry, content| {
        let mut bytes = Vec::new();
        if let Some(content) = content {
            let _ = content.read_to_end(&mut bytes);
        }
        entries.push((entry.clone(), bytes));
        ControlFlow::Continue(())
    })?;
    Ok(Seen { entries, walked })
}

/// Opens and walks an image of some layers.
pub(crate) fn see(draft: &Draft) -> Seen {
    see_with(draft, &Limits::default())
}

pub(crate) fn see_with(draft: &Draft, limits: &Limits) -> Seen {
    let layout = draft.layout();
    let image = Image::open_path(layout.path(), &Select::default(), limits).unwrap();
    walk(&image).unwrap()
}

impl Seen {
    /// The merged tree, one line a path: `path=content@layer`, `path/@layer`, `path->target@layer`.
    pub(crate) fn tree(&self) -> Vec<String> {
        let content = |node: &provost_image::Node| {
            let bytes = node.content.and_then(|content| self.walked.content_of(content)).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let line = |(path, node): (&[u8], &provost_image::Node)| {
            let path = String::from_utf8_lossy(path);
            let what = match (&node.link, node.kind) {
                (Some(link), _) => format!("->{}", String::from_utf8_lossy(link)),
                (None, provost_image::Kind::Directory) => "/".to_owned(),
                (None, provost_image::Kind::File) => format!("={}", content(node)),
                (None, other) => format!(" {other:?}"),
            };
            format!("{path}{what}@{}", node.layer)
        };
        self.walked.tree.iter().filter(|(path, _)| !path.is_empty()).map(line).collect()
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        let what = |problem: &provost_image::Problem| format!("{:?} {problem}", problem.what);
        self.walked.problems.listed.iter().map(what).collect()
    }

    /// What was hidden: `path layer<by how`.
    pub(crate) fn hidden(&self) -> Vec<String> {
        let one = |hidden: &provost_image::Hidden| {
            let path = String::from_utf8_lossy(&hidden.path);
            format!("{path} {}<{} {:?}", hidden.entry.layer, hidden.by, hidden.how)
        };
        self.walked.tree.hidden().iter().map(one).collect()
    }

    pub(crate) fn kinds(&self) -> Vec<(String, EntryKind)> {
        let one = |(entry, _): &(Entry, Vec<u8>)| (String::from_utf8_lossy(&entry.path).into_owned(), entry.kind);
        self.entries.iter().map(one).collect()
    }
}
