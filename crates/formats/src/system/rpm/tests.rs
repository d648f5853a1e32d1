//! Databases made here, in each of the three forms.

use super::super::{Input, read as read_all};
use super::*;

/// A tag's values: type, number of them, bytes.
enum Value {
    Text(&'static str),
    Texts(Vec<String>),
    Number(u32),
    Numbers(Vec<u32>),
    Shorts(Vec<u16>),
    Small(Vec<u8>),
    Binary(Vec<u8>),
}

fn header(tags: &[(u32, Value)]) -> Vec<u8> {
    let (mut index, mut data): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    for (tag, value) in tags {
        let align = match value {
            Value::Number(_) | Value::Numbers(_) => 4,
            Value::Shorts(_) => 2,
            _ => 1,
        };
        data.resize(data.len().next_multiple_of(align), 0);
        let offset = data.len();
        let (kind, count): (u32, usize) = match value {
            Value::Text(text) => {
                data.extend(text.bytes().chain([0]));
                (6, 1)
            }
            Value::Texts(texts) => {
                texts.iter().for_each(|text| data.extend(text.bytes().chain([0])));
                (8, texts.len())
            }
            Value::Number(number) => {
                data.extend(number.to_be_bytes());
                (4, 1)
            }
            Value::Numbers(numbers) => {
                numbers.iter().for_each(|number| data.extend(number.to_be_bytes()));
                (4, numbers.len())
            }
            Value::Shorts(numbers) => {
                numbers.iter().for_each(|number| data.extend(number.to_be_bytes()));
                (3, numbers.len())
            }
            Value::Small(numbers) => {
                data.extend(numbers);
                (1, numbers.len())
            }
            Value::Binary(bytes) => {
                data.extend(bytes);
                (7, bytes.len())
            }
        };
        for number in [*tag, kind, offset as u32, count as u32] {
            index.extend(number.to_be_bytes());
        }
    }
    [&(tags.len() as u32).to_be_bytes()[..], &(data.len() as u32).to_be_bytes(), &index, &data].concat()
}

fn texts(list: &[&str]) -> Value {
    Value::Texts(list.iter().map(|one| (*one).to_owned()).collect())
}

/// A shell, a library with very many files, a key.
fn packages() -> Vec<Vec<u8>> {
    let shell = header(&[
        (63, Value::Binary(vec![0; 16])),
        (tag::NAME, Value::Text("bash")),
        (tag::VERSION, Value::Text("5.1.8")),
        (tag::RELEASE, Value::Text("6.el9")),
        (tag::EPOCH, Value::Number(2)),
        (tag::ARCH, Value::Text("x86_64")),
        (tag::SOURCERPM, Value::Text("bash-5.1.8-6.el9.src.rpm")),
        (tag::LICENSE, Value::Text("GPLv3+")),
        (tag::VENDOR, Value::Text("Someone")),
        (tag::MODULARITYLABEL, Value::Text("shells:5:820190206:9edba152")),
        (tag::SIGMD5, Value::Binary(vec![0xab; 16])),
        (tag::PROVIDENAME, texts(&["bash", "/bin/sh"])),
        (tag::REQUIRENAME, texts(&["libc.so.6()(64bit)", "rpmlib(X)", "/etc/many/f3", "(none or bash)"])),
        (tag::BASENAMES, texts(&["bash", "bash", "ghost", "away"])),
        (tag::DIRNAMES, texts(&["/usr/bin/", "/usr/share/doc/"])),
        (tag::DIRINDEXES, Value::Numbers(vec![0, 1, 0, 0])),
        (tag::FILEMODES, Value::Shorts(vec![0o100_755, 0o040_755, 0o100_644, 0o100_644])),
        (tag::FILEFLAGS, Value::Numbers(vec![0, 0, 64, 0])),
        (tag::FILESTATES, Value::Small(vec![0, 0, 0, 2])),
    ]);
    let names: Vec<String> = (0..4000).map(|n| format!("f{n}")).collect();
    let library = header(&[
        (tag::NAME, Value::Text("glibc")),
        (tag::VERSION, Value::Text("2.34")),
        (tag::RELEASE, Value::Text("1")),
        (tag::EPOCH, Value::Number(0)),
        (tag::PROVIDENAME, texts(&["glibc", "libc.so.6()(64bit)"])),
        (tag::REQUIRENAME, texts(&["(bash if gone)"])),
        (1023, Value::Text("true")),
        (tag::DIRINDEXES, Value::Numbers(vec![0; names.len()])),
        (tag::BASENAMES, Value::Texts(names)),
        (tag::DIRNAMES, texts(&["/etc/many/"])),
    ]);
    let key = header(&[(tag::NAME, Value::Text("gpg-pubkey")), (tag::VERSION, Value::Text("1"))]);
    vec![shell, library, key]
}

fn number(value: usize) -> [u8; 4] {
    (value as u32).to_be_bytes()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut out = vec![(value & 0x7f) as u8];
    while value > 0x7f {
        value >>= 7;
        out.insert(0, (value & 0x7f) as u8 | 0x80);
    }
    out
}

/// A page of a tree: what stands before it, its kind, its last child, its cells.
fn page(size: usize, before: &[u8], kind: u8, last: Option<usize>, cells: &[Vec<u8>]) -> Vec<u8> {
    let mut page = before.to_vec();
    page.extend([kind, 0, 0]);
    page.extend((cells.len() as u16).to_be_bytes());
    page.extend([0, 0, 0]);
    page.extend(last.map(number).into_iter().flatten());
    let mut at = size;
    for cell in cells {
        at -= cell.len();
        page.extend((at as u16).to_be_bytes());
    }
    assert!(page.len() <= at, "the cells fit");
    page.resize(at, 0);
    cells.iter().rev().for_each(|cell| page.extend(cell));
    page
}

fn file_header(size: usize) -> Vec<u8> {
    let mut header = b"SQLite format 3\0".to_vec();
    header.extend((size as u16).to_be_bytes());
    header.extend([1, 1, 0, 64, 32, 32]);
    header.resize(56, 0);
    header.extend([0, 0, 0, 1]);
    header.resize(100, 0);
    header
}

fn schema(size: usize, root: u8) -> Vec<u8> {
    let row = [&[6, 23, 29, 29, 1, 13][..], b"tablePackagesPackages", &[root], b""].concat();
    page(size, &file_header(size), 13, None, &[[&varint(row.len())[..], &[1], &row].concat()])
}

/// The tree: page 2 above leaves, one for each package, and chains of further pages.
fn sqlite(size: usize, blobs: &[Vec<u8>]) -> Vec<u8> {
    let first_chain = 3 + blobs.len();
    let mut chains: Vec<Vec<u8>> = Vec::new();
    let mut leaves = Vec::new();
    for (index, blob) in blobs.iter().enumerate() {
        let kind = varint(12 + 2 * blob.len());
        let row = [&varint(2 + kind.len())[..], &[0], &kind, blob].concat();
        let mut cell = [varint(row.len()), varint(index + 1)].concat();
        let most = size - 35;
        if row.len() <= most {
            cell.extend(&row);
        } else {
            let least = (size - 12) * 32 / 255 - 23;
            let some = least + (row.len() - least) % (size - 4);
            let here = if some <= most { some } else { least };
            cell.extend(&row[..here]);
            cell.extend(number(first_chain + chains.len()));
            let pieces: Vec<&[u8]> = row[here..].chunks(size - 4).collect();
            for (at, piece) in pieces.iter().enumerate() {
                let next = if at + 1 == pieces.len() { 0 } else { first_chain + chains.len() + 1 };
                let mut page = [&number(next)[..], piece].concat();
                page.resize(size, 0);
                chains.push(page);
            }
        }
        leaves.push(page(size, &[], 13, None, &[cell]));
    }
    let last = blobs.len() - 1;
    let children: Vec<Vec<u8>> = (0..last).map(|n| [&number(3 + n)[..], &varint(n + 1)].concat()).collect();
    let root = page(size, &[], 5, Some(3 + last), &children);
    [schema(size, 2), root, leaves.concat(), chains.concat()].concat()
}

/// A log with one page in it.
fn log(size: usize, at: usize, pages: usize, page: &[u8]) -> Vec<u8> {
    let sum = |before: (u32, u32), bytes: &[u8]| {
        bytes.chunks(8).fold(before, |(a, b), eight| {
            let word = |at: usize| u32::from_be_bytes([eight[at], eight[at + 1], eight[at + 2], eight[at + 3]]);
            let a = a.wrapping_add(word(0)).wrapping_add(b);
            (a, b.wrapping_add(word(4)).wrapping_add(a))
        })
    };
    let mut out =
        [0x377f_0683_u32, 3_007_000, size as u32, 0, 7, 8].iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    let first = sum((0, 0), &out);
    out.extend([first.0, first.1].iter().flat_map(|n| n.to_be_bytes()));
    let start = [number(at), number(pages)].concat();
    let second = sum(sum(first, &start), page);
    out.extend(&start);
    out.extend([7, 8, second.0, second.1].iter().flat_map(|n: &u32| n.to_be_bytes()));
    out.extend(page);
    out
}

fn ndb(blobs: &[Vec<u8>]) -> Vec<u8> {
    let word = |value: usize| (value as u32).to_le_bytes();
    let mut out = [&b"RpmP"[..], &word(0), &word(1), &word(1), &word(blobs.len() + 1)].concat();
    out.resize(32, 0);
    let mut at = 4096;
    let mut content = Vec::new();
    for (index, blob) in blobs.iter().enumerate() {
        let whole = (16 + blob.len() + 12).next_multiple_of(16);
        out.extend([&b"Slot"[..], &word(index + 1), &word(at / 16), &word(whole / 16)].concat());
        content.extend([&b"BlbS"[..], &word(index + 1), &word(1), &word(blob.len()), blob].concat());
        at += whole;
        content.resize(at - 4096, 0);
    }
    while out.len() < 4096 {
        out.extend(b"Slot\0\0\0\0\0\0\0\0\0\0\0\0");
    }
    [out, content].concat()
}

fn berkeley(size: usize, big: bool, blobs: &[Vec<u8>]) -> Vec<u8> {
    let word = |value: usize| if big { (value as u32).to_be_bytes() } else { (value as u32).to_le_bytes() };
    let short = |value: usize| if big { (value as u16).to_be_bytes() } else { (value as u16).to_le_bytes() };
    let page = |number: usize, next: usize, entries: usize, used: usize, kind: u8| {
        [&[0; 8][..], &word(number), &word(0), &word(next), &short(entries), &short(used), &[0, kind]].concat()
    };
    let mut meta = [&[0; 8][..], &word(0), &word(0x0006_1561), &word(9), &word(size), &[0, 8, 0, 0]].concat();
    meta.resize(size, 0);
    let mut chains = Vec::new();
    // The item with the next package's number, then the packages: a short one on the page, others on pages of their own.
    let mut items = vec![[&[1][..], &word(0)].concat(), [&[1][..], &word(9)].concat()];
    for (index, blob) in blobs.iter().enumerate() {
        items.push([&[1][..], &word(index + 1)].concat());
        if blob.len() < size / 4 {
            items.push([&[1][..], blob].concat());
            continue;
        }
        let first = 2 + chains.len() / size;
        items.push([&[3, 0, 0, 0][..], &word(first), &word(blob.len())].concat());
        let pieces: Vec<&[u8]> = blob.chunks(size - 26).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let next = if at + 1 == pieces.len() { 0 } else { first + at + 1 };
            chains.extend(page(first + at, next, 1, piece.len(), 7));
            chains.extend(*piece);
            chains.resize(chains.len().next_multiple_of(size), 0);
        }
    }
    let mut hash = page(1, 0, items.len(), 0, 13);
    let mut at = size;
    for item in &items {
        at -= item.len();
        hash.extend(short(at));
    }
    hash.resize(at, 0);
    items.iter().rev().for_each(|item| hash.extend(item));
    [meta, hash, chains].concat()
}

fn inventory(path: &str, bytes: &[u8], log: &[u8]) -> Result<Inventory, LockError> {
    let beside = |name: &str| match name {
        "rpmdb.sqlite-wal" => Some(log.to_vec()),
        "../../../etc/os-release" => Some(b"ID=rhel\nVERSION_ID=9.3\n".to_vec()),
        _ => None,
    };
    read_all(Kind::Rpm, &[Input { path, bytes, beside: &beside }])
}

fn holds_both(inventory: &Inventory) {
    assert_eq!(inventory.problems, []);
    let [bash, glibc] = &inventory.packages[..] else { panic!("{inventory:?}") };
    assert_eq!((bash.version.as_deref(), glibc.version.as_deref()), (Some("2:5.1.8-6.el9"), Some("2.34-1")));
    assert_eq!(bash.built_from, Some(("bash".into(), Some("5.1.8-6.el9".into()))));
    assert_eq!(bash.module.as_deref(), Some("shells:5:820190206:9edba152"));
    assert_eq!((bash.licence.as_deref(), bash.supplier.as_deref()), (Some("GPLv3+"), Some("Someone")));
    assert_eq!(bash.hashes, [PackageHash { algorithm: "md5".into(), value: "ab".repeat(16) }]);
    assert_eq!((&*bash.files, glibc.files.len()), (&["/usr/bin/bash".to_owned()][..], 4000));
    assert_eq!((&*bash.dependencies, &*glibc.dependencies), (&[1][..], &[0][..]));
    assert_eq!((bash.install_script, glibc.install_script), (false, true));
    assert_eq!(bash.distribution.as_ref().map(|one| &*one.id), Some("rhel"));
}

#[test]
fn the_same_packages_from_every_back_end() {
    let blobs = packages();
    for size in [512, 4096, 32_768] {
        holds_both(&inventory("var/lib/rpm/rpmdb.sqlite", &sqlite(size, &blobs), b"").expect("sqlite"));
        for big in [false, true] {
            holds_both(&inventory("var/lib/rpm/Packages", &berkeley(size, big, &blobs), b"").expect("bdb"));
        }
    }
    let path = "usr/lib/sysimage/rpm/Packages.db";
    let ndb = inventory(path, &ndb(&blobs), b"").expect("ndb");
    assert_eq!((ndb.kind.as_str(), ndb.packages.len()), ("rpm database (ndb)", 2));
}

#[test]
fn a_page_in_the_log_takes_the_place_of_the_one_in_the_file() {
    let (size, blobs) = (4096, packages());
    let whole = sqlite(size, &blobs);
    // The root has one child left.
    let root = page(size, &[], 5, Some(3), &[]);
    let count = whole.len() / size;
    let read = |log: &[u8]| inventory("var/lib/rpm/rpmdb.sqlite", &whole, log).expect("read").packages.len();
    assert_eq!(read(&log(size, 2, count, &root)), 1);
    // Not committed, of another size, or with wrong sums: it does not count.
    assert_eq!(read(&log(size, 2, 0, &root)), 2);
    assert_eq!(read(&log(512, 2, count, &root[..512])), 2);
    let mut changed = log(size, 2, count, &root);
    *changed.last_mut().expect("a byte") ^= 1;
    assert_eq!(read(&changed), 2);
}

#[test]
fn pages_that_meet_themselves_end() {
    let size = 512;
    // A root whose children are the root and each other, many times.
    let children = vec![[&number(2)[..], &[1]].concat(); 40];
    let root = page(size, &[], 5, Some(3), &children);
    let other = page(size, &[], 5, Some(2), &vec![[&number(3)[..], &[1]].concat(); 40]);
    let looped = inventory("rpmdb.sqlite", &[schema(size, 2), root, other].concat(), b"").expect("read");
    assert!(looped.packages.is_empty() && !looped.problems.is_empty());

    // A row that goes on in a circle, and one that says to be longer than the file.
    let blobs = packages();
    let mut whole = sqlite(size, &blobs);
    let chain = 3 + blobs.len();
    whole[(chain - 1 + 3) * size..][..4].copy_from_slice(&number(chain));
    assert!(!inventory("rpmdb.sqlite", &whole, b"").expect("read").problems.is_empty());

    let mut whole = berkeley(size, true, &blobs);
    whole[2 * size + 16..][..4].copy_from_slice(&number(2));
    let read = inventory("Packages", &whole, b"").expect("read");
    assert!(read.problems.iter().any(|problem| problem.what.contains("meets itself")), "{:?}", read.problems);
}

#[test]
fn slots_that_share_a_header_are_no_square() {
    let blobs = packages();
    let mut whole = ndb(&blobs[1..2]);
    let slot = whole[32..48].to_vec();
    for at in (48..4096).step_by(16) {
        whole[at..at + 16].copy_from_slice(&slot);
    }
    assert!(
        inventory("Packages.db", &whole, b"")
            .expect("the first stands")
            .problems
            .iter()
            .any(|one| one.what.contains("overlap"))
    );
}

#[test]
fn what_is_cut_or_changed_is_an_error_or_a_problem_and_no_panic() {
    let blobs: Vec<Vec<u8>> = vec![packages().swap_remove(0), header(&[(tag::NAME, Value::Text("x"))])];
    for whole in [sqlite(512, &blobs), berkeley(512, false, &blobs), berkeley(512, true, &blobs), ndb(&blobs)] {
        for end in (0..whole.len()).step_by(11) {
            let _ = inventory("Packages", &whole[..end], b"");
        }
        for at in (0..whole.len()).filter(|at| whole[*at] != 0 || at % 16 == 0) {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            let _ = inventory("Packages", &changed, b"");
        }
    }
    assert!(inventory("Packages", b"", b"").is_err());
    assert!(inventory("Packages", &[0xff; 4096], b"").is_err());
}

#[test]
fn names_of_boolean_dependencies() {
    let names = |rich| alternatives(rich).collect::<Vec<_>>();
    assert_eq!(names("glibc-gconv-extra(x86-64) = 2.34 if redhat-rpm-config)"), ["glibc-gconv-extra(x86-64)", "2.34"]);
    assert_eq!(names("a or (b and c) unless d)"), ["a", "b", "c"]);
    assert_eq!(source("x-y-1.0-2.src.rpm"), Some(("x-y".into(), Some("1.0-2".into()))));
    assert_eq!((source("(none)"), source("x.src.rpm")), (None, None));
}

#[test]
fn a_manifest_without_a_database() {
    let content = "bash\t5.1.8-1.cm2\t1\t2\tMicrosoft Corporation\t(none)\t7\tx86_64\t0\tbash-5.1.8-1.cm2.src.rpm\n\
        vim\t8.2-1.cm2\t1\t2\tMicrosoft Corporation\t2\t7\tx86_64\t2\tvim-8.2-1.cm2.src.rpm\nnothing\n";
    let path = "var/lib/rpmmanifest/container-manifest-2";
    let input = Input { path, bytes: content.as_bytes(), beside: &|_| None };
    let read = read_all(Kind::RpmManifest, &[input]).expect("read");
    let [bash, vim] = &read.packages[..] else { panic!("{read:?}") };
    assert_eq!((bash.version.as_deref(), vim.version.as_deref()), (Some("5.1.8-1.cm2"), Some("2:8.2-1.cm2")));
    assert_eq!(bash.built_from, Some(("bash".into(), Some("5.1.8-1.cm2".into()))));
    assert_eq!(read.problems.len(), 1);
}
