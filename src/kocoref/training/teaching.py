"""Which losses teach which examples: settings under which some would teach nothing are refused."""

from __future__ import annotations

from kocoref.errors import InputError
from kocoref.settings import FinetuneSettings


def check_losses(settings: FinetuneSettings) -> None:
    """Refuse combinations of option and weights that would train on nothing.

    Raises:
        InputError: names the keys that do not go together.
    """
    if settings.option == "none":
        return
    if settings.mlm_weight == 0 and (settings.replay or settings.option == "entity_unlabelled"):
        raise InputError(
            "finetune.mlm_weight is 0, but finetune.replay and option entity_unlabelled learn by"
            " masked language modelling only: set mlm_weight above 0"
        )
    names = settings.option != "pronoun"  # mixed and curriculum have both
    if names and not (settings.target_weight or settings.mlm_weight):
        raise InputError(
            f"finetune.option {settings.option}: masked names learn by target_weight and"
            " mlm_weight, and both are 0"
        )
    pronouns = not settings.option.startswith("entity")
    reads = settings.reading_share and pronouns
    ranks = settings.rank_weight and settings.ranked_share
    if reads and not ranks and not settings.copy_weight and not settings.mlm_weight:
        raise InputError(
            "finetune.reading_share is above 0, but readings teach nothing: copy_weight and"
            " mlm_weight are 0, and rank_weight or ranked_share too: set reading_share to 0"
        )
    weights = ("target_weight", "nouns_weight", "rank_weight", "copy_weight", "mlm_weight")
    masked = settings.target_weight or settings.nouns_weight or settings.mlm_weight
    if pronouns and not settings.reading_share and not masked:
        raise InputError(
            "finetune.reading_share is 0, and masked pronouns teach nothing: target_weight,"
            " nouns_weight and mlm_weight are all 0"
        )
    if not any(getattr(settings, name) for name in weights):
        raise InputError(f"finetune: {', '.join(weights)} are all 0: nothing to learn")
