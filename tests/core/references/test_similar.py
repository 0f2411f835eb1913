"""Which classes are suggested as references."""

import numpy as np
import pytest
import torch
from torch import nn

import explain_core as xc
from explain_core.errors import InputError
from explain_core.references.similar import weight_cosines
from tests.oracles.nets import TinyNet, wrap

# Weight vectors at known angles to class 0's: 0, 90, 45, 180 degrees and a long one at 45.
WEIGHTS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [-3.0, 0.0], [5.0, 5.1]])
LOGITS = np.array([0.0, 3.0, -1.0, 2.0, 9.0])


@pytest.fixture
def model():
    network = TinyNet(width=2)
    network.head.weight = nn.Parameter(WEIGHTS.clone())
    return wrap(network)


def test_cosines_by_hand(model):
    half = np.sqrt(0.5)
    long = 5 / np.hypot(5, 5.1)
    np.testing.assert_allclose(weight_cosines(model, 0), [1, 0, half, -1, long], rtol=1e-6)


def test_most_similar_weights_come_first(model):
    similar = xc.similar_classes(model, 0, logits=LOGITS, by="weights")
    assert [each.index for each in similar] == [2, 4, 1]


def test_largest_logits_come_first(model):
    similar = xc.similar_classes(model, 0, logits=LOGITS, by="logits")
    assert [each.index for each in similar] == [4, 1, 3]


@pytest.mark.parametrize("by", ["weights", "logits"])
@pytest.mark.parametrize("target", range(5))
def test_target_is_never_suggested(model, target, by):
    similar = xc.similar_classes(model, target, logits=LOGITS, by=by, count=99)
    assert sorted(each.index for each in similar) == sorted(set(range(5)) - {target})


def test_class_zero_can_be_suggested(model):
    assert xc.similar_classes(model, 2, logits=LOGITS, by="weights", count=2)[1].index == 0


def test_rank_counts_from_one(model):
    similar = xc.similar_classes(model, 0, logits=LOGITS)
    assert [each.rank for each in similar] == [1, 2, 3]


def test_score_is_the_cosine(model):
    score = xc.similar_classes(model, 0, logits=LOGITS)[0].score
    np.testing.assert_allclose(score, np.sqrt(0.5), rtol=1e-6)


def test_empty_weights_are_like_nothing(model):
    network = TinyNet(width=2)
    network.head.weight = nn.Parameter(torch.zeros(5, 2))
    assert not weight_cosines(wrap(network), 0).any()


def test_head_that_is_not_linear_has_no_cosines():
    network = TinyNet()
    network.head = nn.Sequential(nn.Linear(8, 5), nn.Linear(5, 7), nn.ReLU(), Narrow())
    with pytest.raises(InputError, match="'module' has no linear head to compare classes by"):
        xc.similar_classes(wrap(network), 0, logits=LOGITS)


class Narrow(nn.Module):
    def forward(self, x):
        return x[:, :5]
