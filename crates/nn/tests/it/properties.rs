//! Layers and their functions on random arguments: a result of the right shape or an error, never a panic.

use downhill_nn::functional::{dropout, flatten, linear, log_softmax, softmax};
use downhill_nn::{Dropout, Parameter, SGD, SgdOptions, accuracy};
use downhill_tensor::{DType, Tensor};
use proptest::prelude::*;

fn shape(ranks: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..4_usize, ranks)
}

fn dtype() -> impl Strategy<Value = DType> {
    prop::sample::select(vec![DType::F32, DType::F64, DType::I64, DType::Bool])
}

fn tensor(shape: &[usize], dtype: DType) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
    Tensor::from_vec(values, shape).unwrap().to_dtype(dtype)
}

proptest! {
    #[test]
    fn linear_gives_its_shape_or_an_error(
        x in shape(0..4), w in shape(0..4), b in prop::option::of(shape(0..4)),
        dtypes in (dtype(), dtype(), prop::bool::weighted(0.8)), fit in prop::bool::weighted(0.8),
    ) {
        let mut w = w;
        if let (true, Some(last), Some(features)) = (fit, w.last_mut(), x.last()) {
            *last = *features;
        }
        let other = if dtypes.2 { dtypes.0 } else { dtypes.1 };
        let (x, w) = (tensor(&x, dtypes.0), tensor(&w, other));
        let b = b.map(|b| tensor(&b, dtypes.0));
        if let Ok(y) = linear(&x, &w, b.as_ref()) {
            let mut want = x.shape()[..x.dim() - 1].to_vec();
            want.extend(&w.shape()[..w.dim() - 1]);
            prop_assert_eq!(&**y.shape(), &want[..]);
        }
    }

    #[test]
    fn layers_of_one_argument_give_its_shape_or_an_error(
        x in shape(0..5), dtype in dtype(), dim in -6..6_isize, end in -6..6_isize, p in -0.5..1.5_f64, training: bool,
    ) {
        let x = tensor(&x, dtype);
        for y in [softmax(&x, dim), log_softmax(&x, dim), dropout(&x, p, training)].into_iter().flatten() {
            prop_assert_eq!(y.shape(), x.shape());
        }
        if let Ok(y) = flatten(&x, dim, end) {
            prop_assert_eq!(y.numel(), x.numel());
        }
        prop_assert_eq!(Dropout::new(p).is_ok(), (0.0..=1.0).contains(&p));
    }

    #[test]
    fn accuracy_is_a_share_or_an_error(logits in shape(0..4), target in shape(0..3), dtypes in (dtype(), dtype())) {
        let (logits, target) = (tensor(&logits, dtypes.0), tensor(&target, dtypes.1));
        if let Ok(share) = accuracy(&logits, &target) {
            prop_assert!(share.is_nan() == (logits.shape()[0] == 0) && (share.is_nan() || (0.0..=1.0).contains(&share)));
        }
    }

    #[test]
    fn optimizers_take_any_options_or_refuse_them(
        lr: f64, momentum: f64, dampening: f64, weight_decay: f64, nesterov: bool, maximize: bool,
    ) {
        let options = SgdOptions { lr, momentum, dampening, weight_decay, nesterov, maximize };
        let w = Parameter::new(Tensor::from([1.0_f32, 2.0])).unwrap();
        if let Ok(mut optimizer) = SGD::new([w.clone()], options) {
            use downhill_nn::Optimizer;
            for _ in 0..2 {
                w.set_grad(Some(Tensor::from([1.0_f32, -1.0]))).unwrap();
                optimizer.step().unwrap();
            }
            prop_assert!(lr >= 0.0 && momentum >= 0.0 && weight_decay >= 0.0);
        }
    }
}
