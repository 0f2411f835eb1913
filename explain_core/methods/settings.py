"""The settings that several methods share, each described once."""

from __future__ import annotations

from explain_core.parameters import Parameter

GAMMA = Parameter(
    name="gamma",
    label="γ — comparison strength",
    default=0.6,
    phase="render",
    help="How much of the reference classes' evidence is subtracted. 0 is the plain method; "
    "above 1 extrapolates.",
    min=0.0,
    max=2.0,
    step=0.05,
)
REVERSE = Parameter(
    name="reverse",
    label="Reverse",
    default=False,
    phase="render",
    help="Show what speaks for the reference classes rather than for the target (Finer-CAM).",
)
LAM = Parameter(
    name="lam",
    label="λ — regularisation",
    default=1e-3,
    phase="render",
    help="In units of the mean variance direction of the reference set. Small: directions in "
    "which references hardly vary count most. Large: plain difference of means.",
    min=1e-6,
    max=1e2,
    step=0.25,
    scale="log",
)
FILM_LAM = 1.0
"""Where λ begins for films: healthy ones vary little, see docs/localisation-films.md."""

AVERAGE_BEFORE, MAXIMUM_BEFORE, AVERAGE_AFTER = (
    "average before ReLU",
    "maximum before ReLU",
    "average after ReLU",
)
AGGREGATION = Parameter(
    name="aggregation",
    label="Several references",
    default=AVERAGE_BEFORE,
    phase="render",
    help="How the references' maps become one. Average before ReLU: against all of them together "
    "(Finer-CAM). Maximum before ReLU: against the reference that leaves most. Average after "
    "ReLU: what speaks against one reference is not set off by another.",
    choices=(AVERAGE_BEFORE, MAXIMUM_BEFORE, AVERAGE_AFTER),
)
SOFTMAX = Parameter(
    name="softmax",
    label="Softmax over channels",
    default=True,
    phase="render",
    help="Weigh channels by the softmax of their scores, as Score-CAM does; else by the scores.",
)
TOP_CHANNELS = Parameter(
    name="top_channels",
    label="Channels taken (0: all)",
    default=0,
    phase="prepare",
    help="0 is the method itself. A number takes only as many channels, those with the largest "
    "mean activation: an approximation, as much quicker as channels are left out.",
    min=0,
    max=8192,
    step=16,
)
# On photographs and digits the map of 16 channels correlates with that of all by 0.97 and more.
LEAST_CHANNELS = 16
NUM_STAGES = Parameter(
    name="num_stages",
    label="Stages fused",
    default=3,
    phase="prepare",
    help="How many resolutions of the network are fused, the last that of the layer. 1 is "
    "Layer-CAM alone. Where all layers have one resolution, as many layers, evenly spread.",
    min=1,
    max=8,
    step=1,
)
P = Parameter(
    name="p",
    label="p — guide percentile",
    default=85.0,
    phase="render",
    help="Where the gradient's variance is below its p-th percentile, the map is damped by it. "
    "0 is AbsoluteGrad.",
    min=0.0,
    max=100.0,
    step=1.0,
    unit="%",
)
REFERENCE_WEIGHTS = Parameter(
    name="weights",
    label="Weight of each reference class",
    default="uniform",
    phase="prepare",
    help="uniform: the paper's mean. softmax: by the references' logits. released: as the "
    "authors' code, whose gradient also passes through the softmax.",
    choices=("uniform", "softmax", "released"),
)
NUM_SAMPLES = Parameter(
    name="num_samples",
    label="Noisy copies",
    default=20,
    phase="prepare",
    help="How many noisy copies of the picture the gradients are taken at.",
    min=2,
    max=500,
    step=1,
)
SPREAD = Parameter(
    name="spread",
    label="Noise spread",
    default=0.15,
    phase="prepare",
    help="Standard deviation of the noise, as a share of the input's range.",
    min=0.0,
    max=1.0,
    step=0.01,
)
SEED = Parameter(
    name="seed",
    label="Seed",
    default=0,
    phase="prepare",
    help="Of the noise: the same seed gives the same map.",
    min=0,
    max=2**31 - 1,
    step=1,
)
NOISE = (NUM_SAMPLES, SPREAD, SEED)
