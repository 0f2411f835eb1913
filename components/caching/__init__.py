"""What is kept between reruns: models for everyone, evidence and bases for one session only.

The rest of the dashboard takes everything from here, `caching.model_named("digits")`; the modules
inside go by topic. They alone use `st.cache_*`.
"""

from components.caching.banks import (
    all_but,
    bank_set,
    banks_of,
    plane_of,
    refused_banks,
)
from components.caching.bases import (
    basis_key,
    basis_of,
    grid_of,
    kept_basis,
    message_of,
)
from components.caching.evaluation import (
    best_of,
    dataset_of,
    estimate_of,
    estimating,
    evaluation_queue,
    own_folder,
    results_in,
    summary_of,
)
from components.caching.films import (
    earlier_set,
    film_of,
    marks_on,
    phantom,
    phantom_truth,
    pictures_of,
    reference_films,
)
from components.caching.judging import (
    alternative_to,
    distances_of,
    feature_of,
    judgement_of,
    lam_curve_of,
    outliers_of,
    stability_of,
)
from components.caching.lessons import shared
from components.caching.models import (
    MAX_PROBES,
    encoder_name,
    forget_probe,
    keep_probe,
    kept_probe,
    model_named,
    model_names,
    probed_model,
    probed_name,
    probes,
    unload,
    with_texts,
)
from components.caching.pace import (
    is_pace_known,
    pace_of,
    pass_seconds,
)
from components.caching.pictures import (
    file_bytes,
    logits_of,
    seen_by,
)
from components.caching.scores import (
    find_out,
    keep_finding,
    keep_scores,
    kept_finding,
    kept_scores,
    score,
)
from components.caching.session import (
    Scored,
    SessionMemory,
    counted_passes,
    session_memory,
    shrink_session,
)

__all__ = [
    "MAX_PROBES",
    "Scored",
    "SessionMemory",
    "all_but",
    "alternative_to",
    "bank_set",
    "banks_of",
    "basis_key",
    "basis_of",
    "best_of",
    "counted_passes",
    "dataset_of",
    "distances_of",
    "earlier_set",
    "encoder_name",
    "estimate_of",
    "estimating",
    "evaluation_queue",
    "feature_of",
    "file_bytes",
    "film_of",
    "find_out",
    "forget_probe",
    "grid_of",
    "is_pace_known",
    "judgement_of",
    "keep_finding",
    "keep_probe",
    "keep_scores",
    "kept_basis",
    "kept_finding",
    "kept_probe",
    "kept_scores",
    "lam_curve_of",
    "logits_of",
    "marks_on",
    "message_of",
    "model_named",
    "model_names",
    "outliers_of",
    "own_folder",
    "pace_of",
    "pass_seconds",
    "phantom",
    "phantom_truth",
    "pictures_of",
    "plane_of",
    "probed_model",
    "probed_name",
    "probes",
    "reference_films",
    "refused_banks",
    "results_in",
    "score",
    "seen_by",
    "session_memory",
    "shared",
    "shrink_session",
    "stability_of",
    "summary_of",
    "unload",
    "with_texts",
]
