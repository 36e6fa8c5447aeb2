//! The processes of a program: how they begin, agree and end.

use downhill::random::{get_rng_state, set_rng_state};
use downhill::{Error, Result};
use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::process::ExitCode;

/// The processes that `mpirun` has started, of which this is one.
///
/// [`run`](Self::run) is for a whole program, and is what most need. [`init`](Self::init) and [`finish`](Self::finish) are its two ends.
///
/// Without `mpirun` a program is the only process of its world.
///
/// # Random numbers
/// When a world begins, the default generator of every process continues where that of rank 0 is: all draw the same numbers, as one process
/// would, until one draws more than the others.
///
/// # Failures
/// Every operation begins with all processes telling each other what they are about to do. Where they differ (another operation, another
/// shape, one that has finished), all of them get an error instead of waiting for ever. A process that panics, exits or is killed takes
/// the others with it: those that wait are ended by `mpirun`, within a second or so.
///
/// # Examples
/// ```
/// use downhill::prelude::*;
/// use downhill_mpi::{Reduce, World};
///
/// fn program(world: &World) -> Result<()> {
///     let one = Tensor::from(1);
///     assert_eq!(world.all_reduce(&one, Reduce::Sum)?.item::<i64>()?, world.size() as i64);
///     if world.is_root() {
///         println!("{} processes", world.size());
///     }
///     Ok(())
/// }
///
/// fn main() -> std::process::ExitCode {
///     World::run(program)
/// }
/// ```
///
/// # PyTorch
/// [`torch.distributed.init_process_group`](https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.init_process_group)
pub struct World {
    /// Present until it has finished.
    parts: Option<Parts>,
    /// MPI is called by the thread that has initialized it.
    one_thread: PhantomData<*const ()>,
}

/// The communicator is dropped first: MPI must not have ended by then.
struct Parts {
    comm: SimpleCommunicator,
    #[expect(dead_code, reason = "MPI ends when it is dropped")]
    universe: Universe,
}

/// What all processes must be about to do together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Finish,
    Barrier,
    AllReduce,
    Broadcast,
    AllGather,
    State,
    New,
    Average,
    Backward,
}

impl Call {
    const ALL: [Self; 9] = [
        Self::Finish,
        Self::Barrier,
        Self::AllReduce,
        Self::Broadcast,
        Self::AllGather,
        Self::State,
        Self::New,
        Self::Average,
        Self::Backward,
    ];

    /// The name in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Finish => "finish",
            Self::Barrier => "barrier",
            Self::AllReduce => "all_reduce",
            Self::Broadcast => "broadcast",
            Self::AllGather => "all_gather",
            Self::State => "broadcast_state",
            Self::New => "DataParallel::new",
            Self::Average => "average_gradients",
            Self::Backward => "DataParallel::backward",
        }
    }
}

/// How many words processes tell each other when an operation begins: a tensor's dtype, number of dimensions and sizes, and one more.
pub(crate) const WORDS: usize = 11;
const HEADER: usize = WORDS + 1;

impl World {
    /// Begins: each process of a program calls it once, before anything else of this crate.
    ///
    /// A world that is dropped before it has [finished](Self::finish) leaves MPI as it is, so that a `main` that returns an error prints it,
    /// and `mpirun` ends the other processes when this one exits.
    ///
    /// # Errors
    /// [`Error::Argument`] the second time.
    ///
    /// # Examples
    /// ```
    /// use downhill_mpi::World;
    ///
    /// let world = World::init()?;
    /// assert!(world.rank() < world.size());
    /// assert!(World::init().is_err());
    /// world.finish()?;
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn init() -> Result<Self> {
        // Other threads compute, but this one alone calls MPI.
        let Some((universe, _)) = mpi::initialize_with_threading(Threading::Funneled) else {
            return Err(Error::argument("World::init", "this process has initialized MPI before"));
        };
        // A duplicate: what others send by the world's own communicator is not taken for ours.
        let comm = universe.world().duplicate();
        let world = Self { parts: Some(Parts { comm, universe }), one_thread: PhantomData };
        let mut state = get_rng_state();
        world.comm().process_at_rank(0).broadcast_into(&mut state[..]);
        set_rng_state(&state)?;
        Ok(world)
    }

    /// Runs a whole program: begins, calls it, and [finishes](Self::finish).
    ///
    /// If it returns an error, that is printed with the process's rank, and every process ends with a status other than 0 (`MPI_Abort`); the same
    /// after a panic.
    ///
    /// # Examples
    /// See [`World`].
    pub fn run<E: Debug>(program: impl FnOnce(&Self) -> Result<(), E>) -> ExitCode {
        let world = match Self::init() {
            Ok(world) => world,
            Err(error) => {
                eprintln!("Error: {error}");
                return ExitCode::FAILURE;
            }
        };
        let result = program(&world).map_err(|error| format!("{error:?}"));
        match result.and_then(|()| world.farewell().map_err(|error| error.to_string())) {
            Ok(()) => {
                world.end();
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("Error in process {}: {error}", world.rank());
                world.comm().abort(1)
            }
        }
    }

    /// Ends: waits for all processes to call it, and ends MPI.
    ///
    /// # Errors
    /// [`Error::Argument`] if another process is about to do something else, which has no one to do it with any more.
    pub fn finish(self) -> Result<()> {
        self.farewell()?;
        self.end();
        Ok(())
    }

    fn farewell(&self) -> Result<()> {
        self.agree(Call::Finish, [0; WORDS]).map(drop)
    }

    fn end(mut self) {
        drop(self.parts.take());
    }

    pub(crate) fn comm(&self) -> &SimpleCommunicator {
        &self.parts.as_ref().expect("present until it is consumed").comm
    }

    /// The number of this process, below [`size`](Self::size).
    pub fn rank(&self) -> usize {
        self.comm().rank() as usize
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.comm().size() as usize
    }

    /// Whether this is the process that prints and writes files: rank 0.
    pub fn is_root(&self) -> bool {
        self.rank() == 0
    }

    /// Waits until all processes are here.
    ///
    /// # Errors
    /// [`Error::Argument`] if another process is about to do something else.
    pub fn barrier(&self) -> Result<()> {
        self.agree(Call::Barrier, [0; WORDS]).map(drop)
    }

    /// Tells all processes what this one is about to do, and returns the words of each.
    ///
    /// # Errors
    /// [`Error::Argument`] where one of them is about to do something else; all of them get it.
    pub(crate) fn agree(&self, call: Call, words: [u64; WORDS]) -> Result<Vec<[u64; WORDS]>> {
        let mut mine = [call as u64; HEADER];
        mine[1..].copy_from_slice(&words);
        let mut all = vec![0; HEADER * self.size()];
        self.comm().all_gather_into(&mine[..], &mut all[..]);
        let (all, _) = all.as_chunks::<HEADER>();
        if let Some(other) = all.iter().position(|header| header[0] != all[0][0]) {
            let name = |rank: usize| Call::ALL.get(all[rank][0] as usize).map_or("?", |call| call.name());
            let message = format!("process {other} is in {}, but process 0 in {}", name(other), name(0));
            return Err(Error::argument(call.name(), message));
        }
        Ok(all.iter().map(|[_, words @ ..]| *words).collect())
    }

    /// An error in all processes if one of them has one: nobody goes on alone.
    pub(crate) fn all_or_none<T>(&self, call: Call, result: Result<T>) -> Result<T> {
        let words = [u64::from(result.is_err()); WORDS];
        let failed = self.agree(call, words)?.iter().position(|words| words[0] != 0);
        match (result, failed) {
            (Ok(_), Some(rank)) => Err(Error::argument(call.name(), format!("process {rank} has failed"))),
            (result, _) => result,
        }
    }
}

impl Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("rank", &self.rank()).field("size", &self.size()).finish()
    }
}

/// Ends all processes if this one panics, see [`init`](World::init) otherwise.
impl Drop for World {
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else { return };
        if std::thread::panicking() {
            // The panic's text has been printed.
            parts.comm.abort(101);
        }
        // MPI must not end properly, where it would wait for the others.
        std::mem::forget(parts);
    }
}
