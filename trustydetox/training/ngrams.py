"""Training of the check scorer: logistic regression over hashed character n-grams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trustydetox.embedded.ngrams import NgramWeights
from trustydetox.steps.scoring import ngram_slots
from trustydetox.training.calibrating import platt
from trustydetox.training.examples import Example

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LENGTHS = (1, 5)
SLOTS = 2**20


def train_ngrams(train: Sequence[Example], held_back: Sequence[Example]) -> NgramWeights:
    """Fit on `train`, calibrate on `held_back`; texts without a label are left out."""
    import numpy
    from sklearn.linear_model import LogisticRegression

    rows = [example for example in train if example.toxic is not None]
    features = _features(rows)
    toxic = numpy.array([example.toxic for example in rows])
    weight = numpy.array([example.weight for example in rows])
    # A soft label is two hard ones, each with its share of the weight.
    indices = numpy.concatenate([numpy.flatnonzero(toxic > 0), numpy.flatnonzero(toxic < 1)])
    hard = numpy.concatenate([numpy.ones((toxic > 0).sum()), numpy.zeros((toxic < 1).sum())])
    shares = numpy.concatenate([(toxic * weight)[toxic > 0], ((1 - toxic) * weight)[toxic < 1]])
    # Stopped at the default tolerance, rows in another order give another model.
    model = LogisticRegression(C=16.0, tol=1e-6, max_iter=3000)
    model.fit(features[indices], hard, sample_weight=shares)
    weights, bias = model.coef_[0].astype(numpy.float32), float(model.intercept_[0])
    labelled = [example for example in held_back if example.toxic is not None]
    logits = _features(labelled) @ weights + bias
    scale, shift = platt(logits, [example.toxic or 0.0 for example in labelled])
    return NgramWeights(scale * weights, scale * bias + shift, LENGTHS)


def _features(examples: Sequence[Example]) -> csr_matrix:
    """One row per text; a slot that occurs is 1 over the square root of how many occur."""
    from scipy.sparse import csr_matrix

    slots = [ngram_slots(example.text, LENGTHS, SLOTS) for example in examples]
    starts = [0]
    for row in slots:
        starts.append(starts[-1] + len(row))
    values = [1 / math.sqrt(len(row)) for row in slots for _ in row]
    columns = [slot for row in slots for slot in row]
    return csr_matrix((values, columns, starts), shape=(len(examples), SLOTS), dtype="float32")
