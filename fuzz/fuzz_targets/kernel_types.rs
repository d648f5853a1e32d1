//! Type information of a kernel (BTF), as a foreign one could mount it: what is cut out of it is whole, and nothing more
//! can be cut.
#![no_main]
use libfuzzer_sys::fuzz_target;
use provost_trace::observe::needed_kernel_types;

fuzz_target!(|data: &[u8]| {
    if let Ok(cut) = needed_kernel_types(data) {
        assert_eq!(needed_kernel_types(&cut).as_deref(), Ok(cut.as_slice()));
    }
});
