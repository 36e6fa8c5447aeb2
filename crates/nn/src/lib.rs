//! Modules, losses and optimizers.

pub mod functional;
pub mod loss;

pub use loss::{BCELoss, CrossEntropyLoss, L1Loss, Loss, MSELoss, NLLLoss, Reduction, SmoothL1Loss};
