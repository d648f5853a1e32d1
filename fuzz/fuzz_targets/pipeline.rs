//! Files of pipelines: every reader ends, findings are safe to print, and a patch leaves a file that can be read.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_config::{JobRights, Repository, findings, patch, rights};
use provost_formats::pipeline::Limits;

fuzz_target!(|data: &[u8]| {
    let limits = Limits { jobs: 20, steps: 20, ..Limits::default() };
    let Some((first, bytes)) = data.split_first() else { return };
    let path = [".github/workflows/x.yml", "action.yml", ".gitlab-ci.yml"][usize::from(first % 3)];
    let mut repository = Repository::new();
    repository.add(path, bytes, &limits);
    let all = rights(&repository);
    for finding in findings::all(&repository, &all) {
        assert_eq!(provost_model::printable(&finding.message), finding.message);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let jobs: Vec<&JobRights> = all.iter().collect();
    let patch = patch::patch(path, text, &jobs, &limits);
    for line in patch.diff.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")) {
        assert!(text.contains(&line[1..]), "{line}");
    }
});
