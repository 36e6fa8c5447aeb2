use downhill::Tensor;
use downhill::data::{Dataset, Portion, Subset, TensorDataset, random_split, stratified_split};
use downhill::random::Generator;
use proptest::prelude::*;

fn numbers(n: usize) -> TensorDataset<Tensor> {
    TensorDataset::new(Tensor::from((0..n).collect::<Vec<_>>())).unwrap()
}

#[test]
fn portions_that_are_not_the_whole_are_refused() {
    fn refused<P: Portion>(portions: [P; 2], message: &str) {
        let error = random_split(numbers(10), portions, &mut Generator::seeded(0)).unwrap_err();
        assert_eq!(error.to_string(), format!("random_split: {message}"));
    }
    refused([7, 4], "the lengths [7, 4] do not add up to the 10 entries of the dataset");
    refused(
        [usize::MAX, 11],
        "the lengths [18446744073709551615, 11] do not add up to the 10 entries of the dataset",
    );
    for fractions in [[0.5, 0.4], [1.5, -0.5], [f64::NAN, 0.5]] {
        refused(fractions, &format!("the fractions {fractions:?} are not from 0 to 1 with the sum 1"));
    }
}

#[test]
fn fractions_may_add_up_to_a_little_more_than_1() {
    let fractions = [0.33, 0.56, 0.11];
    assert!(fractions.iter().sum::<f64>() > 1.0);
    let parts = random_split(numbers(100), fractions, &mut Generator::seeded(0)).unwrap();
    assert_eq!(parts.map(|part| part.len()), [33, 56, 11]);
}

#[test]
fn labels_that_are_not_classes_are_refused() {
    let error = |labels: Tensor| {
        let split = stratified_split(numbers(2), &labels, [0.5, 0.5], &mut Generator::seeded(0));
        split.unwrap_err().to_string()
    };
    assert_eq!(
        error(Tensor::from([0.0, 1.0])),
        "stratified_split: expected int64 or bool labels, but got float64"
    );
    let message = "stratified_split: expected one label for each of 2 entries, but got shape [3]";
    assert_eq!(error(Tensor::from([0, 1, 1])), message);
}

proptest! {
    #[test]
    fn each_entry_is_in_one_part(n in 0_usize..200, cut in 0.0..1.0, seed: u32) {
        let data = numbers(n);
        let fractions = [cut, (1.0 - cut) / 2.0, (1.0 - cut) / 2.0];
        let labels = Tensor::from((0..n).map(|i| i % 3 * i % 2).collect::<Vec<_>>());
        let plain = random_split(&data, fractions, &mut Generator::seeded(seed)).unwrap();
        let strata = stratified_split(&data, &labels, fractions, &mut Generator::seeded(seed)).unwrap();
        for (a, b) in plain.iter().zip(&strata) {
            prop_assert_eq!(a.len(), b.len());
        }
        for parts in [plain, strata] {
            let mut all: Vec<_> = parts.iter().flat_map(Subset::indices).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn of_two_parts_no_class_is_off_by_more_than_one(
        labels in prop::collection::vec(0_i64..4, 1..200), cut in 0.0..1.0, seed: u32,
    ) {
        let (n, classes) = (labels.len(), Tensor::from(labels.clone()));
        let parts = stratified_split(numbers(n), &classes, [cut, 1.0 - cut], &mut Generator::seeded(seed)).unwrap();
        for class in 0..4 {
            let count = |of: &[usize]| of.iter().filter(|&&i| labels[i] == class).count() as f64;
            let all: Vec<_> = (0..n).collect();
            let share = count(&all) * parts[0].len() as f64 / n as f64;
            prop_assert!((count(parts[0].indices()) - share).abs() <= 1.0);
        }
    }
}
