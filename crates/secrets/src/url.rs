//! Passwords in addresses: which of them only show the form.

/// Hosts by which people say "your server here".
#[rustfmt::skip]
const HOSTS: &[&str] = &[
    "host", "hostname", "server", "domain", "url", "ip", "ipaddress", "address", "example", "myhost", "yourhost",
    "somehost", "host1", "host2", "hosta", "hostb", "your", "xxx", "foo", "bar", "endpoint", "proxy-host",
    "proxyhost", "mongodb.example",
];

/// Passwords by which people say "your password here".
const PASSWORDS: &[&str] =
    &["pass", "password", "passwd", "pwd", "mypass", "mypassword", "secret", "pw", "token", "xxx", "p", "psw", "123"];

/// Users by which people say "your name here".
const USERS: &[&str] = &["user", "username", "foo", "myuser", "login", "name", "xxx", "u", "usr", "someuser", "uname"];

/// Why the password at `span`, within an address, only shows the form.
pub(crate) fn doubt(bytes: &[u8], span: &std::ops::Range<usize>) -> Option<&'static str> {
    let rest = bytes.get(span.end..).unwrap_or_default();
    let host = rest.strip_prefix(b"@").unwrap_or(rest);
    if host.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"%2f")) {
        return Some("it is of a socket file, which only this machine has");
    }
    let end = host.iter().take(253).position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')));
    let host = host[..end.unwrap_or(host.len().min(253))].to_ascii_lowercase();
    let mut labels = host.split(|b| *b == b'.');
    let first = labels.next().unwrap_or_default();
    let is = |list: &[&str], text: &[u8]| list.iter().any(|word| word.as_bytes() == text);
    if is(HOSTS, first) || host.split(|b| *b == b'.').any(|label| label == b"example" || label == b"invalid") {
        return Some("the address stands for any server");
    }
    if matches!(
        host.as_slice(),
        b"domain.com" | b"server.com" | b"yourdomain.com" | b"mydomain.com" | b"test.com" | b"site.com"
    ) {
        return Some("the address stands for any server");
    }
    let before = &bytes[span.start.saturating_sub(64)..span.start];
    let user = before.strip_suffix(b":").unwrap_or(before);
    let user = user.rsplit(|b| matches!(b, b'/' | b'"' | b'\'' | b' ')).next().unwrap_or_default().to_ascii_lowercase();
    let password = bytes[span.clone()].to_ascii_lowercase();
    if user == b"guest" && password == b"guest" {
        return Some("what a fresh message broker comes with");
    }
    (is(USERS, &user) && is(PASSWORDS, &password)).then_some("name and password stand for any")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, password: &str) -> Option<&'static str> {
        let start = text.find(password).expect("the password is in the text");
        doubt(text.as_bytes(), &(start..start + password.len()))
    }

    #[test]
    fn addresses_that_show_the_form() {
        assert!(of("postgres://admin:hunter77@host:5432/db", "hunter77").is_some());
        assert!(of("http://a:letmein9@proxy.example.com", "letmein9").is_some());
        assert!(of("redis://user:pass@10.0.0.3/0", "pass").is_some());
        assert!(of("mongodb://app:kq7Zr2wx@%2Ftmp%2Fmongodb-27017.sock", "kq7Zr2wx").is_some());
        assert!(of("redis://app:pass7x@10.0.0.3/0", "pass7x").is_none());
    }
}
