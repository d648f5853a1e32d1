//! The specification's documents, changed at random: what is still read can be written in every format, is read again from
//! there, and then writes the same bytes. `PROVOST_MUTATIONS` names the number of changed documents of each.

use provost_formats::sbom::{self, Bom, cyclonedx, diff, spdx2};
use provost_formats::vex;
use provost_testkit::{files_below, vectors};
use serde_json::{Value, json};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap_or(0) % limit.max(1)
    }
}

const STRANGE: &[&str] = &[
    "",
    " ",
    "NONE",
    "NOASSERTION",
    "SPDXRef-DOCUMENT",
    "SPDXRef-a",
    "DocumentRef-a:LicenseRef-b",
    "LicenseRef-x",
    "a\nb",
    "a=b",
    "x:y=z",
    "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#a",
    "pkg:npm/a@1",
    "pkg:npm/%40a/b",
    "\u{202e}\u{0}",
    "ä",
    "provost:name",
    "provost:scopes",
    "provost:incomplete",
    "provost:dependencies",
    "provost:location",
    "complete",
    "MIT",
    "BSD",
    "MIT AND (ISC OR x)",
    "GPL-2.0-only WITH none",
    "1:2-3",
    "sha256:ab",
    "https://example.org/a b",
    "git+ssh://git@a/b@c",
];

/// Changes one place of a document.
fn change(value: &mut Value, random: &mut Random, texts: &[String]) {
    match value {
        Value::Object(map) if !map.is_empty() && random.below(60) > 0 => {
            let index = random.below(map.len());
            let Some(name) = map.keys().nth(index).cloned() else { return };
            match random.below(40) {
                0 => drop(map.remove(&name)),
                1 => {
                    let copied = map[&name].clone();
                    let other = map.keys().nth(random.below(map.len())).cloned().unwrap_or(name);
                    map.insert(other, copied);
                }
                _ => change(&mut map[&name], random, texts),
            }
        }
        Value::Array(list) if !list.is_empty() && random.below(60) > 0 => {
            let index = random.below(list.len());
            match random.below(40) {
                0 => drop(list.remove(index)),
                1 => list.push(list[index].clone()),
                _ => change(&mut list[index], random, texts),
            }
        }
        other => {
            *other = match random.below(8) {
                0 => json!([{"name": "provost:location", "value": "a:b:3"}]),
                1 => json!([{"license": {"name": "Some text"}}, {"expression": "MIT OR ISC"}]),
                2 | 3 => STRANGE[random.below(STRANGE.len())].into(),
                4 => random.below(5).into(),
                _ if texts.is_empty() => Value::Null,
                _ => texts[random.below(texts.len())].clone().into(),
            };
        }
    }
}

fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|one| texts(one, out)),
        Value::Object(map) => map.values().for_each(|one| texts(one, out)),
        _ => {}
    }
}

fn check(bom: &Bom) {
    let _ = (bom.stated(), vex::from_bom(bom));
    assert!(diff(bom, bom).is_empty());
    let writers: [fn(&Bom) -> String; 3] = [
        |bom| cyclonedx::write(bom, cyclonedx::Edition::V1_6),
        |bom| cyclonedx::write(bom, cyclonedx::Edition::V1_7),
        spdx2::write,
    ];
    for write in writers {
        let once = write(bom);
        let again = sbom::read(once.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{once}"));
        let twice = write(&again);
        let third = write(&sbom::read(twice.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{twice}")));
        assert_eq!(twice, third);
        let count = |bom: &Bom| bom.subject.iter().chain(&bom.components).count();
        assert!(count(&again) >= count(bom), "{once}");
    }
}

#[test]
fn changed_documents() {
    let Some(folder) = vectors("cyclonedx/tools") else { return };
    let rounds: u64 = std::env::var("PROVOST_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let (mut read, mut refused) = (0, 0);
    for (index, path) in files_below(&folder).into_iter().enumerate() {
        let original: Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
        let mut documents = vec![original.clone()];
        if let Ok(bom) = sbom::read_value(&original) {
            documents.push(serde_json::from_str(&spdx2::write(&bom)).expect("JSON"));
        }
        for original in documents {
            let mut known = Vec::new();
            texts(&original, &mut known);
            let mut random = Random(index as u64 * 7919 + 1);
            for _ in 0..rounds {
                let mut document = original.clone();
                for _ in 0..random.below(3) + 1 {
                    change(&mut document, &mut random, &known);
                }
                match sbom::read_value(&document) {
                    Ok(bom) => {
                        read += 1;
                        check(&bom);
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    println!("{read} read, {refused} refused");
    assert!(read > refused / 10, "{read} read, {refused} refused");
}
