//! Configuration files.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost::config::Config;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(config) = Config::parse(text)
    {
        assert!(!config.project_id.contains(['/', '.']));
        std::hint::black_box(provost_trace_selection(&config));
    }
});

fn provost_trace_selection(config: &Config) -> usize {
    config.materials_include.len() + config.artifacts_include.len()
}
