//! The eBPF back end: programs in the kernel tell what happened, right after it happened. Privileged, and only where it
//! was built in (feature `ebpf`).
//!
//! `program.bpf.c` follows the run and writes events; `load` attaches it and is the only user of the loader's crate, and
//! `kernel_types` what it takes of the kernel's types;
//! `layout` reads the events; `collect`, `files`, `execute` and `sockets` make the record of them; `watch` holds it
//! together. `compare` holds what two back ends saw of one run against each other.

mod compare;
mod kernel_types;

#[cfg(feature = "ebpf")]
mod collect;
#[cfg(feature = "ebpf")]
mod execute;
#[cfg(feature = "ebpf")]
mod files;
#[cfg(feature = "ebpf")]
mod interests;
#[cfg(feature = "ebpf")]
mod layout;
#[cfg(feature = "ebpf")]
mod load;
#[cfg(feature = "ebpf")]
mod sockets;
#[cfg(feature = "ebpf")]
mod watch;

#[cfg(not(feature = "ebpf"))]
mod absent;
#[cfg(not(feature = "ebpf"))]
use absent as watch;

pub(crate) use compare::compare;
pub use kernel_types::needed as needed_kernel_types;
pub(crate) use watch::{Beginning, Programs, Watch};
