"""Which images are outside the domain of the reference classifier for digits, whose predictions there mean nothing.

d(x)^2 = min over classes c of (f(x) - mu_c)^T (S + r I)^-1 (f(x) - mu_c)

f are the classifier's 128 features, mu_c the class means and S the shared covariance of real digits: the Mahalanobis
distance of Lee et al. 2018, arXiv 1807.03888, at one layer; r is 1 % of the mean variance. An image is outside if its
distance exceeds that of 99 % of held-out digits. A softmax probability cannot tell: it is 1.0 for uniform noise.

Measured with the published classifier: 0.9 % of MNIST's 10,000 test digits are called outside, and 100 % of uniform and
Gaussian noise and of the samples of every family at step 0. Empty images are inside; their probabilities are low.

The domain of the published weights is stored beside them, because 5,000 digits take seconds to classify:
`python -m genmodels.evaluation.judge_domain` writes it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from genmodels import data
from genmodels.data import DataConfig
from genmodels.data.loader import to_float
from genmodels.errors import CheckpointError
from genmodels.evaluation import reference_classifier
from genmodels.runs import catalog
from genmodels.runs.folder import RunFolder

FALSE_ALARMS = 0.01
_RIDGE = 0.01
_FILE = "domain.safetensors"
_DATA = DataConfig(name="digits")  # in an installed package, so that the domain is the same on every machine


@dataclass(frozen=True, eq=False)
class Domain:
    """Class means (K, D), a factor (D, D) that whitens features, and the largest squared distance inside; float64."""

    means: Tensor
    factor: Tensor
    limit: float

    def distances(self, features: Tensor) -> Tensor:
        """Squared Mahalanobis distances (B,) of features (B, D) to the nearest class mean."""
        whitened = features.double() @ self.factor
        return torch.cdist(whitened, self.means @ self.factor).square().min(1).values

    def outside(self, features: Tensor) -> Tensor:
        """Whether each image with these features (B, D) is outside, bool (B,)."""
        return self.distances(features) > self.limit


def fit(features: Tensor, labels: Tensor, held_out: Tensor) -> Domain:
    """The domain of features (N, D) with classes (N,), and its limit from other features (M, D)."""
    features = features.double()
    classes, index = torch.unique(labels, return_inverse=True)
    means = torch.stack([features[index == number].mean(0) for number in range(len(classes))])
    rest = features - means[index]
    covariance = rest.T @ rest / len(rest)
    ridge = _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.float64)
    factor = torch.linalg.cholesky(torch.linalg.inv(covariance + ridge))
    open_ended = Domain(means, factor, float("inf"))
    return Domain(means, factor, float(open_ended.distances(held_out).quantile(1 - FALSE_ALARMS)))


def outside(features: Tensor) -> Tensor:
    """Whether each image with these features (B, 128) of the reference classifier is outside its domain, bool (B,)."""
    return _domain(RunFolder(catalog.find(reference_classifier.NAME)).step_key()).outside(features)


@lru_cache(maxsize=2)
def _domain(_classifier: tuple[Path, int, int]) -> Domain:
    path = stored_path()
    return load(path) if path.is_file() else of_digits()


def stored_path() -> Path:
    """The file with the domain of the reference classifier's weights."""
    folder = RunFolder(catalog.find(reference_classifier.NAME))
    return folder.step_path(folder.steps()[-1]) / _FILE


def of_digits() -> Domain:
    """The domain of the bundled digits: fitted to the training images, with the limit of the test images."""
    train, test = (data.load(_DATA, split) for split in ("train", "test"))
    known, held_out = (
        reference_classifier.features(to_float(torch.from_numpy(part.images.copy()))) for part in (train, test)
    )
    return fit(known, torch.from_numpy(train.labels.copy()), held_out)


def save(domain: Domain, path: Path) -> None:
    """Write a domain in single precision."""
    limit = torch.tensor([domain.limit])
    save_file({"means": domain.means.float(), "factor": domain.factor.float().contiguous(), "limit": limit}, path)


def load(path: Path) -> Domain:
    """Read a domain. Raises CheckpointError if the file is damaged."""
    try:
        tensors = load_file(path)
        return Domain(tensors["means"].double(), tensors["factor"].double(), float(tensors["limit"]))
    except (SafetensorError, KeyError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}. Delete it: then it is computed") from error


if __name__ == "__main__":
    save(of_digits(), stored_path())
