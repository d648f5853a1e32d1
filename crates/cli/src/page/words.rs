//! What an observation covers, in plain words.

use provost_attest::predicate::Process;
use provost_model::{BackEnd, Observation, count, human_bytes, printable};

/// One line of the section: a label, what is to be said, and a longer list that opens.
pub(crate) struct Said {
    pub(crate) label: &'static str,
    /// `ok`, `none`, `bad` or nothing; [`Said::word`] says the same without colour.
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
    pub(crate) text: String,
    pub(crate) list: Vec<String>,
}

/// How an observation stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody watched: never a pass.
    NoEvidence,
    /// Somebody watched, and it is not all.
    Partial,
    /// Nothing was lost.
    Complete,
}

impl Standing {
    pub(crate) fn of(process: &Process) -> Self {
        let completeness = &process.completeness;
        if completeness.back_end.is_empty() || completeness.back_end == BackEnd::None.name() {
            Self::NoEvidence
        } else if completeness.complete && completeness.left_running == 0 {
            Self::Complete
        } else {
            Self::Partial
        }
    }

    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::NoEvidence => "none",
            Self::Partial => "bad",
            Self::Complete => "ok",
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NoEvidence => "no evidence: nobody watched",
            Self::Partial => "watched, not complete",
            Self::Complete => "watched, nothing lost",
        }
    }
}

/// Everything there is to say of what was and was not seen.
pub(crate) fn completeness(process: &Process, observation: &Observation, missing: Option<&str>) -> Vec<Said> {
    let stated = &process.completeness;
    let counter = |name: &str| stated.counters.get(name).copied().unwrap_or(0);
    let mut all = Vec::new();
    let mut say = |label, (class, word): (&'static str, &'static str), text: String, list: &[String]| {
        let list = list.iter().map(|line| printable(line)).collect();
        all.push(Said { label, class, word, text: printable(&text), list });
    };
    if Standing::of(process) == Standing::NoEvidence {
        say(
            "who watched",
            ("none", "no evidence"),
            format!(
                "Nobody{}. The files of the tree were read before and after the command; what it did in between is not \
                 known. That there is no violation here says nothing.",
                if stated.not_used.is_empty() { String::new() } else { format!(": {}", stated.not_used.join("; ")) }
            ),
            &[],
        );
        say("not seen", ("", ""), count(stated.not_seen.len() as u64, "thing", "things"), &stated.not_seen);
        left_running(process, &mut say);
        return all;
    }
    let how = match stated.back_end.as_str() {
        "notify" => {
            "provost, from the kernel's side: calls stop until it has answered (seccomp notification), and it \
             opens their files itself"
        }
        "ptrace" => "provost, as the processes' tracer (ptrace)",
        "ebpf" => "provost, through the kernel's trace points (eBPF), after each event",
        _ => "a back end that this version does not know",
    };
    say(
        "who watched",
        ("", ""),
        format!("{how}. {} looked at.", count(counter("calls"), "call was", "calls were")),
        &stated.not_used.iter().map(|why| format!("A better way was not used: {why}")).collect::<Vec<_>>(),
    );
    match stated.events_lost {
        Some(0) => say("lost", ("ok", "nothing"), "No event was lost.".into(), &[]),
        Some(lost) => {
            say("lost", ("bad", "incomplete"), format!("{} lost.", count(lost, "event was", "events were")), &[])
        }
        None => say("lost", ("none", "not known"), "The back end does not count what it loses.".into(), &[]),
    }
    for why in stated.incomplete.iter().map(String::as_str).chain(missing) {
        say("incomplete", ("bad", "incomplete"), why.to_owned(), &[]);
    }
    if !stated.delegated.is_empty() {
        say(
            "handed over",
            ("bad", "not seen"),
            format!(
                "Work was handed to {}; what they did for the run happened in their own processes and was not seen.",
                count(stated.delegated.len() as u64, "service", "services")
            ),
            &stated.delegated,
        );
    } else {
        say("handed over", ("ok", "nothing"), "No work was handed to a known daemon.".into(), &[]);
    }
    left_running(process, &mut say);
    if counter("continued") > 0 || counter("unreadable") > 0 {
        say(
            "less sure",
            ("none", "less sure"),
            format!(
                "{} left to the kernel with the path as it was asked for; of {} the arguments could not be read.",
                count(counter("continued"), "call was", "calls were"),
                count(counter("unreadable"), "call", "calls"),
            ),
            &[],
        );
    }
    if counter("parentUnknown") > 0 {
        say(
            "less sure",
            ("none", "less sure"),
            format!("Of {} the parent could not be learned.", count(counter("parentUnknown"), "process", "processes")),
            &[],
        );
    }
    say(
        "digests",
        ("", ""),
        format!(
            "{} hashed at use ({}); {} remembered from earlier runs, for files whose device, inode, size and times \
             stayed the same.",
            count(counter("hashedFiles"), "content was", "contents were"),
            human_bytes(counter("hashedBytes")),
            count(counter("rememberedDigests"), "digest was", "digests were"),
        ),
        &[],
    );
    let problems = observation.files.iter().filter(|file| file.problem.is_some()).count();
    if problems > 0 {
        say(
            "digests",
            ("none", "less sure"),
            format!(
                "{} without a certain digest; the list below says why.",
                count(problems as u64, "file is", "files are")
            ),
            &[],
        );
    }
    say(
        "not seen",
        ("", ""),
        format!("{} in principle.", count(stated.not_seen.len() as u64, "thing is not seen", "things are not seen")),
        &stated.not_seen,
    );
    say(
        "refused",
        ("", ""),
        format!(
            "{} refused to every command, so that nothing goes past the observer.",
            count(stated.calls_refused.len() as u64, "system call is", "system calls are")
        ),
        &stated.calls_refused,
    );
    say(
        "observed",
        ("", ""),
        format!("{} observed.", count(stated.calls_observed.len() as u64, "system call is", "system calls are")),
        &stated.calls_observed,
    );
    let guard = &process.guard;
    let mode = match guard.mode.as_str() {
        "prevent" => "What the guard does not allow was refused, and the step fails.",
        "detect" => "What the guard does not allow was recorded and let through.",
        _ => "No guard is stated.",
    };
    let layers = if guard.layers.is_empty() {
        String::new()
    } else {
        format!(
            "{} active.",
            count(guard.layers.len() as u64, "layer of confinement was", "layers of confinement were")
        )
    };
    say("guard", ("", ""), format!("{mode} {layers}").trim_end().to_owned(), &guard.layers);
    all
}

type Say<'a> = dyn FnMut(&'static str, (&'static str, &'static str), String, &[String]) + 'a;

fn left_running(process: &Process, say: &mut Say<'_>) {
    let left = process.completeness.left_running;
    if left > 0 {
        say(
            "left running",
            ("bad", "incomplete"),
            format!(
                "{} still there when the command had ended, and ended then.",
                count(u64::from(left), "process was", "processes were")
            ),
            &[],
        );
    }
}
