//! XML: as much of it as project files need.
