//! A model that all processes train together.

use crate::exchange::{Exchange, Traffic};
use crate::shares::Shares;
use crate::slots::{Slot, Values, average, buckets, reduce};
use crate::world::{Call, WORDS, World};
use downhill::data::Sampler;
use downhill::nn::{Buffer, Module, Parameter, StateDict};
use downhill::random::with_default;
use downhill::{DType, Error, Result, Tensor};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::{Duration, Instant};

/// How [`DataParallel`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Into how many pieces a global batch is cut: the largest number of processes that [`backward`](DataParallel::backward) can use, and what
    /// its bits depend on. 8 unless set; a power of two sends the least.
    pub pieces: usize,
    /// How many bytes of gradients are sent at once. 16 MiB unless set.
    pub bucket_bytes: usize,
    /// What the pieces' random numbers are made of, with the number of the step and of the piece. Drawn from rank 0's default generator
    /// unless set.
    pub seed: Option<i64>,
}

/// Bytes of a bucket and process, below which few messages matter more than few bytes: at 100 Gbit/s 64 KiB are sent in the 5 µs that
/// a message takes to begin (docs/distributed.md).
const SMALL: usize = 64 << 10;

impl Default for Options {
    fn default() -> Self {
        // 16 MiB: 100 processes send 198 messages of 170 KB for it, whose latencies of 20 µs are a seventh of the time at 10 Gbit/s
        // (docs/distributed.md).
        Self { pieces: 8, bucket_bytes: 16 << 20, seed: None }
    }
}

/// A model that all processes train together, each on its share of every batch.
///
/// There are two ways to the gradients of a global batch:
///
/// | | sums | mean |
/// | --- | --- | --- |
/// | [`backward`](Self::backward) | the same bits for any number of processes | over the global batch, with its weights |
/// | [`average_gradients`](Self::average_gradients) | MPI's order | of the processes' means, as PyTorch's |
///
/// Then every process does the same step, so that the parameters stay the same everywhere.
///
/// # Examples
/// The loss after 20 steps is the same to the last bit under `mpirun -n 1`, `-n 2`, `-n 4` and `-n 8`:
/// ```
/// use downhill::data::{DataLoader, RandomSampler, TensorDataset};
/// use downhill::prelude::*;
/// use downhill_mpi::{DataParallel, Options, World};
///
/// fn train(world: &World) -> Result<()> {
///     manual_seed(0);
///     let x = randn([64, 4])?;
///     let y = x.mv(&Tensor::from([1.0_f32, -2.0, 0.5, 3.0]))?.unsqueeze(1)?;
///
///     let model = Sequential::new().add(Linear::new(4, 16)?).add(Dropout::new(0.1)?).add(Linear::new(16, 1)?);
///     let mut parallel = DataParallel::new(&model, world, Options::default())?;
///     let mut optimizer = SGD::new(model.parameters(), SgdOptions { lr: 0.05, ..Default::default() })?;
///     let criterion = MSELoss { reduction: Reduction::Sum, ..Default::default() };
///     let shares = parallel.shares(RandomSampler::new(64), 16, true)?;
///     let loader = DataLoader::new(TensorDataset::new((x, y))?).batch_sampler(shares);
///     for _epoch in 0..5 {
///         for share in loader.iter()? {
///             optimizer.zero_grad();
///             let loss = parallel.backward(&share?, |(x, y)| {
///                 Ok((criterion.forward(&model.forward(x)?, y)?, y.numel() as f64))
///             })?;
///             optimizer.step()?;
///             if world.is_root() {
///                 println!("{loss}");
///             }
///         }
///     }
///     Ok(())
/// }
///
/// fn main() -> std::process::ExitCode {
///     World::run(train)
/// }
/// ```
///
/// # PyTorch
/// [`torch.nn.parallel.DistributedDataParallel`](https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html), which averages
/// inside of `backward`.
pub struct DataParallel<'w> {
    pub(crate) world: &'w World,
    pub(crate) options: Options,
    pub(crate) parameters: Vec<Parameter>,
    /// All of them; those that are floats are added up as gradients are.
    pub(crate) buffers: Vec<Buffer>,
    /// Of the parameters, then of the buffers that are floats.
    pub(crate) slots: Vec<Slot>,
    pub(crate) seed: i64,
    pub(crate) step: u64,
    time: Cell<Duration>,
    singles: RefCell<Exchange<'w, f32>>,
    doubles: RefCell<Exchange<'w, f64>>,
}

impl<'w> DataParallel<'w> {
    /// Gives the model of every process the parameters and buffers of rank 0's.
    ///
    /// Build the optimizer before or afterwards: parameters stay the same objects.
    ///
    /// # Errors
    /// In all processes: [`Error::Argument`] where models have other names, shapes or dtypes, where options differ, for no pieces or fewer than there are
    /// processes, and for buckets of no bytes.
    pub fn new(model: &(impl Module + ?Sized), world: &'w World, options: Options) -> Result<Self> {
        let call = Call::New;
        let parameters = model.parameters();
        let buffers: Vec<_> = model.named_buffers().into_iter().map(|(_, buffer)| buffer).collect();
        let gradients = parameters.iter().map(|p| (p.shape(), p.dtype(), false));
        let tensors = buffers.iter().map(Buffer::tensor).filter(|x| x.dtype().is_float());
        let slots = gradients.chain(tensors.map(|x| (*x.shape(), x.dtype(), true)));
        let slots: Vec<_> = slots.map(|(shape, dtype, is_buffer)| Slot { dtype, shape, is_buffer }).collect();
        let drawn = with_default(|g| g.random_integers((), DType::I64))?.item::<i64>()?;

        let mut words = [0; WORDS];
        words[..2].copy_from_slice(&[options.pieces as u64, options.bucket_bytes as u64]);
        words[2..4]
            .copy_from_slice(&[u64::from(options.seed.is_some()), options.seed.unwrap_or_default() as u64]);
        let all = world.agree(call, words)?;
        if let Some(rank) = all.iter().position(|words| *words != all[0]) {
            let message = format!("the options of process {rank} differ from those of process 0");
            return Err(Error::argument(call.name(), message));
        }
        if options.pieces < world.size() || options.bucket_bytes == 0 {
            let message = format!(
                "{} processes need as many pieces at least, and buckets a byte, but the options have {} and {}",
                world.size(),
                options.pieces,
                options.bucket_bytes
            );
            return Err(Error::argument(call.name(), message));
        }
        words[0] = drawn.cast_unsigned();
        let drawn = world.agree(call, words)?[0][0].cast_signed();

        let own = model.state_dict();
        let root = world.broadcast_state(&own)?;
        world.all_or_none(call, check_same(call, world.rank(), &own, &root))?;
        model.load_state_dict(&root)?;
        let seed = options.seed.unwrap_or(drawn);
        let (time, singles, doubles) =
            (Cell::default(), RefCell::new(Exchange::new(world)), RefCell::new(Exchange::new(world)));
        Ok(Self { world, options, parameters, buffers, slots, seed, step: 0, time, singles, doubles })
    }

    /// The world that it was made with.
    pub fn world(&self) -> &'w World {
        self.world
    }

    /// This process's rows of the batches of a sampler, which every process has in the same order: a loader's
    /// [`batch_sampler`](downhill::data::DataLoader::batch_sampler), so that each process loads what it computes with, and no more.
    ///
    /// # Errors
    /// [`Error::Argument`] for a batch size of 0.
    pub fn shares<S: Sampler<Item = usize>>(
        &self,
        sampler: S,
        batch_size: usize,
        drop_last: bool,
    ) -> downhill::data::Result<Shares<S>> {
        Shares::new(
            sampler,
            batch_size,
            drop_last,
            self.options.pieces,
            (self.world.rank(), self.world.size()),
        )
    }

    /// Sets each gradient to the mean of the processes', between `backward` and `step`; buffers, as the running statistics of batch normalization,
    /// to those of rank 0.
    ///
    /// The last digits depend on the number of processes: each process's gradients are a term of the sum. Of buckets below 64 KiB a process
    /// the sum is `MPI_Allreduce`, in MPI's order, and of larger ones that of [`backward`](Self::backward). A process without a gradient for a
    /// parameter counts as zeros; where none has one, none gets one.
    ///
    /// # Errors
    /// [`Error::Argument`] if another process is about to do something else; [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::prelude::*;
    /// use downhill_mpi::{DataParallel, Options, World};
    ///
    /// let world = World::init()?;
    /// let model = Linear::new(4, 1)?;
    /// let parallel = DataParallel::new(&model, &world, Options::default())?;
    /// let mut optimizer = SGD::new(model.parameters(), SgdOptions::default())?;
    /// let x = randn([8, 4])?; // in each process rows of its own
    /// optimizer.zero_grad();
    /// model.forward(&x)?.square().mean()?.backward()?;
    /// parallel.average_gradients()?;
    /// optimizer.step()?;
    /// world.finish()?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # PyTorch
    /// What [`DistributedDataParallel`](https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html) does, with
    /// `find_unused_parameters` and `broadcast_buffers`.
    pub fn average_gradients(&self) -> Result<()> {
        let start = Instant::now();
        self.world.agree(Call::Average, [0; WORDS])?;
        if self.world.size() == 1 {
            return Ok(());
        }
        let mut values = self.take_gradients()?;
        values.resize(self.slots.len(), None);
        let mut used = self.used_anywhere(&values.iter().map(Option::is_some).collect::<Vec<_>>(), &[]).0;
        let (size, bytes) = (self.world.size(), self.options.bucket_bytes);
        for bucket in &buckets(&self.slots, &used, bytes) {
            let sent: usize = bucket.iter().map(|&slot| self.slots[slot].bytes()).sum();
            if sent.min(bytes) / size < SMALL {
                let of = (&self.slots[..], &bucket[..]);
                match self.slots[bucket[0]].dtype {
                    DType::F64 => average::<f64>(self.world, of, &mut values, bytes)?,
                    _ => average::<f32>(self.world, of, &mut values, bytes)?,
                }
                for &slot in bucket {
                    used[slot] = false;
                }
            }
        }
        // A process is a piece.
        let mut own = [values];
        self.reduce_all(&mut own, &used, size, [size as f64; 2])?;
        for (parameter, value) in self.parameters.iter().zip(own.into_iter().flatten()) {
            value.map_or(Ok(()), |value| parameter.set_grad(Some(value)))?;
        }
        self.buffers.iter().try_for_each(|buffer| {
            buffer.set(self.world.broadcast(&buffer.tensor(), 0)?);
            Ok::<_, Error>(())
        })?;
        self.spent(start);
        Ok(())
    }

    /// What has been sent so far, and how long it took.
    pub fn traffic(&self) -> Traffic {
        let (singles, doubles) = (self.singles.borrow().traffic, self.doubles.borrow().traffic);
        Traffic {
            time: self.time.get(),
            messages: singles.messages + doubles.messages,
            bytes: singles.bytes + doubles.bytes,
        }
    }

    /// Counts the time since then as time of communication.
    pub(crate) fn spent(&self, since: Instant) {
        self.time.set(self.time.get() + since.elapsed());
    }

    /// The gradients, which the parameters no longer have.
    pub(crate) fn take_gradients(&self) -> Result<Values> {
        let take = |parameter: &Parameter| {
            let gradient = parameter.grad();
            if gradient.is_some() {
                parameter.set_grad(None)?;
            }
            Ok(gradient)
        };
        self.parameters.iter().map(take).collect()
    }

    /// Which slots any process uses, and the other words of all processes.
    pub(crate) fn used_anywhere(&self, used: &[bool], words: &[u64]) -> (Vec<bool>, Vec<Vec<u64>>) {
        let bits =
            used.chunks(64).map(|used| used.iter().rev().fold(0, |bits, &used| 2 * bits + u64::from(used)));
        let own: Vec<u64> = bits.chain(words.iter().copied()).collect();
        let all = self.world.gather_words(&own);
        let (count, of_flags) = (own.len().max(1), used.len().div_ceil(64));
        let anywhere = |slot: usize| all.chunks(count).any(|own| own[slot / 64] >> (slot % 64) & 1 == 1);
        let words = all.chunks(count).map(|own| own[of_flags..].to_vec()).collect();
        ((0..used.len()).map(anywhere).collect(), words)
    }

    /// Adds the blocks of all processes, gradients divided by the one and buffers by the other; the first block has the result.
    pub(crate) fn reduce_all(
        &self,
        own: &mut [Values],
        used: &[bool],
        pieces: usize,
        divisors: [f64; 2],
    ) -> Result<()> {
        let bytes = self.options.bucket_bytes;
        for bucket in &buckets(&self.slots, used, bytes) {
            let (of, first) = ((&self.slots[..], &bucket[..]), self.slots[bucket[0]]);
            let how = (pieces, divisors[usize::from(first.is_buffer)]);
            match first.dtype {
                DType::F64 => reduce(&mut self.doubles.borrow_mut(), of, own, bytes, how)?,
                _ => reduce(&mut self.singles.borrow_mut(), of, own, bytes, how)?,
            }
        }
        Ok(())
    }

    /// What it needs to go on with the same random numbers: for [`Checkpoint::extra`](downhill::nn::Checkpoint::extra). The processes' are the same.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::Linear;
    /// use downhill_mpi::{DataParallel, Options, World};
    ///
    /// let world = World::init()?;
    /// let model = Linear::new(2, 2)?;
    /// let parallel = DataParallel::new(&model, &world, Options::default())?;
    /// let state = parallel.state_dict();
    ///
    /// let mut other = DataParallel::new(&model, &world, Options::default())?;
    /// other.load_state_dict(&state)?;
    /// assert_eq!(other.state_dict(), state);
    /// world.finish()?;
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn state_dict(&self) -> StateDict {
        let pieces = self.options.pieces as i64;
        [("seed", self.seed), ("step", self.step.cast_signed()), ("pieces", pieces)]
            .into_iter()
            .map(|(name, value)| (name, Tensor::from(value)))
            .collect()
    }

    /// Goes on from a [`state_dict`](Self::state_dict).
    ///
    /// # Errors
    /// [`Error::Argument`] for a state that lacks an entry, and for one with another number of pieces, which could not go on with the same bits.
    pub fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
        let op = "DataParallel::load_state_dict";
        let number = |name: &str| {
            let value = state.get(name).filter(|value| value.dtype() == DType::I64);
            value.ok_or_else(|| Error::argument(op, format!("there is no int64 {name}")))?.item::<i64>()
        };
        let (seed, step, pieces) = (number("seed")?, number("step")?, number("pieces")?);
        if pieces != self.options.pieces as i64 {
            let message =
                format!("the state has {pieces} pieces, but the options have {}", self.options.pieces);
            return Err(Error::argument(op, message));
        }
        (self.seed, self.step) = (seed, step.cast_unsigned());
        Ok(())
    }
}

impl fmt::Debug for DataParallel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataParallel")
            .field("world", self.world)
            .field("options", &self.options)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

/// An error unless a model's state has the names, shapes and dtypes of rank 0's.
fn check_same(call: Call, rank: usize, own: &StateDict, root: &StateDict) -> Result<()> {
    let text = |entry: Option<(&str, &Tensor)>| match entry {
        Some((name, x)) => format!("{name} of shape {} and dtype {}", x.shape(), x.dtype()),
        None => "nothing".to_string(),
    };
    for i in 0..own.len().max(root.len()) {
        let (own, root) = (text(own.iter().nth(i)), text(root.iter().nth(i)));
        if own != root {
            let message =
                format!("the model of process {rank} has {own}, where that of process 0 has {root}");
            return Err(Error::argument(call.name(), message));
        }
    }
    Ok(())
}
