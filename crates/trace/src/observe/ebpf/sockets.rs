//! Connections, datagrams, listeners: by the address that the kernel used, where it tells.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use nix::libc;
use provost_model::{NameQuestion, NetworkEvent, NetworkKind, Permission};

use super::super::address::{self, Address, describe, plain};
use super::super::dns;
use super::super::guard::NetworkRule;
use super::super::network::{Kind, protocol};
use super::collect::Collector;
use super::layout::{Event, PEER};

impl Collector {
    fn event_of(&self, event: &Event, kind: NetworkKind, address: &Address) -> NetworkEvent {
        let (text, port) = describe(address);
        let delegated_to = match address {
            Address::Unix(_) | Address::Abstract(_) => address::service(&text).map(str::to_owned),
            _ => None,
        };
        let error = (event.result < 0 && event.result != -i64::from(libc::EINPROGRESS))
            .then(|| Errno::from_raw(-event.result as i32).desc().to_owned());
        NetworkEvent {
            kind,
            process: self.id_of(event.process),
            at: self.record.now(),
            protocol: protocol(Kind { domain: event.family, kind: event.socket_type & 0xf }).to_owned(),
            address: text,
            port,
            name: None,
            asked_for: None,
            delegated_to,
            permission: Permission::Allowed,
            error,
            count: 1,
        }
    }

    /// An address that the kernel is about to use: a connection waits for its result, a datagram does not.
    pub(super) fn address(&mut self, event: Event) {
        if event.number == 1 {
            self.datagram(&event, event.bytes(0));
        }
        let waiting = self.addresses.entry(event.thread).or_default();
        if waiting.len() < 1024 {
            waiting.push(event);
        }
    }

    fn datagram(&mut self, event: &Event, bytes: &[u8]) {
        let Some(to) = address::parse(bytes) else { return };
        let recorded = self.event_of(event, NetworkKind::Datagram, &to);
        if let Address::Internet(address) = to {
            self.judge_address(event, &recorded, address);
        }
        if !matches!(to, Address::Nothing) && event.family != libc::AF_NETLINK {
            self.record.network(recorded);
        }
    }

    fn judge_address(&mut self, event: &Event, recorded: &NetworkEvent, address: SocketAddr) {
        let own = plain(address.ip()).is_loopback() || plain(address.ip()).is_unspecified();
        if !own && !matches!(self.rules.guard.network, NetworkRule::Host) && address.port() != 0 {
            let to = SocketAddr::new(plain(address.ip()), address.port());
            self.violation(event, "network", format!("{} {to}", recorded.protocol));
        }
    }

    /// What the kernel told of addresses, when no call of the same thread took it up.
    pub(super) fn flush_addresses(&mut self, process: i32) {
        let threads: Vec<i32> =
            self.addresses.iter().filter(|(_, list)| list.iter().any(|e| e.process == process)).map(|e| *e.0).collect();
        for thread in threads {
            for event in self.addresses.remove(&thread).unwrap_or_default() {
                self.connection(&event, event.bytes(0), 0);
            }
        }
    }

    fn connection(&mut self, event: &Event, bytes: &[u8], result: i64) {
        if event.number != 0 {
            return;
        }
        let Some(to @ Address::Internet(address)) = address::parse(bytes) else { return };
        let mut recorded = self.event_of(event, NetworkKind::Connect, &to);
        if result < 0 && result != -i64::from(libc::EINPROGRESS) {
            recorded.error = Some(Errno::from_raw(-result as i32).desc().to_owned());
        }
        self.judge_address(event, &recorded, address);
        // Resolvers try addresses with port 0 to see which way they would go: no packet leaves.
        if address.port() != 0 {
            self.record.network(recorded);
        }
    }

    pub(super) fn connected(&mut self, event: &Event) {
        let told: Vec<Event> = self.addresses.remove(&event.thread).unwrap_or_default();
        if !told.is_empty() {
            for address in &told {
                self.connection(address, address.bytes(0), event.result);
            }
            return;
        }
        let Some(to) = address::parse(event.bytes(0)) else { return };
        match &to {
            Address::Internet(address) => {
                let recorded = self.event_of(event, NetworkKind::Connect, &to);
                self.judge_address(event, &recorded, *address);
                if address.port() != 0 {
                    self.record.network(recorded);
                }
            }
            Address::Nothing => {}
            Address::Unix(_) | Address::Abstract(_) => self.connected_locally(event, &to),
            Address::Other(_) => {
                let recorded = self.event_of(event, NetworkKind::Connect, &to);
                self.record.network(recorded);
            }
        }
    }

    fn connected_locally(&mut self, event: &Event, to: &Address) {
        // Where the kernel tells which socket it was, that is the address.
        let to = match (event.has_name(2).then(|| event.walked(2)).flatten(), address::parse(event.bytes(1))) {
            (Some(path), _) => Address::Unix(path),
            (None, Some(told @ Address::Abstract(_))) => told,
            _ => to.clone(),
        };
        let recorded = self.event_of(event, NetworkKind::Connect, &to);
        if let Some(service) = &recorded.delegated_to
            && event.result >= 0
        {
            let what = format!("{service} at {}", recorded.address);
            self.violation(event, "delegation", what);
        }
        if event.flags & PEER != 0 && !self.followed.contains_key(&event.other) && self.daemons.len() < 1000 {
            let name = recorded.delegated_to.clone().unwrap_or_else(|| "a daemon".into());
            self.daemons
                .entry(event.other)
                .or_insert_with(|| format!("{name} at {} (process {})", recorded.address, event.other));
        }
        self.record.network(recorded);
    }

    pub(super) fn bound(&mut self, event: &Event) {
        if let Some(to) = address::parse(event.bytes(0))
            && !matches!(to, Address::Other(_) | Address::Nothing)
        {
            let recorded = self.event_of(event, NetworkKind::Bind, &to);
            self.record.network(recorded);
        }
    }

    pub(super) fn listened(&mut self, event: &Event) {
        let bytes = event.bytes(0);
        let port = event.other as u16;
        let here = match event.family {
            libc::AF_INET => <[u8; 4]>::try_from(bytes).ok().map(|b| IpAddr::V4(Ipv4Addr::from(b))),
            libc::AF_INET6 => <[u8; 16]>::try_from(bytes).ok().map(|b| IpAddr::V6(Ipv6Addr::from(b))),
            _ => None,
        };
        let here = match here {
            Some(ip) => Some(Address::Internet(SocketAddr::new(ip, port))),
            None => address::parse(event.bytes(1)),
        };
        if let Some(here) = here {
            let recorded = self.event_of(event, NetworkKind::Listen, &here);
            self.record.network(recorded);
        }
    }

    /// A call that sent something: its datagrams were told by the kernel, or are taken from the caller's memory.
    pub(super) fn sent(&mut self, event: &Event) {
        let told = self.addresses.get_mut(&event.thread).map(std::mem::take).unwrap_or_default();
        let mut used = false;
        let mut rest = Vec::new();
        for address in told {
            match address.number {
                0 => self.connection(&address, address.bytes(0), event.result), // fast open
                _ if used => {
                    rest.push(address);
                    continue;
                }
                _ => {}
            }
            used = true;
        }
        if !rest.is_empty() {
            self.addresses.insert(event.thread, rest);
        }
        if !used && !event.bytes(0).is_empty() && event.result >= 0 {
            let bytes = event.bytes(0).to_vec();
            self.datagram(event, &bytes);
        }
        self.question_of(event);
    }

    /// A name that was asked for, in what was sent to port 53.
    pub(super) fn question_of(&mut self, event: &Event) {
        let data = event.bytes(2);
        // Over TCP a length comes first.
        let Some(question) = dns::question(data).or_else(|| dns::question(data.get(2..)?)) else { return };
        let (at, record) = (self.record.now(), question.record_name());
        let process = Some(self.id_of(event.process));
        let permission = Permission::Allowed;
        self.record.question(NameQuestion { name: question.name, record, process, at, answers: None, permission });
    }

    /// Sockets of unusual kinds: raw, packet, vsock, netlink but for routing.
    pub(super) fn unusual_socket(&mut self, event: &Event) {
        let (domain, kind, number) = (event.number_at(0), event.number_at(1) & 0xf, event.number_at(2));
        let usual = match domain {
            libc::AF_UNIX => true,
            libc::AF_NETLINK => number == 0,
            libc::AF_INET | libc::AF_INET6 => kind != libc::SOCK_RAW && kind != 10,
            _ => false,
        };
        if usual {
            return;
        }
        let mut recorded = self.event_of(event, NetworkKind::Socket, &Address::Other(domain as u16));
        recorded.protocol = protocol(Kind { domain, kind }).to_owned();
        recorded.address = format!("family {domain}, type {kind}, protocol {number}");
        if !matches!(self.rules.guard.network, NetworkRule::Host) {
            self.violation(event, "network", format!("a socket of {}", recorded.address));
        }
        self.record.network(recorded);
    }
}
