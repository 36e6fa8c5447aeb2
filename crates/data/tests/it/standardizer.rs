use downhill::Tensor;
use downhill::data::Standardizer;
use downhill::nn::StateDict;

#[test]
fn values_are_those_of_scikit_learn() {
    // `StandardScaler().fit([[1, nan, 5], [2, 4, 5], [4, 8, 5]])`: `mean_` and `scale_`.
    let x = Tensor::from([[1.0, f64::NAN, 5.0], [2.0, 4.0, 5.0], [4.0, 8.0, 5.0]]);
    let scaler = Standardizer::fit(&x).unwrap();
    assert_eq!(scaler.mean().to_vec::<f64>().unwrap(), [7.0 / 3.0, 6.0, 5.0]);
    assert_eq!(scaler.std().to_vec::<f64>().unwrap(), [1.247_219_128_924_647, 2.0, 1.0]);
    let y = scaler.transform(&x).unwrap();
    assert!(y.slice((0, 1)).unwrap().item::<f64>().unwrap().is_nan());
    assert_eq!(y.slice((.., 2)).unwrap(), Tensor::from([0.0, 0.0, 0.0]));
}

#[test]
fn a_constant_that_rounds_is_constant() {
    let scaler = Standardizer::fit(&Tensor::from([[0.1], [0.1], [0.1]])).unwrap();
    assert_eq!(scaler.std(), &Tensor::from([1.0]));
}

#[test]
fn features_have_any_shape_and_columns_without_values_are_left() {
    let x = Tensor::from([[[1.0_f32, f32::NAN]], [[3.0, f32::NAN]]]);
    let scaler = Standardizer::fit(&x).unwrap();
    assert_eq!(
        (scaler.mean().shape(), scaler.std()),
        (x.slice(0).unwrap().shape(), &Tensor::from([[1.0, 1.0]]))
    );
    let y = scaler.transform(&x).unwrap();
    assert_eq!(y.dtype(), x.dtype());
    assert_eq!(y.slice((.., 0, 0)).unwrap(), Tensor::from([-1.0_f32, 1.0]));
}

#[test]
fn what_cannot_be_standardized_is_refused() {
    let fit = |x: Tensor| Standardizer::fit(&x).unwrap_err().to_string();
    assert_eq!(fit(Tensor::from([1, 2])), "Standardizer: expected float32 or float64, but got int64");
    let message = "Standardizer: expected entries in dimension 0, at least one, but got shape [0, 2]";
    assert_eq!(fit(downhill::zeros([0, 2]).unwrap()), message);
    assert_eq!(fit(Tensor::from([1.0, f64::NEG_INFINITY])), "Standardizer: -inf has no place in a mean");
    let scaler = Standardizer::fit(&Tensor::from([[1.0, 2.0]])).unwrap();
    let error = scaler.transform(&Tensor::from([1.0])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Standardizer: expected features of shape [2] as in the fit, but got shape [1]"
    );
}

#[test]
fn states_that_are_none_are_refused() {
    let state = |mean: Tensor, std: Tensor| [("mean", mean), ("std", std)].into_iter().collect::<StateDict>();
    let one = || Tensor::from([1.0]);
    let cases = [
        (StateDict::new(), "no entry \"mean\" in its state"),
        (state(one(), Tensor::from([1.0, 2.0])), "expected a std of the mean's shape [1], but got shape [2]"),
        (state(one(), Tensor::from([0.0])), "0 in its state: means are finite, and stds above 0"),
        (state(Tensor::from([f64::NAN]), one()), "NaN in its state: means are finite, and stds above 0"),
        (state(one(), Tensor::from([1])), "expected float32 or float64, but got int64"),
        ([("scale", one())].into_iter().collect(), "unexpected entry \"scale\" in its state"),
    ];
    for (state, message) in cases {
        assert_eq!(
            Standardizer::from_state(state).unwrap_err().to_string(),
            format!("Standardizer: {message}")
        );
    }
}
