//! Statements and every predicate.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_attest::{Statement, predicate::*};

fuzz_target!(|data: &[u8]| {
    if let Ok(statement) = Statement::parse(data) {
        let bytes = statement.to_bytes().expect("canonical JSON");
        // RFC 8785 rounds integers over 2^53 as ECMAScript does: what is written is stable, not always equal.
        let again = Statement::parse(&bytes).expect("own output is readable");
        assert_eq!(again.to_bytes().expect("canonical JSON"), bytes);
        let kind = statement.predicate_type.clone();
        std::hint::black_box((
            statement.predicate_as::<Environment>(&kind).is_ok(),
            statement.predicate_as::<Process>(&kind).is_ok(),
            statement.predicate_as::<Materials>(&kind).is_ok(),
            statement.predicate_as::<Artifacts>(&kind).is_ok(),
            statement.predicate_as::<Provenance>(&kind).is_ok(),
            statement.predicate_as::<Link>(&kind).is_ok(),
            statement.predicate_as::<VerificationSummary>(&kind).is_ok(),
        ));
    }
});
