//! What people meet: values that only a name gives away, positions, redaction, pieces, imports.

use provost_model::{Confidence, Finding};
use provost_scan::{Check, Limits, Place, Scanner, Tally};
use provost_secrets::{Options, RuleSet, Secrets, import};

fn secrets(options: Options) -> Secrets {
    Secrets::new(RuleSet::built_in().expect("the rules load"), options)
}

fn scan(name: &str, bytes: &[u8], limits: Limits) -> Vec<Finding> {
    let secrets = secrets(Options::default());
    let checks: [&dyn Check; 1] = [&secrets];
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, limits, globset::GlobSet::empty(), false, &tally);
    scanner.bytes(&Place::file(name), bytes);
    scanner.finish().findings
}

/// A random value, put together so that this file holds none.
fn value() -> String {
    ["h4Kq0zPx", "9WvT2mLr", "Q7sN"].concat()
}

#[test]
fn values_that_a_name_gives_away() {
    let value = value();
    for (name, text) in [
        ("a.env", format!("API_KEY={value}")),
        ("a.py", format!("api_key = \"{value}\"")),
        ("a.js", format!("const apiKey = '{value}';")),
        ("a.go", format!("apiKey := \"{value}\"")),
        ("a.rs", format!("let api_key: &str = \"{value}\";")),
        ("a.json", format!("{{\"apiKey\": \"{value}\"}}")),
        ("a.yaml", format!("apiKey: {value}")),
        ("a.xml", format!("<apiKey>{value}</apiKey>")),
        ("a.rb", format!("api_key => '{value}'")),
        ("a.sh", format!("curl --token {value} x")),
        ("a.txt", format!("see http://host/x?access_token={value}&y=1")),
        ("a.java", format!("setApiKey(\"{value}\");")),
        ("a.js", format!("const body = \"{{\\\"token\\\":\\\"{value}\\\"}}\"")),
        ("a.py", format!("os.environ.get(\"API_KEY\", \"{value}\")")),
        ("a.sql", format!("CREATE USER me IDENTIFIED BY '{value}'")),
    ] {
        let found = scan(name, text.as_bytes(), Limits::default());
        assert_eq!(found.len(), 1, "{name}: {text}: {found:?}");
    }
}

#[test]
fn what_is_no_secret() {
    for (name, text) in [
        ("a.py", "token = request.headers.get('Authorization')"),
        ("a.js", "const apiKey = process.env.API_KEY;"),
        ("a.py", "password = getpass.getpass()"),
        ("a.yaml", "password: ${DB_PASSWORD}"),
        ("a.yaml", "apiKey: <your-api-key>"),
        ("a.go", "token := newTokenFromContext(ctx)"),
        ("a.rs", "let key = \"application/json\";"),
        ("a.json", "{\"integrity\": \"sha512-h4Kq0zPx9WvT2mLrQ7sNh4Kq0zPx9WvT2mLrQ7sN==\"}"),
        ("a.js", "password: 'Password must not be empty'"),
        ("a.html", "<label for=\"password\">Password</label>"),
        ("a.py", "token_url = 'https://auth.example.org/oauth/token'"),
        ("a.properties", "label.password=Kennwort eingeben"),
    ] {
        let found = scan(name, text.as_bytes(), Limits::default());
        assert!(found.is_empty(), "{name}: {text}: {found:?}");
    }
}

#[test]
fn the_place_is_right_and_the_secret_is_nowhere() {
    let value = value();
    let text = format!("first\nsecond\n  API_TOKEN={value} # {value}\nlast");
    let found = scan("x.env", text.as_bytes(), Limits::default());
    assert_eq!(found.len(), 1);
    let span = found[0].span.expect("a span");
    assert_eq!((span.line, span.column, span.end_line), (3, 13, 3));
    assert_eq!(span.end_column - span.column, value.len() as u64);
    let shown = serde_json::to_string(&found).expect("JSON");
    assert!(!shown.contains(&value) && !shown.contains(&value[4..12]), "{shown}");
}

#[test]
fn a_secret_that_stands_twice_on_a_line_is_masked_twice() {
    let value = ["EXAMPLE", "secretKey", "77x"].concat();
    let text = format!("assword={value},host=a,password={value},host=b");
    let weak = secrets(Options { confidence: Confidence::Weak, ..Options::default() });
    let checks: [&dyn Check; 1] = [&weak];
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, Limits::default(), globset::GlobSet::empty(), false, &tally);
    scanner.bytes(&Place::file("a.env"), text.as_bytes());
    let found = scanner.finish().findings;
    let shown = serde_json::to_string(&found).expect("JSON");
    assert!(!found.is_empty() && !shown.contains(&value), "{shown}");
}

#[test]
fn pieces_of_a_long_file_lose_nothing_and_say_nothing_twice() {
    let value = value();
    let limits = Limits { piece: 4096, overlap: 512, ..Limits::default() };
    for distance in [0, 4000, 4080, 4090, 4095, 4096, 4100, 8190, 20_000] {
        let mut text = "x = 1 # line\n".repeat(distance / 13 + 1).into_bytes();
        text.truncate(distance);
        text.extend(format!("\nAPI_TOKEN={value}\n").bytes());
        text.extend("y = 2\n".repeat(3000).bytes());
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("long.env"), &text).expect("a file");
        let secrets = secrets(Options::default());
        let checks: [&dyn Check; 1] = [&secrets];
        let tally = Tally::default();
        let scanner = Scanner::new(&checks, limits.clone(), globset::GlobSet::empty(), false, &tally);
        scanner.tree(directory.path());
        let found = scanner.finish().findings;
        assert_eq!(found.len(), 1, "at {distance}: {found:?}");
        let span = found[0].span.expect("a span");
        let at = usize::try_from(span.offset).expect("small");
        assert_eq!(&text[at..at + value.len()], value.as_bytes());
        let line = text[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        assert_eq!(span.line, line);
    }
}

#[test]
fn the_fingerprint_stays_when_the_line_moves_and_needs_the_key() {
    let value = value();
    let one = scan("a.env", format!("API_TOKEN={value}").as_bytes(), Limits::default());
    let two = scan("b/c.env", format!("\n\n# moved\nMY_API_TOKEN='{value}'").as_bytes(), Limits::default());
    assert_eq!(one[0].fingerprint, two[0].fingerprint);
    let other = secrets(Options { key: [7; 32], ..Options::default() });
    let checks: [&dyn Check; 1] = [&other];
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, Limits::default(), globset::GlobSet::empty(), false, &tally);
    scanner.bytes(&Place::file("a.env"), format!("API_TOKEN={value}").as_bytes());
    assert_ne!(scanner.finish().findings[0].fingerprint, one[0].fingerprint);
}

#[test]
fn foreign_rules_are_taken_over() {
    let gitleaks = r#"
title = "rules"
[[rules]]
id = "acme"
description = "Acme token"
regex = '''\b(acme_[a-z0-9]{20})\b'''
keywords = ["acme_"]
[[rules.allowlists]]
regexes = ['''acme_0{20}''']
[[rules]]
id = "by-path"
path = '''\.p12$'''
"#;
    let mut set = RuleSet::new();
    let remarks = import(&mut set, gitleaks, "rules.toml").expect("they load");
    assert_eq!((set.rules.len(), remarks.len()), (1, 1), "{remarks:?}");
    let kingfisher = "rules:\n- name: Beta\n  id: kingfisher.beta.1\n  pattern: |\n    (?x)(?i)\n    \\b(beta-[0-9a-f]{24})\\b\n  min_entropy: 3\n";
    let remarks = import(&mut set, kingfisher, "rules.yml").expect("they load");
    assert!(remarks.is_empty(), "{remarks:?}");
    let secrets = Secrets::new(set, Options::default());
    let found =
        |text: &str| secrets.try_text(text.as_bytes(), "x").into_iter().map(|(id, _, _)| id).collect::<Vec<_>>();
    assert_eq!(found("x acme_4k2j9x7b3n5m8q1w6e0r y"), ["acme"]);
    assert!(found(&format!("x acme_{} y", "0".repeat(20))).is_empty());
    assert_eq!(found("beta-3f9a1c7e5b2d8046af13c9e7"), ["kingfisher.beta.1"]);
}

#[test]
fn text_that_means_harm_ends() {
    let deep = {
        use base64::Engine as _;
        let mut text = format!("API_TOKEN={}", value());
        for _ in 0..20 {
            text = base64::engine::general_purpose::STANDARD.encode(&text);
        }
        text
    };
    for text in [
        deep.into_bytes(),
        b"%25".repeat(200_000),
        br"\u0041".repeat(200_000),
        b"password=".repeat(200_000),
        b"-----BEGIN RSA PRIVATE KEY-----\n".repeat(20_000),
        b"A".repeat(3_000_000),
        vec![0; 3_000_000],
        [b'a', 0].repeat(1_000_000),
        b"eyJ".repeat(500_000),
    ] {
        let _ = scan("harm", &text, Limits::default());
    }
}

#[test]
fn text_may_end_anywhere() {
    let whole = format!(
        "password: str = \"x\" token=(b\"{0}\") \\\"secret\\\" : \\\"{0}\\\" <pass a=\"b\">{0}</pass> IDENTIFIED BY '{0}' \
         --token {0} https://u:{0}@h/ key[\"x\"] = \"\"\"{0}\"\"\" pwd := String::from(\"{0}\") auth || \"{0}\"",
        value()
    );
    let secrets = secrets(Options::default());
    for end in 0..=whole.len() {
        for name in ["a.py", "a.env", "a.txt", "a.xml"] {
            let _ = secrets.try_text(&whole.as_bytes()[..end], name);
        }
    }
}

#[test]
fn confidence_decides_what_is_said() {
    let weak = secrets(Options { confidence: Confidence::Weak, ..Options::default() });
    let found = weak.try_text(b"API_TOKEN=your-token-goes-here-1234", "a.env");
    assert!(found.iter().all(|(_, _, sure)| *sure == Confidence::Weak), "{found:?}");
}

#[test]
fn no_number_of_decoys_hides_a_secret() {
    let mut text = "pwd=\"changeme\"\n".repeat(20_000);
    text.push_str(&format!("API_TOKEN={}\n", value()));
    assert_eq!(scan("most.env", text.as_bytes(), Limits::default()).len(), 1);
    // Nor do decoys that are decoded.
    let mut text = "\"%20password%3DchangeMe%31\"\n".repeat(20_000);
    text.push_str(&format!("API_TOKEN={}\n", value()));
    let found = scan("most.env", text.as_bytes(), Limits::default());
    assert!(found.iter().any(|f| f.within.is_empty()), "{}", found.len());
}

#[test]
fn a_false_armour_does_not_swallow_the_key_behind_it() {
    let der: Vec<u8> = {
        let mut key = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22];
        key.extend([0x04, 0x20]);
        key.extend((1..=32_u8).map(|n| n.wrapping_mul(37)));
        key
    };
    use base64::Engine as _;
    let label = ["PRIVATE", "KEY"].join(" ");
    let body = base64::engine::general_purpose::STANDARD.encode(&der);
    let key = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    for before in ["", "-----BEGIN PRIVATE KEY-----\n", "x\n-----BEGIN PRIVATE KEY-----\nnot a key\n\n"] {
        let found = scan("k.pem", format!("{before}{key}").as_bytes(), Limits::default());
        assert!(found.iter().any(|f| f.confidence == Some(Confidence::Verified)), "{before:?}: {found:?}");
    }
}

#[test]
fn a_piece_that_is_too_full_is_not_taken_for_scanned() {
    // Thousands of one secret, decoded, are one finding: what follows them was not looked at, and that is said.
    use base64::Engine as _;
    let many = format!("API_TOKEN={}\n", value()).repeat(6_000);
    let text = base64::engine::general_purpose::STANDARD.encode(many);
    let secrets = secrets(Options::default());
    let checks: [&dyn Check; 1] = [&secrets];
    let tally = Tally::default();
    let scanner = Scanner::new(&checks, Limits::default(), globset::GlobSet::empty(), false, &tally);
    scanner.bytes(&Place::file("x.txt"), text.as_bytes());
    let report = scanner.finish();
    assert!(!report.findings.is_empty() && !report.coverage.is_complete());
}

#[test]
fn a_value_with_percent_signs_is_one_finding() {
    let secrets = secrets(Options::default());
    for text in [
        "URI=mongodb://app:kq7Zr{}2wx%40Lm@db.acme.net/main\n",
        "TWITTER_BEARER_TOKEN=\"AAAAAAAAAAAAAAAAAAAAAQXv{}jiTAAAAAAN5RsPRE2hNWVHi4nHYT54tzqBca%3DtEoLx4wec8NAF8nfnjQ7UzgGmlbmDp8UNL7m03RmaGsjRPN9od\"",
    ] {
        let found = secrets.try_text(text.replace("{}", "").as_bytes(), "a.env");
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
    // Two addresses, of which one is written in the other, are two.
    let both = "to=https%3A%2F%2Fapp%3Akq7Zr{}2wx%40a.acme.net https://svc:Lm9Tq{}4vb@b.acme.net/".replace("{}", "");
    assert!(secrets.try_text(both.as_bytes(), "a.env").len() >= 2);
}

#[test]
fn a_line_that_sets_a_variable_is_a_setting_in_prose_too() {
    let secrets = secrets(Options::default());
    let likely = |text: &str| {
        let found = secrets.try_text(text.as_bytes(), "notes.txt");
        found.iter().any(|(_, _, confidence)| *confidence >= Confidence::Likely)
    };
    for text in [
        "DB_PASSWORD=white{}duke",
        "Set it:\n\n  export DB_PASSWORD=white{}duke\nand go on",
        "# DB_PASSWORD=white{}duke\n",
    ] {
        assert!(likely(&text.replace("{}", "")), "{text}");
    }
    for text in [
        "DB_PASSWORD=white{}duke is what we took\n",
        "we took DB_PASSWORD=white{}duke\n",
        "password=white{}duke\n",
        "DB_PASSWORD=",
        "DB_PASSWORD=\n",
    ] {
        assert!(!likely(&text.replace("{}", "")), "{text}");
    }
}
