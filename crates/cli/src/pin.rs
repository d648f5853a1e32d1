//! What a repository's configuration may decide for its own supervisor: nothing, until a person accepted it.
//!
//! `provost.toml` lies in the tree that is built, where the build and every contributor can change it. The settings
//! that choose keys, signing programs, the store or the confinement are therefore remembered in the user's directory
//! when they are first used, and a change stops the next run until it is accepted with `provost trust config`.

use anyhow::{Context as _, Result, bail};
use provost_model::{Digest, sha256};
use serde::{Deserialize, Serialize};

use crate::home::{Home, Project};
use crate::signing;

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Pin {
    root: String,
    settings: Digest,
}

fn pin_of(project: &Project) -> Option<Pin> {
    let root = project.root.as_ref()?.to_string_lossy().into_owned();
    let config = &project.config;
    let mut settings =
        format!("{:?} {:?} {:?} {:?}", config.signer, config.certificate, config.isolation, config.store_path);
    // Projects that do not use these have the settings that were accepted before there were any.
    if config.guard != crate::guard::GuardConfig::default() || config.observe != crate::watch::Observe::Auto {
        settings += &format!(" {:?} {:?}", config.observe, config.guard);
    }
    Some(Pin { root, settings: sha256(settings.as_bytes()) })
}

/// Remembers the settings if the project is new; refuses if they are not those that were accepted.
///
/// # Errors
/// They changed, or the project's id is used from another place.
pub fn check(home: &Home, project: &Project) -> Result<()> {
    let Some(pin) = pin_of(project) else { return Ok(()) };
    let path = home.pin(&project.config.project_id);
    let Ok(bytes) = std::fs::read(&path) else { return accept(home, project) };
    let known: Pin = serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?;
    if known.root != pin.root {
        bail!(
            "the project id `{}` belongs to {}; this is {}. If it moved, accept that with `provost trust config`",
            project.config.project_id,
            known.root,
            pin.root
        );
    }
    if known.settings != pin.settings {
        bail!(
            "provost.toml changed which keys, store or confinement are used since that was accepted. Review it, then \
             `provost trust config`"
        );
    }
    Ok(())
}

/// Whether these very settings were accepted for this project before: `None` where nothing was. Remembers nothing.
///
/// # Errors
/// Others were accepted, or the project's id is used from another place.
pub fn accepted(home: &Home, project: &Project) -> Result<Option<()>> {
    if !home.pin(&project.config.project_id).exists() {
        return Ok(None);
    }
    check(home, project).map(Some)
}

/// Accepts the settings as they are now.
///
/// # Errors
/// They cannot be remembered.
pub fn accept(home: &Home, project: &Project) -> Result<()> {
    let Some(pin) = pin_of(project) else { return Ok(()) };
    let path = home.pin(&project.config.project_id);
    let _ = std::fs::remove_file(&path);
    signing::write_private(&path, &serde_json::to_vec(&pin)?)
}
