//! The cases in which PyTorch's error is smaller, each with ours, which must not grow.

/// What is compared.
pub(crate) const ERRORS: [&str; 3] = ["value", "gradient", "elements"];

/// Loss with options and family, what is compared, PyTorch's error and ours.
type Known = (&'static str, &'static str, f64, f64);

/// Samples are rounded before they are reduced.
const SUMS: [Known; 2] = [
    (r#"CTCLoss {"reduction":"mean"} random"#, "value", 9.9e-8, 1.1e-7),
    (r#"CTCLoss {"reduction":"sum"} confident"#, "value", 7.5e-8, 9.5e-8),
];

/// The anchor's gradient is a difference of two unit vectors: where these nearly agree no digit of an element is certain, and which
/// library has one more is luck. Values are sums of distances that are rounded.
const TRIPLETS: [Known; 8] = [
    (r#"TripletMarginLoss {"p":3.0} random"#, "elements", 3.1e-2, 6.7e-2),
    (r#"TripletMarginLoss {"reduction":"sum"} random"#, "elements", 1.1e-3, 9.1e-3),
    (r#"TripletMarginLoss {"p":1.0} to 1e4"#, "value", 1.7e-7, 2.1e-7),
    (r#"TripletMarginLoss {"swap":true} to 1e4"#, "elements", 6.5e-4, 7.5e-4),
    (r#"TripletMarginLoss {"p":3.0} tiny"#, "elements", 1.3e-3, 1.1e-2),
    ("TripletMarginLoss {} offset of 1e4", "elements", 3.3e-4, 5.4e-4),
    (r#"TripletMarginLoss {"swap":true} offset of 1e4"#, "elements", 1.9e-3, 2.5e-3),
    (r#"TripletMarginLoss {"reduction":"sum"} offset of 1e4"#, "value", 1.0e-7, 1.2e-7),
];

/// Losses that begin with a product of matrices: how its sums are cut depends on the processor, PyTorch's as ours. Here
/// (linear cross-entropy, sums, random: 7.9e-7 and 8.4e-7; elements 1.8e-2 and 2.2e-2) we are up to 1.22 times PyTorch's.
const PRODUCTS: [&str; 2] = ["LinearCrossEntropyLoss", "AdaptiveLogSoftmaxWithLoss"];
const OF_PRODUCTS: f64 = 1.5;

/// Whether this error, larger than PyTorch's, is one of these and no larger than it was.
pub(crate) fn known(title: &str, what: &str, theirs: f64, ours: f64) -> bool {
    if PRODUCTS.iter().any(|loss| title.starts_with(loss)) {
        return ours <= OF_PRODUCTS * theirs;
    }
    // Recorded with two digits.
    let near = |x: f64, recorded: f64| x <= 1.06 * recorded;
    let mut all = SUMS.iter().chain(&TRIPLETS);
    all.any(|k| k.0 == title && k.1 == what && near(theirs, k.2) && near(ours, k.3))
}
