//! Modules, losses and optimizers.

pub mod functional;
pub mod loss;

pub use loss::{BCELoss, L1Loss, Loss, MSELoss, Reduction, SmoothL1Loss};
