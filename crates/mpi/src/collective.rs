//! Tensors and states that all processes exchange.

use crate::world::{Call, WORDS, World};
use downhill::nn::StateDict;
use downhill::{DType, Element, Error, Result, Shape, Tensor};
use mpi::collective::SystemOperation;
use mpi::datatype::PartitionMut;
use mpi::traits::{Communicator, CommunicatorCollectives, Equivalence, Root};

/// Elements a message: MPI counts in 31 bits.
pub(crate) const MOST: usize = 1 << 28;

/// How [`World::all_reduce`] combines the elements of one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    /// The sum, in an order that is MPI's own; integers wrap.
    Sum,
    /// The least.
    Min,
    /// The largest.
    Max,
}

impl Reduce {
    fn operation(self) -> SystemOperation {
        match self {
            Self::Sum => SystemOperation::sum(),
            Self::Min => SystemOperation::min(),
            Self::Max => SystemOperation::max(),
        }
    }
}

const DTYPES: [DType; 4] = [DType::Bool, DType::I64, DType::F32, DType::F64];

/// A tensor's dtype, number of dimensions and sizes, and one word more.
fn describe(x: &Tensor, extra: usize) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    words[0] = DTYPES.iter().position(|&dtype| dtype == x.dtype()).unwrap_or_default() as u64;
    words[1] = x.dim() as u64;
    words[2..].iter_mut().zip(x.shape().iter()).for_each(|(word, &size)| *word = size as u64);
    words[WORDS - 1] = extra as u64;
    words
}

fn dtype(words: &[u64; WORDS]) -> DType {
    DTYPES[words[0] as usize]
}

fn shape(call: Call, words: &[u64; WORDS]) -> Result<Shape> {
    let sizes: Vec<_> = words[2..].iter().take(words[1] as usize).map(|&size| size as usize).collect();
    Shape::new(call.name(), &sizes)
}

/// Refuses tensors that differ in dtype, and in shape if that matters, or calls that differ in their last word.
fn check_same(call: Call, all: &[[u64; WORDS]], shapes: bool) -> Result<()> {
    for (rank, words) in all.iter().enumerate() {
        if words[0] != all[0][0] || (shapes && words[1..WORDS - 1] != all[0][1..WORDS - 1]) {
            let text =
                |words| Ok::<_, Error>(format!("shape {} and dtype {}", shape(call, words)?, dtype(words)));
            let message = format!("process {rank} has {}, but process 0 {}", text(words)?, text(&all[0])?);
            return Err(Error::argument(call.name(), message));
        }
        if words[WORDS - 1] != all[0][WORDS - 1] {
            let what = if matches!(call, Call::Broadcast) { "root" } else { "reduction" };
            let message = format!("process {rank} and process 0 name different {what}s");
            return Err(Error::argument(call.name(), message));
        }
    }
    Ok(())
}

impl World {
    /// Each element combined with those of the same place in all other processes: the same tensor everywhere.
    ///
    /// For metrics: counts and sums over the processes' parts of a test set. The order of a sum of floats is MPI's, so that its last digits depend
    /// on the number of processes; [`DataParallel::backward`](crate::DataParallel::backward) has sums whose do not.
    ///
    /// # Errors
    /// [`Error::DType`] for booleans; [`Error::Argument`], in all processes, unless they have one shape, one dtype and one operation; [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// use downhill_mpi::{Reduce, World};
    ///
    /// let world = World::init()?;
    /// // Of how many rows, how many were right: here all processes have the same.
    /// let counts = world.all_reduce(&Tensor::from([10, 7]), Reduce::Sum)?;
    /// assert_eq!(counts, Tensor::from([10, 7]) * world.size() as i64);
    /// world.finish()?;
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.distributed.all_reduce`](https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.all_reduce), which writes in place.
    pub fn all_reduce(&self, x: &Tensor, reduce: Reduce) -> Result<Tensor> {
        let call = Call::AllReduce;
        check_same(call, &self.agree(call, describe(x, reduce as usize))?, true)?;
        match x.dtype() {
            DType::Bool => {
                Err(Error::DType { op: call.name(), expected: "int64, float32 or float64", got: DType::Bool })
            }
            DType::I64 => self.all_reduce_of::<i64>(x, reduce),
            DType::F32 => self.all_reduce_of::<f32>(x, reduce),
            DType::F64 => self.all_reduce_of::<f64>(x, reduce),
        }
    }

    fn all_reduce_of<T: Element + Equivalence>(&self, x: &Tensor, reduce: Reduce) -> Result<Tensor> {
        let x = x.detach().try_contiguous()?;
        let parts = x.as_slice::<T>()?.chunks(MOST);
        Tensor::build(*x.shape(), |out: &mut [T]| {
            for (part, out) in parts.zip(out.chunks_mut(MOST)) {
                self.comm().all_reduce_into(part, out, reduce.operation());
            }
        })
    }

    /// The tensor of one process, in all of them.
    ///
    /// The others give a tensor of the same shape and dtype, whose elements do not matter.
    ///
    /// # Errors
    /// [`Error::Argument`], in all processes, unless they have one shape and dtype and name one root, which there is; [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// use downhill_mpi::World;
    ///
    /// let world = World::init()?;
    /// let x = Tensor::from([world.rank(), 5]);
    /// assert_eq!(world.broadcast(&x, 0)?, Tensor::from([0, 5]));
    /// world.finish()?;
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.distributed.broadcast`](https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.broadcast), which writes in place.
    pub fn broadcast(&self, x: &Tensor, root: usize) -> Result<Tensor> {
        let call = Call::Broadcast;
        check_same(call, &self.agree(call, describe(x, root))?, true)?;
        if root >= self.size() {
            let message = format!("there is no process {root}, but {}", self.size());
            return Err(Error::argument(call.name(), message));
        }
        self.send_all(x, *x.shape(), x.dtype(), root)
    }

    /// What the root has, a tensor of this shape and dtype; `x` matters there alone.
    fn send_all(&self, x: &Tensor, shape: Shape, dtype: DType, root: usize) -> Result<Tensor> {
        match dtype {
            DType::Bool => self.send_all_of::<bool>(x, shape, root),
            DType::I64 => self.send_all_of::<i64>(x, shape, root),
            DType::F32 => self.send_all_of::<f32>(x, shape, root),
            DType::F64 => self.send_all_of::<f64>(x, shape, root),
        }
    }

    fn send_all_of<T: Element + Equivalence>(&self, x: &Tensor, shape: Shape, root: usize) -> Result<Tensor> {
        let own = (self.rank() == root).then(|| x.detach().try_contiguous()).transpose()?;
        let own = own.as_ref().map(Tensor::as_slice::<T>).transpose()?;
        Tensor::build(shape, |out: &mut [T]| {
            if let Some(own) = own {
                out.copy_from_slice(own);
            }
            for part in out.chunks_mut(MOST) {
                self.comm().process_at_rank(root as i32).broadcast_into(part);
            }
        })
    }

    /// The tensors of all processes, by rank, in all of them. They may differ in shape, but not in dtype.
    ///
    /// # Errors
    /// [`Error::Argument`], in all processes, for different dtypes, and for more than 2³¹ − 1 elements together; [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// use downhill_mpi::World;
    ///
    /// let world = World::init()?;
    /// let all = world.all_gather(&Tensor::from([world.rank()]))?;
    /// assert_eq!(all.len(), world.size());
    /// assert_eq!(Tensor::cat(&all, 0)?, downhill::arange(0, world.size() as i64, 1)?);
    /// world.finish()?;
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.distributed.all_gather`](https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.all_gather), which wants one shape.
    pub fn all_gather(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let call = Call::AllGather;
        let all = self.agree(call, describe(x, 0))?;
        check_same(call, &all, false)?;
        let shapes: Vec<_> = all.iter().map(|words| shape(call, words)).collect::<Result<_>>()?;
        match x.dtype() {
            DType::Bool => self.all_gather_of::<bool>(x, &shapes),
            DType::I64 => self.all_gather_of::<i64>(x, &shapes),
            DType::F32 => self.all_gather_of::<f32>(x, &shapes),
            DType::F64 => self.all_gather_of::<f64>(x, &shapes),
        }
    }

    fn all_gather_of<T: Element + Equivalence>(&self, x: &Tensor, shapes: &[Shape]) -> Result<Vec<Tensor>> {
        let op = Call::AllGather.name();
        let total: usize = shapes.iter().map(Shape::numel).sum();
        if i32::try_from(total).is_err() {
            return Err(Error::argument(op, format!("{total} elements are too many to gather at once")));
        }
        let counts: Vec<_> = shapes.iter().map(|shape| shape.numel() as i32).collect();
        let starts: Vec<_> = counts
            .iter()
            .scan(0, |next, count| {
                *next += count;
                Some(*next - count)
            })
            .collect();
        let x = x.detach().try_contiguous()?;
        let own = x.as_slice::<T>()?;
        let mut all = downhill::memory::vec(op, T::default(), total)?;
        self.comm()
            .all_gather_varcount_into(own, &mut PartitionMut::new(&mut all[..], &counts[..], &starts[..]));
        let mut rest = &all[..];
        let tensors = shapes.iter().map(|shape| {
            let (own, after) = rest.split_at(shape.numel());
            rest = after;
            Tensor::build(*shape, |out: &mut [T]| out.copy_from_slice(own))
        });
        tensors.collect()
    }

    /// The state of rank 0 in all processes, names included: how they all begin with a file that rank 0 has read. The others' own does not matter.
    ///
    /// # Errors
    /// [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module, StateDict};
    /// use downhill_mpi::World;
    ///
    /// let world = World::init()?;
    /// let layer = Linear::new(2, 3)?;
    /// let state = if world.is_root() { layer.state_dict() } else { StateDict::new() };
    /// layer.load_state_dict(&world.broadcast_state(&state)?)?;
    /// world.finish()?;
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn broadcast_state(&self, state: &StateDict) -> Result<StateDict> {
        let call = Call::State;
        let mut text = if self.is_root() { contents(state) } else { Vec::new() };
        let mut words = [0; WORDS];
        words[0] = text.len() as u64;
        let length = self.agree(call, words)?[0][0] as usize;
        text.resize(length, 0);
        for part in text.chunks_mut(MOST) {
            self.comm().process_at_rank(0).broadcast_into(part);
        }
        let mut all = StateDict::new();
        let placeholder = Tensor::from(0);
        let mut rest = &text[..];
        while let Some((name, words, after)) = entry(rest) {
            let own = state.get(&name).filter(|_| self.is_root()).unwrap_or(&placeholder);
            all.insert(name, self.send_all(own, shape(call, &words)?, dtype(&words), 0)?);
            rest = after;
        }
        Ok(all)
    }
}

/// The names and tensors of a state, without the elements: for each the length of its name, the name, and the words of the tensor.
fn contents(state: &StateDict) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, x) in state.iter() {
        bytes.extend((name.len() as u64).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend(describe(x, 0).iter().flat_map(|word| word.to_le_bytes()));
    }
    bytes
}

/// The first entry of [`contents`], and what follows it.
fn entry(bytes: &[u8]) -> Option<(String, [u64; WORDS], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (name, rest) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
    let (words, rest) = rest.split_at_checked(8 * WORDS)?;
    let (words, _) = words.as_chunks();
    let words = std::array::from_fn(|i| u64::from_le_bytes(words[i]));
    Some((String::from_utf8_lossy(name).into_owned(), words, rest))
}
