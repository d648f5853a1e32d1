//! Which package provides what another one needs.

use std::collections::HashMap;

use provost_model::Inventory;

use super::{MAXIMUM_EDGES, MAXIMUM_NAMES, MAXIMUM_PROVIDERS, problem};

/// Names, and the packages that go by them or provide them.
#[derive(Default)]
pub(super) struct Providers {
    by_name: HashMap<String, Vec<usize>>,
    spent: bool,
}

impl Providers {
    /// A package provides this.
    pub(super) fn add(&mut self, name: &str, package: usize) {
        if self.by_name.len() >= MAXIMUM_NAMES && !self.by_name.contains_key(name) {
            self.spent = true;
            return;
        }
        let list = self.by_name.entry(name.to_owned()).or_default();
        if list.len() < MAXIMUM_PROVIDERS && !list.contains(&package) {
            list.push(package);
        }
    }

    /// Those that provide it: [`MAXIMUM_PROVIDERS`] at most.
    pub(super) fn of(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Edges that may still be added to an inventory.
pub(super) struct Edges {
    left: usize,
    spent: bool,
}

impl Edges {
    pub(super) fn new() -> Self {
        Self { left: MAXIMUM_EDGES, spent: false }
    }

    /// Sets what a package needs: each of them once, and never the package itself.
    pub(super) fn set(&mut self, inventory: &mut Inventory, package: usize, mut needs: Vec<usize>) {
        needs.sort_unstable();
        needs.dedup();
        needs.retain(|one| *one != package);
        if needs.len() > self.left {
            needs.truncate(self.left);
            self.spent = true;
        }
        self.left -= needs.len();
        if let Some(package) = inventory.packages.get_mut(package) {
            package.dependencies = needs;
        }
    }

    /// Notes that edges, or names that they would lead to, were left out, where some were.
    pub(super) fn note(&self, providers: &Providers, inventory: &mut Inventory) {
        if providers.spent {
            problem(
                inventory,
                None,
                format!("more than {MAXIMUM_NAMES} names of what is provided: the others are left out"),
            );
        }
        if self.spent {
            problem(inventory, None, format!("more than {MAXIMUM_EDGES} dependencies: the others are left out"));
        }
    }
}
