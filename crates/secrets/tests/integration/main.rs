//! Tests of the rules and the engine.

mod engine;
mod planting;
mod rules;
