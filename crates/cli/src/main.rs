//! The `provost` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let exit = provost::main();
    if let provost::exit::Exit::Signal(number) = exit {
        provost_trace::end_like(number);
    }
    ExitCode::from(exit.code())
}
