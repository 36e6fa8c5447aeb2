//! Softmax and log-softmax: derivatives, shapes, edges, errors.

use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{DType, Result, Tensor};

type Op = fn(&Tensor, isize) -> Result<Tensor>;
const OPS: [Op; 2] = [Tensor::softmax, Tensor::log_softmax];

fn input(shape: &[usize]) -> Result<Tensor> {
    let n = shape.iter().product::<usize>();
    Tensor::from_vec((0..n).map(|i| (i as f64 * 2.3).sin() * 2.0).collect(), shape)
}

#[test]
fn derivatives_match_differences_along_every_dim() -> Result<()> {
    for op in OPS {
        for (shape, dim) in [(&[4][..], 0), (&[3, 9], 1), (&[3, 9], 0), (&[2, 3, 10], -2), (&[], 0)] {
            let x = input(shape)?.requires_grad_()?;
            gradcheck(|x| op(&x[0], dim), std::slice::from_ref(&x))?;
            gradgradcheck(|x| op(&x[0], dim), &[x])?;
        }
    }
    Ok(())
}

#[test]
fn a_column_is_a_transposed_row() -> Result<()> {
    let x = input(&[5, 7])?;
    for op in OPS {
        let (a, b) = (op(&x, 0)?, op(&x.t()?, 1)?.t()?);
        assert!(a.sub(&b)?.abs().to_vec::<f64>()?.iter().all(|&d| d < 1e-15));
    }
    Ok(())
}

#[test]
fn empty_tensors_stay_empty() -> Result<()> {
    for op in OPS {
        for (shape, dim) in [([0, 3], 0), ([0, 3], 1), ([3, 0], 0), ([3, 0], 1)] {
            assert_eq!(op(&input(&shape)?, dim)?.shape(), &shape);
        }
    }
    Ok(())
}

#[test]
fn refusals_name_the_operation() -> Result<()> {
    let x = input(&[2, 3])?;
    let text = |result: Result<Tensor>| result.unwrap_err().to_string();
    assert_eq!(text(x.softmax(2)), "softmax: dimension 2 is out of range for a tensor of 2 dimensions");
    let ints = x.to_dtype(DType::I64);
    assert_eq!(text(ints.log_softmax(0)), "log_softmax: expected float32 or float64, but got int64");
    Ok(())
}
