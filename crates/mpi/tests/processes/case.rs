//! Starting processes, and being one.

use crate::{collectives, failure, resume, same_bits};
use downhill::nn::Module;
use downhill_mpi::World;
use std::error::Error;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

/// What a process does.
pub(crate) enum Case {
    Inside(fn(&World, &[String]) -> Outcome),
    /// Begins by itself.
    Whole(fn() -> Outcome),
}

impl Case {
    fn find(name: &str) -> Self {
        match name {
            "same_bits" => Self::Inside(same_bits::process),
            "mean" => Self::Inside(same_bits::mean),
            "collectives" => Self::Inside(collectives::process),
            "average" => Self::Inside(collectives::average),
            "differ" => Self::Inside(collectives::differ),
            "models" => Self::Inside(collectives::models),
            "fail" => Self::Inside(failure::process),
            "main" => Self::Whole(failure::main_with_an_error),
            "train" => Self::Inside(resume::process),
            _ => panic!("no case {name}"),
        }
    }

    pub(crate) fn run(name: &str, arguments: &[String]) -> ExitCode {
        match Self::find(name) {
            Self::Inside(case) => World::run(|world| case(world, arguments)),
            Self::Whole(case) => match case() {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("Error: {error:?}");
                    ExitCode::FAILURE
                }
            },
        }
    }
}

/// How processes have ended.
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ended {
    /// What they have printed, if all went well.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        assert!(self.success, "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// What starts processes, and whether it is Open MPI's; otherwise it is MPICH's.
pub(crate) fn launcher() -> (String, bool) {
    let launcher = std::env::var("MPIRUN").unwrap_or("mpirun".to_string());
    let version = Command::new(&launcher).arg("--version").output().expect("mpirun, of openmpi-bin or mpich");
    let is_open_mpi = String::from_utf8_lossy(&version.stdout).contains("Open MPI");
    (launcher, is_open_mpi)
}

/// Starts processes with these arguments and waits for them. They talk by memory and by the loopback device, and each computes on one thread.
pub(crate) fn mpirun(processes: usize, program: &Path, arguments: &[&str]) -> Ended {
    const LIMIT: Duration = Duration::from_secs(300);
    let start = Instant::now();
    let (launcher, is_open_mpi) = launcher();
    // Of this machine alone, also more than it has cores, and for root.
    let flags = if is_open_mpi {
        "--allow-run-as-root --oversubscribe --mca btl_tcp_if_include lo --mca oob_tcp_if_include lo"
    } else {
        "-iface lo"
    };
    let mut child = Command::new(launcher)
        .args(flags.split(' '))
        .args(["-n", &processes.to_string()])
        .arg(program)
        .args(arguments)
        .env("RAYON_NUM_THREADS", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mpirun");
    let read = |mut pipe: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).expect("output");
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let stdout = read(Box::new(child.stdout.take().expect("a pipe")));
    let stderr = read(Box::new(child.stderr.take().expect("a pipe")));
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill().expect("a child");
            panic!("{processes} processes with {arguments:?} hang");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let took = start.elapsed();
    let (stdout, stderr) = (stdout.join().expect("text"), stderr.join().expect("text"));
    Ended { success: status.success(), stdout, stderr, took }
}

/// Starts this program as a case.
pub(crate) fn start(processes: usize, case: &str, arguments: &[&str]) -> Ended {
    let program = std::env::current_exe().expect("a path");
    mpirun(processes, &program, &[&["--case", case][..], arguments].concat())
}

/// A number that differs where the bits of a model do.
pub(crate) fn fingerprint(model: &impl Module) -> Result<u64, Box<dyn Error>> {
    let mut hash = 0_u64;
    for (_, value) in model.state_dict().iter() {
        for x in value.to_dtype(downhill::DType::F64).to_vec::<f64>()? {
            hash = (hash ^ x.to_bits()).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(7);
        }
    }
    Ok(hash)
}
