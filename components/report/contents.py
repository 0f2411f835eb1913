"""What a report says, before it has a form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from explain_core.errors import InputError
from explain_core.images.film import Film, Voi
from explain_core.regions import Region
from explain_core.truth import Truth
from explain_core.types import SaliencyMap

MAX_MAPS = 4


@dataclass(frozen=True, eq=False)
class ReportMap:
    """Hold one map of a report.

    Attributes:
        title: of the method.
        subtitle: what it asks.
        smap: of the report's film.
        is_signed: whether what speaks against is shown as well.
        meaning: what the colours' lower and upper end stand for.
        settings: of its sliders, as people read them.
        scores: (name, value) of each, by the names of `Report.score_heads`.
        notes: on this map alone, listed with the cautions.
    """

    title: str
    subtitle: str
    smap: SaliencyMap
    is_signed: bool
    meaning: tuple[str, str]
    settings: str = ""
    scores: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Report:
    """Hold all that a report says; nothing else reaches it, no file name and no header.

    Attributes:
        question: the headline.
        voi: window of the film; None for its first preset.
        is_inverted: whether the film is turned round once more.
        window_text: the window, as people read it.
        maps: none to four, the main one first.
        model: its name.
        fingerprint: SHA-256 of its weights.
        made: when; the only part that two reports of the same differ by.
        findings: (name, probability, "called" or "not called") of each.
        score_heads: names of the scores, in the order of the columns.
        control_scores: (name, values in the order of `score_heads`) of each control.
        cautions: whole sentences.
        free_text: of the person who makes the report; line breaks are kept.
        patient: (what, value), only what that person ticked.
        regions: as drawn.
        region_shares: for each region, what lies in it of each map.
        annotation: where the evidence is known to lie.
        mark: "SYNTHETIC PHANTOM" or the like, on every picture and in the head.
        facts: (what, value) of the film: laterality, view, pixel spacing.

    Raises:
        InputError: too many maps, or a table whose rows do not fit its columns.
    """

    question: str
    film: Film
    voi: Voi | None
    is_inverted: bool
    window_text: str
    maps: tuple[ReportMap, ...]
    model: str
    fingerprint: str
    made: datetime
    findings: tuple[tuple[str, str, str], ...] = ()
    score_heads: tuple[str, ...] = ()
    control_scores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    cautions: tuple[str, ...] = ()
    free_text: str = ""
    patient: tuple[tuple[str, str], ...] = ()
    regions: tuple[Region, ...] = ()
    region_shares: tuple[tuple[str, ...], ...] = ()
    annotation: Truth | None = None
    mark: str = ""
    facts: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if len(self.maps) > MAX_MAPS:
            raise InputError(
                f"a report shows at most {MAX_MAPS} maps (got {len(self.maps)}); leave some out"
            )
        for each in self.maps:
            size = each.smap.geometry.original_size
            if size != self.film.codes.shape:
                raise InputError(
                    f"a map of the report belongs to a picture of {size}, but the film is "
                    f"{self.film.codes.shape}; give maps of this film"
                )
        for name, values in self.control_scores:
            if len(values) != len(self.score_heads):
                raise InputError(
                    f"control '{name}' has {len(values)} scores for {len(self.score_heads)} "
                    "columns; give one for each of score_heads"
                )
        wanted = (len(self.regions), [len(self.maps)] * len(self.region_shares))
        if (len(self.region_shares), [len(row) for row in self.region_shares]) != wanted:
            raise InputError(
                f"region_shares needs one row for each of the {len(self.regions)} regions, with "
                f"one text for each of the {len(self.maps)} maps; count them again"
            )
