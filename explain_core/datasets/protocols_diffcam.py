"""The experiments of DiffCAM (Li et al., CVPR 2025)."""

from __future__ import annotations

from explain_core.datasets.protocol import Against, Protocol, Selection, choices

_RESNET_AND_INCEPTION = ("torchvision/resnet50", "torchvision/inception_v3")
_NUM_NEAREST = 100
_LAM_OPEN = "The paper calls λ small and gives no value."


def _counterfactual(kind: str, against: Against) -> Protocol:
    return Protocol(
        name=f"diffcam-counterfactual-{kind}",
        paper="diffcam",
        table="Table 2, Figure 9",
        summary="Does the map for one species rather than another lie on the parts that differ?",
        dataset="cub",
        part="test",
        models=("torchvision/resnet50",),
        methods=choices("diffcam"),
        metrics=choices("part-recall part-precision part-f1"),
        against=against,
        num_references=1,
        notes="The network must be trained on the train part (models.toml). The paper also "
        "reports PIoU (`part_iou`, which needs a picture of either species), F1 over shares of "
        "the picture (Figure 9, in an appendix that is not at hand), and Goyal, CounteRGAN and "
        "GALORE, which are not built here. " + _LAM_OPEN,
    )


def _films(dataset: str, label: str) -> Protocol:
    return Protocol(
        name=f"diffcam-{dataset}",
        paper="diffcam",
        table="Table 3, Figure 8" if dataset == "rsna" else "Table 3",
        summary="Does the map lie on the finding, compared with films of healthy people?",
        dataset=dataset,
        part="",
        models=("torchvision/inception_v3",),
        methods=choices(
            "diffcam grad-cam score-cam layer-cam xgrad-cam integrated-gradients guided-backprop"
        ),
        metrics=choices("auprc"),
        against="healthy films",
        selection=Selection(labels=(label,)),
        notes="The network must be trained to tell the two kinds of film apart (models.toml); "
        "which films are kept for testing is said in an appendix that is not at hand. " + _LAM_OPEN,
    )


DIFFCAM = (
    Protocol(
        name="diffcam-mnist-attention",
        paper="diffcam",
        table="Figure 3",
        summary="What makes a digit this digit, and what keeps it from being another?",
        dataset="mnist",
        part="test",
        models=("digits",),
        methods=choices("grad-cam smooth-grad-cam++ score-cam diffcam"),
        against="all other classes",
        selection=Selection(labels=("3", "7", "9")),
        notes="Maps are shown, not scored. DiffCAM is also shown against one class: 3 against 5, 2 "
        "and 8; 7 against 1, 2 and 9; 9 against 7, 8 and 0. The paper's network is not named.",
    ),
    Protocol(
        name="diffcam-mnist-variance",
        paper="diffcam",
        table="Figure 4",
        summary="What sets a misread 0 apart from the other zeros?",
        dataset="mnist",
        part="test",
        models=("digits",),
        methods=choices("diffcam"),
        against="own class",
        selection=Selection(labels=("0",), is_right=False),
        notes="Maps are shown, not scored. The references are the zeros of the train part.",
    ),
    Protocol(
        name="diffcam-road",
        paper="diffcam",
        table="Figure 6",
        summary="Does the prediction fall when the most salient pixels are imputed?",
        dataset="imagenet",
        part="val",
        models=_RESNET_AND_INCEPTION,
        methods=choices("grad-cam smooth-grad-cam++ score-cam layer-cam xgrad-cam diffcam"),
        metrics=choices("road-morf"),
        against="nearest class means",
        num_references=_NUM_NEAREST,
        selection=Selection(num_images=1000),
        num_scored=1000,
        notes="The paper draws the curve at 25, 50 and 75 % of the pixels. " + _LAM_OPEN,
    ),
    Protocol(
        name="diffcam-localization",
        paper="diffcam",
        table="Table 1, Figure 5",
        summary="Does the map lie on the object?",
        dataset="imagenet",
        part="val",
        models=_RESNET_AND_INCEPTION,
        methods=choices("grad-cam score-cam layer-cam xgrad-cam diffcam"),
        metrics=choices("iou-otsu iou-best-threshold auprc"),
        against="nearest class means",
        num_references=_NUM_NEAREST,
        selection=Selection(num_images=500, num_boxes=1, max_box_share=0.5),
        num_scored=500,
        notes="The paper does not say at which threshold it takes the IoU: two usual ones are "
        "taken here. " + _LAM_OPEN,
    ),
    _counterfactual("random", "random class"),
    _counterfactual("similar", "similar class"),
    Protocol(
        name="diffcam-self-supervised",
        paper="diffcam",
        table="Figure 7",
        summary="Do maps of encoders without a head show what is and what is not?",
        dataset="imagenet",
        part="val",
        models=("timm/vit_small_patch16_224.dino", "moco"),
        methods=choices("diffcam"),
        against="all other classes",
        notes="Maps are shown, not scored. MoCo-v3 with a ResNet-50 is not published by timm: list "
        "its weights as 'moco' in models.toml. The paper does not say which DINO it takes.",
    ),
    Protocol(
        name="diffcam-sanity",
        paper="diffcam",
        table="Section 4.4 (Appendix E)",
        summary="Does the map change when the network's weights are randomised?",
        dataset="imagenet",
        part="val",
        models=("torchvision/resnet50",),
        methods=choices("diffcam"),
        against="nearest class means",
        num_references=_NUM_NEAREST,
        notes="Cascading randomisation, by `explain_core.metrics.randomisation`; the numbers are "
        "in an appendix that is not at hand.",
    ),
    _films("rsna", "Lung Opacity"),
    _films("siim", "Pneumothorax"),
)
