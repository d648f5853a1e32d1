//! Bills of materials and VEX: what was read can be written in every format, is read again from there, and then writes the
//! same bytes.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_formats::sbom::{self, cyclonedx, spdx2};
use provost_formats::{cvss, licence, vex};

fuzz_target!(|data: &[u8]| {
    if let Ok(document) = vex::openvex::read(data, &[]) {
        let text = vex::openvex::write(&document).expect("what was read keeps the rules");
        assert!(vex::openvex::read(text.as_bytes(), &[]).is_ok(), "{text}");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Some(expression) = licence::normalise(text) {
            assert_eq!(licence::parse(&expression.to_string()), Ok(expression));
        }
        if let Ok(vector) = text.parse::<cvss::Cvss>() {
            assert_eq!(vector.to_string().parse(), Ok(vector.clone()));
            let _ = (vector.base(), vector.overall());
        }
    }
    let Ok(bom) = sbom::read(data) else { return };
    let _ = (bom.stated(), vex::from_bom(&bom));
    assert!(sbom::diff(&bom, &bom).is_empty());
    let writers: [fn(&sbom::Bom) -> String; 3] = [
        |bom| cyclonedx::write(bom, cyclonedx::Edition::V1_6),
        |bom| cyclonedx::write(bom, cyclonedx::Edition::V1_7),
        spdx2::write,
    ];
    for write in writers {
        let once = write(&bom);
        let again = sbom::read(once.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{once}"));
        let twice = write(&again);
        let third = write(&sbom::read(twice.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{twice}")));
        assert_eq!(twice, third);
    }
});
