"""Verdicts: the words follow from the figures, and say them."""

import numpy as np
import pytest

from explain_core.errors import InputError
from explain_core.metrics.metric import NO_EVIDENCE, Score
from explain_core.metrics.randomisation import Randomisation
from explain_core.metrics.repeatability import Agreement
from explain_core.metrics.verdicts import (
    MARGIN,
    controls_verdict,
    noise_verdict,
    seed_verdict,
    unbeaten,
    weights_verdict,
)


def scored(**values):
    """Return scores by metric, from keywords such as road_morf=0.2."""
    return {name.replace("_", "-"): Score(value) for name, value in values.items()}


CONTROLS = {
    "random": scored(rcap=0.1, deletion=0.4),
    "center-gaussian": scored(rcap=0.3, deletion=0.3),
    "edges": scored(rcap=0.2, deletion=0.2),
}


def forgotten(last, similarity=0.1, chance=(0.1, 0.3)):
    """Return a map that is the same after the first stage, and so like the original at the end."""
    pairs = np.linspace(*chance, 50)
    return Randomisation(
        stages=("head", "body"),
        original=np.ones((8, 8)),
        maps=np.ones((2, 8, 8)),
        rank_correlations=np.array([1.0, last]),
        similarities=np.array([1.0, similarity]),
        random_rank_correlations=pairs,
        random_similarities=pairs,
    )


def repeated(*correlations):
    numbers = np.array(correlations)
    return Agreement(np.ones((len(numbers), 8, 8)), numbers, np.full(len(numbers), 0.5), numbers)


# ---- against the controls ------------------------------------------------------------------


def test_a_map_ahead_of_all_controls_is_better():
    verdict = controls_verdict(scored(rcap=0.5, deletion=0.1), CONTROLS)
    assert verdict.is_good
    assert verdict.text == "It beats random, centre and edges by RCAP and Deletion AUC."


def test_the_figures_name_all_controls_and_which_way_is_better():
    figures = controls_verdict(scored(rcap=0.5, deletion=0.1), CONTROLS).figures
    assert figures == (
        "RCAP 0.500 (higher is better), random 0.100, centre 0.300, edges 0.200; "
        "Deletion AUC 0.100 (lower is better), random 0.400, centre 0.300, edges 0.200"
    )


def test_a_map_behind_in_everything_is_not_better():
    verdict = controls_verdict(
        scored(rcap=0.2, deletion=0.2), {"edges": scored(rcap=0.3, deletion=0.1)}
    )
    assert verdict.is_good is False
    assert verdict.text == (
        "It does not beat every control by RCAP or Deletion AUC. "
        "Not beaten: RCAP: edges; Deletion AUC: edges."
    )


def test_where_the_measures_disagree_the_verdict_says_which_control_stands_by_which():
    controls = {
        "center-gaussian": scored(rcap=0.1, deletion=0.4, insertion=0.6),
        "edges": scored(rcap=0.2, deletion=0.2, insertion=0.1),
    }
    verdict = controls_verdict(scored(rcap=0.5, deletion=0.25, insertion=0.5), controls)
    assert verdict.is_good is None
    assert verdict.text == (
        "The measures disagree: it beats every control by RCAP alone. "
        "Not beaten: Deletion AUC: edges; Insertion AUC: centre."
    )


def test_less_than_the_margin_ahead_is_not_ahead():
    controls = {"edges": scored(rcap=0.3)}
    assert unbeaten(scored(rcap=0.3 + 0.9 * MARGIN), controls) == {"rcap": ("edges",)}
    assert unbeaten(scored(rcap=0.3 + 1.1 * MARGIN), controls) == {"rcap": ()}


def test_of_deletion_lower_is_ahead():
    found = unbeaten(scored(deletion=0.25), CONTROLS)
    assert found == {"deletion": ("edges",)}


def test_a_control_without_a_value_is_left_out():
    controls = {"edges": {"rcap": Score(None, NO_EVIDENCE)}, "random": scored(rcap=0.1)}
    assert unbeaten(scored(rcap=0.5), controls) == {"rcap": ()}


def test_settings_of_one_metric_are_told_apart():
    controls = {"edges": {"rcap@80": Score(0.5), "rcap": Score(0.1)}}
    found = unbeaten({"rcap@80": Score(0.3), "rcap": Score(0.3)}, controls)
    assert found == {"rcap@80": ("edges",), "rcap": ()}


def test_a_map_without_scores_is_not_judged():
    verdict = controls_verdict({"rcap": Score(None, NO_EVIDENCE)}, CONTROLS)
    assert verdict.is_good is None
    assert verdict.figures == NO_EVIDENCE


def test_an_unknown_metric_is_refused():
    with pytest.raises(InputError, match="no metric 'beauty'"):
        unbeaten({"beauty": Score(1.0)}, {"edges": {"beauty": Score(0.0)}})


# ---- random weights --------------------------------------------------------------------------


def test_a_map_that_ends_at_chance_depends_on_what_was_learned():
    verdict = weights_verdict(forgotten(0.25))
    assert verdict.is_good
    assert verdict.text.startswith("This map changes when the network is randomised")
    # the 95th percentile of 50 numbers evenly spread over 0.1 to 0.3
    assert "|ρ| = 0.25, where 95 % of unrelated maps as smooth stay below 0.29" in verdict.figures


def test_a_map_that_stays_does_not():
    verdict = weights_verdict(forgotten(0.6, similarity=0.7))
    assert verdict.is_good is False
    assert "SSIM = 0.70, of unrelated maps 0.20 on average" in verdict.figures


def test_a_map_of_which_nothing_is_left_depends_on_what_was_learned():
    verdict = weights_verdict(forgotten(np.nan))
    assert verdict.is_good
    assert "nothing is left" in verdict.figures


# ---- again -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correlations", "is_good"),
    [((0.9, 0.8), True), ((0.9, 0.6), None), ((0.5, 0.5), None), ((0.6, 0.3), False)],
)
def test_repeated_maps_are_judged_by_their_mean_correlation(correlations, is_good):
    assert noise_verdict(repeated(*correlations), 0.02).is_good is is_good
    assert seed_verdict(repeated(*correlations)).is_good is is_good


def test_a_repeated_map_that_is_gone_agrees_by_nothing():
    verdict = noise_verdict(repeated(1.0, np.nan), 0.02)
    assert verdict.is_good is None
    assert "2 maps with noise of 2 % of white: ρ = 0.50 on average, lowest 0.00" in verdict.figures


def test_noise_and_seed_have_words_of_their_own():
    found = repeated(0.1)
    assert "noisy" in noise_verdict(found, 0.02).text
    assert "chance" in seed_verdict(found).text
