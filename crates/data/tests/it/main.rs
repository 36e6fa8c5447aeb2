//! What the crate's public items do. A loader here has a generator of its own: tests run side by side.

mod datasets;
mod distributed;
mod files;
mod loader;
mod split;
mod standardizer;
mod table;
