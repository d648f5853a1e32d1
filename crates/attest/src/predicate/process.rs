//! The process attestation as a runtime trace v0.2 (in-toto Attestation, `predicates/runtime-trace.md`). SP 800-204D
//! 5.1.1 calls this attestation best effort, and so does the statement itself.

use std::collections::BTreeMap;

use provost_model::{Ending, Execution, Finding, Timestamp, Violation};
use serde::{Deserialize, Serialize};

use crate::ResourceDescriptor;

/// The process attestation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Who watched.
    pub monitor: Monitor,
    /// What was watched.
    pub monitored_process: MonitoredProcess,
    /// What was seen.
    pub monitor_log: MonitorLog,
    /// When.
    pub metadata: TraceMetadata,
    /// Which step this was. An extension field.
    #[serde(rename = "provost_step")]
    pub step: String,
    /// What the log does and does not cover. An extension field.
    #[serde(rename = "provost_completeness")]
    pub completeness: Completeness,
    /// What the run was held to, and what it did against it. An extension field.
    #[serde(rename = "provost_guard", default)]
    pub guard: Guarding,
    /// The whole observation as a blob, where it is too long for the statement. An extension field.
    #[serde(rename = "provost_observation", default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<ResourceDescriptor>,
}

/// What a run was held to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guarding {
    /// `prevent`, `detect`, or empty when nobody watched.
    #[serde(default)]
    pub mode: String,
    /// Layers that were active.
    #[serde(default)]
    pub layers: Vec<String>,
    /// What was done or tried against the guard; at most 500 of them.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// How many there were.
    #[serde(default)]
    pub violation_count: usize,
    /// Suspicious behaviour; at most 500 findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Who watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitor {
    /// `urn:provost:monitor:<back end>:v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Version and back end.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub trace_policy: BTreeMap<String, serde_json::Value>,
}

/// What was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitoredProcess {
    /// The host or the CI platform.
    #[serde(rename = "hostID")]
    pub host_id: String,
    /// The build type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The run's invocation id: joins the statements of one run.
    pub event: String,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MonitorLog {
    /// Processes.
    #[serde(default)]
    pub process: Vec<ProcessEvent>,
    /// Network activity, one object an event, questions for names among them; empty without kernel-level observation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<serde_json::Value>,
    /// Files, with digests at use; empty without kernel-level observation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file_access: Vec<ResourceDescriptor>,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessEvent {
    /// Process id, as the supervisor sees it.
    pub pid: u32,
    /// The program, by path and digest, when it could be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ResourceDescriptor>,
    /// The command and its arguments.
    pub arguments: Vec<String>,
    /// Where it ran.
    pub working_directory: String,
    /// Names of allow-listed environment variables that were set; values only where the policy names them.
    pub environment: BTreeMap<String, Option<String>>,
    /// Start.
    pub started_on: Timestamp,
    /// End; that of the run where its own was not seen.
    pub finished_on: Timestamp,
    /// How it ended; absent where that could not be learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// Its number in this run, which the file accesses refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// The number of the process that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The programs that it executed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Execution>,
}

/// When it was watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceMetadata {
    /// Before the command was started.
    pub build_started_on: Timestamp,
    /// After it had ended.
    pub build_finished_on: Timestamp,
}

/// What a log covers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completeness {
    /// True only when every process, file and connection was seen and no event was lost.
    pub complete: bool,
    /// Events that were lost; `None` where the back end has no events to lose.
    pub events_lost: Option<u64>,
    /// Descendants still running when the command had ended.
    pub left_running: u32,
    /// What the back end cannot see, one sentence each.
    pub not_seen: Vec<String>,
    /// The back end: `notify`, `ptrace`, `ebpf`, or `none`.
    #[serde(default)]
    pub back_end: String,
    /// Why better back ends were not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_used: Vec<String>,
    /// System calls that were observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls_observed: Vec<String>,
    /// System calls that are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls_refused: Vec<String>,
    /// Services that work was handed to: what they did is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegated: Vec<String>,
    /// Why it is not complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// Counters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// How it compares with what another back end saw of the same run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<provost_model::Compared>,
}

impl Process {
    /// The wrapped command's own event: the first.
    pub fn command(&self) -> Option<&ProcessEvent> {
        self.monitor_log.process.first()
    }
}
