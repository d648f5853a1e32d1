//! What the last passing run of a step did: the measure for "new".

use std::collections::{BTreeMap, BTreeSet};

use provost_model::{Digest, NetworkKind, Observation, Use};
use serde::{Deserialize, Serialize};

/// Hosts and tools of a passing run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Names, or addresses where there were no names, that it connected to.
    pub hosts: BTreeSet<String>,
    /// Programs that it executed, by path.
    pub tools: BTreeMap<String, Digest>,
}

impl Baseline {
    /// From what was seen. Programs that the run built are no tools.
    pub fn of(observation: &Observation) -> Self {
        let tools = observation
            .files
            .iter()
            .filter(|file| file.uses.contains(&Use::Executed) && file.first_use < Use::Written)
            .filter_map(|file| Some((file.name.text.clone(), *file.digests.first()?)))
            .collect();
        Self { hosts: hosts(observation).into_keys().collect(), tools }
    }
}

/// Hosts outside the machine, each with the first process that asked for it.
pub(crate) fn hosts(observation: &Observation) -> BTreeMap<String, u32> {
    let mut hosts = BTreeMap::new();
    for event in &observation.network {
        let outward = matches!(event.kind, NetworkKind::Connect | NetworkKind::Datagram);
        let internet = matches!(event.protocol.as_str(), "tcp" | "udp");
        let own = event.address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if !outward || !internet || own && event.name.is_none() {
            continue;
        }
        hosts.entry(event.name.clone().unwrap_or_else(|| event.address.clone())).or_insert(event.process);
    }
    hosts
}
