//! Metrics against scikit-learn's, on the cases of `tests/metrics.json`.

use downhill_nn::metrics::*;
use downhill_nn::{Error, accuracy};
use downhill_tensor::Tensor;
use proptest::prelude::*;
use serde_json::Value;

fn cases(kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../metrics.json")).unwrap();
    let cases = file["cases"].as_array().unwrap().iter().filter(|case| case["kind"] == kind);
    let cases: Vec<_> = cases.cloned().collect();
    assert!(cases.len() >= 20);
    cases
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn integers(value: &Value) -> Tensor {
    Tensor::from(value.as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect::<Vec<_>>())
}

fn matrix(value: &Value) -> Tensor {
    let rows: Vec<_> = value.as_array().unwrap().iter().map(floats).collect();
    Tensor::from_vec(rows.concat(), [rows.len(), rows[0].len()]).unwrap()
}

/// Null is an error here.
#[track_caller]
fn same(found: Result<f64, Error>, expected: &Value) {
    match (found, expected.as_f64()) {
        (Ok(found), Some(expected)) => {
            assert!((found - expected).abs() <= 4e-15 * expected.abs().max(1.0), "{found} {expected}");
        }
        (Err(Error::Argument { .. }), None) => {}
        (found, expected) => panic!("{found:?} {expected:?}"),
    }
}

#[track_caller]
fn same_all(found: &[f64], expected: &Value) {
    let expected = expected.as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(&found, expected)| same(Ok(found), expected));
}

/// The rows from `i` on, `n` of them.
fn batch(x: &Tensor, i: usize, n: usize) -> Tensor {
    x.narrow(0, i as i64, n.min(x.shape()[0] - i)).unwrap()
}

#[test]
fn classes_are_scored_as_in_scikit_learn() {
    for case in cases("classes") {
        let (predicted, target) = (integers(&case["predicted"]), integers(&case["target"]));
        let classes = case["classes"].as_u64().unwrap() as usize;
        let whole = confusion_matrix(&predicted, &target, classes).unwrap();
        let mut parts = ConfusionMatrix::new(classes).unwrap();
        for i in (0..target.numel()).step_by(5) {
            parts.update(&batch(&predicted, i, 5), &batch(&target, i, 5)).unwrap();
        }
        assert_eq!(parts.counts(), whole.counts());
        for (row, expected) in whole.counts().iter().zip(case["confusion_matrix"].as_array().unwrap()) {
            assert_eq!(row, integers(expected));
        }
        same(whole.accuracy(), &case["accuracy"]);
        same(accuracy(&predicted, &target), &case["accuracy"]);
        same(matthews_corrcoef(&predicted, &target), &case["matthews"]);
        same(cohen_kappa(&predicted, &target), &case["kappa"]);
        same(parts.matthews_corrcoef(), &case["matthews"]);
        same(parts.cohen_kappa(), &case["kappa"]);

        let scores = precision_recall_fscore(&predicted, &target, classes).unwrap();
        let of = |get: fn(&ClassScores) -> f64| scores.per_class.iter().map(get).collect::<Vec<_>>();
        same_all(&of(|s| s.precision), &case["per_class"][0]);
        same_all(&of(|s| s.recall), &case["per_class"][1]);
        same_all(&of(|s| s.fscore), &case["per_class"][2]);
        same_all(&of(|s| s.support as f64), &case["per_class"][3]);
        for (average, name) in
            [(scores.macro_avg, "macro"), (scores.micro_avg, "micro"), (scores.weighted_avg, "weighted")]
        {
            same_all(&[average.precision, average.recall, average.fscore], &case["averages"][name]);
            assert_eq!(average.support, target.numel() as u64);
        }

        let logits = matrix(&case["logits"]);
        same(top_k_accuracy(&logits, &target, 2), &case["top_2_accuracy"]);
        let mut top = TopKAccuracy::new(2).unwrap();
        for i in (0..target.numel()).step_by(3) {
            top.update(&batch(&logits, i, 3), &batch(&target, i, 3)).unwrap();
        }
        same(top.value(), &case["top_2_accuracy"]);
    }
}

#[test]
fn two_classes_are_scored_as_in_scikit_learn() {
    for case in cases("binary") {
        let (scores, target) = (Tensor::from(floats(&case["scores"])), integers(&case["target"]));
        let mut metrics = BinaryMetrics::new();
        for i in (0..target.numel()).step_by(4) {
            // A column of scores, and a target as binary losses want it.
            let target = batch(&target, i, 4).to_dtype(downhill_tensor::DType::F32);
            metrics.update(&batch(&scores, i, 4).unsqueeze(1).unwrap(), &target).unwrap();
        }
        same(roc_auc(&scores, &target), &case["roc_auc"]);
        same(metrics.roc_auc(), &case["roc_auc"]);
        same(average_precision(&scores, &target), &case["average_precision"]);
        same(metrics.average_precision(), &case["average_precision"]);
        same(brier_score(&scores, &target), &case["brier"]);
        same(metrics.brier_score(), &case["brier"]);
        let curve = roc_curve(&scores, &target);
        let Some(expected) = case.get("roc_curve") else {
            assert!(matches!(curve, Err(Error::Argument { .. })));
            continue;
        };
        let curve = curve.unwrap();
        same_all(&curve.fpr, &expected[0]);
        same_all(&curve.tpr, &expected[1]);
        assert_eq!(curve.thresholds.len(), curve.fpr.len());
        assert_eq!(metrics.roc_curve().unwrap(), curve);
        let at_half = metrics.confusion_matrix(0.5).unwrap().precision_recall_fscore().unwrap().per_class[1];
        same_all(&[at_half.precision, at_half.recall, at_half.fscore], &case["at_half"]);
    }
}

#[test]
fn distances_are_those_of_scikit_learn() {
    for case in cases("regression") {
        let [p, t] = ["predicted", "target"].map(|name| Tensor::from(floats(&case[name])));
        let mut metrics = RegressionMetrics::new();
        for i in (0..t.numel()).step_by(7) {
            metrics.update(&batch(&p, i, 7).unsqueeze(1).unwrap(), &batch(&t, i, 7)).unwrap();
        }
        same(r2_score(&p, &t), &case["r2"]);
        same(mean_absolute_error(&p, &t), &case["mae"]);
        same(mean_squared_error(&p, &t), &case["mse"]);
        same(root_mean_squared_error(&p, &t), &case["rmse"]);
        same(median_absolute_error(&p, &t), &case["median_absolute_error"]);
        same(metrics.r2_score(), &case["r2"]);
        same(metrics.median_absolute_error(), &case["median_absolute_error"]);
    }
}

#[test]
fn several_outputs_are_averaged() {
    let p = Tensor::from([[0.0, 2.0], [-1.0, 2.0], [8.0, -5.0]]);
    let t = Tensor::from([[0.5, 1.0], [-1.0, 1.0], [7.0, -6.0]]);
    let mut metrics = RegressionMetrics::new();
    metrics.update(&p, &t).unwrap();
    let columns = |f: fn(&Tensor, &Tensor) -> Result<f64, Error>| {
        let of = |c| f(&p.select(1, c).unwrap(), &t.select(1, c).unwrap()).unwrap();
        f64::midpoint(of(0), of(1))
    };
    assert_eq!(metrics.r2_score().unwrap(), columns(r2_score));
    assert_eq!(metrics.root_mean_squared_error().unwrap(), columns(root_mean_squared_error));
    assert_eq!(metrics.median_absolute_error().unwrap(), columns(median_absolute_error));
    assert!(metrics.update(&Tensor::from([1.0]), &Tensor::from([1.0])).is_err());
}

/// scikit-learn's value of 0/0 is what it is told.
#[test]
fn what_is_divided_by_zero_is_an_option() {
    let matrix = confusion_matrix(&Tensor::from([0, 0, 1]), &Tensor::from([0, 0, 0]), 3).unwrap();
    let with = |zero_division| {
        let options = ScoreOptions { zero_division, ..Default::default() };
        matrix.precision_recall_fscore_with(options).unwrap()
    };
    let (zero, one, nan) = (with(0.0), with(1.0), with(f64::NAN));
    assert_eq!([zero.per_class[2].precision, one.per_class[2].precision], [0.0, 1.0]);
    // Class 1 was predicted, but never is: its recall is 0/0 and its F-score 0; of class 2 all are 0/0.
    assert_eq!((nan.per_class[1].precision, nan.per_class[1].fscore), (0.0, 0.0));
    assert!(nan.per_class[1].recall.is_nan() && nan.per_class[2].fscore.is_nan());
    assert_eq!(
        [zero.macro_avg.precision, one.macro_avg.precision, nan.macro_avg.precision],
        [1.0 / 3.0, 2.0 / 3.0, 0.5]
    );
    assert_eq!(nan.macro_avg.recall, 2.0 / 3.0);
    assert_eq!(nan.weighted_avg.recall, 2.0 / 3.0);
    let report =
        matrix.report_with(ReportOptions { zero_division: f64::NAN, digits: 3, names: &[] }).unwrap();
    let line = report.lines().nth(4).unwrap();
    assert_eq!(line, "           2        nan       nan       nan         0");

    let beta = |beta| {
        let options = ScoreOptions { beta, ..Default::default() };
        matrix.precision_recall_fscore_with(options).map(|scores| scores.per_class[0])
    };
    let s = beta(0.0).unwrap();
    assert_eq!((s.fscore, beta(f64::INFINITY).unwrap().fscore), (s.precision, s.recall));
    let expected = 5.0 * s.precision * s.recall / (4.0 * s.precision + s.recall);
    assert!((beta(2.0).unwrap().fscore - expected).abs() < 1e-15);
    let text = |result: Result<ClassScores, Error>| result.unwrap_err().to_string();
    assert_eq!(text(beta(-1.0)), "precision_recall_fscore: beta must be 0 or more, but got -1");
}

#[test]
fn what_has_no_value_is_an_error() {
    let none = Tensor::from(&[] as &[i64]);
    let of = |classes| confusion_matrix(&none, &none, classes).unwrap();
    assert!(of(0).accuracy().is_err() && of(2).precision_recall_fscore().is_err() && of(2).report().is_err());
    let text = matthews_corrcoef(&none, &none).unwrap_err().to_string();
    assert_eq!(text, "matthews_corrcoef: has no value before any row is counted");
    let one = Tensor::from([1, 1]);
    assert_eq!(matthews_corrcoef(&one, &one).unwrap(), 0.0);
    let text = cohen_kappa(&one, &one).unwrap_err().to_string();
    assert_eq!(text, "cohen_kappa: is undefined where all rows are of one class and predicted as it");
    let text = roc_auc(&Tensor::from([0.5, 0.1]), &one).unwrap_err().to_string();
    assert_eq!(text, "roc_auc: is undefined where no row is of class 0");
    assert_eq!(average_precision(&Tensor::from([0.5]), &Tensor::from([0])).unwrap(), 0.0);
    assert!(r2_score(&Tensor::from([1.0]), &Tensor::from([1.0])).is_err());
    assert!(RegressionMetrics::new().r2_score().is_err() && BinaryMetrics::new().brier_score().is_err());
    // A constant target.
    let c = Tensor::from([2.0, 2.0]);
    assert_eq!(r2_score(&c, &c).unwrap(), 1.0);
    assert_eq!(r2_score(&Tensor::from([2.0, 3.0]), &c).unwrap(), 0.0);
}

#[test]
fn what_does_not_fit_is_refused_and_not_counted() {
    let mut matrix = ConfusionMatrix::new(2).unwrap();
    for (predicted, target) in [
        (Tensor::from([0, 2]), Tensor::from([0, 0])),
        (Tensor::from([0, 0]), Tensor::from([0, -1])),
        (Tensor::from([0, 0]), Tensor::from([0])),
        (Tensor::from([0.0, 0.0]), Tensor::from([0, 0])),
        (Tensor::from([[0.1, 0.2, 0.7]]), Tensor::from([0])),
    ] {
        assert!(matrix.update(&predicted, &target).is_err());
    }
    assert_eq!(matrix.counts().sum(), Tensor::from(0));
    assert!(ConfusionMatrix::new(1 << 40).is_err());
    assert!(matthews_corrcoef(&Tensor::from([i64::MAX]), &Tensor::from([0])).is_err());
    assert!(matrix.report_with(ReportOptions { names: &["a"], ..Default::default() }).is_err());

    let mut metrics = BinaryMetrics::new();
    for (scores, target) in [
        (Tensor::from([0.1, f64::NAN]), Tensor::from([0, 1])),
        (Tensor::from([0.1, 0.2]), Tensor::from([0, 2])),
        (Tensor::from([0.1, 0.2]), Tensor::from([0])),
        (Tensor::from([1, 0]), Tensor::from([1, 0])),
        (Tensor::from([[0.1, 0.2]]), Tensor::from([[0, 1]])),
    ] {
        assert!(metrics.update(&scores, &target).is_err());
    }
    assert!(metrics.roc_auc().is_err());
    let text = brier_score(&Tensor::from([1.5]), &Tensor::from([1])).unwrap_err().to_string();
    assert_eq!(text, "brier_score: expected probabilities in [0, 1], but got 1.5");
    let text = mean_absolute_error(&Tensor::from([1.0, f64::NAN]), &Tensor::from([1.0, 1.0])).unwrap_err();
    assert_eq!(text.to_string(), "regression_metrics: the prediction has NaN in it");
    assert!(r2_score(&Tensor::from([1.0, 2.0]), &Tensor::from([1.0])).is_err());
    assert!(top_k_accuracy(&Tensor::from([[0.1, 0.2]]), &Tensor::from([2]), 1).is_err());
    assert!(TopKAccuracy::new(0).is_err());
}

/// As scikit-learn's documentation prints it.
#[test]
fn a_report_reads_as_in_scikit_learn() {
    let (predicted, target) = (Tensor::from([0, 0, 2, 2, 1]), Tensor::from([0, 1, 2, 2, 2]));
    let text = classification_report(&predicted, &target, &["class 0", "class 1", "class 2"]).unwrap();
    let lines = [
        "              precision    recall  f1-score   support",
        "",
        "     class 0       0.50      1.00      0.67         1",
        "     class 1       0.00      0.00      0.00         1",
        "     class 2       1.00      0.67      0.80         3",
        "",
        "    accuracy                           0.60         5",
        "   macro avg       0.50      0.56      0.49         5",
        "weighted avg       0.70      0.60      0.61         5",
        "",
    ];
    assert_eq!(text, lines.join("\n"));
    // 0.125 and 0.375 round to the even digit, as in Python.
    assert_eq!((format!("{:.2}", 0.125), format!("{:.2}", 0.375)), ("0.12".to_string(), "0.38".to_string()));
}

proptest! {
    #[test]
    fn the_area_counts_pairs_and_does_not_depend_on_the_order(
        rows in prop::collection::vec((0_i64..6, 0_i64..2), 2..40),
        turn in 0_usize..40,
    ) {
        let tensors = |rows: &[(i64, i64)]| {
            let scores: Vec<_> = rows.iter().map(|row| row.0 as f64 / 8.0).collect();
            (Tensor::from(scores), Tensor::from(rows.iter().map(|row| row.1).collect::<Vec<_>>()))
        };
        let of = |c| rows.iter().filter(move |row| row.1 == c).map(|row| row.0);
        let (zeros, ones) = (of(0).count(), of(1).count());
        let (scores, target) = tensors(&rows);
        let mut turned = rows.clone();
        turned.rotate_left(turn % rows.len());
        let (other_scores, other_target) = tensors(&turned);
        prop_assert_eq!(
            average_precision(&scores, &target).unwrap(),
            average_precision(&other_scores, &other_target).unwrap()
        );
        let area = roc_auc(&scores, &target);
        prop_assert_eq!(&area, &roc_auc(&other_scores, &other_target));
        prop_assert_eq!(area.is_ok(), zeros > 0 && ones > 0);
        if let Ok(area) = area {
            let halves: u64 = of(1).flat_map(|x| of(0).map(move |y| if x > y { 2 } else { u64::from(x == y) })).sum();
            prop_assert_eq!(area, halves as f64 / (2 * zeros * ones) as f64);
        }
    }

    #[test]
    fn the_first_of_k_is_the_largest(rows in prop::collection::vec((prop::array::uniform3(-2_i32..3), 0_i64..3), 1..20)) {
        let logits: Vec<_> = rows.iter().flat_map(|row| row.0).map(f64::from).map(|x| if x == 2.0 { f64::NAN } else { x }).collect();
        let logits = Tensor::from_vec(logits, [rows.len(), 3]).unwrap();
        let target = Tensor::from(rows.iter().map(|row| row.1).collect::<Vec<_>>());
        prop_assert_eq!(top_k_accuracy(&logits, &target, 1).unwrap(), accuracy(&logits, &target).unwrap());
        prop_assert_eq!(top_k_accuracy(&logits, &target, 3).unwrap(), 1.0);
    }
}
