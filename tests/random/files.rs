//! Files of states: any bytes at all, and those of a file, changed.

use super::{Draw, message};
use downhill::nn::optim::{LinearLR, LinearLrOptions, Schedule, SequentialLR, StepLR};
use downhill::nn::*;
use downhill::{Result, Tensor};

type Training = (Sequential, Adam, SequentialLR);

fn training() -> Result<Training> {
    let net = Sequential::new().add(Linear::new(2, 2)?).add(BatchNorm1d::new(2)?);
    let mut adam = Adam::new(net.parameters(), AdamOptions::default())?;
    let warm_up = LinearLR::new(&mut adam, LinearLrOptions::default())?;
    let schedules: Vec<Box<dyn Schedule + Send + Sync>> =
        vec![Box::new(warm_up), Box::new(StepLR::new(2, 0.5)?)];
    let schedule = SequentialLR::new(&mut adam, schedules, [2])?;
    Ok((net, adam, schedule))
}

fn step((net, adam, schedule): &mut Training) -> Result<()> {
    adam.zero_grad();
    net.forward(&Tensor::from([[1.0_f32, 2.0], [0.5, -1.0]]))?.square().mean()?.backward()?;
    adam.step()?;
    schedule.step(adam)
}

/// What is read holds no more elements than there are bytes, and is written and read again; a checkpoint of it is refused by all, or
/// gone on from.
fn read(bytes: &[u8]) -> Result<()> {
    let file = StateFile::from_bytes(bytes)?;
    assert!(file.state.iter().map(|(_, tensor)| tensor.numel()).sum::<usize>() <= bytes.len());
    let again = file.state.to_bytes()?;
    assert_eq!(StateDict::from_bytes(&again)?.to_bytes()?, again);
    let checkpoint = Checkpoint::from_state_dict(&file.state)?;
    let checkpoint = Checkpoint { generator: Vec::new(), ..checkpoint };
    let mut training = training()?;
    training.2.load_state_dict(&checkpoint.schedule)?;
    checkpoint.restore(&training.0, &mut training.1)?;
    step(&mut training)
}

/// Of a file with these bytes.
pub(crate) fn run(bytes: &[u8]) {
    message("files", read(bytes));
}

/// What headers are made of.
const DIGITS: &[u8] = b"0123456789,:[]{}\"-e ";

/// Of a checkpoint's file, changed as these bytes say.
pub(crate) fn damage(bytes: &[u8]) {
    let mut training = training().expect("sound options");
    step(&mut training).expect("a sound step");
    let extra = [("flag", Tensor::from(true)), ("x", Tensor::from([0.5]))].into_iter().collect();
    let checkpoint = Checkpoint {
        schedule: training.2.state_dict(),
        extra,
        generator: Vec::new(),
        ..Checkpoint::of(&training.0, &training.1)
    };
    let mut file = checkpoint.state_dict().to_bytes().expect("a sound state");
    let d = &mut Draw(bytes);
    for _ in 0..=d.below(4) {
        // The header is most of it, and its first numbers decide most.
        let end = if d.flag() { file.len() } else { file.len().min(200) };
        let at = d.below(end.max(1)).min(file.len().saturating_sub(1));
        match d.byte() % 5 {
            0 => file.insert(at, d.byte()),
            1 => drop((!file.is_empty()).then(|| file.remove(at))),
            2 => file.truncate(at),
            3 if !file.is_empty() => file[at] = DIGITS[usize::from(d.byte()) % DIGITS.len()],
            _ if !file.is_empty() => file[at] ^= 1 << (d.byte() % 8),
            _ => {}
        }
    }
    run(&file);
}
