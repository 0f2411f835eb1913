"""Localisation: the truth scores best, its inverse worst; other libraries give the same numbers."""

import numpy as np
import pytest
from skimage.filters import threshold_otsu
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, mean_absolute_error

from explain_core.errors import InputError
from explain_core.metrics import localisation
from explain_core.truth import Box, Truth

SIZE = (19, 26)
HIGHER = (
    "energy_inside",
    "pointing_game",
    "iou_otsu",
    "iou_at_fraction",
    "iou_best_threshold",
    "auprc",
)
LOWER = ("log_cosh_dice", "mean_absolute_error")
ALL = (*HIGHER, *LOWER)


def measure(name, maps, truth, **settings):
    return getattr(localisation, name)(maps, truth, **settings)


def one(name, values, truth, **settings):
    (score,) = measure(name, values[None], truth, **settings)
    return score


def some_truth(size=SIZE):
    mask = np.zeros(size, bool)
    mask[3:9, 5:15], mask[7:13, 10:12] = True, True
    return Truth(mask=mask)


def noise(num, size=SIZE, seed=0):
    return np.random.default_rng(seed).random((num, *size)).astype(np.float32)


def coarse(num, size=SIZE, seed=0, levels=6):
    """Signed maps with many ties."""
    rng = np.random.default_rng(seed)
    return (rng.integers(-levels // 2, levels, (num, *size)) / levels).astype(np.float32)


def relevant(values):
    return np.maximum(np.nan_to_num(values).astype(np.float64), 0)


# ---- what every metric must tell -----------------------------------------------------------

TRUTHS = {
    "mask": some_truth(),
    "boxes": Truth(boxes=(Box(2, 3, 9.4, 11), Box(5, 8, 14, 20))),
    "a little": Truth(boxes=(Box(4, 4, 8, 7),)),
    "most of it": Truth(boxes=(Box(0, 0, 19, 22),)),
}


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS.keys())
@pytest.mark.parametrize("name", ALL)
def test_the_truth_is_best_the_inverse_worst_and_noise_in_between(name, truth):
    area = truth.area(SIZE).astype(np.float32)
    sign = 1 if name in HIGHER else -1
    best, worst = sign * measure(name, np.stack([area, 1 - area]), truth)
    scores = sign * measure(name, noise(300), truth)
    # A single noise map may be lucky, except where the metric cannot tell better than the truth.
    assert best >= scores.max()
    assert best > scores.mean() > worst
    if name != "auprc":  # where an order by chance may put pixels inside last
        assert scores.min() >= worst


@pytest.mark.parametrize("name", ALL)
def test_the_truth_scores_what_perfection_is(name):
    truth = some_truth()
    perfect = one(name, 7 * truth.mask.astype(float), truth)
    assert perfect == pytest.approx(1 if name in HIGHER else 0, abs=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_scale_does_not_matter_nor_what_is_negative(name):
    values, truth = coarse(1)[0], some_truth()
    changed = np.where(values > 0, 50 * values, values * 9 - 3)
    assert one(name, changed, truth) == pytest.approx(one(name, values, truth), abs=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_where_the_model_never_looked_counts_as_zero(name):
    values, truth = noise(1)[0], some_truth()
    unseen, zero = values.copy(), values.copy()
    unseen[:, :7], zero[:, :7] = np.nan, 0
    assert one(name, unseen, truth) == one(name, zero, truth)


@pytest.mark.parametrize("name", ALL)
def test_many_maps_score_as_one_by_one(name):
    maps, truth = coarse(4), some_truth()
    np.testing.assert_array_equal(
        measure(name, maps, truth), [one(name, values, truth) for values in maps]
    )


# ---- against other libraries ---------------------------------------------------------------


@pytest.mark.parametrize("maps", [noise(5, seed=1), coarse(5, seed=1)], ids=["noise", "ties"])
class TestAgainst:
    truth = some_truth()
    flat = truth.mask.ravel()

    def libraries(self, name, maps, expected, **settings):
        np.testing.assert_allclose(
            measure(name, maps, self.truth, **settings),
            [expected(relevant(values)) for values in maps],
            rtol=1e-9,
        )

    def test_average_precision_of_scikit_learn(self, maps):
        self.libraries(
            "auprc", maps, lambda values: average_precision_score(self.flat, values.ravel())
        )

    def test_otsus_threshold_of_scikit_image(self, maps):
        self.libraries(
            "iou_otsu",
            maps,
            lambda values: jaccard_score(self.flat, (values > threshold_otsu(values)).ravel()),
        )

    def test_iou_of_scikit_learn(self, maps):
        self.libraries(
            "iou_at_fraction",
            maps,
            lambda values: jaccard_score(self.flat, (values >= 0.4 * values.max()).ravel()),
            fraction=0.4,
        )

    def test_best_iou_of_all_thresholds_tried_one_by_one(self, maps):
        def best(values):
            thresholds = np.unique(values[values > 0])
            ious = [
                (self.truth.mask & (values >= t)).sum() / (self.truth.mask | (values >= t)).sum()
                for t in thresholds
            ]
            return max(ious)

        self.libraries("iou_best_threshold", maps, best)

    def test_absolute_error_of_scikit_learn(self, maps):
        self.libraries(
            "mean_absolute_error",
            maps,
            lambda values: mean_absolute_error(
                self.flat.astype(float), (values / values.max()).ravel()
            ),
        )

    def test_energy_by_a_loop(self, maps):
        def share(values):
            inside = [values[tuple(place)] for place in np.argwhere(self.truth.mask)]
            return sum(inside) / values.sum()

        self.libraries("energy_inside", maps, share)


def test_dice_of_a_binary_map_is_the_f1_score_of_scikit_learn():
    truth, marked = some_truth(), noise(1)[0] > 0.7
    dice = f1_score(truth.mask.ravel(), marked.ravel())
    expected = np.log(np.cosh(1 - dice))
    assert one("log_cosh_dice", marked.astype(float), truth) == pytest.approx(expected)


# ---- by hand -------------------------------------------------------------------------------


def test_every_localisation_metric_by_hand():
    truth = Truth(mask=np.array([[1, 1, 0, 0]]))
    values = np.array([[4.0, 1.0, 2.0, 1.0]])
    expected = {
        "energy_inside": 5 / 8,
        "pointing_game": 1,
        "iou_at_fraction": 1 / 3,  # at half the maximum: the first and the third pixel
        "iou_best_threshold": 1 / 2,  # the first alone; or all four
        "auprc": 0.5 * 1 + 0.5 * 2 / 4,
        "log_cosh_dice": np.log(np.cosh(1 - 2 * 1.25 / (2 + 2))),
        "mean_absolute_error": (0 + 0.75 + 0.5 + 0.25) / 4,
    }
    for name, score in expected.items():
        settings = {"fraction": 0.5} if name == "iou_at_fraction" else {}
        assert one(name, values, truth, **settings) == pytest.approx(score), name


def test_a_map_that_is_the_same_everywhere_marks_the_whole_picture():
    truth = some_truth()
    share = truth.mask.mean()
    flat = np.full(SIZE, 0.3)
    for name in ("iou_otsu", "iou_at_fraction", "iou_best_threshold", "pointing_game"):
        assert one(name, flat, truth) == pytest.approx(share), name


def test_a_nearly_flat_map_has_a_threshold():
    flat = np.full(SIZE, 1.0)
    flat[0, 0] += 1e-15
    assert one("iou_otsu", flat, some_truth()) == pytest.approx(some_truth().mask.mean())


def test_several_maxima_share_the_point():
    truth = Truth(mask=np.array([[1, 0, 0, 0]]))
    assert one("pointing_game", np.array([[2.0, 2.0, 1.0, 2.0]]), truth) == pytest.approx(1 / 3)


@pytest.mark.parametrize("tolerance_px", [0, 1, 1.5, 2.9, 40])
def test_the_point_may_miss_by_the_tolerance(tolerance_px):
    truth, size = some_truth((12, 17)), (12, 17)
    inside = np.argwhere(truth.mask)
    for place in np.ndindex(size):
        values = np.zeros(size)
        values[place] = 1
        distance = np.hypot(*(inside - place).T).min()
        hit = one("pointing_game", values, truth, tolerance_px=tolerance_px)
        assert hit == (distance <= tolerance_px), place


def test_a_map_without_evidence_inside_has_no_best_overlap():
    truth = some_truth()
    assert one("iou_best_threshold", 1.0 - truth.mask, truth) == 0


# ---- what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(SIZE), "the map has no positive evidence"),
        (-np.ones(SIZE), "the map has no positive evidence"),
        (np.full(SIZE, np.nan), "the map is NaN everywhere"),
        (np.full(SIZE, np.inf), "the map holds infinity"),
    ],
)
def test_a_map_that_says_nothing_is_refused(name, values, message):
    with pytest.raises(InputError, match=message):
        one(name, values, some_truth())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("truth", "message"),
    [
        (Truth(), "no mask and no box"),
        (Truth(mask=np.zeros(SIZE)), "no evidence to find"),
        (Truth(mask=np.ones((26, 19))), "the mask is 26 x 19, but the picture is 19 x 26"),
    ],
)
def test_a_truth_that_does_not_fit_is_refused(name, truth, message):
    with pytest.raises(InputError, match=message):
        one(name, noise(1)[0], truth)


def test_one_map_without_a_stack_is_refused():
    with pytest.raises(InputError, match=r"maps must be \(number, height, width\), not \(19, 26\)"):
        localisation.auprc(noise(1)[0], some_truth())


@pytest.mark.parametrize("fraction", [0, -1, 1.2, float("nan")])
def test_a_fraction_out_of_its_range_is_refused(fraction):
    with pytest.raises(InputError, match="fraction must be above 0 and at most 1"):
        one("iou_at_fraction", noise(1)[0], some_truth(), fraction=fraction)


@pytest.mark.parametrize("tolerance_px", [-1, float("inf"), float("nan")])
def test_a_tolerance_out_of_its_range_is_refused(tolerance_px):
    with pytest.raises(InputError, match="tolerance_px must be 0 or a positive number"):
        one("pointing_game", noise(1)[0], some_truth(), tolerance_px=tolerance_px)
