//! The rules, one file each.

pub(crate) mod credential_read;
pub(crate) mod dropped_executable;
pub(crate) mod install_script_shell;
pub(crate) mod new_host;
pub(crate) mod piped_download;
pub(crate) mod source_changed;
pub(crate) mod tool_changed;
pub(crate) mod unexplained_input;
