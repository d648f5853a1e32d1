//! What a hostile build sends: DNS messages, and the first bytes of connections.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_trace::observe::{Asked, HttpRequests, dns_addresses, dns_question, look_at_first_bytes};

fuzz_target!(|data: &[u8]| {
    if let Some(question) = dns_question(data) {
        assert!(question.name.len() <= 2048);
        std::hint::black_box(dns_addresses(data, question.id, &question.name).is_some());
    }
    let id = u16::from(data.first().copied().unwrap_or(0)) << 8 | u16::from(data.get(1).copied().unwrap_or(0));
    std::hint::black_box(dns_addresses(data, id, "example.org").is_some());
    // What is decided on a part is not decided otherwise on the whole.
    let whole = look_at_first_bytes(data);
    for length in [data.len() / 2, data.len().saturating_sub(1)] {
        let part = look_at_first_bytes(&data[..length]);
        if part != Asked::More && !data.is_empty() {
            assert_eq!(part, whole);
        }
    }
    // What is passed on of a connection does not depend on how it is cut, and every request is judged.
    let pass = |piece: usize| {
        let (mut requests, mut out, mut judged) = (HttpRequests::default(), Vec::new(), 0);
        for bytes in data.chunks(piece.max(1)) {
            let judge = |_: &Asked| {
                judged += 1;
                Ok(())
            };
            match requests.take(bytes, judge) {
                Ok(passed) => out.extend(passed),
                Err(_) => break,
            }
        }
        (out, judged)
    };
    let (one, other) = (pass(data.len()), pass(7));
    assert!(data.starts_with(&one.0) && data.starts_with(&other.0));
});
