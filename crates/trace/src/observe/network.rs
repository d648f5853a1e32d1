//! Network calls: the supervisor connects and sends on a copy of the caller's socket, to an address that it read once.

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Arc, PoisonError};

use nix::errno::Errno;
use nix::libc;
use provost_model::{NameQuestion, NetworkEvent, NetworkKind, Permission};

pub(crate) use super::forward::Forwarding;

use super::address::{self, Address, describe, plain};
use super::dns;
use super::guard::NetworkRule;
use super::notify::{Notifier, Reply};
use super::sys::{self, Notification};
use super::tracee::{read_exact, read_word};

/// What a socket is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) domain: i32,
    pub(crate) kind: i32,
}

fn option(socket: &OwnedFd, name: i32) -> Option<i32> {
    let mut value: i32 = 0;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel writes at most four bytes into our own live integer.
    let done = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut length)
    };
    (done == 0).then_some(value)
}

fn kind(socket: &OwnedFd) -> Option<Kind> {
    Some(Kind { domain: option(socket, libc::SO_DOMAIN)?, kind: option(socket, libc::SO_TYPE)? })
}

pub(crate) fn protocol(kind: Kind) -> &'static str {
    match (kind.domain, kind.kind) {
        (libc::AF_UNIX, _) => "unix",
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_STREAM) => "tcp",
        (libc::AF_INET | libc::AF_INET6, libc::SOCK_DGRAM) => "udp",
        (libc::AF_INET | libc::AF_INET6, _) => "raw",
        (libc::AF_NETLINK, _) => "netlink",
        (libc::AF_PACKET, _) => "packet",
        (libc::AF_VSOCK, _) => "vsock",
        _ => "other",
    }
}

fn connect_raw(socket: &OwnedFd, bytes: &[u8]) -> Result<i64, Errno> {
    // SAFETY: the address is our own buffer of this length, live through the call.
    unsafe {
        sys::call(libc::SYS_connect, [socket.as_raw_fd() as usize, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0])
    }
}

fn local_port(socket: &OwnedFd) -> Option<u16> {
    let mut bytes = [0_u8; 128];
    let mut length = bytes.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into our own live buffer.
    let done = unsafe { libc::getsockname(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), &raw mut length) };
    match address::parse(bytes.get(..length as usize)?) {
        Some(Address::Internet(here)) if done == 0 => Some(here.port()),
        _ => None,
    }
}

fn is_blocking(socket: &OwnedFd) -> bool {
    // SAFETY: the descriptor is ours and live; the call reads no memory.
    let flags = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK == 0
}

/// The bytes of an internet address, for a socket of this domain.
fn to_bytes(address: SocketAddr, domain: i32) -> Vec<u8> {
    let mut out = Vec::with_capacity(28);
    match (address, domain) {
        (SocketAddr::V4(v4), libc::AF_INET) => {
            out.extend((libc::AF_INET as u16).to_le_bytes());
            out.extend(v4.port().to_be_bytes());
            out.extend(v4.ip().octets());
            out.extend([0; 8]);
        }
        (address, _) => {
            let ip = match address.ip() {
                std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                std::net::IpAddr::V6(v6) => v6,
            };
            out.extend((libc::AF_INET6 as u16).to_le_bytes());
            out.extend(address.port().to_be_bytes());
            out.extend([0; 4]);
            out.extend(ip.octets());
            out.extend([0; 4]);
        }
    }
    out
}

impl Notifier {
    fn event(&self, tgid: i32, kind: NetworkKind, protocol: &str, address: &Address) -> NetworkEvent {
        let (text, port) = describe(address);
        let delegated = match address {
            Address::Unix(_) | Address::Abstract(_) => address::service(&text).map(str::to_owned),
            _ => None,
        };
        NetworkEvent {
            kind,
            process: self.id_of(tgid),
            at: self.record.now(),
            protocol: protocol.to_owned(),
            address: text,
            port,
            name: None,
            asked_for: None,
            delegated_to: delegated,
            permission: Permission::Allowed,
            error: None,
            count: 1,
        }
    }

    /// Where the program that a process runs lies.
    fn program_of(&self, tgid: i32) -> String {
        let id = self.id_of(tgid) as usize;
        let mut at = self.record.processes.get(id);
        while let Some(process) = at {
            if let Some(program) = process.programs.last() {
                return program.path.text.clone();
            }
            at = process.parent.and_then(|parent| self.record.processes.get(parent as usize));
        }
        String::new()
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn connect(&mut self, n: &Notification, _tid: i32, tgid: i32, fd: i32, to: u64, length: u64) -> Reply {
        let (to, bytes) = match address::read(n.pid.cast_signed(), to, length) {
            Ok(read) => read,
            Err(errno) => return Reply::Done(Err(errno)),
        };
        let socket = match self.borrow(tgid, fd) {
            Ok(socket) => socket,
            Err(errno) => return Reply::Done(Err(errno)),
        };
        let Some(kind) = kind(&socket) else { return Reply::Done(Err(Errno::ENOTSOCK)) };
        if !self.listener.is_valid(n.id) {
            return Reply::Later;
        }
        // An address of another family than the socket's: no kernel connects it, and it must not be read once more.
        let unix = matches!(to, Address::Unix(_) | Address::Abstract(_));
        if unix != (kind.domain == libc::AF_UNIX) && !matches!(to, Address::Nothing | Address::Other(_)) {
            return Reply::Done(Err(if unix { Errno::EAFNOSUPPORT } else { Errno::EINVAL }));
        }
        match &to {
            Address::Internet(address) => self.connect_internet(n, tgid, fd, socket, kind, *address, bytes),
            Address::Nothing => Reply::Done(connect_raw(&socket, &bytes)),
            Address::Unix(_) | Address::Abstract(_) => self.connect_unix(n, tgid, &socket, kind, &to, &bytes),
            Address::Other(_) => {
                let event = self.event(tgid, NetworkKind::Connect, protocol(kind), &to);
                self.record.network(event);
                Reply::GoOn
            }
        }
    }

    /// A socket file's path as the run's own record knows it: its directory resolved, its name as it is.
    fn socket_file(&mut self, tid: i32, tgid: i32, path: &[u8]) -> Option<Vec<u8>> {
        let start = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        let (folder, name) = path.split_at(start);
        let base = if path.first() == Some(&b'/') { None } else { Some(self.base(tid, tgid, libc::AT_FDCWD).ok()?) };
        let mut resolved = if folder.is_empty() {
            base?.path.clone()
        } else {
            let folder = super::notify::c_string(folder).ok()?;
            let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
            let fd = sys::open_at(base.as_ref().map(|b| b.fd.as_fd()), &folder, flags, 0, 0x02).ok()?;
            self.proc.path_of(fd.as_fd())?
        };
        if resolved.last() != Some(&b'/') {
            resolved.push(b'/');
        }
        resolved.extend_from_slice(name);
        Some(resolved)
    }

    /// What a socket file's path leads to in the end, held; and its path. `None` where no socket is there.
    fn socket_target(&mut self, tid: i32, tgid: i32, path: &[u8]) -> Option<(OwnedFd, Vec<u8>)> {
        let base = if path.first() == Some(&b'/') { None } else { Some(self.base(tid, tgid, libc::AT_FDCWD).ok()?) };
        let name = super::notify::c_string(path).ok()?;
        let flags = libc::O_PATH | libc::O_CLOEXEC;
        let fd = sys::open_at(base.as_ref().map(|b| b.fd.as_fd()), &name, flags, 0, 0x02).ok()?;
        let stat = sys::stat(fd.as_fd()).ok()?;
        let resolved = self.proc.path_of(fd.as_fd())?;
        (stat.st_mode & libc::S_IFMT == libc::S_IFSOCK).then_some((fd, resolved))
    }

    /// Where the network is judged, a socket file leads out as well as a cable does: to programs that are not the
    /// run's. Only its own sockets and named ones are free.
    fn judge_socket_file(&mut self, tgid: i32, resolved: &[u8]) -> Permission {
        if matches!(self.rules.guard.network, NetworkRule::Host) {
            return Permission::Allowed;
        }
        let text = String::from_utf8_lossy(resolved).into_owned();
        if self.own_sockets.contains(resolved) || self.rules.allows_socket(&text) {
            return Permission::Allowed;
        }
        let permission = self.rules.refused_in_prevent();
        self.violation(tgid, "network", format!("unix {text}"), permission);
        permission
    }

    fn connect_unix(
        &mut self,
        n: &Notification,
        tgid: i32,
        socket: &OwnedFd,
        kind: Kind,
        to: &Address,
        bytes: &[u8],
    ) -> Reply {
        let mut event = self.event(tgid, NetworkKind::Connect, "unix", to);
        let target = match to {
            Address::Unix(path) if !path.is_empty() => {
                let target = self.socket_target(n.pid.cast_signed(), tgid, path);
                if let Some((_, resolved)) = &target {
                    let service = address::service(&String::from_utf8_lossy(resolved));
                    event.delegated_to = event.delegated_to.or(service.map(str::to_owned));
                }
                target
            }
            _ => None,
        };
        let there = target.is_some() || matches!(to, Address::Abstract(_));
        let mut permission = Permission::Allowed;
        match (&event.delegated_to, &target) {
            (Some(service), _) if there => {
                let what = format!("{service} at {}", event.address);
                permission = self.rules.refused_in_prevent();
                self.violation(tgid, "delegation", what, permission);
            }
            (Some(_), _) => event.error = Some(Errno::ENOENT.desc().to_owned()),
            (None, Some((_, resolved))) => permission = self.judge_socket_file(tgid, resolved),
            (None, None) => {}
        }
        event.permission = permission;
        if permission == Permission::Refused {
            self.record.network(event);
            return Reply::Done(Err(Errno::EACCES));
        }
        if matches!(self.rules.guard.network, NetworkRule::Host) {
            // The kernel does it: the other side asks who connected, and that must be the caller. What the guard keeps
            // from the run is not there for it (mounts, namespaces).
            self.record.network(event);
            return Reply::GoOn;
        }
        // What was judged is what is connected to: by the descriptor that we hold, or the name that we read once.
        let (address, held) = match target {
            Some((fd, _)) => {
                let mut address = (libc::AF_UNIX as u16).to_le_bytes().to_vec();
                address.extend(format!("self/fd/{}\0", fd.as_raw_fd()).bytes());
                (address, Some(fd))
            }
            None if matches!(to, Address::Abstract(_)) => (bytes.to_vec(), None),
            None => {
                event.error = Some(Errno::ENOENT.desc().to_owned());
                self.record.network(event);
                return Reply::Done(Err(Errno::ENOENT));
            }
        };
        self.connect_now(n, socket, kind, &address, held, event)
    }

    #[allow(clippy::too_many_arguments)]
    fn connect_internet(
        &mut self,
        n: &Notification,
        tgid: i32,
        fd: i32,
        socket: OwnedFd,
        kind: Kind,
        address: SocketAddr,
        bytes: Vec<u8>,
    ) -> Reply {
        let mut event = self.event(tgid, NetworkKind::Connect, protocol(kind), &Address::Internet(address));
        // Loopback is the run's own, unless the policy names a service of the host there.
        let named = self.forwarding.as_ref().is_some_and(|forwarding| {
            let destination = forwarding.destination(address);
            destination.name.is_none() && forwarding.rule(&destination, &self.program_of(tgid)).is_some()
        });
        let own = !named && (plain(address.ip()).is_loopback() || plain(address.ip()).is_unspecified());
        let is_resolver = address.port() == 53;
        if is_resolver
            && let Some(tracked) = self.tracked.get_mut(&tgid)
            && !tracked.resolvers.contains(&fd)
        {
            tracked.resolvers.push(fd);
        }
        let judged = !matches!(self.rules.guard.network, NetworkRule::Host) && !own;
        if !judged {
            let result = self.connect_now(n, &socket, kind, &bytes, None, event.clone());
            if is_resolver && let (Some(forwarding), Some(port)) = (&self.forwarding, local_port(&socket)) {
                let mut askers = forwarding.askers.lock().unwrap_or_else(PoisonError::into_inner);
                askers.insert(port, event.process);
            }
            return result;
        }
        if self.rules.guard.network == NetworkRule::None || self.forwarding.is_none() {
            let permission = self.rules.refused_in_prevent();
            let what = format!("{} {}", event.protocol, SocketAddr::new(plain(address.ip()), address.port()));
            self.violation(tgid, "network", what, permission);
            event.permission = permission;
            if permission == Permission::Refused {
                self.record.network(event);
                return Reply::Done(Err(Errno::ENETUNREACH));
            }
            return self.connect_now(n, &socket, kind, &bytes, None, event);
        }
        self.connect_forwarded(n, tgid, socket, kind, address, event)
    }

    /// Connects the caller's own socket; a call that may wait does so on a thread of its own.
    fn connect_now(
        &mut self,
        n: &Notification,
        socket: &OwnedFd,
        kind: Kind,
        bytes: &[u8],
        held: Option<OwnedFd>,
        mut event: NetworkEvent,
    ) -> Reply {
        if kind.kind != libc::SOCK_STREAM || !is_blocking(socket) {
            let result = connect_raw(socket, bytes);
            if let Err(errno) = result
                && errno != Errno::EINPROGRESS
            {
                event.error = Some(errno.desc().to_owned());
            }
            // Resolvers try addresses with port 0 to see which way they would go: no packet leaves.
            if event.port != Some(0) {
                self.record.network(event);
            }
            return Reply::Done(result);
        }
        let Ok(socket) = socket.try_clone() else { return Reply::Done(Err(Errno::EMFILE)) };
        let (listener, shared, id, bytes) = (Arc::clone(&self.listener), self.shared.clone(), n.id, bytes.to_vec());
        let started = std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
            let result = connect_raw(&socket, &bytes);
            drop(held);
            if let Err(errno) = result {
                event.error = Some(errno.desc().to_owned());
            }
            if let Some(shared) = shared.upgrade() {
                shared.lock().unwrap_or_else(PoisonError::into_inner).record.network(event);
            }
            let _ = listener.answer(id, result);
        });
        if started.is_ok() { Reply::Later } else { Reply::Done(Err(Errno::EAGAIN)) }
    }

    #[allow(clippy::too_many_arguments)]
    fn connect_forwarded(
        &mut self,
        n: &Notification,
        tgid: i32,
        socket: OwnedFd,
        kind: Kind,
        address: SocketAddr,
        mut event: NetworkEvent,
    ) -> Reply {
        let Some(forwarding) = self.forwarding.clone() else { return Reply::Done(Err(Errno::ENETUNREACH)) };
        let destination = forwarding.destination(address);
        let rule = forwarding.rule(&destination, &self.program_of(tgid)).cloned();
        event.name.clone_from(&destination.name);
        let shown = destination.name.clone().unwrap_or_else(|| destination.address.to_string());
        // Choosing a source address: no packet leaves, and nothing is learned.
        if kind.kind == libc::SOCK_DGRAM && address.port() == 0 {
            return Reply::Done(Err(Errno::ENETUNREACH));
        }
        // Datagrams do not leave: a socket that could send them is one of the host's network, and cannot be held to one
        // destination.
        if rule.is_none() || kind.kind != libc::SOCK_STREAM {
            let datagram = kind.kind != libc::SOCK_STREAM;
            let permission = if datagram { Permission::Refused } else { self.rules.refused_in_prevent() };
            self.violation(tgid, "network", format!("{} {shown}:{}", event.protocol, address.port()), permission);
            event.permission = permission;
            if permission == Permission::Refused {
                self.record.network(event);
                return Reply::Done(Err(if datagram { Errno::ENETUNREACH } else { Errno::EACCES }));
            }
        }
        let (listener, shared, id) = (Arc::clone(&self.listener), self.shared.clone(), n.id);
        let started = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
            let process = event.process;
            let result = forwarding.connect_outside(&destination, rule.as_ref()).and_then(|outward| {
                let port = connect_inside(&socket, kind, forwarding.inside)?;
                forwarding.expect(port, outward, destination.clone(), rule.clone(), process);
                Ok(0)
            });
            if let Err(errno) = result {
                event.error = Some(errno.desc().to_owned());
                if errno == Errno::EACCES {
                    event.permission = Permission::Refused;
                }
            }
            if let Some(shared) = shared.upgrade() {
                let mut notifier = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if event.permission == Permission::Refused {
                    let what = format!("{shown}: its address is private, and the rule does not allow that");
                    notifier.record.violation("network", process, what, Permission::Refused);
                }
                notifier.record.network(event);
            }
            let _ = listener.answer(id, result);
        });
        if started.is_ok() { Reply::Later } else { Reply::Done(Err(Errno::EAGAIN)) }
    }

    /// `sendto` with an address, or with TCP fast open.
    pub(crate) fn send_to(&mut self, n: &Notification, tid: i32, tgid: i32, a: [u64; 6]) -> Reply {
        let flags = a[3] as i32;
        let socket = match self.borrow(tgid, a[0] as i32) {
            Ok(socket) => socket,
            Err(errno) => return Reply::Done(Err(errno)),
        };
        let Some(kind) = kind(&socket) else { return Reply::Done(Err(Errno::ENOTSOCK)) };
        if flags & libc::MSG_FASTOPEN != 0 {
            // Programs connect first when the kernel does not do it.
            self.violation(tgid, "network", "TCP fast open".into(), Permission::Refused);
            return Reply::Done(Err(Errno::EOPNOTSUPP));
        }
        let (to, bytes) = match address::read(tid, a[4], a[5]) {
            Ok(read) => read,
            Err(errno) => return Reply::Done(Err(errno)),
        };
        let Address::Internet(address) = to else {
            if let Some(refused) = self.judge_named_datagram(tid, tgid, &to) {
                return refused;
            }
            if kind.domain != libc::AF_NETLINK {
                let event = self.event(tgid, NetworkKind::Datagram, protocol(kind), &to);
                self.record.network(event);
            }
            return Reply::GoOn;
        };
        if let Some(reply) = self.judge_datagram(tgid, kind, address) {
            return reply;
        }
        let length = usize::try_from(a[2]).unwrap_or(usize::MAX).min(65_536);
        let data = match read_exact(tid, a[1], length) {
            Ok(data) => data,
            Err(errno) => return Reply::Done(Err(errno)),
        };
        if !self.listener.is_valid(n.id) {
            return Reply::Later;
        }
        if address.port() == 53 {
            self.note_question(tgid, &data);
        }
        let send = |flags: i32| {
            // SAFETY: data and address are our own buffers of these lengths, live through the call.
            unsafe {
                sys::call(
                    libc::SYS_sendto,
                    [
                        socket.as_raw_fd() as usize,
                        data.as_ptr() as usize,
                        data.len(),
                        flags as usize,
                        bytes.as_ptr() as usize,
                        bytes.len(),
                    ],
                )
            }
        };
        let mut result = send(flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
        if result == Err(Errno::EAGAIN) && flags & libc::MSG_DONTWAIT == 0 && is_blocking(&socket) {
            std::thread::sleep(std::time::Duration::from_millis(1));
            result = send(flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
        }
        let mut event = self.event(tgid, NetworkKind::Datagram, protocol(kind), &to);
        if let Err(errno) = result {
            event.error = Some(errno.desc().to_owned());
        }
        self.record.network(event);
        Reply::Done(result)
    }

    /// `sendmsg` and `sendmmsg`: seen, then done by the kernel. Where the network is judged, internet datagrams to an
    /// address cannot go this way: the run's network namespace has no way out but ours.
    pub(crate) fn send_message(
        &mut self,
        tid: i32,
        tgid: i32,
        fd: i32,
        messages: u64,
        count: u32,
        flags: i32,
    ) -> Reply {
        const MESSAGE: u64 = 56; // struct msghdr
        const STRIDE: u64 = 64; // struct mmsghdr
        if flags & libc::MSG_FASTOPEN != 0 {
            self.violation(tgid, "network", "TCP fast open".into(), Permission::Refused);
            return Reply::Done(Err(Errno::EOPNOTSUPP));
        }
        let asks = self.tracked.get(&tgid).is_some_and(|tracked| tracked.resolvers.contains(&fd));
        for at in 0..u64::from(count) {
            let Ok(header) = read_exact(tid, messages.wrapping_add(at * STRIDE), MESSAGE as usize) else { break };
            let word = |at: usize| {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(&header[at..at + 8]);
                u64::from_le_bytes(bytes)
            };
            let (name, length, vectors, vector_count) = (word(0), word(8) & 0xffff_ffff, word(16), word(24));
            let to = if name == 0 { None } else { address::read(tid, name, length).ok().map(|(to, _)| to) };
            let mut resolver = asks;
            match &to {
                Some(Address::Internet(address)) => {
                    resolver |= address.port() == 53;
                    if let Some(reply) =
                        self.judge_datagram(tgid, Kind { domain: libc::AF_INET, kind: libc::SOCK_DGRAM }, *address)
                    {
                        return reply;
                    }
                    self.record.counters.continued += 1;
                    let event = self.event(tgid, NetworkKind::Datagram, "udp", &Address::Internet(*address));
                    self.record.network(event);
                }
                Some(other @ (Address::Unix(_) | Address::Abstract(_))) => {
                    if let Some(refused) = self.judge_named_datagram(tid, tgid, other) {
                        return refused;
                    }
                    let event = self.event(tgid, NetworkKind::Datagram, "unix", other);
                    self.record.network(event);
                }
                _ => {}
            }
            if resolver && vector_count > 0 {
                let (Ok(base), Ok(length)) = (read_word(tid, vectors), read_word(tid, vectors.wrapping_add(8))) else {
                    continue;
                };
                if let Ok(data) = read_exact(tid, base, usize::try_from(length).unwrap_or(0).min(dns::LONGEST)) {
                    self.note_question(tgid, &data);
                }
            }
        }
        Reply::GoOn
    }

    /// Whether a datagram may go to an address; the reply when it may not.
    fn judge_datagram(&mut self, tgid: i32, kind: Kind, address: SocketAddr) -> Option<Reply> {
        let own = plain(address.ip()).is_loopback();
        if own || matches!(self.rules.guard.network, NetworkRule::Host) {
            return None;
        }
        let mut event = self.event(tgid, NetworkKind::Datagram, protocol(kind), &Address::Internet(address));
        let destination = self.forwarding.as_ref().map(|forwarding| forwarding.destination(address));
        event.name = destination.and_then(|destination| destination.name);
        // Without a connection there is nothing that could be exchanged for a way out.
        event.permission = Permission::Refused;
        let shown = event.name.clone().unwrap_or_else(|| plain(address.ip()).to_string());
        self.violation(tgid, "network", format!("{} {shown}:{}", event.protocol, address.port()), Permission::Refused);
        self.record.network(event);
        Some(Reply::Done(Err(Errno::ENETUNREACH)))
    }

    /// A datagram to a socket file's name: the kernel would read the name once more. Where that is judged the socket has
    /// to be connected first, which is done by us.
    fn judge_named_datagram(&mut self, tid: i32, tgid: i32, to: &Address) -> Option<Reply> {
        if matches!(self.rules.guard.network, NetworkRule::Host) {
            return None;
        }
        let Address::Unix(path) = to else { return None };
        let resolved = self.socket_target(tid, tgid, path).map(|(_, resolved)| resolved);
        if let Some(resolved) = resolved {
            self.judge_socket_file(tgid, &resolved);
        }
        self.rules.prevents().then_some(Reply::Done(Err(Errno::EACCES)))
    }

    fn note_question(&mut self, tgid: i32, data: &[u8]) {
        // Over TCP a length comes first.
        let question = dns::question(data).or_else(|| dns::question(data.get(2..)?));
        if self.forwarding.is_some() {
            return;
        }
        if let Some(question) = question {
            let at = self.record.now();
            let record = question.record_name();
            let process = Some(self.id_of(tgid));
            let permission = Permission::Allowed;
            self.record.question(NameQuestion { name: question.name, record, process, at, answers: None, permission });
        }
    }

    pub(crate) fn bind(&mut self, tid: i32, tgid: i32, fd: i32, to: u64, length: u64) -> Reply {
        if let Ok((to, _)) = address::read(tid, to, length)
            && !matches!(to, Address::Other(_) | Address::Nothing)
        {
            let protocol = self.borrow(tgid, fd).ok().and_then(|socket| kind(&socket)).map_or("other", protocol);
            if let Address::Unix(path) = &to
                && !path.is_empty()
                && self.own_sockets.len() < 10_000
                && let Some(path) = self.socket_file(tid, tgid, path)
            {
                // (One that is there already is not made by this call, which then fails.)
                let there = super::notify::c_string(&path)
                    .is_ok_and(|path| sys::stat_at(None, &path, libc::AT_SYMLINK_NOFOLLOW).is_ok());
                if !there {
                    self.own_sockets.insert(path);
                }
            }
            let event = self.event(tgid, NetworkKind::Bind, protocol, &to);
            self.record.network(event);
        }
        Reply::GoOn
    }

    pub(crate) fn listen(&mut self, tgid: i32, fd: i32) -> Reply {
        if let Ok(socket) = self.borrow(tgid, fd)
            && let Some(kind) = kind(&socket)
        {
            let mut bytes = [0_u8; 128];
            let mut length = bytes.len() as libc::socklen_t;
            // SAFETY: the kernel writes at most `length` bytes into our own live buffer.
            let done = unsafe { libc::getsockname(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), &raw mut length) };
            let here = bytes.get(..length as usize).and_then(address::parse).filter(|_| done == 0);
            if let Some(here) = here {
                let event = self.event(tgid, NetworkKind::Listen, protocol(kind), &here);
                self.record.network(event);
            }
        }
        Reply::GoOn
    }

    /// Sockets of unusual kinds: raw, packet, vsock, netlink but for routing.
    pub(crate) fn socket(&mut self, tgid: i32, domain: i32, kind: i32, number: i32) -> Reply {
        let kind = Kind { domain, kind: kind & 0xf };
        let name = protocol(kind);
        let mut event = self.event(tgid, NetworkKind::Socket, name, &Address::Other(domain as u16));
        event.address = format!("family {domain}, type {}, protocol {number}", kind.kind);
        if !matches!(self.rules.guard.network, NetworkRule::Host) {
            let permission = self.rules.refused_in_prevent();
            self.violation(tgid, "network", format!("a socket of {}", event.address), permission);
            event.permission = permission;
        }
        let refused = event.permission == Permission::Refused;
        self.record.network(event);
        if refused { Reply::Done(Err(Errno::EACCES)) } else { Reply::GoOn }
    }
}

/// Connects the run's socket to the forwarder inside; its local port.
fn connect_inside(socket: &OwnedFd, kind: Kind, port: u16) -> Result<u16, Errno> {
    let inside = if kind.domain == libc::AF_INET6 && option_v6_only(socket) {
        SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port))
    } else {
        SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port))
    };
    match connect_raw(socket, &to_bytes(inside, kind.domain)) {
        Ok(_) => {}
        Err(Errno::EINPROGRESS) => {
            let mut ready = [nix::poll::PollFd::new(socket.as_fd(), nix::poll::PollFlags::POLLOUT)];
            nix::poll::poll(&mut ready, 5000_u16)?;
            let error = option(socket, libc::SO_ERROR).unwrap_or(0);
            if error != 0 {
                return Err(Errno::from_raw(error));
            }
        }
        Err(errno) => return Err(errno),
    }
    local_port(socket).ok_or(Errno::EIO)
}

fn option_v6_only(socket: &OwnedFd) -> bool {
    let mut value: i32 = 0;
    let mut length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the kernel writes at most four bytes into our own live integer.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_V6ONLY,
            (&raw mut value).cast(),
            &raw mut length,
        )
    };
    done == 0 && value != 0
}
