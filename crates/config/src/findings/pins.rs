//! Actions, images and reusable workflows that can change without a commit of this repository.

use super::{At, brief};

pub(super) fn look(at: &mut At<'_>) {
    let workflow = at.workflow;
    if let Some(image) = &workflow.image
        && image.value.starts_with("docker://")
    {
        self::image(at, &image.value, image.line);
    }
    for job in &workflow.jobs {
        if let Some(call) = &job.call {
            reference(at, "mutable-workflow", &call.uses.value, call.uses.line);
        }
        for one in &job.images {
            image(at, &one.value, one.line);
        }
        for uses in job.steps.iter().filter_map(|step| step.uses.as_ref()) {
            match uses.value.starts_with("docker://") {
                true => image(at, &uses.value, uses.line),
                false => reference(at, "unpinned-action", &uses.value, uses.line),
            }
        }
    }
}

fn reference(at: &mut At<'_>, rule: &str, uses: &str, line: u32) {
    if uses.starts_with("./") || uses.starts_with("../") || uses.starts_with("$/") {
        return;
    }
    let (name, version) = uses.rsplit_once('@').unwrap_or((uses, ""));
    let is_commit = matches!(version.len(), 40 | 64) && version.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_commit {
        let what = if version.is_empty() { "without a version".to_owned() } else { format!("by `{}`", brief(version)) };
        at.note(rule, line, format!("`{}` is used {what}, which can be moved", brief(name)), &[uses]);
    }
}

fn image(at: &mut At<'_>, written: &str, line: u32) {
    let name = written.strip_prefix("docker://").unwrap_or(written).trim();
    if unpinned_image(name) {
        at.note("unpinned-image", line, format!("the image `{}` has no digest", brief(name)), &[written]);
    }
}

/// An image without a digest. One that an expression names is not known.
pub(super) fn unpinned_image(name: &str) -> bool {
    !name.is_empty() && !name.contains('$') && !name.contains("@sha256:")
}
