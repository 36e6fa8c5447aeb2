"""Makes the files in sample/: digits of scikit-learn, three times as large, as MNIST stores its own."""
import gzip
import pathlib

import numpy as np
from sklearn.datasets import load_digits

FOLDER = pathlib.Path(__file__).parent / "sample"

digits = load_digits()
images = np.rint(digits.images * 255 / 16).astype(np.uint8)
images = np.pad(np.kron(images, np.ones((1, 3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)))
for part, rows in [("train", slice(0, 800)), ("t10k", slice(800, 1000))]:
    for name, values in [("images-idx3", images[rows]), ("labels-idx1", digits.target[rows].astype(np.uint8))]:
        header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
        (FOLDER / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(header + values.tobytes(), 9, mtime=0))
