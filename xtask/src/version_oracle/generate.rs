//! Versions and requirements, as an ecosystem has them and as none should have them.

use provost_formats::version::is_valid;
use provost_model::Ecosystem;

/// Numbers that look random, the same for the same seed (splitmix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// What versions of an ecosystem are made of.
struct Style {
    /// Words in their prereleases and elsewhere.
    words: &'static [&'static str],
    /// What may stand between things.
    separators: &'static [&'static str],
    /// Characters that mutation puts in.
    alphabet: &'static str,
}

fn style(ecosystem: Ecosystem) -> Style {
    const SEMVER: &[&str] = &["alpha", "beta", "rc", "a", "b", "RC", "x", "0", "alpha1", "rc-1", "0a", "-"];
    let (words, separators, alphabet): (&[&str], &[&str], &str) = match ecosystem {
        Ecosystem::PyPi => (
            &[
                "a", "b", "c", "rc", "alpha", "beta", "pre", "preview", "post", "rev", "r", "dev", "RC", "Dev",
                "final", "abc",
            ],
            &["", ".", "-", "_", "+", "!"],
            "0123456789.-_+!abcdervpost *v",
        ),
        Ecosystem::RubyGems => {
            (&["a", "b", "alpha", "beta", "pre", "rc", "RC", "java", "rc1"], &[".", "-", ""], "0123456789.-abzAZ ")
        }
        Ecosystem::Maven => (
            &[
                "alpha",
                "beta",
                "milestone",
                "rc",
                "cr",
                "snapshot",
                "SNAPSHOT",
                "ga",
                "final",
                "Final",
                "release",
                "sp",
                "SP",
                "a",
                "b",
                "m",
                "jre",
                "android",
                "redhat",
                "x",
                "RC",
                "foo",
            ],
            &[".", "-", ""],
            "0123456789.-abmxASPrc_+",
        ),
        Ecosystem::NuGet => (SEMVER, &[".", "-", "+"], "0123456789.-+abRC"),
        Ecosystem::Packagist => (
            &[
                "alpha", "beta", "RC", "rc", "a", "b", "patch", "pl", "p", "dev", "stable", "x", "Beta", "DEV",
                "x-dev", "foo",
            ],
            &[".", "-", "_", "", "+"],
            "0123456789.-_+abpRCdevx@ *v",
        ),
        Ecosystem::Deb => (
            &["rc", "dfsg", "deb12u", "ubuntu", "bpo", "git", "a", "b", "build", "really", "Z"],
            &[".", "-", "~", "+", "", ":"],
            "0123456789.-~+:aZ",
        ),
        Ecosystem::Rpm => (
            &["rc", "git", "el", "fc", "a", "b", "beta", "Z", "alpha"],
            &[".", "-", "~", "^", "_", "", "+", ":"],
            "0123456789.-~^_+:aZ",
        ),
        Ecosystem::Apk => (
            &[
                "_alpha", "_beta", "_pre", "_rc", "_cvs", "_svn", "_git", "_hg", "_p", "-r", "a", "b", "~ab12", "_foo",
                "~0",
            ],
            &[".", "", "_", "-r", "~"],
            "0123456789.-_~rabpcz",
        ),
        Ecosystem::Conan => (
            &["cci", "a", "b", "alpha", "rc", "stable", "system", "1a", "rc1"],
            &[".", "-", "+", ""],
            "0123456789.-+abz_",
        ),
        Ecosystem::Go => {
            (&["alpha", "beta", "rc", "pre", "0", "rc1", "incompatible"], &[".", "-", "+"], "0123456789.-+abrcv")
        }
        _ => (SEMVER, &[".", "-", "+"], "0123456789.-+abRCxv"),
    };
    Style { words, separators, alphabet }
}

fn number(random: &mut Random) -> String {
    match random.below(20) {
        0..=4 => "0".to_owned(),
        5..=8 => "1".to_owned(),
        9..=10 => "2".to_owned(),
        11 => "10".to_owned(),
        12 => random.pick(&["9", "11", "99", "100", "3"]).to_owned(),
        13 => random.pick(&["00", "01", "007", "010"]).to_owned(),
        14 => (20_200_000 + random.below(50_000)).to_string(),
        15 => random.pick(&["2147483647", "2147483648", "4294967296", "999999999", "1000000000"]).to_owned(),
        16 if random.chance(20) => {
            random.pick(&["999999999999999999", "9007199254740991", "1000000000000000000"]).to_owned()
        }
        _ => random.below(30).to_string(),
    }
}

fn dotted(random: &mut Random, least: usize, most: usize) -> String {
    let count = least + random.below(most - least + 1);
    (0..count).map(|_| number(random)).collect::<Vec<_>>().join(".")
}

fn identifiers(style: &Style, random: &mut Random) -> String {
    let count = 1 + random.below(3);
    let one =
        |random: &mut Random| if random.chance(45) { number(random) } else { random.pick(style.words).to_owned() };
    (0..count).map(|_| one(random)).collect::<Vec<_>>().join(".")
}

fn semver(style: &Style, random: &mut Random) -> String {
    let mut text = dotted(random, 3, 3);
    if random.chance(50) {
        text += &format!("-{}", identifiers(style, random));
    }
    if random.chance(15) {
        text += &format!("+{}", identifiers(style, random));
    }
    text
}

/// Numbers, and then words and numbers with anything between.
fn loose(style: &Style, random: &mut Random, most: usize) -> String {
    let mut text = dotted(random, 1, most);
    for _ in 0..random.below(4) {
        text += random.pick(style.separators);
        if random.chance(60) {
            text += random.pick(style.words);
        }
        if random.chance(60) {
            text += &number(random);
        }
    }
    text
}

fn realistic(ecosystem: Ecosystem, random: &mut Random) -> String {
    let style = style(ecosystem);
    let optional =
        |random: &mut Random, percent: u64, text: String| if random.chance(percent) { text } else { String::new() };
    match ecosystem {
        Ecosystem::PyPi if random.chance(60) => {
            let mut text = String::new();
            if random.chance(8) {
                text += &format!("{}!", number(random));
            }
            text += &dotted(random, 1, 4);
            for words in [&style.words[..8], &style.words[8..11], &style.words[11..12]] {
                if random.chance(30) {
                    text += random.pick(&["", ".", "-", "_"]);
                    text += random.pick(words);
                    text += random.pick(&["", "", ".", "-", "_"]);
                    let digits = number(random);
                    text += &optional(random, 80, digits);
                }
            }
            if random.chance(15) {
                text += &format!("+{}", identifiers(&style, random));
            }
            text
        }
        Ecosystem::Go if random.chance(30) => {
            let mut text = format!("go{}", dotted(random, 1, 3));
            if random.chance(50) {
                text += random.pick(&["rc", "beta", "alpha"]);
                text += &number(random);
            }
            text
        }
        Ecosystem::Go => format!("v{}", semver(&style, random)),
        Ecosystem::Deb if random.chance(70) => {
            let mut text = String::new();
            if random.chance(20) {
                text += &format!("{}:", random.below(3));
            }
            text += &loose(&style, random, 3).replace(':', "");
            text + "-" + &loose(&style, random, 1).replace([':', '-'], "")
        }
        Ecosystem::Rpm if random.chance(70) => {
            let mut text = String::new();
            if random.chance(20) {
                text += &format!("{}:", random.below(3));
            }
            text += &loose(&style, random, 3).replace([':', '-'], "");
            text + "-" + &loose(&style, random, 1).replace([':', '-'], "")
        }
        Ecosystem::Apk if random.chance(70) => {
            let mut text = dotted(random, 1, 4);
            text += &optional(random, 20, "a".to_owned());
            for _ in 0..random.below(3) {
                text += random.pick(&style.words[..9]);
                let digits = number(random);
                text += &optional(random, 70, digits);
            }
            let revision = format!("-r{}", number(random));
            text + &optional(random, 60, revision)
        }
        Ecosystem::Packagist if random.chance(8) => match random.below(4) {
            0 => format!("dev-{}", random.pick(&["main", "master", "foo", "1.0"])),
            1 => random
                .pick(&["master", "trunk", "2024.01.31", "20240131", "20240131-1200", "2010-01-02-10-20-30.5"])
                .to_owned(),
            2 => format!("{}.x-dev", dotted(random, 1, 3)),
            _ => format!("{} as {}", dotted(random, 1, 3), dotted(random, 1, 3)),
        },
        Ecosystem::Cargo | Ecosystem::Npm | Ecosystem::Hex if random.chance(92) => semver(&style, random),
        Ecosystem::NuGet if random.chance(70) => {
            let tail = format!("-{}", identifiers(&style, random));
            dotted(random, 1, 4) + &optional(random, 50, tail)
        }
        Ecosystem::Packagist | Ecosystem::RubyGems | Ecosystem::Maven | Ecosystem::Conan => loose(&style, random, 4),
        _ => loose(&style, random, 3),
    }
}

/// One small change.
fn mutate(ecosystem: Ecosystem, text: &str, random: &mut Random) -> String {
    let style = style(ecosystem);
    let mut characters: Vec<char> = text.chars().collect();
    let at = random.below(characters.len() + 1);
    let other = style.alphabet.chars().nth(random.below(style.alphabet.len())).unwrap_or('0');
    match random.below(9) {
        0 if at < characters.len() => drop(characters.remove(at)),
        1 if at < characters.len() => characters[at] = other,
        2 if at + 1 < characters.len() => characters.swap(at, at + 1),
        3 if at < characters.len() => characters.insert(at, characters[at]),
        4 => characters.truncate(at),
        5 => characters.splice(at..at, random.pick(style.words).chars()).for_each(drop),
        6 => characters.splice(at..at, random.pick(style.separators).chars()).for_each(drop),
        7 => {
            // Another number in place of one.
            let is_digit = |place: &usize| characters.get(*place).is_some_and(char::is_ascii_digit);
            let start = (at..characters.len()).find(is_digit).unwrap_or(characters.len());
            let end = (start..characters.len()).find(|place| !is_digit(place)).unwrap_or(characters.len());
            characters.splice(start..end, number(random).chars()).for_each(drop);
        }
        _ => characters.insert(at, other),
    }
    characters.into_iter().collect()
}

/// A version; one in ten may be none.
pub(super) fn version(ecosystem: Ecosystem, random: &mut Random) -> String {
    let change = random.chance(10);
    mostly_valid(ecosystem, random, |random| {
        let mut text = realistic(ecosystem, random);
        if change {
            for _ in 0..=random.below(2) {
                text = mutate(ecosystem, &text, random);
            }
        }
        text
    })
}

/// In nine of ten cases goes on until what is made is a version, or until it seems hopeless.
fn mostly_valid(ecosystem: Ecosystem, random: &mut Random, make: impl Fn(&mut Random) -> String) -> String {
    let tries = if random.chance(90) { 40 } else { 1 };
    let mut text = make(random);
    for _ in 1..tries {
        if is_valid(ecosystem, &text) {
            break;
        }
        text = make(random);
    }
    text
}

/// A version to hold against another: mostly one that is almost the same.
pub(super) fn version_near(ecosystem: Ecosystem, other: &str, random: &mut Random) -> String {
    if random.chance(25) {
        return version(ecosystem, random);
    }
    mostly_valid(ecosystem, random, |random| {
        let mut text = other.to_owned();
        for _ in 0..=random.below(3) {
            text = mutate(ecosystem, &text, random);
        }
        text
    })
}

/// A bound near a version: often with fewer numbers.
fn bound(ecosystem: Ecosystem, version: &str, random: &mut Random) -> String {
    match random.below(8) {
        0..=2 => version.to_owned(),
        3 | 4 => {
            let numbers = version.split(['-', '+', '_']).next().unwrap_or_default();
            let keep = 1 + random.below(3);
            numbers.split('.').take(keep).collect::<Vec<_>>().join(".")
        }
        5 => self::version(ecosystem, random),
        _ => version_near(ecosystem, version, random),
    }
}

/// A requirement that a version may satisfy.
pub(super) fn requirement(ecosystem: Ecosystem, version: &str, random: &mut Random) -> String {
    let one = |random: &mut Random| {
        let bound = bound(ecosystem, version, random);
        let blank = random.pick(&["", "", "", " "]);
        match ecosystem {
            Ecosystem::Npm => match random.below(14) {
                0 => bound + random.pick(&[".x", ".*", ".X"]),
                1 => random.pick(&["*", "x", "", ">*", "<x", "latest"]).to_owned(),
                2 => format!("{bound} - {}", self::bound(ecosystem, version, random)),
                _ => {
                    let operator =
                        random.pick(&["^", "~", "~>", ">", ">=", "<", "<=", "=", "", "^", "~", "v", "==", "~=", "=v"]);
                    format!("{operator}{blank}{bound}")
                }
            },
            Ecosystem::PyPi => match random.below(10) {
                0 | 1 => format!("{}{blank}{bound}.*", random.pick(&["==", "!="])),
                _ => {
                    let operators = ["==", "!=", "~=", "~=", ">", ">=", "<", "<=", "===", ">", "<", "="];
                    format!("{}{blank}{bound}", random.pick(&operators))
                }
            },
            Ecosystem::RubyGems => {
                let operators = ["=", "!=", "~>", "~>", "~>", ">", ">=", "<", "<=", "", "=>"];
                format!("{}{blank}{bound}", random.pick(&operators))
            }
            Ecosystem::Maven => {
                let other = self::bound(ecosystem, version, random);
                let (open, close) = (random.pick(&["[", "("]), random.pick(&["]", ")"]));
                match random.below(6) {
                    0 => format!("[{bound}]"),
                    1 => format!("{open}{bound},{close}"),
                    2 => format!("{open},{bound}{close}"),
                    _ => format!("{open}{bound},{blank}{other}{close}"),
                }
            }
            Ecosystem::Packagist => match random.below(14) {
                0 | 1 => bound + random.pick(&[".*", ".x", ".*.*"]),
                2 => random.pick(&["*", "dev-main", "x.x", "dev-master#abc", "@dev", "1.x-dev", "v*"]).to_owned(),
                3 => format!("{bound} - {}", self::bound(ecosystem, version, random)),
                4 => format!(
                    "{}{bound}@{}",
                    random.pick(&[">=", "<", "", "^", "~"]),
                    random.pick(&["dev", "beta", "RC", "stable"])
                ),
                _ => {
                    let operators = ["^", "~", "^", "~", ">", ">=", "<", "<=", "=", "", "!=", "<>", "==", "~>"];
                    format!("{}{blank}{bound}", random.pick(&operators))
                }
            },
            _ => bound,
        }
    };
    let mut text = one(random);
    let joins: &[&str] = match ecosystem {
        Ecosystem::Npm => &[" ", " ", "||", " || "],
        Ecosystem::Packagist => &[" ", ",", ", ", "||", " || ", "|"],
        Ecosystem::PyPi | Ecosystem::RubyGems => &[",", ", "],
        _ => &[","],
    };
    for _ in 0..random.below(5).saturating_sub(2) {
        text += random.pick(joins);
        text += &one(random);
    }
    if random.chance(10) {
        text = mutate(ecosystem, &text, random);
    }
    text
}
