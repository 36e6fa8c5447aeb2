//! The pages of `docs/`, so that their code is tested.

#[doc = include_str!("../docs/how-autograd-works.md")]
mod how_autograd_works {}

#[doc = include_str!("../docs/adding-an-op.md")]
mod adding_an_op {}

#[doc = include_str!("../docs/losses.md")]
mod losses {}

#[doc = include_str!("../docs/losses/classes.md")]
mod classes {}

#[doc = include_str!("../docs/losses/labels.md")]
mod labels {}

#[doc = include_str!("../docs/losses/numbers.md")]
mod numbers {}

#[doc = include_str!("../docs/losses/sequences.md")]
mod sequences {}

#[doc = include_str!("../docs/losses/pairs.md")]
mod pairs {}

// The package `tests` asks for these features, so a test of the workspace has them.
#[cfg(all(feature = "plot", feature = "progress"))]
#[doc = include_str!("../docs/coming-from-pytorch.md")]
mod coming_from_pytorch {}

#[doc = include_str!("../docs/quick-start.md")]
mod quick_start {}

#[doc = include_str!("../README.md")]
mod readme {}
