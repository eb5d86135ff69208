"""How salient each candidate of a pronoun is: what a reader could use who knew no meanings.

Salience is frequency, recency, place in the text, grammatical role and being a name, the factors
of Lappin & Leass (1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log1p

import numpy as np
from numpy.typing import NDArray

from kocoref.examples.antecedents import Candidate

PRONOUN_CLASSES: dict[str, frozenset[str]] = {
    name: frozenset(forms.split())
    for name, forms in {
        "person": "그 그녀 그이 그분 이분 저분 걔 얘 쟤 이자 그자 그놈 이놈",
        "group": "그들 이들 그녀들 그분들 이분들 그네 그네들",
        "place": "그곳 이곳 저곳 거기 여기 저기",
        "thing": "그것 이것 저것 이 그것들 이것들",
        "self": "자신 자기 본인 자신들 자기들",
        "speaker": "나 내 난 날 저 제 전 우리 저희",
        "listener": "너 네 넌 널 당신 자네 그대 너희",
    }.items()
}
FACTORS = 11
FEATURES = FACTORS * (1 + len(PRONOUN_CLASSES))
"""Columns of :func:`salience_features`."""


def salience_features(
    surface: str, position: int, candidates: Sequence[Candidate]
) -> NDArray[np.float32]:
    """Features (candidates, ``FEATURES``) of the candidates of a pronoun.

    The factors stand once for every pronoun and once more in the column block of the pronoun's
    class, so that a linear scorer can weigh them by class. ``position`` is where the pronoun
    begins, in characters of the document.
    """
    last = _ranks([-candidate.last for candidate in candidates])
    first = _ranks([candidate.first for candidate in candidates])
    most = max(candidate.count for candidate in candidates)
    plain = np.array(
        [
            [
                log(candidate.count),
                candidate.count / most,
                1 / (1 + last[i]),
                1 / (1 + first[i]),
                log1p(position - candidate.last) / 5,
                candidate.count == 1,
                candidate.proper,
                candidate.subject,
                candidate.proper * candidate.subject,
                min(len(candidate.form), 6) / 3,
                candidate.form.endswith("들"),
            ]
            for i, candidate in enumerate(candidates)
        ],
        dtype=np.float32,
    )
    blocks = [plain * (surface in members) for members in PRONOUN_CLASSES.values()]
    return np.concatenate([plain, *blocks], axis=1)


def _ranks(keys: Sequence[int]) -> list[int]:
    order = sorted(range(len(keys)), key=lambda i: keys[i])
    ranks = [0] * len(keys)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks
