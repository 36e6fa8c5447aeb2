//! What a training step leaves in memory. Alone in its program, because the counters are of the whole process.

use downhill_nn::{Forward, Linear, Loss, MSELoss, Module, Optimizer, ReLU, SGD, Sequential, SgdOptions};
use downhill_tensor::memory;

#[test]
fn a_training_step_leaves_parameters_and_velocities() {
    let live = || memory::stats().live;
    let start = live();
    {
        let net =
            Sequential::new().add(Linear::new(20, 300).unwrap()).add(ReLU).add(Linear::new(300, 3).unwrap());
        // Less than a KiB is not counted.
        let bytes = net.parameters().iter().map(|p| p.numel() * size_of::<f32>()).collect::<Vec<_>>();
        let parameters: usize = bytes.iter().filter(|&&bytes| bytes >= 1024).sum();
        let (x, y) = (downhill_tensor::randn([500, 20]).unwrap(), downhill_tensor::randn([500, 3]).unwrap());
        let mut optimizer =
            SGD::new(net.parameters(), SgdOptions { momentum: 0.9, ..Default::default() }).unwrap();
        let before = live();
        let mut step = || {
            optimizer.zero_grad();
            MSELoss::default().forward(&net.forward(&x).unwrap(), &y).unwrap().backward().unwrap();
            optimizer.step().unwrap();
            optimizer.zero_grad();
        };
        step();
        assert_eq!(live() - before, parameters, "one velocity for each parameter");
        for _ in 0..5 {
            step();
        }
        assert_eq!(live() - before, parameters);

        // An evaluation without a graph keeps its result alone.
        let output = downhill_tensor::no_grad(|| net.forward(&x)).unwrap();
        assert_eq!(live() - before, parameters + output.numel() * size_of::<f32>());

        // A snapshot shares memory until the next step.
        let state = net.state_dict();
        assert_eq!(live() - before, parameters + output.numel() * size_of::<f32>());
        step();
        assert_eq!(live() - before, 2 * parameters + output.numel() * size_of::<f32>());
        drop(state);
    }
    assert_eq!(live(), start);
}
