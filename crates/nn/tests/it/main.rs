//! Tests of modules, losses and optimizers, in one program: it is linked once. `process` has those that read or seed what
//! the whole process shares.

mod cross_entropy;
mod files;
mod follow;
mod linear_cross_entropy;
mod metrics;
mod modules;
mod optim;
mod optim_state;
mod options;
mod properties;
mod scale;
mod schedule_tables;
mod schedules;
mod summary;
mod values;
