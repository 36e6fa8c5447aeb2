//! Random shapes, dtypes, layouts, values and options thrown at every operation and loss, at states and at texts: an error or a sound
//! result, never a panic. What the bytes mean is in `random`, which the fuzzers in `fuzz` share.

use crate::random::{
    Case, Draw, check, files, losses, operations, programs, readers, states, texts, threads,
};
use downhill::{Error, Result, Shape, Tensor};
use proptest::prelude::*;

/// The shape of an element-by-element operation of `a` and `b`.
fn check_shape(name: &str, case: &Case, result: &Result<Vec<Tensor>>) {
    let of_two = ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "eq", "ne", "le", "gt"];
    let of_one = ["exp", "log", "sigmoid", "tanh", "abs", "softmax", "log_softmax", "cumsum", "tril", "flip"];
    let expected = if of_two.contains(&name) {
        Shape::broadcast("test", case.a.shape(), case.b.shape())
    } else if of_one.contains(&name) {
        Ok(*case.a.shape())
    } else {
        return;
    };
    match (result, expected) {
        (Ok(y), expected) => assert_eq!(Ok(*y[0].shape()), expected, "{name}"),
        (Err(Error::Broadcast { .. }), expected) => assert!(expected.is_err(), "{name}"),
        (Err(_), _) => {}
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 600)
}

/// As many cases as `PROPTEST_CASES` says, where it is set: 50,000 of them call operations ten million times.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { default } else { ProptestConfig { cases, ..default } }
}

proptest! {
    #![proptest_config(config(120))]

    #[test]
    fn every_operation_refuses_or_computes(bytes in bytes()) {
        let case = Case::new(&mut Draw(&bytes));
        for (name, call) in operations::operations() {
            let result = std::panic::catch_unwind(|| call(&case));
            let result = result.unwrap_or_else(|_| panic!("{name} panicked"));
            check_shape(name, &case, &result);
            check(name, &[&case.a, &case.b, &case.c], || result);
        }
    }

    #[test]
    fn every_loss_refuses_or_computes(bytes in bytes()) {
        losses::run(&bytes);
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn programs_of_operations_refuse_or_compute(bytes in bytes()) {
        programs::run(&bytes);
    }

    #[test]
    fn states_are_refused_or_loaded(bytes in bytes()) {
        states::run(&bytes);
    }

    #[test]
    fn every_tensor_has_a_text(bytes in bytes()) {
        texts::run(&bytes, false);
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn files_are_refused_or_read(bytes in bytes()) {
        files::run(&bytes);
        files::damage(&bytes);
    }

    #[test]
    fn data_is_refused_or_read(bytes in bytes()) {
        readers::run(&bytes);
        readers::damage(&bytes);
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn programs_have_the_same_bits_on_one_thread_and_on_three(bytes in bytes()) {
        threads::run(&bytes);
    }
}
