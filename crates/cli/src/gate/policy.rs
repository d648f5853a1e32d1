//! The policy in force, with what it delegates.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_attest::{Envelope, TrustedSigner, verify_payload};
use provost_gate::Proposal;
use provost_policy::{Access, Delegated, Delegation, Policy};
use provost_repo::View;

use crate::clock;
use crate::home::Home;
use crate::judge::{self, Anchors, TrustedPolicy};

/// The payload type of a delegated document.
pub(crate) const DELEGATED_PAYLOAD: &str = "application/vnd.provost.delegated.v1+toml";

/// Reads the signed policy, verifies it by the user's own trust, and takes delegated documents in that lie beside it.
///
/// # Errors
/// No trusted key signed it, it is older than one that was seen, or says nothing of a repository.
pub(crate) fn load(home: &Home, path: &Path, anchors: &Anchors) -> Result<TrustedPolicy> {
    if !path.exists() {
        bail!("{} is not there: sign a policy with `provost policy sign`", path.display());
    }
    let trusted = judge::read_policy(path, anchors, &[])?;
    rooted(home, &trusted, anchors)?;
    judge::refuse_older_policy(home, &trusted)?;
    let folder = path.parent().unwrap_or(Path::new(".")).join("delegated");
    let read = |name: &str| {
        let path = folder.join(format!("{name}.dsse.json"));
        path.exists()
            .then(|| crate::input::read(&path, crate::input::SMALL).with_context(|| path.display().to_string()))
    };
    with_delegated(trusted, &read)
}

/// Takes delegated documents in. One that is missing, expired or badly signed gives no rule: what only it speaks of is
/// refused then.
///
/// # Errors
/// A document cannot be read.
pub(crate) fn with_delegated(
    mut trusted: TrustedPolicy,
    read: &dyn Fn(&str) -> Option<Result<Vec<u8>>>,
) -> Result<TrustedPolicy> {
    if trusted.policy.access.repository.is_none() {
        bail!("the policy `{}` says nothing of a repository: docs/gate.md shows what to add", trusted.policy.name);
    }
    let mut rules = BTreeMap::new();
    for delegation in trusted.policy.access.delegations.clone() {
        let Some(bytes) = read(&delegation.name).transpose()? else { continue };
        let document = Envelope::parse(&bytes).map_err(Into::into).and_then(|envelope| {
            let (_, document) = delegated_of(&trusted.policy.access, &envelope)?;
            if document.name != delegation.name {
                bail!("it is of the delegation `{}`", document.name);
            }
            Ok(document)
        });
        match document {
            Ok(document) if document.expires < clock::now() => {
                anstream::eprintln!(
                    "provost: the delegated rules `{}` expired on {}",
                    delegation.name,
                    document.expires
                );
            }
            Ok(document) => _ = rules.insert(delegation.name.clone(), document.protect),
            Err(error) => anstream::eprintln!(
                "provost: the delegated rules `{}` do not count: {}",
                delegation.name,
                provost_model::printable(&format!("{error:#}"))
            ),
        }
    }
    let access = std::mem::take(&mut trusted.policy.access);
    trusted.policy.access = access.with_delegated(rules);
    Ok(trusted)
}

/// Verifies a delegated document by the delegation that it names.
///
/// # Errors
/// Too few of its keys signed it, or it is not valid.
pub(crate) fn delegated_of(access: &Access, envelope: &Envelope) -> Result<(Delegation, Delegated)> {
    let text = std::str::from_utf8(envelope.unverified_payload()).context("it is not UTF-8")?;
    let document = Delegated::parse(text, access)?;
    let named = access.delegations.iter().find(|delegation| delegation.name == document.name);
    let delegation = named.context("the policy has no such delegation")?.clone();
    let signers: Vec<TrustedSigner> = delegation.keys.iter().cloned().map(TrustedSigner::key).collect();
    // Read again from the very bytes that were verified.
    let verified = verify_payload(envelope, DELEGATED_PAYLOAD, &signers, delegation.threshold)?;
    let text = std::str::from_utf8(verified.value()).context("it is not UTF-8")?;
    Ok((delegation, Delegated::parse(text, access)?))
}

/// The policy that follows another: where the one before names root keys, these alone say who may sign it; else whoever
/// was trusted for the first.
///
/// # Errors
/// It may not follow, and why.
pub(crate) fn following(before: &Policy, envelope: &Envelope, anchors: &Anchors) -> Result<TrustedPolicy> {
    let roots = before.access.root.as_ref().map(|root| Anchors { keys: root.keys.clone(), ids: Vec::new() });
    let next = judge::trusted_policy(envelope, roots.as_ref().unwrap_or(anchors), &[])?;
    may_follow(before, &next.policy, envelope)?;
    Ok(next)
}

/// Whether a policy may follow another: signed by enough root keys of both, and newer (TUF 1.0.34, 5.3).
///
/// # Errors
/// Why not.
fn may_follow(before: &Policy, next: &Policy, envelope: &Envelope) -> Result<()> {
    if next.serial <= before.serial {
        bail!("its serial {} is not above {}", next.serial, before.serial);
    }
    if next.name != before.name {
        bail!("it is named `{}`, and the one in force `{}`", next.name, before.name);
    }
    first_root(next, envelope)?;
    if let Some(root) = &before.access.root
        && !signed(root, envelope)
    {
        bail!("fewer than {} root keys of the policy in force signed it", root.threshold);
    }
    if before.access.root.is_some() && next.access.root.is_none() {
        bail!("it names no `[root]` keys any more: who may sign the one after it would be open");
    }
    Ok(())
}

fn signed(root: &provost_policy::RootKeys, envelope: &Envelope) -> bool {
    let signers = root.keys.iter().filter(|key| envelope.signed_by(key)).map(provost_keys::PublicKey::id).collect();
    root.satisfied(&signers)
}

/// A policy that names root keys is signed by enough of them itself: nobody can be locked out by a slip.
///
/// # Errors
/// Too few signed it.
pub(crate) fn first_root(policy: &Policy, envelope: &Envelope) -> Result<()> {
    match &policy.access.root {
        Some(root) if !signed(root, envelope) => {
            bail!("fewer than {} of its own root keys signed it (`provost policy sign --add`)", root.threshold)
        }
        _ => Ok(()),
    }
}

/// A policy with root keys counts only where enough of them signed it; and where a policy of the same name or repository with root
/// keys was seen before, only as one that may follow that.
///
/// # Errors
/// Why it does not count.
fn rooted(home: &Home, trusted: &TrustedPolicy, anchors: &Anchors) -> Result<()> {
    let policy = &trusted.policy;
    let envelope = Envelope::parse(trusted.json.as_bytes())?;
    first_root(policy, &envelope).with_context(|| format!("the policy `{}` serial {}", policy.name, policy.serial))?;
    let places = root_places(home, policy);
    let _lock = home.lock_memory();
    let mut before: Vec<(Policy, Envelope)> = Vec::new();
    for path in &places {
        let Ok(bytes) = std::fs::read(path) else { continue };
        let damaged = || format!("{} is damaged", path.display());
        let envelope = Envelope::parse(&bytes).with_context(damaged)?;
        let text = std::str::from_utf8(envelope.unverified_payload()).with_context(damaged)?;
        before.push((Policy::parse(text).with_context(damaged)?, envelope));
    }
    if before.is_empty() {
        before = judge::seen_policies(home)?;
        // What was remembered with too few signatures binds nobody.
        before.retain(|(seen, envelope)| {
            let here = root_places(home, seen).iter().any(|place| places.contains(place));
            here && seen.access.root.is_some() && first_root(seen, envelope).is_ok()
        });
    }
    let last = before.into_iter().max_by_key(|(seen, _)| seen.serial);
    if let Some((last, _)) = last.filter(|(last, _)| last.digest != policy.digest) {
        following(&last, &envelope, anchors).with_context(|| {
            format!("the policy serial {} cannot follow serial {}, which was seen before", policy.serial, last.serial)
        })?;
    }
    remember_root(home, trusted);
    Ok(())
}

/// Remembers a policy with root keys whose place in the chain was verified.
pub(crate) fn remember_root(home: &Home, trusted: &TrustedPolicy) {
    if trusted.policy.access.root.is_some() {
        for path in &root_places(home, &trusted.policy) {
            // As with other memory: one that cannot be written stops nothing that holds by itself.
            if std::fs::read(path).is_ok_and(|bytes| bytes == trusted.json.as_bytes()) {
                continue;
            }
            let temporary = path.with_extension(format!("{}.new", std::process::id()));
            let _ = std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))
                .and_then(|()| std::fs::write(&temporary, &trusted.json))
                .and_then(|()| std::fs::rename(&temporary, path));
        }
    }
}

/// Where the newest policy with root keys is remembered: by its name and by its repository, so that a change of one does not
/// leave the other behind.
fn root_places(home: &Home, policy: &Policy) -> Vec<std::path::PathBuf> {
    let uri = policy.access.repository.as_ref().map(|repository| format!("repository {}", repository.uri));
    let names = std::iter::once(format!("name {}", policy.name)).chain(uri);
    let folder = home.memory_path().join("roots");
    names.map(|name| folder.join(format!("{}.json", provost_model::sha256(name.as_bytes())))).collect()
}

/// The policy that judges, and where it was found.
pub(crate) struct InForce {
    /// The policy.
    pub(crate) trusted: TrustedPolicy,
    /// Where it was found, for people.
    pub(crate) from: String,
}

/// The ref of a repository whose server keeps the policy outside of every branch.
pub(crate) const POLICY_REF: &str = "refs/provost/policy";

/// The policy that judges a change: the one that a file holds, or the newest of those that lie in the base's tree and in
/// `refs/provost/policy`. Never the proposal's own.
///
/// # Errors
/// There is none, or none that a trusted key signed.
pub(crate) fn in_force(
    home: &Home,
    view: &View,
    base: Option<&str>,
    file: Option<&Path>,
    anchors: &Anchors,
) -> Result<InForce> {
    if let Some(path) = file {
        return Ok(InForce { trusted: load(home, path, anchors)?, from: path.display().to_string() });
    }
    let mut places: Vec<(String, String, String)> = Vec::new();
    if let Some(base) = base {
        places.push((base.to_owned(), format!("{}/", crate::home::FOLDER), format!("the base {}", &base[..10])));
    }
    if let Some(id) = view.reference(POLICY_REF)? {
        for folder in ["", ".provost/"] {
            places.push((id.clone(), folder.to_owned(), POLICY_REF.to_owned()));
        }
    }
    let mut best: Option<(TrustedPolicy, String, String, String)> = None;
    let mut looked = Vec::new();
    for (id, folder, from) in places {
        let Some(bytes) = in_tree(view, &id, &format!("{folder}policy.dsse.json"))? else {
            looked.push(from);
            continue;
        };
        let envelope = Envelope::parse(&bytes).with_context(|| format!("the policy in {from}"))?;
        let trusted =
            judge::trusted_policy(&envelope, anchors, &[]).with_context(|| format!("the policy in {from}"))?;
        let newer = best.as_ref().is_none_or(|(old, ..)| {
            old.policy.name == trusted.policy.name && old.policy.serial < trusted.policy.serial
        });
        if newer {
            best = Some((trusted, id, folder, from));
        }
    }
    let Some((mut trusted, id, folder, mut from)) = best else {
        bail!(
            "there is no signed policy to judge by: neither {} holds one. Commit .provost/policy.dsse.json to the target, or give --policy FILE",
            if looked.is_empty() { "the base nor refs/provost/policy".to_owned() } else { looked.join(" nor ") }
        );
    };
    // An old branch holds an old policy. The newest that was seen counts, wherever it was.
    match judge::newer_policy(home, &trusted, anchors, &[])? {
        Some(newer) => {
            from =
                format!("serial {} that was seen before; {from} holds {}", newer.policy.serial, trusted.policy.serial);
            trusted = newer;
        }
        None => {
            rooted(home, &trusted, anchors)?;
            judge::refuse_older_policy(home, &trusted)?;
        }
    }
    first_root(&trusted.policy, &Envelope::parse(trusted.json.as_bytes())?)?;
    let read = |name: &str| in_tree(view, &id, &format!("{folder}delegated/{name}.dsse.json")).transpose();
    Ok(InForce { trusted: with_delegated(trusted, &read)?, from })
}

/// Why the signed policy that a proposal brings could not follow the one in force; `None` where it brings none, or could.
///
/// # Errors
/// The repository cannot be read.
pub(crate) fn successor(
    view: &View,
    before: &TrustedPolicy,
    proposal: &Proposal,
    anchors: &Anchors,
) -> Result<Option<String>> {
    let path = format!("{}/policy.dsse.json", crate::home::FOLDER);
    let changed =
        proposal.changes.iter().any(|record| record.change.path == path.as_bytes() && record.change.new.is_some());
    let Some(tree) = proposal.binding.tree.as_ref().filter(|_| changed && proposal.binding.target.step.is_none())
    else {
        return Ok(None);
    };
    let follows = || -> Result<()> {
        let bytes = in_tree(view, tree, &path)?.context("it is not there")?;
        let envelope = Envelope::parse(&bytes)?;
        // The same text signed anew, by one more key or another, is no other policy.
        if provost_model::sha256(envelope.unverified_payload()) == before.policy.digest {
            judge::trusted_policy(&envelope, anchors, &[])?;
            return Ok(());
        }
        following(&before.policy, &envelope, anchors).map(|_| ())
    };
    Ok(follows().err().map(|error| format!("{error:#}")))
}

/// A small regular file of a commit or tree.
fn in_tree(view: &View, id: &str, path: &str) -> Result<Option<Vec<u8>>> {
    let Some(side) = view.at(id, path)? else { return Ok(None) };
    if !side.is_file() {
        bail!("{path} is no regular file in {id}");
    }
    Ok(Some(view.read(&side.id, provost_policy::Limits::POLICY as u64 * 4)?))
}
