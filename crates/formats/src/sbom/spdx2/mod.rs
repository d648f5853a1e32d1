//! SPDX 2: 2.2 and 2.3 are read, as JSON and as tag-value, and 2.3 is written as JSON (SPDX specification 2.3).

mod read;
mod tag_value;
mod write;

pub(super) use read::read;
pub(super) use tag_value::read_tag_value;
pub use write::write;

use provost_model::Scope;

use super::bom::ComponentKind;

/// `primaryPackagePurpose` (7.24).
const PURPOSES: &[(ComponentKind, &str)] = &[
    (ComponentKind::Application, "APPLICATION"),
    (ComponentKind::Framework, "FRAMEWORK"),
    (ComponentKind::Library, "LIBRARY"),
    (ComponentKind::Container, "CONTAINER"),
    (ComponentKind::OperatingSystem, "OPERATING-SYSTEM"),
    (ComponentKind::Device, "DEVICE"),
    (ComponentKind::Firmware, "FIRMWARE"),
    (ComponentKind::File, "FILE"),
];

/// Relationships that say that the first is needed by the second, and for what (11.1).
const NEEDED_BY: &[(&str, Option<Scope>)] = &[
    ("DEPENDENCY_OF", None),
    ("RUNTIME_DEPENDENCY_OF", Some(Scope::Production)),
    ("PROVIDED_DEPENDENCY_OF", Some(Scope::Production)),
    ("BUILD_DEPENDENCY_OF", Some(Scope::Build)),
    ("BUILD_TOOL_OF", Some(Scope::Build)),
    ("DEV_DEPENDENCY_OF", Some(Scope::Development)),
    ("DEV_TOOL_OF", Some(Scope::Development)),
    ("TEST_DEPENDENCY_OF", Some(Scope::Development)),
    ("TEST_TOOL_OF", Some(Scope::Development)),
    ("OPTIONAL_DEPENDENCY_OF", Some(Scope::Optional)),
];

/// An id as the specification has it (3.2): `SPDXRef-` and letters, digits, `.` and `-`. Read are more: many write names
/// of packages into their ids, with `/` and `_`.
fn is_id(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    text.strip_prefix("SPDXRef-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fine))
}
