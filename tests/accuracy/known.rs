//! The losses whose error may be a little larger than PyTorch's.

/// What is compared.
pub(crate) const ERRORS: [&str; 3] = ["value", "gradient", "elements"];

/// Losses that begin with a product of matrices: how its sums are cut depends on the processor, PyTorch's as ours. Here
/// (linear cross-entropy, sums, random: 7.9e-7 and 8.4e-7; elements 1.8e-2 and 2.2e-2) we are up to 1.22 times PyTorch's.
const PRODUCTS: [&str; 2] = ["LinearCrossEntropyLoss", "AdaptiveLogSoftmaxWithLoss"];
const OF_PRODUCTS: f64 = 1.5;

/// Whether this error, larger than PyTorch's, is one of these and no larger than it was.
pub(crate) fn known(title: &str, theirs: f64, ours: f64) -> bool {
    PRODUCTS.iter().any(|loss| title.starts_with(loss)) && ours <= OF_PRODUCTS * theirs
}
