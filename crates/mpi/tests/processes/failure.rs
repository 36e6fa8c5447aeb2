//! Processes that fail take the others with them, soon.

use crate::case::{Ended, Outcome, launcher, start};
use downhill::prelude::*;
use downhill_mpi::{DataParallel, Options, World};
use std::time::Duration;

/// Dies as if the system had killed it.
pub(crate) fn kill() -> ! {
    let id = std::process::id().to_string();
    let _ = std::process::Command::new("kill").args(["-KILL", &id]).status();
    std::process::abort()
}

/// A training in whose fourth step rank 2 fails in some way, while the others go on for ever.
pub(crate) fn process(world: &World, how: &[String]) -> Outcome {
    let model = Linear::new(3, 2)?;
    let mut parallel = DataParallel::new(&model, world, Options::default())?;
    let x = ones([2, 3])?;
    for step in 0.. {
        if step == 3 && world.rank() == 2 {
            match &how[0][..] {
                "error" => return Err("the disk is on fire".into()),
                "panic" => panic!("the disk is on fire"),
                "kill" => kill(),
                "exit" => std::process::exit(0),
                _ => return Ok(()),
            }
        }
        parallel.backward(&x, |x| Ok((model.forward(x)?.sum(), 1.0)))?;
    }
    Ok(())
}

/// A `main` that returns an error, without `run`.
pub(crate) fn main_with_an_error() -> Outcome {
    let world = World::init()?;
    if world.rank() == 2 {
        std::fs::read("there/is/none")?;
    }
    world.barrier()?;
    world.finish()?;
    Ok(())
}

#[track_caller]
fn failed(ended: Ended, text: &str) {
    assert!(!ended.success, "{}", ended.stdout);
    assert!(ended.stderr.contains(text), "no {text} in {}", ended.stderr);
    // Four processes on two busy processors take a second to start.
    assert!(ended.took < Duration::from_secs(20), "{:?}", ended.took);
}

pub(crate) fn an_error_ends_all() {
    failed(start(4, "fail", &["error"]), "Error in process 2: \"the disk is on fire\"");
    failed(start(4, "main", &[]), "No such file or directory");
}

pub(crate) fn a_panic_ends_all() {
    failed(start(4, "fail", &["panic"]), "the disk is on fire");
}

pub(crate) fn a_dead_process_ends_all() {
    let killed = start(4, "fail", &["kill"]);
    // MPICH's launcher says it to the other stream.
    failed(Ended { stderr: killed.stdout.clone() + &killed.stderr, ..killed }, "signal 9");
    let exited = start(4, "fail", &["exit"]);
    if launcher().1 {
        failed(exited, "finalize");
    } else {
        // Rarely its status is that of the process which has exited.
        assert!(exited.took < Duration::from_secs(20), "{:?}", exited.took);
    }
}

pub(crate) fn done_early() {
    failed(start(4, "fail", &["done"]), "process 2 is in finish, but process 0 in DataParallel::backward");
}
