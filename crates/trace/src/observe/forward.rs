//! The way out of a run that may connect to named places only.
//!
//! The run lives in a network namespace with nothing but its own loopback. Names are resolved by us: each gets an
//! address of its own from 198.18.0.0/15 (RFC 2544), so that a connection to it says which name was meant. For a
//! connection that is allowed the supervisor connects outside first, and only then connects the run's socket to the
//! forwarder inside; the first bytes are held against the name before anything is passed on.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use provost_model::{NameQuestion, Permission};

use super::address::{is_special, plain};
use super::dns::{self, Answer};
use super::guard::{Endpoint, Mode};
use super::http::Requests;
use super::notify::Notifier;
use super::sniff::{self, Asked};

/// How long an attempt to connect outside may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the first bytes may take before the connection is judged without them.
const FIRST_BYTES: Duration = Duration::from_secs(10);
/// Connections at once.
const CONNECTIONS: usize = 512;
/// Names in one run.
const NAMES: usize = 65_536;

/// What the run asked for.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) name: Option<String>,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

/// A connection that was let through, waiting for its inner half.
struct Outward {
    stream: TcpStream,
    destination: Destination,
    rule: Option<Endpoint>,
    process: u32,
}

/// The forwarder's state.
pub(crate) struct Forwarding {
    mode: Mode,
    rules: Vec<Endpoint>,
    resolvers: Vec<SocketAddr>,
    hosts: HashMap<String, Vec<IpAddr>>,
    names: Mutex<Names>,
    waiting: Mutex<HashMap<u16, Outward>>,
    arrived: Condvar,
    /// Who asks: the process behind a local port of the run's resolver sockets.
    pub(crate) askers: Mutex<HashMap<u16, u32>>,
    /// Where the forwarder listens inside.
    pub(crate) inside: u16,
    active: AtomicUsize,
    notifier: Mutex<Weak<Mutex<Notifier>>>,
}

#[derive(Default)]
struct Names {
    by_name: HashMap<String, Ipv4Addr>,
    by_address: HashMap<Ipv4Addr, String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sockets inside the run's network namespace.
pub(crate) struct Inside {
    pub(crate) stream: Vec<TcpListener>,
    pub(crate) names: UdpSocket,
    pub(crate) names_stream: TcpListener,
}

impl Forwarding {
    pub(crate) fn new(mode: Mode, rules: Vec<Endpoint>, resolvers: Vec<SocketAddr>, inside: u16) -> Arc<Self> {
        Arc::new(Self {
            mode,
            rules,
            resolvers,
            hosts: hosts_file(),
            names: Mutex::default(),
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            askers: Mutex::default(),
            inside,
            active: AtomicUsize::new(0),
            notifier: Mutex::new(Weak::new()),
        })
    }

    /// Starts the threads that answer inside. They end with the process.
    pub(crate) fn start(self: &Arc<Self>, inside: Inside, notifier: Weak<Mutex<Notifier>>) -> std::io::Result<()> {
        *lock(&self.notifier) = notifier;
        for listener in inside.stream {
            let this = Arc::clone(self);
            spawn("forwarder", move || {
                for stream in listener.incoming().flatten() {
                    let this = Arc::clone(&this);
                    let _ = spawn("connection", move || this.carry(&stream));
                }
            })?;
        }
        let this = Arc::clone(self);
        let socket = inside.names;
        spawn("names", move || {
            let mut buffer = [0; dns::LONGEST];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some(reply) = this.answer(&buffer[..length], from.port()) {
                    let _ = socket.send_to(&reply, from);
                }
            }
        })?;
        let this = Arc::clone(self);
        let listener = inside.names_stream;
        spawn("names-stream", move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let port = stream.peer_addr().map_or(0, |peer| peer.port());
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut query = vec![0; usize::from(u16::from_be_bytes(length)).min(dns::LONGEST)];
                    if stream.read_exact(&mut query).is_err() {
                        break;
                    }
                    let Some(reply) = this.answer(&query, port) else { break };
                    let framed = [(reply.len() as u16).to_be_bytes().to_vec(), reply].concat();
                    if stream.write_all(&framed).is_err() {
                        break;
                    }
                }
            }
        })
    }

    // ---- names ----------------------------------------------------------------------------------------------------

    fn answer(&self, query: &[u8], port: u16) -> Option<Vec<u8>> {
        let question = dns::question(query)?;
        let allowed = self.rules.iter().any(|rule| rule.covers_name(&question.name));
        let process = lock(&self.askers).get(&port).copied();
        let let_through = allowed || self.mode == Mode::Detect;
        let answer = match question.record {
            _ if !let_through => Answer::NoSuchName,
            dns::A => match self.address_of(&question.name) {
                Some(address) => Answer::Addresses(vec![IpAddr::V4(address)]),
                None => Answer::Failed,
            },
            // Only addresses are answered: other records carry data out and in.
            _ => Answer::Addresses(Vec::new()),
        };
        let answers = match &answer {
            Answer::Addresses(list) => Some(list.iter().map(ToString::to_string).collect()),
            Answer::NoSuchName | Answer::Failed => None,
        };
        if let Some(notifier) = lock(&self.notifier).upgrade() {
            let mut notifier = lock(&notifier);
            let permission = if let_through { Permission::Allowed } else { Permission::Refused };
            if !allowed {
                let what = format!("the name {} ({})", question.name, question.record_name());
                notifier.record.violation("network", process.unwrap_or(0), what, permission);
            } else if !matches!(question.record, dns::A | dns::AAAA | 64 | 65) {
                let what = format!("a {} record of {}", question.record_name(), question.name);
                notifier.record.violation("network", process.unwrap_or(0), what, Permission::Refused);
            }
            let at = notifier.record.now();
            let record = question.record_name();
            let name = question.name.clone();
            notifier.record.question(NameQuestion { name, record, process, at, answers, permission });
        }
        Some(dns::answer(query, &question, &answer))
    }

    fn address_of(&self, name: &str) -> Option<Ipv4Addr> {
        let mut names = lock(&self.names);
        if let Some(address) = names.by_name.get(name) {
            return Some(*address);
        }
        let next = names.by_name.len() + 1;
        if next > NAMES {
            return None;
        }
        let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + u32::try_from(next).ok()?);
        names.by_name.insert(name.to_owned(), address);
        names.by_address.insert(address, name.to_owned());
        Some(address)
    }

    /// What an address that the run used stands for.
    pub(crate) fn destination(&self, to: SocketAddr) -> Destination {
        let address = plain(to.ip());
        let name = match address {
            IpAddr::V4(v4) => lock(&self.names).by_address.get(&v4).cloned(),
            IpAddr::V6(_) => None,
        };
        Destination { name, address, port: to.port() }
    }

    /// The rule that allows a destination to a program.
    pub(crate) fn rule(&self, to: &Destination, program: &str) -> Option<&Endpoint> {
        self.rules.iter().find(|rule| {
            let place = match &to.name {
                Some(name) => rule.covers_name(name),
                None => rule.host.parse::<IpAddr>().is_ok_and(|address| address == to.address),
            };
            place && rule.port.is_none_or(|port| port == to.port) && rule.by.as_ref().is_none_or(|by| by == program)
        })
    }

    /// The real addresses of a destination.
    pub(crate) fn resolve(&self, to: &Destination, rule: Option<&Endpoint>) -> Result<Vec<IpAddr>, Errno> {
        let Some(name) = &to.name else { return Ok(vec![to.address]) };
        let found = match self.hosts.get(name) {
            Some(addresses) => addresses.clone(),
            None => self.ask(name),
        };
        if found.is_empty() {
            return Err(Errno::EHOSTUNREACH);
        }
        // A name that leads to the metadata service or into the private network is not what was allowed.
        let private = rule.is_none_or(|rule| rule.private);
        let usable: Vec<IpAddr> = found.into_iter().filter(|address| private || !is_special(*address)).collect();
        if usable.is_empty() { Err(Errno::EACCES) } else { Ok(usable) }
    }

    fn ask(&self, name: &str) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for record in [dns::A, dns::AAAA] {
            for resolver in &self.resolvers {
                match ask_one(*resolver, name, record) {
                    Some(Ok(addresses)) => {
                        found.extend(addresses);
                        break;
                    }
                    Some(Err(_)) => break,
                    None => {}
                }
            }
        }
        found
    }

    // ---- connections ----------------------------------------------------------------------------------------------

    /// Connects outside.
    pub(crate) fn connect_outside(&self, to: &Destination, rule: Option<&Endpoint>) -> Result<TcpStream, Errno> {
        if self.active.load(Ordering::Relaxed) >= CONNECTIONS {
            return Err(Errno::EAGAIN);
        }
        let mut last = Errno::EHOSTUNREACH;
        for address in self.resolve(to, rule)? {
            match TcpStream::connect_timeout(&SocketAddr::new(address, to.port), CONNECT) {
                Ok(stream) => return Ok(stream),
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => last = Errno::ETIMEDOUT,
                Err(error) => last = error.raw_os_error().map_or(Errno::EHOSTUNREACH, Errno::from_raw),
            }
        }
        Err(last)
    }

    /// The inner half will come from this local port.
    pub(crate) fn expect(
        &self,
        port: u16,
        stream: TcpStream,
        destination: Destination,
        rule: Option<Endpoint>,
        process: u32,
    ) {
        lock(&self.waiting).insert(port, Outward { stream, destination, rule, process });
        self.arrived.notify_all();
    }

    fn carry(&self, inner: &TcpStream) {
        let Ok(peer) = inner.peer_addr() else { return };
        let until = Instant::now() + Duration::from_secs(15);
        let mut waiting = lock(&self.waiting);
        let outward = loop {
            if let Some(outward) = waiting.remove(&peer.port()) {
                break outward;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(waiting);
        self.active.fetch_add(1, Ordering::Relaxed);
        self.pass(inner, &outward);
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    fn pass(&self, mut inner: &TcpStream, outward: &Outward) {
        let outer = &outward.stream;
        let (Ok(mut from_outer), Ok(to_inner)) = (outer.try_clone(), inner.try_clone()) else { return };
        let free = outward.rule.as_ref().is_some_and(|rule| rule.any_protocol);
        // A server that speaks first is heard only where any protocol is allowed.
        let mut first = Vec::new();
        let mut asked = Asked::More;
        let by_name = outward.destination.name.is_some() && !free;
        if by_name {
            let _ = inner.set_read_timeout(Some(FIRST_BYTES));
            let mut buffer = [0; 4096];
            while asked == Asked::More && first.len() < sniff::LIMIT {
                match inner.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => first.extend_from_slice(&buffer[..n]),
                }
                asked = sniff::look(&first);
            }
            let _ = inner.set_read_timeout(None);
        }
        let is_http = matches!(asked, Asked::Http(_));
        if by_name && !is_http && !self.judge_first_bytes(outward, &asked) {
            reset(inner);
            return;
        }
        // Each request of a plain connection names its host anew.
        let mut requests = (by_name && is_http).then(Requests::default);
        if !self.send_on(outward, &mut requests, &first) {
            reset(inner);
            return;
        }
        let down = spawn("answers", move || {
            let mut to_inner = to_inner;
            let _ = std::io::copy(&mut from_outer, &mut to_inner);
            let _ = to_inner.shutdown(Shutdown::Write);
        });
        if requests.is_none() {
            let _ = std::io::copy(&mut inner, &mut &*outer);
        } else {
            let mut buffer = [0; 16 * 1024];
            while let Ok(length @ 1..) = inner.read(&mut buffer) {
                if !self.send_on(outward, &mut requests, &buffer[..length]) {
                    reset(inner);
                    let _ = inner.shutdown(Shutdown::Both);
                    let _ = outer.shutdown(Shutdown::Both);
                    break;
                }
            }
        }
        let _ = outer.shutdown(Shutdown::Write);
        drop(down);
    }

    /// Sends on what the run sent, request by request where these can be told apart. False when it may not go on.
    fn send_on(&self, outward: &Outward, requests: &mut Option<Requests>, bytes: &[u8]) -> bool {
        let mut outer = &outward.stream;
        let Some(reader) = requests else { return bytes.is_empty() || outer.write_all(bytes).is_ok() };
        let judged = |asked: &Asked| {
            if self.judge_first_bytes(outward, asked) { Ok(()) } else { Err(String::new()) }
        };
        match reader.take(bytes, judged) {
            Ok(passed) => passed.is_empty() || outer.write_all(&passed).is_ok(),
            Err(why) if why.is_empty() => false,
            Err(why) => {
                let permission = if self.mode == Mode::Detect { Permission::Allowed } else { Permission::Refused };
                let name = outward.destination.name.as_deref().unwrap_or_default();
                let what = format!("{why} on a connection to {name}:{}", outward.destination.port);
                if let Some(notifier) = lock(&self.notifier).upgrade() {
                    lock(&notifier).record.violation("network", outward.process, what, permission);
                }
                if permission == Permission::Refused {
                    return false;
                }
                // From here on it is only looked on.
                let rest = reader.rest();
                *requests = None;
                outer.write_all(&rest).is_ok()
            }
        }
    }

    /// Holds what is really asked for against the name. True when it may go on.
    fn judge_first_bytes(&self, outward: &Outward, asked: &Asked) -> bool {
        let name = outward.destination.name.as_deref().unwrap_or_default();
        let (server, why) = match asked {
            Asked::Tls(Some(server)) | Asked::Http(Some(server)) if server == name => (Some(server.clone()), None),
            Asked::Tls(Some(server)) => (Some(server.clone()), Some(format!("TLS server name {server}"))),
            Asked::Http(Some(server)) => (Some(server.clone()), Some(format!("HTTP host {server}"))),
            Asked::Tls(None) => (None, Some("TLS without a server name".into())),
            Asked::Http(None) => (None, Some("HTTP without one clear host".into())),
            Asked::More => (None, Some("no request".into())),
            Asked::Unknown => (None, Some("neither TLS nor HTTP".into())),
        };
        let allowed = why.is_none() || self.mode == Mode::Detect;
        if let Some(notifier) = lock(&self.notifier).upgrade() {
            let mut notifier = lock(&notifier);
            let port = outward.destination.port;
            notifier.record.asked(outward.process, name, port, server);
            if let Some(why) = why {
                let permission = if allowed { Permission::Allowed } else { Permission::Refused };
                let what = format!("{why} on a connection to {name}:{port}");
                notifier.record.violation("network", outward.process, what, permission);
            }
        }
        allowed
    }
}

/// Ends a connection so that the other side gets an error, not an end.
fn reset(stream: &TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    let _ = nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::Linger, &linger);
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024).spawn(body).map(drop)
}

/// Asks one resolver; `None` when it does not answer.
fn ask_one(resolver: SocketAddr, name: &str, record: u16) -> Option<Result<Vec<IpAddr>, u16>> {
    let any: SocketAddr = if resolver.is_ipv4() { "0.0.0.0:0".parse().ok()? } else { "[::]:0".parse().ok()? };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(resolver).ok()?;
    let mut random = [0; 2];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").ok()?, &mut random).ok()?;
    let id = u16::from_be_bytes(random);
    let query = dns::query(id, name, record)?;
    let mut buffer = [0; dns::LONGEST];
    for _ in 0..2 {
        socket.send(&query).ok()?;
        let until = Instant::now() + Duration::from_secs(3);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left)).ok()?;
            let Ok(length) = socket.recv(&mut buffer) else { break };
            if let Some(found) = dns::addresses(&buffer[..length], id, name) {
                return Some(found);
            }
        }
    }
    None
}

/// `/etc/hosts`.
fn hosts_file() -> HashMap<String, Vec<IpAddr>> {
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in std::fs::read_to_string("/etc/hosts").unwrap_or_default().lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words {
            hosts.entry(name.to_ascii_lowercase()).or_default().push(address);
        }
    }
    hosts
}

/// The host's resolvers.
pub(crate) fn host_resolvers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    servers.filter_map(|rest| rest.trim().parse::<IpAddr>().ok()).map(|ip| SocketAddr::new(ip, 53)).take(3).collect()
}
