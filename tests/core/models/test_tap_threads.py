"""Eight threads share a model."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import explain_core as xc
from explain_core.models.tap import count_passes
from tests.core.models.leaving_nothing import assert_nothing_left, explain, state_of
from tests.oracles.nets import TinyNet, picture, references_for, wrap

METHODS = list(xc.METHODS)
# As short as they may be: what is asked is whether threads disturb each other.
SHORT = {
    "rise": {"num_masks": 50},
    "mask": {"num_updates": 10},
    "guided-ig": {"num_steps": 5},
    "blur-ig": {"num_steps": 5},
    "integrated-gradients": {"num_steps": 5},
}
ASKING = [name for name, method in xc.METHODS.items() if not method.is_control]


@pytest.fixture(scope="module")
def jobs():
    """Mix 300 explanations: methods x layers x classes x pictures."""
    rng = np.random.default_rng(0)
    chosen = []
    for index in range(300):
        method = METHODS[index % len(METHODS)]
        extra = {"num_samples": 3, "seed": int(rng.integers(3))}
        is_noisy = xc.METHODS[method].evidence.name == "noisy gradients"
        target = int(rng.integers(5))
        classes = tuple(int(c) for c in rng.permutation([c for c in range(5) if c != target])[:2])
        chosen.append(
            {
                "method": method,
                "layer": str(rng.choice(["stage1", "stage2", "stage2.0", "stage3"])),
                "target": target,
                "classes": classes,
                "picture": int(rng.integers(6)),
                "extra": extra if is_noisy else SHORT.get(method, {}),
            }
        )
    return chosen


def run(model, pictures, job):
    references = references_for(job["method"], model, job["layer"])
    if xc.METHODS[job["method"]].compares_with == "classes":
        references = job["classes"]
    return xc.explain(
        model,
        pictures[job["picture"]],
        method=job["method"],
        target=job["target"],
        references=references,
        layer=job["layer"],
        **job["extra"],
    ).values


def test_eight_threads_give_what_one_gives(jobs):
    model = wrap(TinyNet())
    pictures = [picture(seed=seed) for seed in range(6)]
    serial = [run(model, pictures, job) for job in jobs]
    before = state_of(model.network)
    barrier = threading.Barrier(8)

    def work(which):
        barrier.wait()
        return {index: run(model, pictures, jobs[index]) for index in range(which, 300, 8)}

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(work, which) for which in range(8)]
        parallel = {index: values for each in done for index, values in each.result().items()}
    wrong = [index for index in range(300) if not np.array_equal(parallel[index], serial[index])]
    assert wrong == []
    assert_nothing_left(model, before)


def test_eight_threads_count_their_own_passes():
    model = wrap(TinyNet())

    def work(which):
        with count_passes() as counter:
            for seed in range(which + 1):
                explain(model, picture(seed=seed), "grad-cam")
        return counter.passes

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == list(range(1, 9))
