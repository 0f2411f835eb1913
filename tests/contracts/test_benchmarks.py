"""Every method is measured against somebody else's, or is known to have no counterpart."""

from benchmarks.peers import PEERS
from explain_core import METHODS

# DiffCAM has a part of `benchmarks.speed` of its own; controls run no network.
APART = {"diffcam", *(name for name, method in METHODS.items() if method.is_control)}


def test_every_method_is_measured_once():
    assert sorted(peer.method for peer in PEERS) == sorted(set(METHODS) - APART)


def test_settings_are_the_method_s_own():
    for peer in PEERS:
        known = {p.name for p in METHODS[peer.method].parameters_of("prepare")}
        assert set(peer.values) <= known
