//! The one mutable cell: a tensor that training changes.

use crate::{Error, Result};
use downhill_tensor::{DType, Float, Shape, Tensor};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A tensor that training changes. A clone is another handle on the same parameter, as a second name is in Python.
///
/// [`tensor`](Self::tensor) is its value as a leaf of the graph, the same leaf in every forward pass, so that `backward`
/// adds its gradients up there. An update writes in place when nobody else holds the memory, as after a backward pass,
/// which frees the graph. A graph, a clone or a [`StateDict`](crate::StateDict) that still holds the value keeps it:
/// differentiating a graph after an update gives the gradient at the values it was built with.
///
/// # Examples
/// ```
/// use downhill::nn::Parameter;
/// use downhill::Tensor;
///
/// let w = Parameter::new(Tensor::from([1.0_f32, 2.0]))?;
/// w.tensor().square().sum().backward()?;
/// assert_eq!(w.grad().unwrap(), Tensor::from([2.0_f32, 4.0]));
/// assert_eq!(w.to_string(), "Parameter containing:\ntensor([1., 2.], requires_grad=True)");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Parameter`](https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html). There, an update
/// changes what everybody else holds, and a graph that needs the old value raises an error.
#[derive(Clone)]
pub struct Parameter(Arc<RwLock<Tensor>>);

impl Parameter {
    /// A parameter that starts with this value.
    ///
    /// # Errors
    /// [`Error::DType`] unless the elements are floats: others cannot be trained.
    ///
    /// # Examples
    /// ```
    /// assert!(downhill::nn::Parameter::new(downhill::Tensor::from([1, 2])).is_err());
    /// ```
    pub fn new(tensor: Tensor) -> Result<Self> {
        Ok(Self(Arc::new(RwLock::new(tensor.requires_grad_()?))))
    }

    /// A parameter that does not require a gradient, of any dtype: `Parameter(tensor, requires_grad=False)`.
    ///
    /// # Examples
    /// ```
    /// let p = downhill::nn::Parameter::frozen(downhill::Tensor::from([1, 2]));
    /// assert!(!p.requires_grad());
    /// ```
    pub fn frozen(tensor: Tensor) -> Self {
        Self(Arc::new(RwLock::new(tensor.detach())))
    }

    /// Poison means nothing: a panic between two writes leaves elements, all of them valid.
    fn read(&self) -> RwLockReadGuard<'_, Tensor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tensor> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current value, as a leaf of the graph.
    ///
    /// # Examples
    /// ```
    /// let w = downhill::nn::Parameter::new(downhill::ones([2])?)?;
    /// assert!(w.tensor().is_leaf() && w.tensor().requires_grad());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn tensor(&self) -> Tensor {
        self.read().clone()
    }

    /// The sizes of its dimensions.
    pub fn shape(&self) -> Shape {
        *self.read().shape()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.read().numel()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.read().dtype()
    }

    /// The gradient that backward passes have added up since [`zero_grad`](Self::zero_grad).
    pub fn grad(&self) -> Option<Tensor> {
        self.read().grad()
    }

    /// Replaces the gradient, as clipping does.
    ///
    /// # Errors
    /// [`Error::NoGrad`] if it is [frozen](Self::frozen), [`Error::Shape`] and [`Error::DType`] for a gradient that does not fit.
    ///
    /// # Examples
    /// ```
    /// let w = downhill::nn::Parameter::new(downhill::ones([2])?)?;
    /// w.set_grad(Some(downhill::zeros([2])?))?;
    /// assert_eq!(w.grad(), Some(downhill::zeros([2])?));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        self.read().set_grad(grad)
    }

    /// Forgets the gradient: it is `None` afterwards.
    pub fn zero_grad(&self) {
        // Only a frozen parameter refuses, and that has none.
        let _ = self.read().set_grad(None);
    }

    /// Takes over the values of a tensor, converted to the parameter's dtype: `parameter.copy_(tensor)`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape, [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    ///
    /// let w = downhill::nn::Parameter::new(downhill::ones([2])?)?;
    /// w.set(&Tensor::from([3, 4]))?;
    /// assert_eq!(w.tensor(), Tensor::from([3.0_f32, 4.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "copy_")]
    pub fn set(&self, tensor: &Tensor) -> Result<()> {
        if *tensor.shape() != self.shape() {
            return Err(Error::shape("set", format!("shape {}", self.shape()), tensor.shape()));
        }
        let new = self.ready_for(tensor)?;
        let mut value = self.write();
        match value.dtype() {
            DType::F32 => value.make_mut::<f32>()?.copy_from_slice(new.as_slice()?),
            DType::F64 => value.make_mut::<f64>()?.copy_from_slice(new.as_slice()?),
            DType::I64 => value.make_mut::<i64>()?.copy_from_slice(new.as_slice()?),
            DType::Bool => value.make_mut::<bool>()?.copy_from_slice(new.as_slice()?),
        }
        Ok(())
    }

    /// A value in the parameter's dtype and in row-major order, for which [`set`](Self::set) takes no more memory.
    pub(crate) fn ready_for(&self, value: &Tensor) -> Result<Tensor> {
        let new = value.detach().try_to_dtype(self.dtype())?.try_contiguous()?;
        self.unshare()?;
        Ok(new)
    }

    /// Takes memory that nobody else holds, after which an update takes none.
    pub(crate) fn unshare(&self) -> Result<()> {
        let mut value = self.write();
        match value.dtype() {
            DType::F32 => value.make_mut::<f32>().map(|_| ()),
            DType::F64 => value.make_mut::<f64>().map(|_| ()),
            DType::I64 => value.make_mut::<i64>().map(|_| ()),
            DType::Bool => value.make_mut::<bool>().map(|_| ()),
        }
    }

    /// Lets `write` change the elements, in row-major order: in place when nobody else holds the memory, in a copy otherwise.
    ///
    /// `write` must not use this parameter: it would wait for itself. [`downhill_tensor::kernels::update`] is the fast loop to call in it.
    ///
    /// # Errors
    /// [`Error::DType`] unless `T` is the parameter's element type, [`Error::Memory`] for the copy.
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    ///
    /// let w = downhill::nn::Parameter::new(Tensor::from([1.0_f32, 2.0]))?;
    /// let before = w.tensor();
    /// w.update(|w: &mut [f32]| w.iter_mut().for_each(|w| *w *= 0.5))?;
    /// assert_eq!(w.tensor(), Tensor::from([0.5_f32, 1.0]));
    /// assert_eq!(before, Tensor::from([1.0_f32, 2.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn update<T: Float, R>(&self, write: impl FnOnce(&mut [T]) -> R) -> Result<R> {
        Ok(write(self.write().make_mut()?))
    }

    /// Whether backward passes fill its gradient.
    pub fn requires_grad(&self) -> bool {
        self.read().requires_grad()
    }

    /// Lets backward passes fill its gradient, or freezes it.
    ///
    /// # Errors
    /// [`Error::DType`] for a gradient of integers or booleans.
    ///
    /// # Examples
    /// ```
    /// let w = downhill::nn::Parameter::new(downhill::ones([2])?)?;
    /// w.requires_grad_(false)?;
    /// assert!(!w.tensor().requires_grad());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn requires_grad_(&self, on: bool) -> Result<()> {
        let mut value = self.write();
        if value.requires_grad() != on {
            *value = if on { value.requires_grad_()? } else { value.detach() };
        }
        Ok(())
    }

    /// Converts it to another dtype; its gradient is forgotten.
    ///
    /// # Errors
    /// [`Error::DType`] for integers or booleans if it requires a gradient.
    ///
    /// # Examples
    /// ```
    /// let w = downhill::nn::Parameter::new(downhill::ones([2])?)?;
    /// w.to_dtype(downhill::DType::F64)?;
    /// assert_eq!(w.dtype(), downhill::DType::F64);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn to_dtype(&self, dtype: DType) -> Result<()> {
        self.replace(self.tensor().detach().try_to_dtype(dtype)?)
    }

    /// Takes a tensor in the place of its own; its gradient is forgotten if the dtype is another.
    pub(crate) fn replace(&self, new: Tensor) -> Result<()> {
        let mut value = self.write();
        if value.dtype() != new.dtype() {
            *value = if value.requires_grad() { new.requires_grad_()? } else { new };
        }
        Ok(())
    }

    /// Whether both are handles on one parameter.
    ///
    /// # Examples
    /// ```
    /// let w = downhill::nn::Parameter::new(downhill::ones([2])?)?;
    /// assert!(w.is(&w.clone()) && !w.is(&downhill::nn::Parameter::new(w.tensor())?));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that no other parameter has while this one lives.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

/// PyTorch's text.
impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("Parameter containing:\n{}", self.tensor()))
    }
}

/// As [`Display`](fmt::Display), so that a list of parameters prints as in Python.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A tensor that belongs to a module's state but is not trained, such as a running mean. A clone is another handle on it.
///
/// # Examples
/// ```
/// let mean = downhill::nn::Buffer::new(downhill::zeros([2])?);
/// mean.set(downhill::ones([2])?);
/// assert_eq!(mean.tensor(), downhill::ones([2])?);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.parameter.Buffer`](https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Buffer.html)
#[derive(Clone)]
pub struct Buffer(Arc<RwLock<Tensor>>);

impl Buffer {
    /// A buffer that starts with this value.
    pub fn new(tensor: Tensor) -> Self {
        Self(Arc::new(RwLock::new(tensor.detach())))
    }

    /// The current value, a constant.
    pub fn tensor(&self) -> Tensor {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the value.
    pub fn set(&self, tensor: Tensor) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tensor.detach();
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.tensor(), f)
    }
}
