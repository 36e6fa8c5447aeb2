//! The pages of `docs/`, so that their code is tested.

#[doc = include_str!("../docs/how-autograd-works.md")]
mod how_autograd_works {}

#[doc = include_str!("../docs/adding-an-op.md")]
mod adding_an_op {}

#[doc = include_str!("../docs/losses.md")]
mod losses {}

#[doc = include_str!("../docs/coming-from-pytorch.md")]
mod coming_from_pytorch {}

#[doc = include_str!("../README.md")]
mod readme {}
