//! What stands here in a build without the programs: nothing can be attached, and the reason says so.

use super::super::Live;
use super::super::eyes::Finished;
use super::super::guard::Rules;
use super::super::record::Record;
use super::super::tracee::Proc;

/// No program was ever built in.
pub(crate) enum Programs {}

impl Programs {
    pub(crate) fn attach(_hidden_may_be_tried: bool) -> Result<Self, String> {
        Err("this provost was built without eBPF: build it with `cargo build --release --features ebpf`, or use `--observe notify`".into())
    }
}

pub(crate) struct Beginning {
    pub(crate) programs: Programs,
    pub(crate) record: Record,
    pub(crate) proc: Proc,
    pub(crate) rules: Rules,
    pub(crate) own_processes: bool,
    pub(crate) digests: bool,
    pub(crate) command: i32,
}

/// Nothing can be watched without programs.
pub(crate) enum Watch {}

impl Watch {
    pub(crate) fn start(beginning: Beginning) -> Result<Self, String> {
        let Beginning { programs, record, proc, rules, own_processes, digests, command } = beginning;
        drop((record, proc, rules, own_processes, digests, command));
        match programs {}
    }

    pub(crate) fn living(&self) -> Vec<i32> {
        match *self {}
    }

    pub(crate) fn flooded(&self, _count: usize) {
        match *self {}
    }

    pub(crate) fn live(&self) -> Live {
        match *self {}
    }

    pub(crate) fn finish(self, _layers: Vec<String>, _left: u32, _before: i64) -> Finished {
        match self {}
    }
}
