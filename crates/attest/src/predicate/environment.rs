//! The environment attestation as a SCAI attribute report v0.3 (in-toto Attestation, `predicates/scai.md`).

use std::collections::BTreeMap;

use provost_model::{EnvironmentFact, FactSource, Isolation, Timestamp, Tool};
use serde::{Deserialize, Serialize};

use crate::ResourceDescriptor;

/// One attribute assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// What is asserted, e.g. `operating-system`, `tool`, `isolation`.
    pub attribute: String,
    /// What it is asserted of, when not the environment as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ResourceDescriptor>,
    /// The value, who stands behind it, and how it was learned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, serde_json::Value>,
}

/// The environment attestation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// All assertions, ordered by name.
    pub attributes: Vec<Attribute>,
    /// The program that made the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<ResourceDescriptor>,
    /// Step that ran in the environment. An extension field.
    #[serde(rename = "provost_step")]
    pub step: String,
    /// Joins the statements of one run. An extension field.
    #[serde(rename = "provost_invocationId")]
    pub invocation_id: String,
    /// When the run ended. An extension field.
    #[serde(rename = "provost_finishedOn")]
    pub finished_on: Timestamp,
}

impl Environment {
    /// Folds facts, tools and isolation into a report.
    pub fn new(
        step: &str,
        (invocation_id, finished_on): (&str, Timestamp),
        facts: &[EnvironmentFact],
        tools: &[Tool],
        isolation: &Isolation,
        producer: ResourceDescriptor,
    ) -> Self {
        let text = |value: &str| serde_json::Value::from(value);
        let mut attributes: Vec<Attribute> = facts
            .iter()
            .map(|fact| Attribute {
                attribute: fact.name.clone(),
                target: None,
                conditions: BTreeMap::from([
                    ("value".into(), text(&fact.value)),
                    ("source".into(), source(fact.source)),
                    ("basis".into(), text(&fact.basis)),
                ]),
            })
            .collect();
        attributes.extend(tools.iter().map(|tool| {
            let mut target = ResourceDescriptor::named(tool.name.clone(), tool.sha256);
            target.uri = Some(format!("file://{}", tool.path));
            let basis = if tool.remembered { "digest remembered, file unchanged since" } else { "file hashed" };
            Attribute {
                attribute: "tool".into(),
                target: Some(target),
                conditions: BTreeMap::from([
                    ("source".into(), source(FactSource::Measured)),
                    ("basis".into(), text(basis)),
                ]),
            }
        }));
        attributes.push(Attribute {
            attribute: "isolation".into(),
            target: None,
            conditions: BTreeMap::from([
                ("value".into(), text(&isolation.mechanism)),
                ("source".into(), source(FactSource::Measured)),
                ("basis".into(), text("set up and probed by the supervisor")),
                ("keysUnreachable".into(), isolation.keys_unreachable.into()),
                ("landlockAbi".into(), isolation.landlock_abi.into()),
                ("limits".into(), isolation.limits.clone().into()),
            ]),
        });
        attributes.sort_by(|a, b| {
            let name = |x: &Attribute| (x.attribute.clone(), x.target.as_ref().and_then(|t| t.name.clone()));
            name(a).cmp(&name(b))
        });
        Self {
            attributes,
            producer: Some(producer),
            step: step.into(),
            invocation_id: invocation_id.into(),
            finished_on,
        }
    }

    /// The value of an attribute, with who stands behind it.
    pub fn fact(&self, name: &str) -> Option<(&str, Option<FactSource>)> {
        let conditions = &self.attributes.iter().find(|a| a.attribute == name)?.conditions;
        let source = conditions.get("source").and_then(|s| serde_json::from_value(s.clone()).ok());
        Some((conditions.get("value")?.as_str()?, source))
    }

    /// The tools, by name and descriptor.
    pub fn tools(&self) -> impl Iterator<Item = &ResourceDescriptor> {
        self.attributes.iter().filter(|a| a.attribute == "tool").filter_map(|a| a.target.as_ref())
    }

    /// Whether keys and store were measured to be out of the command's reach; `None` when nothing is said.
    pub fn keys_unreachable(&self) -> Option<bool> {
        self.attributes.iter().find(|a| a.attribute == "isolation")?.conditions.get("keysUnreachable")?.as_bool()
    }
}

fn source(source: FactSource) -> serde_json::Value {
    serde_json::to_value(source).unwrap_or_default()
}
