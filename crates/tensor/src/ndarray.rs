//! Arrays of `ndarray`, with the feature of that name.

use crate::tensor::IntoElement;
use crate::{Element, Error, Result, Shape, Tensor};
use ::ndarray::{ArrayD, ArrayRef, ArrayViewD, Dimension, IxDyn, ShapeBuilder};

/// Arrays of [`ndarray`](https://docs.rs/ndarray), with the feature `ndarray`.
///
/// A tensor's memory is the pool's and a vector is the array's, so that neither can own the other's: what owns its elements copies them,
/// once. A view copies nothing.
impl Tensor {
    /// The elements as a view, without a copy, however they lie in memory.
    ///
    /// # Errors
    /// [`Error::DType`] unless `T` is the element type.
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]).t()?;
    /// let view = x.as_ndarray::<f32>()?;
    /// assert_eq!((view[[0, 1]], view.sum()), (3.0, 10.0));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.Tensor.numpy`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.numpy.html), for reading.
    pub fn as_ndarray<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        self.check_dtype::<T>("as_ndarray")?;
        let (value, shape) = (self.value(), IxDyn(self.shape()));
        let view = match value.numel() {
            // Its strides may lead out of the memory that it has not.
            0 => ArrayViewD::from_shape(shape, &[]),
            _ => ArrayViewD::from_shape(shape.strides(IxDyn(value.layout.strides())), value.raw()),
        };
        view.map_err(|error| Error::argument("as_ndarray", error.to_string()))
    }

    /// The elements as an array, which are copied once, into row-major order.
    ///
    /// # Errors
    /// [`Error::DType`] unless `T` is the element type, [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// let mut array = Tensor::from([[1, 2], [3, 4]]).to_ndarray::<i64>()?;
    /// array[[0, 0]] = 7;
    /// assert_eq!(array.sum(), 16);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// `x.numpy().copy()`
    pub fn to_ndarray<T: Element>(&self) -> Result<ArrayD<T>> {
        self.check_dtype::<T>("to_ndarray")?;
        ArrayD::from_shape_vec(IxDyn(self.shape()), self.value().to_vec("to_ndarray")?)
            .map_err(|error| Error::argument("to_ndarray", error.to_string()))
    }

    /// A tensor of an array's elements, or of a view's, which are copied once.
    ///
    /// # Errors
    /// [`Error::Argument`] for more than 8 dimensions, [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// use ndarray::array;
    /// let a = array![[1.0_f32, 2.0], [3.0, 4.0]];
    /// assert_eq!(Tensor::from_ndarray(&a)?, Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]));
    /// assert_eq!(Tensor::from_ndarray(&a.t())?, Tensor::from([[1.0_f32, 3.0], [2.0, 4.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.from_numpy`](https://docs.pytorch.org/docs/stable/generated/torch.from_numpy.html), which shares the memory.
    pub fn from_ndarray<T: IntoElement, D: Dimension>(array: &ArrayRef<T, D>) -> Result<Self> {
        let shape = Shape::new("from_ndarray", array.shape())?;
        if let Some(elements) = array.as_slice() {
            return Self::from_slice(elements, shape);
        }
        let write = |out: &mut [T::Element]| out.iter_mut().zip(array).for_each(|(x, a)| *x = a.element());
        Self::build(shape, write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn views_of_any_layout_have_the_tensors_elements(a in 0_i64..4, b in 1_i64..4, c in 1_i64..4, dims in Just([2, 0, 1]), step in 1_usize..3) {
            let x = crate::arange(0, a * b * c, 1).unwrap().reshape([a, b, c].map(|n| n as isize)).unwrap();
            let every = crate::Slice::from(..).step(step);
            let views = [
                x.permute(dims).unwrap(),
                x.slice((every, every, every)).unwrap(),
                x.unsqueeze(1).unwrap().expand([-1, 3, -1, -1]).unwrap(),
                x.flip([0]).unwrap(),
                x,
            ];
            for view in views {
                let (array, copy) = (view.as_ndarray::<i64>().unwrap(), view.to_ndarray::<i64>().unwrap());
                prop_assert_eq!(array.iter().copied().collect::<Vec<_>>(), view.to_vec::<i64>().unwrap());
                prop_assert_eq!(&array, &copy);
                prop_assert_eq!(&Tensor::from_ndarray(&array).unwrap(), &view);
                prop_assert_eq!(Tensor::from_ndarray(&copy.t()).unwrap().numel(), view.numel());
            }
        }
    }

    #[test]
    fn a_view_has_the_tensors_own_memory() {
        let x = Tensor::from([1.0_f32, 2.0]);
        assert_eq!(x.as_ndarray::<f32>().unwrap().as_ptr(), x.as_slice::<f32>().unwrap().as_ptr());
        let error = x.as_ndarray::<f64>().unwrap_err();
        assert!(error.to_string().starts_with("as_ndarray: expected float64, but got float32"));
        let scalar = Tensor::from(7);
        assert_eq!(Tensor::from_ndarray(&scalar.as_ndarray::<i64>().unwrap()).unwrap(), scalar);
        let deep = ArrayD::<f32>::zeros(vec![1; 9]);
        assert!(matches!(Tensor::from_ndarray(&deep), Err(Error::Argument { op: "from_ndarray", .. })));
    }
}
