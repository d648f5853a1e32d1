//! Git's hooks.

use anyhow::{Result, bail};

use crate::commands::Context;
use crate::commands::scan::HookArgs;
use crate::exit::Exit;

pub(crate) fn run(_args: &HookArgs, _context: &Context) -> Result<Exit> {
    bail!("not yet")
}
