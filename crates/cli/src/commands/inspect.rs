//! `provost inspect`: any envelope, bundle, statement, checkpoint, proof, policy or key, made readable. Verifies
//! nothing, and says so.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use provost_attest::predicate::{self, Artifacts, Environment, Materials, Process};
use provost_attest::{Bundle, Envelope, FileList, Statement};
use provost_keys::{Certificate, PublicKey};
use provost_model::{count, human_bytes, printable};
use provost_policy::{POLICY_PAYLOAD, Policy};
use provost_tlog::{LogProof, NoteKey, SignedCheckpoint};

use crate::evidence_file::EvidenceFile;
use crate::exit::Exit;
use crate::render;

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file; `-` for standard input.
    file: PathBuf,
    /// Print the whole payload or document as JSON instead.
    #[arg(long)]
    json: bool,
}

const LIMIT: u64 = 256 * 1024 * 1024;

/// Shows a file.
///
/// # Errors
/// It cannot be read, or is nothing that is known.
pub fn run(args: &InspectArgs) -> Result<Exit> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin().take(LIMIT).read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = crate::input::read(&args.file, LIMIT)?;
    }
    let shown = if args.json { as_json(&bytes)? } else { describe(&bytes)? };
    anstream::println!("{}", shown.trim_end());
    Ok(Exit::Pass)
}

/// Describes a document, whatever it is.
///
/// # Errors
/// It is nothing that is known.
pub fn describe(bytes: &[u8]) -> Result<String> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if text.starts_with("-----BEGIN") {
            return describe_pem(text);
        }
        if let Ok(proof) = LogProof::parse(bytes) {
            let mut out = format!("{}\n", render::bold("log proof (c2sp.org/tlog-proof@v1)"));
            out += &render::line(
                "entry",
                &format!("{}, with {}", proof.index, count(proof.hashes.len() as u64, "hash", "hashes")),
            );
            return Ok(out + &describe_checkpoint(&proof.checkpoint));
        }
        if let Ok(checkpoint) = SignedCheckpoint::parse(bytes) {
            return Ok(describe_checkpoint(&checkpoint));
        }
        if let Ok(key) = text.parse::<NoteKey>() {
            return Ok(format!(
                "{}\n{}",
                render::bold("verifier key of a log"),
                render::line("name", &printable(key.name()))
            ));
        }
    }
    if let Ok(bundle) = Bundle::parse(bytes) {
        return Ok(describe_bundle(&bundle));
    }
    if let Ok(envelope) = Envelope::parse(bytes) {
        return Ok(describe_envelope(&envelope));
    }
    if let Ok(statement) = Statement::parse(bytes) {
        return Ok(format!("{}\n{}", render::bold("statement, not signed"), describe_statement(&statement)));
    }
    if let Ok(file) = EvidenceFile::parse(bytes) {
        return Ok(describe_evidence(&file));
    }
    if let Ok(policy) = std::str::from_utf8(bytes).map_err(|_| ()).and_then(|text| Policy::parse(text).map_err(|_| ()))
    {
        return Ok(describe_policy(&policy));
    }
    bail!(
        "it is no envelope, bundle, evidence file, statement, checkpoint, log proof, policy, key or certificate that can be read here"
    )
}

fn as_json(bytes: &[u8]) -> Result<String> {
    let payload = Envelope::parse(bytes)
        .or_else(|_| Bundle::parse(bytes).map(|b| b.envelope().clone()))
        .map(|e| e.unverified_payload().to_vec());
    let text = payload.unwrap_or_else(|_| bytes.to_vec());
    match serde_json::from_slice::<serde_json::Value>(&text) {
        Ok(value) => Ok(serde_json::to_string_pretty(&value)?),
        Err(_) => Ok(String::from_utf8(text).context("it is no text")?),
    }
}

fn describe_pem(text: &str) -> Result<String> {
    if let Ok(key) = PublicKey::from_pem(text) {
        let id = render::line("id", &format!("sha256:{}", key.id()));
        let in_toto = render::line("in-toto id", &provost_attest::in_toto_key_id(&key));
        return Ok(format!("{}\n{id}{in_toto}", render::bold(&format!("public key, {}", key.algorithm().name()))));
    }
    if let Ok(chain) = Certificate::chain_from_pem(text) {
        let mut out = String::new();
        for certificate in chain {
            let identity = certificate.identity()?;
            out += &format!("{}\n", render::bold("certificate, not verified"));
            for name in &identity.names {
                out += &render::line("subject", &printable(name.text()));
            }
            if let Some(issuer) = &identity.issuer {
                out += &render::line("issuer", &printable(issuer));
            }
            out += &render::line("valid", &format!("{} to {}", identity.not_before, identity.not_after));
        }
        return Ok(out);
    }
    if text.contains("PRIVATE KEY") {
        bail!("this is a private key: it is not shown");
    }
    bail!("the PEM block is neither a public key nor a certificate that can be read")
}

fn describe_checkpoint(checkpoint: &SignedCheckpoint) -> String {
    let state = checkpoint.unverified();
    let mut out = format!("{}\n", render::bold("checkpoint, not verified"));
    out += &render::line("log", &printable(&state.origin));
    out += &render::line("size", &state.size.to_string());
    out += &render::line("root", &state.root.to_hex());
    for line in checkpoint.note().signatures() {
        out += &render::line("signed by", &format!("{} (key {})", printable(&line.name), hex::encode(line.key_id)));
    }
    out
}

fn describe_bundle(bundle: &Bundle) -> String {
    let mut out = format!("{}\n", render::bold("Sigstore bundle v0.3, not verified"));
    for proof in bundle.proofs() {
        let state = proof.checkpoint.unverified();
        out += &render::line("log", &format!("{}, entry {} of {}", printable(&state.origin), proof.index, state.size));
    }
    out + &describe_envelope(bundle.envelope())
}

fn describe_envelope(envelope: &Envelope) -> String {
    let mut out = format!("{}\n", render::bold("DSSE envelope, not verified"));
    out += &render::line("digest", &envelope.digest().to_hex());
    out += &render::line(
        "payload",
        &format!("{}, {}", printable(envelope.payload_type()), human_bytes(envelope.unverified_payload().len() as u64)),
    );
    for signature in envelope.signatures() {
        let who = signature.key_id.as_deref().map_or("(no key id)".into(), printable);
        out += &render::line("signature", &format!("key id says {who}"));
    }
    if envelope.payload_type() == POLICY_PAYLOAD {
        let text = String::from_utf8_lossy(envelope.unverified_payload()).into_owned();
        return match Policy::parse(&text) {
            Ok(policy) => out + &describe_policy(&policy),
            Err(error) => out + &format!("{error}\n"),
        };
    }
    match Statement::parse(envelope.unverified_payload()) {
        Ok(statement) => out + &describe_statement(&statement),
        Err(_) => out,
    }
}

fn describe_statement(statement: &Statement) -> String {
    let short = predicate::short_name(&statement.predicate_type);
    let mut out = render::line(
        "statement",
        &format!("{} {}", render::bold(&printable(short)), render::dim(&printable(&statement.predicate_type))),
    );
    for subject in statement.subject.iter().take(10) {
        let digest = subject.sha256().map_or_else(|| format!("{:?}", subject.digest), |d| format!("sha256:{d}"));
        out += &render::line(
            "subject",
            &format!(
                "{}  {}",
                printable(subject.name.as_deref().unwrap_or("(unnamed)")),
                render::dim(&printable(&digest))
            ),
        );
    }
    if statement.subject.len() > 10 {
        out += &render::line("", &format!("and {} more", statement.subject.len() - 10));
    }
    out.push('\n');
    out + &describe_predicate(statement)
}

fn describe_predicate(statement: &Statement) -> String {
    let mut out = String::new();
    let kind = statement.predicate_type.as_str();
    match kind {
        predicate::ENVIRONMENT => {
            if let Ok(environment) = statement.predicate_as::<Environment>(kind) {
                out += &render::line("step", &printable(&environment.step));
                for attribute in &environment.attributes {
                    let value = attribute.conditions.get("value").and_then(|v| v.as_str()).unwrap_or_default();
                    let source = attribute.conditions.get("source").and_then(|v| v.as_str()).unwrap_or_default();
                    let target = attribute
                        .target
                        .as_ref()
                        .map(|t| {
                            format!(
                                "{}  sha256:{}",
                                t.name.as_deref().unwrap_or_default(),
                                t.digest.get("sha256").map_or("?", String::as_str)
                            )
                        })
                        .unwrap_or_default();
                    out += &format!(
                        "  {}  {}{} {}\n",
                        render::dim(&format!("{:<22}", printable(&attribute.attribute))),
                        printable(value),
                        printable(&target),
                        render::dim(&format!("({})", printable(source)))
                    );
                    for limit in attribute.conditions.get("limits").and_then(|l| l.as_array()).into_iter().flatten() {
                        out += &format!(
                            "  {}  {}\n",
                            " ".repeat(22),
                            render::dim(&printable(limit.as_str().unwrap_or_default()))
                        );
                    }
                }
            }
        }
        predicate::PROCESS => {
            if let Ok(process) = statement.predicate_as::<Process>(kind) {
                out += &render::line("step", &printable(&process.step));
                for event in process.monitor_log.process.iter().take(1) {
                    out += &render::line("command", &printable(&event.arguments.join(" ")));
                    out += &render::line("in", &printable(&event.working_directory));
                    out += &render::line("from", &format!("{} to {}", event.started_on, event.finished_on));
                    let ended = event.ending.map_or_else(|| "not seen".into(), |ending| ending.to_string());
                    out += &render::line("ended", &ended);
                    if !event.environment.is_empty() {
                        out += &render::line(
                            "variables",
                            &printable(&event.environment.keys().cloned().collect::<Vec<_>>().join(", ")),
                        );
                    }
                }
                let seen = &process.completeness;
                let log = &process.monitor_log;
                out += &render::line(
                    "watched by",
                    match seen.back_end.as_str() {
                        "" | "none" => "nobody",
                        name => name,
                    },
                );
                if log.process.len() > 1 || !log.file_access.is_empty() {
                    out += &render::line(
                        "saw",
                        &format!(
                            "{}, {}, {}",
                            count(log.process.len() as u64, "process", "processes"),
                            count(log.file_access.len() as u64, "file", "files"),
                            count(log.network.len() as u64, "network event", "network events"),
                        ),
                    );
                }
                for event in log.network.iter().take(20) {
                    let text = |name: &str| event.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
                    let port = event.get("port").and_then(serde_json::Value::as_u64);
                    let place = format!("{}{}", text("address"), port.map(|p| format!(":{p}")).unwrap_or_default());
                    let line = format!(
                        "{} {} {place} {} {}",
                        text("kind"),
                        text("protocol"),
                        text("name"),
                        text("permission")
                    );
                    out += &render::line("network", &printable(&line));
                }
                if !process.guard.mode.is_empty() {
                    out += &render::line("guard", &printable(&process.guard.mode));
                }
                for layer in &process.guard.layers {
                    out += &render::line("", &printable(layer));
                }
                for violation in process.guard.violations.iter().take(50) {
                    let permission = format!("{:?}", violation.permission).to_lowercase();
                    let times =
                        if violation.count > 1 { format!(" ({} times)", violation.count) } else { String::new() };
                    let what = printable(&format!("{}: {}{times}, {permission}", violation.kind, violation.what));
                    out += &render::line("violation", &render::warning(&what));
                }
                out += &render::line("complete", if seen.complete { "yes; by its nature not seen:" } else { "no" });
                for why in &seen.incomplete {
                    out += &render::line("because", &printable(why));
                }
                for what in &seen.not_seen {
                    out += &render::line("not seen", &printable(what));
                }
            }
        }
        predicate::MATERIALS => {
            if let Ok(materials) = statement.predicate_as::<Materials>(kind) {
                out += &render::line("step", &printable(&materials.step));
                if let Some(git) = &materials.git {
                    out += &render::line("source", &printable(git.source.uri.as_deref().unwrap_or_default()));
                    out += &render::line(
                        "commit",
                        &printable(git.source.digest.get("gitCommit").map_or("(none)", String::as_str)),
                    );
                    out += &render::line(
                        "clean",
                        match git.dirty {
                            Some(false) => "yes",
                            Some(true) => "no: the working tree differs",
                            None => "not known",
                        },
                    );
                }
                for lockfile in &materials.lockfiles {
                    out += &render::line(
                        "lockfile",
                        &format!(
                            "{} ({})",
                            printable(lockfile.file.name.as_deref().unwrap_or_default()),
                            printable(&lockfile.ecosystem)
                        ),
                    );
                }
                out += &describe_list(&materials.files);
            }
        }
        predicate::ARTIFACTS => {
            if let Ok(artifacts) = statement.predicate_as::<Artifacts>(kind) {
                out += &render::line("step", &printable(&artifacts.step));
                out += &describe_list(&artifacts.files);
                if artifacts.deleted_count > 0 {
                    out += &render::line("deleted", &count(artifacts.deleted_count as u64, "material", "materials"));
                }
            }
        }
        _ => {
            let text = serde_json::to_string_pretty(&statement.predicate).unwrap_or_default();
            for line in text.lines().take(200) {
                out += &format!("  {}\n", printable(line));
            }
        }
    }
    out
}

fn describe_list(list: &FileList) -> String {
    let mut out =
        render::line("files", &format!("{}, {}", count(list.count, "file", "files"), human_bytes(list.bytes)));
    out += &render::line("root", &list.merkle_root.to_hex());
    for entry in list.entries.iter().flatten().take(50) {
        let digest = entry.digest.map_or("-".repeat(12), |d| d.short());
        let problem =
            entry.problem.as_ref().map(|p| format!("  {}", render::warning(&printable(p)))).unwrap_or_default();
        out += &format!(
            "    {}  {:>9}  {}{problem}\n",
            render::dim(&digest),
            human_bytes(entry.size),
            printable(&entry.name.text)
        );
    }
    if let Some(entries) = &list.entries {
        if entries.len() > 50 {
            out += &format!("    and {} more; all with --json\n", entries.len() - 50);
        }
        let uncertain = entries.iter().filter(|e| !e.is_certain()).skip(50).count();
        if uncertain > 0 {
            out += &format!(
                "    {}\n",
                count(uncertain as u64, "more without certain content", "more without certain content")
            );
        }
    } else {
        out += &render::line("", &format!("the list is the blob sha256:{}", list.leaves));
    }
    for place in &list.not_listed {
        out += &render::line("not listed", &printable(place));
    }
    out
}

fn describe_evidence(file: &EvidenceFile) -> String {
    let mut out = format!("{}\n", render::bold("evidence file, not verified"));
    out += &render::line("bundles", &file.bundles.len().to_string());
    for bundle in &file.bundles {
        let envelope = bundle.envelope();
        let kind = Statement::parse(envelope.unverified_payload())
            .map_or_else(|_| "policy".to_owned(), |s| predicate::short_name(&s.predicate_type).to_owned());
        let entry = bundle
            .proofs()
            .next()
            .map(|p| format!("entry {} of {}", p.index, p.checkpoint.unverified().size))
            .unwrap_or_default();
        out += &format!("    {:<14} {}  {}\n", printable(&kind), envelope.digest().short(), render::dim(&entry));
    }
    if !file.envelopes.is_empty() {
        out += &render::line("envelopes", &format!("{} without log proof", file.envelopes.len()));
    }
    for key in &file.policy_keys {
        out += &render::line(
            "policy key",
            &format!("sha256:{} {}", key.id(), render::dim("(the producer's word; trust it only by its id)")),
        );
    }
    if !file.consistency.is_empty() {
        out += &render::line(
            "log",
            &format!(
                "consistency proved from {}",
                file.consistency.iter().map(|c| c.from.to_string()).collect::<Vec<_>>().join(", ")
            ),
        );
    }
    out
}

fn describe_policy(policy: &Policy) -> String {
    let mut out = format!("{}\n", render::bold(&format!("policy {}", printable(&policy.name))));
    out += &render::line("serial", &policy.serial.to_string());
    out += &render::line("expires", &policy.expires.to_string());
    for step in &policy.steps {
        let require = step.require.iter().map(|r| predicate::short_name(r)).collect::<Vec<_>>().join(", ");
        out += &render::line(
            "step",
            &format!(
                "{} by {} of {}; {}",
                render::bold(&printable(&step.name)),
                step.threshold,
                printable(&step.functionaries.join(", ")),
                printable(&require)
            ),
        );
    }
    for log in &policy.logs {
        out += &render::line("log", &printable(&log.key.to_string()));
    }
    for rule in &policy.rego {
        out += &render::line("rego", &printable(&rule.name));
    }
    out
}
