//! Rule files, foreign ones too, suppressions and baselines; what loads can be run.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_scan::{Baseline, Suppressions};
use provost_secrets::{Options, RuleSet, Secrets, import};

fuzz_target!(|data: &[u8]| {
    if let Ok(baseline) = Baseline::parse(data) {
        let text = baseline.to_json().expect("it is written");
        assert_eq!(Baseline::parse(text.as_bytes()).expect("own output is readable"), baseline);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Suppressions::parse(text, "fuzz");
    for name in ["rules.toml", "rules.yml"] {
        let mut set = RuleSet::new();
        let _ = set.add(text, name);
        let _ = import(&mut set, text, name);
        if !set.rules.is_empty() && set.check().is_ok() {
            let secrets = Secrets::new(set, Options::default());
            std::hint::black_box(secrets.try_text(data, "x").len());
        }
    }
});
