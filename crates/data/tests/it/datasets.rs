use downhill::data::{
    Collate, DataLoader, Dataset, DistributedSampler, Error, Result, Sampler, Subset, TensorDataset,
    random_split,
};
use downhill::{Tensor, arange, zeros};
use std::sync::Arc;

#[test]
fn tensors_of_one_length_are_a_dataset() {
    let x = arange(0, 12, 1).unwrap().reshape([4, 3]).unwrap();
    let data = TensorDataset::new((x.slice((.., ..2)).unwrap(), x.clone())).unwrap();
    assert!(data.tensors().0.is_contiguous());
    let (a, b) = data.batch(&[3, 3, 0]).unwrap();
    assert_eq!(a, Tensor::from([[9, 10], [9, 10], [0, 1]]));
    assert_eq!(b.shape(), &[3, 3]);
    assert_eq!(data.get(1).unwrap().0, Tensor::from([3, 4]));
    let refused = [
        (Tensor::from(1.0), "TensorDataset: expected tensors of one dimension at least, but got shape []"),
        (
            zeros([3, 2]).unwrap(),
            "TensorDataset: expected size 4 in dimension 0, as the first tensor has, but got shape [3, 2]",
        ),
    ];
    for (y, message) in refused {
        assert_eq!(TensorDataset::new((x.clone(), y)).unwrap_err().to_string(), message);
    }
}

#[test]
fn entries_that_there_are_not_are_refused() {
    let data = TensorDataset::new(arange(0, 4, 1).unwrap()).unwrap();
    let errors = [
        (data.get(4).unwrap_err(), "select: index 4 is out of bounds for size 4"),
        (data.batch(&[0, 4]).unwrap_err(), "index_select: index 4 is out of bounds for size 4"),
        (Subset::new(&data, [4]).unwrap_err(), "Subset: index 4 is out of bounds for size 4"),
    ];
    for (error, message) in errors {
        assert_eq!(error.to_string(), message);
    }
    let some = Subset::new(Arc::new(data), vec![2]).unwrap();
    assert_eq!(some.get(1).unwrap_err().to_string(), "Subset: index 1 is out of bounds for size 1");
    assert_eq!(some.batch(&[1]).unwrap_err().to_string(), "Subset: index 1 is out of bounds for size 1");
    assert_eq!(some.all().unwrap(), Tensor::from([2]));
}

#[test]
fn entries_become_batches_member_by_member() -> Result<()> {
    let entries = vec![(1.5_f32, (true, "a".to_string())), (2.5, (false, "b".to_string()))];
    let (x, (flag, name)) = Collate::collate(entries)?;
    assert_eq!((x, flag), (Tensor::from([1.5_f32, 2.5]), Tensor::from([true, false])));
    assert_eq!(name, ["a", "b"]);
    let unlike = vec![Tensor::from([1.0]), Tensor::from([1.0, 2.0])];
    assert!(matches!(Collate::collate(unlike), Err(Error::Tensor(_))));
    assert!(Tensor::collate(Vec::new()).is_err());
    Ok(())
}

#[test]
fn errors_become_those_of_tensors_with_their_text() {
    let refused = Subset::new(TensorDataset::new(Tensor::from([1])).unwrap(), [1]).unwrap_err();
    let text = refused.to_string();
    assert_eq!(downhill::Error::from(refused).to_string(), text);
    assert_eq!(downhill::Error::from(Error::other("no picture")).to_string(), "data: no picture");
}

/// As many entries as one likes.
#[derive(Clone)]
struct Claims(usize);

impl Dataset for Claims {
    type Item = i64;
    fn len(&self) -> usize {
        self.0
    }
    fn get(&self, index: usize) -> Result<i64> {
        Ok(index as i64)
    }
}

#[test]
fn a_dataset_larger_than_memory_is_read_in_part_or_refused() {
    for n in [1 << 40, 1 << 60, usize::MAX] {
        assert!(Claims(n).all().is_err());
        assert!(random_split(Claims(n), [0.5, 0.5], None).is_err());
        assert!(random_split(Claims(n), [n - 1, 1], None).is_err());
        let first = DataLoader::new(Claims(n)).batch_size(3).iter().unwrap().next();
        assert_eq!(first.unwrap().unwrap(), Tensor::from([0, 1, 2]));
        for (processes, shuffle) in [(1, false), (1, true), (2, false)] {
            let sampler = DistributedSampler::new(n, processes, 0).unwrap().shuffle(shuffle);
            assert!(sampler.iter().next().is_some_and(|first| first.is_err()), "{n} {processes} {shuffle}");
        }
    }
    // The second place is taken modulo the number of entries; the sum before may be beyond all numbers.
    let n = usize::MAX;
    let ends = DistributedSampler::new(n, n - 1, n - 2).unwrap().shuffle(false);
    let places: Vec<_> = ends.iter().collect::<Result<_>>().unwrap();
    assert_eq!(places, [n - 2, n - 3]);
    let few = DataLoader::new(Claims(3)).workers(usize::MAX);
    assert_eq!(few.iter().unwrap().count(), 3);
}
