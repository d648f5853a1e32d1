use super::*;

/// A header with its checksum.
fn header(name: &str, flag: u8, size: u64, change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let mut b = [0_u8; 512];
    b[..name.len()].copy_from_slice(name.as_bytes());
    b[100..107].copy_from_slice(b"0000644");
    b[108..115].copy_from_slice(b"0000000");
    b[116..123].copy_from_slice(b"0000000");
    b[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    b[136..147].copy_from_slice(b"00000000000");
    b[156] = flag;
    b[257..265].copy_from_slice(b"ustar\x0000");
    change(&mut b);
    b[148..156].fill(b' ');
    let sum: u32 = b.iter().map(|&byte| u32::from(byte)).sum();
    b[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    b.to_vec()
}

fn with(name: &str, flag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, flag, content.len() as u64, |_| ());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, content: &str) -> Vec<u8> {
    with(name, b'0', content.as_bytes())
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|n| n.to_string().len() + rest == *n).unwrap_or_default();
        text.push_str(&format!("{length} {key}={value}\n"));
    }
    with("pax", b'x', text.as_bytes())
}

const END: [u8; 1024] = [0; 1024];

type Read1 = (String, Kind, Vec<u8>, bool);

fn read(bytes: &[u8]) -> (Vec<Read1>, Option<String>) {
    let mut layer = Layer::new(Stream(bytes), Limits::default());
    let mut found = Vec::new();
    loop {
        match layer.next() {
            Ok(Some(header)) => {
                let mut content = Vec::new();
                let result = (&mut layer).take(1 << 20).read_to_end(&mut content);
                let name = String::from_utf8_lossy(&header.name).into_owned();
                found.push((name, header.kind, content, header.after_end));
                if let Err(error) = result {
                    return (found, Some(error.to_string()));
                }
            }
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

fn names(bytes: &[u8]) -> Vec<String> {
    let (found, error) = read(bytes);
    assert_eq!(error, None, "{found:?}");
    found.into_iter().map(|(name, _, content, _)| format!("{name}={}", String::from_utf8_lossy(&content))).collect()
}

#[test]
fn reads_plain_files() {
    let bytes = [file("a", "hello"), with("d/", b'5', b""), file("d/b", ""), END.to_vec()].concat();
    assert_eq!(names(&bytes), ["a=hello", "d/=", "d/b="]);
    assert_eq!(names(b""), [""; 0], "an empty layer");
    assert_eq!(names(&[0; 10_240]), [""; 0]);
}

#[test]
fn a_pax_size_counts_so_that_no_file_hides_in_another() {
    // CVE-2025-62518: a reader that takes the header's size of 0 sees `hidden` as a file of this archive.
    let hidden = file("hidden", "evil");
    let size = hidden.len().to_string();
    let mut bytes = pax(&[("size", &size)]);
    bytes.extend(header("outer", b'0', 0, |_| ()));
    bytes.extend(&hidden);
    bytes.extend(file("next", "x"));
    let (found, error) = read(&bytes);
    assert_eq!(error, None);
    assert_eq!(found.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["outer", "next"]);
    assert_eq!(found[0].2, hidden);
}

#[test]
fn the_last_of_several_names_counts_as_in_go() {
    let bytes = [pax(&[("path", "one")]), pax(&[("path", "two")]), file("three", "x")].concat();
    assert_eq!(names(&bytes), ["two=x"]);
    // GNU's long name comes after pax, whatever their order.
    let long = with("././@LongLink", b'L', b"gnu\0");
    let bytes = [long.clone(), pax(&[("path", "pax")]), file("three", "x")].concat();
    assert_eq!(names(&bytes), ["gnu=x"]);
    // It does not outlive its file.
    let bytes = [long, file("a", "1"), file("b", "2")].concat();
    assert_eq!(names(&bytes), ["gnu=1", "b=2"]);
    // An empty value changes nothing.
    assert_eq!(names(&[pax(&[("path", "")]), file("name", "x")].concat()), ["name=x"]);
}

#[test]
fn a_global_header_is_ignored_and_told() {
    let mut global = pax(&[("path", "evil")]);
    global[156] = b'g';
    global[148..156].fill(b' ');
    let sum: u32 = global[..512].iter().map(|&byte| u32::from(byte)).sum();
    global[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let bytes = [global, file("good", "x")].concat();
    let mut layer = Layer::new(Stream(&bytes[..]), Limits::default());
    let header = layer.next().expect("sound").expect("a file");
    assert_eq!(header.name, b"good");
    assert_eq!(header.odd.len(), 1);
}

#[test]
fn a_global_header_makes_go_forget_what_was_said_of_the_next_file() {
    let mut global = pax(&[("comment", "x")]);
    global[156] = b'g';
    global[148..156].fill(b' ');
    let sum: u32 = global[..512].iter().map(|&byte| u32::from(byte)).sum();
    global[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let bytes = [pax(&[("path", "innocent")]), with("x", b'L', b"long"), global, file("real", "x")].concat();
    assert_eq!(names(&bytes), ["real=x"]);
    // Nor does the end of the archive carry it over.
    let bytes = [pax(&[("path", "innocent")]), END.to_vec(), file("real", "x")].concat();
    assert_eq!(names(&bytes), ["real=x"]);
}

#[test]
fn an_old_directory_has_no_content_to_hide_a_file_in() {
    let hidden = file("hidden", "x");
    let bytes = [header("d/", 0, hidden.len() as u64, |_| ()), hidden].concat();
    assert_eq!(names(&bytes), ["d/=", "hidden=x"]);
}

#[test]
fn a_size_below_zero_matters_to_kinds_with_content_alone() {
    let directory = [pax(&[("size", "-1")]), header("d/", b'5', 0, |_| ()), file("next", "x")].concat();
    assert_eq!(names(&directory), ["d/=", "next=x"]);
    assert!(read(&[pax(&[("size", "-1")]), file("a", "")].concat()).1.is_some());
}

#[test]
fn times_are_times_and_round_to_the_past() {
    for (time, seconds) in [("1.5", 1), ("-1.5", -2), ("-1.0", -1), ("7", 7), ("3.", 3), ("-0.0000000001", 0)] {
        let bytes = [pax(&[("mtime", time)]), file("a", "")].concat();
        let mut layer = Layer::new(Stream(&bytes[..]), Limits::default());
        assert_eq!(layer.next().expect("sound").expect("a file").modified, seconds, "{time}");
    }
    for records in [[("atime", "x")], [("mtime", "1.x")], [("ctime", ".5")]] {
        assert!(read(&[pax(&records), file("a", "")].concat()).1.is_some(), "{records:?}");
    }
}

#[test]
fn what_is_said_after_the_end_of_no_file_is_told() {
    let bytes = [file("a", "1"), END.to_vec(), with("././@LongLink", b'L', b"hidden"), END.to_vec()].concat();
    assert!(read(&bytes).1.is_some_and(|error| error.contains("after the end")));
}

#[test]
fn sparse_data_and_map_must_fit() {
    let map = |blocks, map| {
        let records = [("GNU.sparse.size", "9"), ("GNU.sparse.numblocks", blocks), ("GNU.sparse.map", map)];
        let bytes = [pax(&records), with("a", b'0', b"xyz")].concat();
        let mut layer = Layer::new(Stream(&bytes[..]), Limits::default());
        layer.next().map(|header| header.map(|header| header.odd.len()))
    };
    assert!(matches!(map("1", "0,3"), Ok(Some(0))));
    assert!(matches!(map("1", "0,2"), Ok(Some(1))), "the rest is read by nobody, and told");
    assert!(map("1", "0,4").is_err());
}

#[test]
fn the_prefix_of_ustar_and_of_old_go() {
    let mut bytes = header("name", b'0', 0, |b| b[345..351].copy_from_slice(b"prefix"));
    assert_eq!(names(&bytes), ["prefix/name="]);
    bytes = header("name", b'0', 0, |b| {
        b[257..265].copy_from_slice(b"ustar  \0");
        b[345..356].copy_from_slice(b"13000000000");
    });
    assert_eq!(names(&bytes), ["name="], "GNU has a time there");
    bytes = header("name", b'0', 0, |b| {
        b[257..265].copy_from_slice(b"ustar  \0");
        b[345..351].copy_from_slice(b"prefix");
    });
    assert_eq!(names(&bytes), ["prefix/name="], "and Go a prefix, when it is no time");
}

#[test]
fn kinds_without_content_have_none_whatever_they_claim() {
    let mut link = header("link", b'2', 512, |b| b[157..163].copy_from_slice(b"target"));
    link.extend(file("shown", "x"));
    let mut layer = Layer::new(Stream(&link[..]), Limits::default());
    let first = layer.next().expect("sound").expect("a link");
    assert_eq!((first.kind, first.size, first.odd.len()), (Kind::Symlink, 0, 1));
    assert_eq!(first.link, b"target");
    assert_eq!(layer.next().expect("sound").expect("a file").name, b"shown");
}

#[test]
fn an_old_file_with_a_slash_is_a_directory() {
    let (found, _) = read(&[with("d/", 0, b""), with("f", 0, b"x")].concat());
    assert_eq!(found.iter().map(|f| f.1).collect::<Vec<_>>(), [Kind::Directory, Kind::File]);
}

#[test]
fn what_stands_after_the_end_is_read_and_marked() {
    let bytes = [file("a", "1"), END.to_vec(), file("late", "2"), END.to_vec()].concat();
    let (found, error) = read(&bytes);
    assert_eq!(error, None);
    assert_eq!(found.iter().map(|f| (f.0.as_str(), f.3)).collect::<Vec<_>>(), [("a", false), ("late", true)]);
    let bytes = [file("a", "1"), END.to_vec(), vec![7; 600]].concat();
    assert!(read(&bytes).1.is_some_and(|error| error.contains("after the end")));
    let bytes = [file("a", "1"), END.to_vec(), vec![7; 100]].concat();
    assert!(read(&bytes).1.is_some_and(|error| error.contains("after the end")));
}

#[test]
fn cut_and_broken_layers_are_errors() {
    let whole = [file("a", "hello"), file("b", "world")].concat();
    for cut in [100, 514, 1100, 1538] {
        let (_, error) = read(&whole[..cut]);
        assert!(error.is_some(), "{cut}");
    }
    assert_eq!(read(&whole[..1541]).1, None, "the padding of the last file may be missing");
    let mut broken = whole;
    broken[1030] ^= 1;
    assert!(read(&broken).1.is_some_and(|error| error.contains("byte 1024")));
}

#[test]
fn sizes_that_overflow_end_in_an_error() {
    let huge = header("a", b'0', 0, |b| {
        b[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    });
    assert!(read(&[huge, file("b", "x")].concat()).1.is_some());
    let negative = header("a", b'0', 0, |b| b[124..136].fill(0xff));
    assert!(read(&negative).1.is_some_and(|error| error.contains("below zero")));
    let beyond = header("a", b'0', 0, |b| b[124..136].copy_from_slice(&[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(read(&beyond).1.is_some_and(|error| error.contains("too large")));
    assert!(read(&pax(&[("size", "99999999999999999999")])).1.is_none(), "nothing follows");
    assert!(read(&[pax(&[("size", "-1")]), file("a", "")].concat()).1.is_some());
}

#[test]
fn broken_pax_records_are_errors() {
    for text in ["path=x\n", "5 a=b\n", "99 path=x\n", "0 path=x\n", "10 path=x", "6 =abc\n", "9 path=\0\n"] {
        let bytes = [with("pax", b'x', text.as_bytes()), file("a", "")].concat();
        assert!(read(&bytes).1.is_some(), "{text:?}");
    }
}

#[test]
fn headers_that_belong_to_no_file_are_limited() {
    let bytes = pax(&[("path", "x")]).repeat(100);
    assert!(read(&bytes).1.is_some_and(|error| error.contains("too many headers")));
    let long = header("././@LongLink", b'L', 2 << 20, |_| ());
    assert!(read(&long).1.is_some_and(|error| error.contains("longer than")));
}

#[test]
fn sparse_files_of_pax_1_0() {
    let mut data = b"2\n3\n4\n10\n2\n".to_vec();
    data.resize(512, 0);
    data.extend(b"abcdXY");
    let records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "real"),
        ("GNU.sparse.realsize", "14"),
    ];
    let bytes = [pax(&records), with("GNUSparseFile.0/real", b'0', &data), file("next", "n")].concat();
    let (found, error) = read(&bytes);
    assert_eq!(error, None);
    assert_eq!((found[0].0.as_str(), &found[0].2[..]), ("real", &b"\0\0\0abcd\0\0\0XY\0\0"[..]));
    assert_eq!(found[1].0, "next");
}

#[test]
fn sparse_files_of_pax_0_1_and_0_0() {
    let one = [("GNU.sparse.size", "6"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.map", "1,2,5,1")];
    let bytes = [pax(&one), with("a", b'0', b"xyz")].concat();
    assert_eq!(read(&bytes).0[0].2, b"\0xy\0\0z");
    let zero = [
        ("GNU.sparse.size", "6"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.offset", "1"),
        ("GNU.sparse.numbytes", "2"),
        ("GNU.sparse.offset", "5"),
        ("GNU.sparse.numbytes", "1"),
    ];
    let bytes = [pax(&zero), with("a", b'0', b"xyz")].concat();
    assert_eq!(read(&bytes).0[0].2, b"\0xy\0\0z");
}

#[test]
fn old_sparse_files_of_gnu() {
    let mut bytes = header("a", b'S', 6, |b| {
        b[257..265].copy_from_slice(b"ustar  \0");
        b[386..397].copy_from_slice(b"00000000002");
        b[398..409].copy_from_slice(b"00000000003");
        b[482] = 1;
        b[483..494].copy_from_slice(b"00000000024");
    });
    let mut more = [0; 512];
    more[..11].copy_from_slice(b"00000000010");
    more[12..23].copy_from_slice(b"00000000003");
    bytes.extend(more);
    bytes.extend(b"abcdef");
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes.extend(file("next", "n"));
    let (found, error) = read(&bytes);
    assert_eq!(error, None);
    assert_eq!(found[0].2, b"\0\0abc\0\0\0def\0\0\0\0\0\0\0\0\0");
    assert_eq!(found[1].0, "next");
}

#[test]
fn false_maps_of_sparse_files_are_errors() {
    for map in ["5,2", "0,4,2,1", "-1,2", "0,9223372036854775807", "1", "a,b", "7,0"] {
        let blocks = map.split(',').count().div_ceil(2).to_string();
        let records = [("GNU.sparse.size", "6"), ("GNU.sparse.numblocks", &blocks), ("GNU.sparse.map", map)];
        let bytes = [pax(&records), with("a", b'0', b"xyz")].concat();
        let (_, error) = read(&bytes);
        assert!(error.is_some(), "{map}");
    }
    // Fewer pieces than it says.
    let records = [("GNU.sparse.size", "6"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.map", "0,3")];
    assert!(read(&[pax(&records), with("a", b'0', b"xyz")].concat()).1.is_some());
    // More data than there is.
    let bytes = [
        pax(&[("GNU.sparse.size", "6"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,6")]),
        with("a", b'0', b"xyz"),
    ]
    .concat();
    assert!(read(&bytes).1.is_some());
    let many = format!("{}\n", u64::MAX);
    let records = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
    let mut data = many.into_bytes();
    data.resize(512, 0);
    assert!(read(&[pax(&records), with("a", b'0', &data)].concat()).1.is_some());
}

#[test]
fn a_hole_as_large_as_a_number_costs_nothing_to_skip() {
    let records =
        [("GNU.sparse.size", "9223372036854775807"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,1")];
    let bytes = [pax(&records), with("a", b'0', b"x"), file("b", "2")].concat();
    let mut layer = Layer::new(Stream(&bytes[..]), Limits::default());
    assert_eq!(layer.next().expect("sound").expect("a file").size, i64::MAX as u64);
    assert_eq!(layer.next().expect("sound").expect("a file").name, b"b");
}

#[test]
fn seeking_skips_without_reading() {
    let bytes = [file("a", "1"), file("b", "2"), END.to_vec()].concat();
    let source = Seekable::new(io::Cursor::new(&bytes)).expect("seek");
    let mut layer = Layer::new(source, Limits::default());
    let mut places = Vec::new();
    while let Some(header) = layer.next().expect("sound") {
        places.push((header.name, layer.position()));
    }
    assert_eq!(places, [(b"a".to_vec(), 512), (b"b".to_vec(), 1536)]);
    let cut = Seekable::new(io::Cursor::new(&bytes[..513])).expect("seek");
    let mut layer = Layer::new(cut, Limits::default());
    assert!(layer.next().is_ok());
    assert!(layer.next().is_ok_and(|header| header.is_none()), "its padding alone is missing");
}
