//! Socket addresses as they lie in a process's memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use nix::libc;

use super::tracee::read_exact;

/// A socket address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Internet(SocketAddr),
    /// A path; empty for an unnamed socket.
    Unix(Vec<u8>),
    Abstract(Vec<u8>),
    /// AF_UNSPEC: undoes a connection.
    Nothing,
    Other(u16),
}

/// Reads one, and the bytes that it was read from.
pub(crate) fn read(pid: i32, address: u64, length: u64) -> Result<(Address, Vec<u8>), Errno> {
    if !(2..=128).contains(&length) {
        return Err(Errno::EINVAL);
    }
    let bytes = read_exact(pid, address, length as usize)?;
    parse(&bytes).map(|address| (address, bytes)).ok_or(Errno::EINVAL)
}

/// From the bytes of a `sockaddr`.
pub(crate) fn parse(bytes: &[u8]) -> Option<Address> {
    let family = u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?);
    let port = || Some(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?));
    Some(match i32::from(family) {
        libc::AF_INET => {
            let octets: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Address::Internet(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(octets)), port()?))
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Address::Internet(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(octets)), port()?))
        }
        libc::AF_UNIX => match bytes.get(2..) {
            Some([0, rest @ ..]) => Address::Abstract(rest.to_vec()),
            Some(rest) => Address::Unix(rest.split(|b| *b == 0).next().unwrap_or_default().to_vec()),
            None => Address::Unix(Vec::new()),
        },
        libc::AF_UNSPEC => Address::Nothing,
        _ => Address::Other(family),
    })
}

/// The address behind an IPv4 address that is written as an IPv6 one.
pub(crate) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Loopback, private, link-local (with the clouds' metadata services), shared, multicast and reserved addresses: none
/// of them is "the internet" (RFC 6890).
pub(crate) fn is_special(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || a == 0
                || a == 100 && (64..128).contains(&b)
                || a == 198 && (b == 18 || b == 19)
                || a == 192 && b == 0 && v4.octets()[2] == 0
                || a >= 240
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || first & 0xffc0 == 0xfec0
                // Translated and tunnelled IPv4 leads wherever the embedded address does.
                || first == 0x2002
                || v6.segments()[..2] == [0x64, 0xff9b]
                || v6.segments()[..2] == [0x2001, 0]
        }
    }
}

/// As text for the record: address and port.
pub(crate) fn describe(address: &Address) -> (String, Option<u16>) {
    match address {
        Address::Internet(address) => (plain(address.ip()).to_string(), Some(address.port())),
        Address::Unix(path) => (String::from_utf8_lossy(path).into_owned(), None),
        Address::Abstract(name) => (format!("@{}", String::from_utf8_lossy(name).trim_end_matches('\0')), None),
        Address::Nothing => ("none".into(), None),
        Address::Other(family) => (format!("address family {family}"), None),
    }
}

/// The service behind a Unix socket that does work for whoever asks: what it does is not the run's own, and not seen.
pub(crate) fn service(path: &str) -> Option<&'static str> {
    const SERVICES: &[(&str, &str)] = &[
        ("docker.sock", "docker"),
        ("podman.sock", "podman"),
        ("buildkitd.sock", "buildkit"),
        ("containerd.sock", "containerd"),
        ("crio.sock", "cri-o"),
        ("systemd/private", "systemd"),
        ("dbus/system_bus_socket", "the system bus"),
        ("/bus", "the user's bus"),
        ("snapd.socket", "snapd"),
        ("libvirt-sock", "libvirt"),
        ("lxd/unix.socket", "lxd"),
        ("agent.sock", "an agent"),
        ("S.gpg-agent", "gpg-agent"),
        ("ssh-agent", "ssh-agent"),
    ];
    let known = SERVICES.iter().find(|(end, _)| path.ends_with(end)).map(|(_, name)| *name);
    known.or_else(|| (path.contains("/ssh-") && path.contains("/agent.")).then_some("ssh-agent"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_nothing_else() {
        let mut v4 = vec![2, 0, 1, 187, 1, 2, 3, 4];
        assert_eq!(parse(&v4), Some(Address::Internet("1.2.3.4:443".parse().expect("address"))));
        v4.truncate(7);
        assert_eq!(parse(&v4), None);
        assert_eq!(parse(&[1, 0, b'/', b'a', 0, 9]), Some(Address::Unix(b"/a".to_vec())));
        assert_eq!(parse(&[1, 0, 0, b'x']), Some(Address::Abstract(b"x".to_vec())));
        assert_eq!(parse(&[16, 0, 1]), Some(Address::Other(16)));
        assert_eq!(parse(&[1]), None);
    }

    #[test]
    fn special_addresses() {
        let special = |text: &str| is_special(text.parse().expect("address"));
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "ff02::1",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
        ] {
            assert!(special(address), "{address}");
        }
        for address in ["1.1.1.1", "151.101.1.1", "2606:4700::1111"] {
            assert!(!special(address), "{address}");
        }
    }
}
