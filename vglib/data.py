"""The data the course trains on: the digits that are bundled with scikit-learn."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

Arrays = Sequence[np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A classification task, split into a training and a test part.

    `x_train: (n_train, n_in)`, `x_test: (n_test, n_in)` floating point;
    `y_train: (n_train,)`, `y_test: (n_test,)` int64, the classes counted from 0.
    """

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    name: str

    @property
    def n_in(self) -> int:
        """Number of inputs of one example."""
        return self.x_train.shape[1]

    def __repr__(self) -> str:
        n_classes = int(torch.cat([self.y_train, self.y_test]).max()) + 1
        return (
            f"Dataset({self.name}: {len(self.x_train)} training and {len(self.x_test)} test "
            f"examples, {self.n_in} inputs, {n_classes} classes)"
        )


def digits(
    dtype: torch.dtype = torch.float64, *, standardised: bool = True, seed: int = 0
) -> Dataset:
    """Give scikit-learn's bundled 1797 images of handwritten digits, 8x8, split 80/20 by class.

    With `standardised`, x <- (x - mean) / std for each pixel, mean and std taken over the training
    part; a pixel that is constant there becomes 0. Without, pixels lie in [0, 1].
    """
    return deepcopy(_digits(dtype, standardised, seed))


# The same images are wanted at every move of a slider; each who asks gets copies of their own.
@lru_cache(maxsize=8)
def _digits(dtype: torch.dtype, standardised: bool, seed: int) -> Dataset:
    from sklearn.datasets import load_digits  # takes most of a second: not before it is wanted

    bunch = load_digits()
    return split(bunch.data / 16, bunch.target, "digits", dtype, standardised, seed)


def split(
    x: np.ndarray, y: np.ndarray, name: str, dtype: torch.dtype, standardised: bool, seed: int
) -> Dataset:
    """Split examples (n, n_in) and their labels (n,) 80/20 by class into a `Dataset`."""
    from sklearn.model_selection import train_test_split

    parts = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
    return dataset(parts[:2], parts[2:], name, dtype, standardised)


def dataset(x: Arrays, y: Arrays, name: str, dtype: torch.dtype, standardised: bool) -> Dataset:
    """Make a `Dataset` of inputs and labels, of training and test each.

    Standardised as for `digits`, by the training part.
    """
    train, test = (torch.as_tensor(part, dtype=dtype) for part in x)
    if standardised:
        constant = train.amax(0) == train.amin(0)
        mean, std = train.mean(0), train.std(0, correction=0).masked_fill(constant, 1)
        train = ((train - mean) / std).masked_fill(constant, 0)
        test = ((test - mean) / std).masked_fill(constant, 0)
    labels = [torch.as_tensor(part, dtype=torch.int64) for part in y]
    return Dataset(train, labels[0], test, labels[1], name)
