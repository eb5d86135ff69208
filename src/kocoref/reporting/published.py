"""The eleven checkpoints of the original report, as it printed them.

Source: "Entity Coreference Fine-tuning 성능 분석 보고서", 2025-10-10, the tables of its section
"Combined_experiment 전체 결과 비교". Its items depend on the sequence length and are not those of
this project, so only the order and the direction of its rows can be set beside a run.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kocoref.evaluation.measures import report_score


class PublishedRow(NamedTuple):
    """One row: measures in percent, the score as a fraction."""

    name: str
    seq_len: int
    step: int
    epoch: float
    lambada_at_1: float
    coref_f1: float
    coref_at_5: float
    score: float

    def fraction(self, measure: str) -> float:
        """A measure of the row as this project writes it; the score is computed anew."""
        if measure == "score":
            return report_score(self.coref_f1 / 100, self.coref_at_5 / 100, self.lambada_at_1 / 100)
        return float(getattr(self, measure)) / 100


PUBLISHED: Final = (
    PublishedRow("checkpoint-820", 2048, 820, 2.0, 36.17, 3.27, 68.03, 0.3257),
    PublishedRow("checkpoint-410", 2048, 410, 1.0, 34.67, 3.38, 69.69, 0.3266),
    PublishedRow("checkpoint-2050", 2048, 2050, 5.0, 36.83, 3.29, 67.91, 0.3274),
    PublishedRow("checkpoint-1640", 2048, 1640, 4.0, 36.00, 3.28, 68.09, 0.3254),
    PublishedRow("checkpoint-1230", 2048, 1230, 3.0, 35.00, 3.30, 68.41, 0.3234),
    PublishedRow("checkpoint-1600", 2048, 1600, 2.84, 37.67, 2.89, 62.84, 0.3131),
    PublishedRow("checkpoint-396", 1536, 396, 1.0, 35.83, 4.10, 68.38, 0.3290),
    PublishedRow("checkpoint-1584", 1536, 1584, 4.0, 36.50, 3.90, 66.08, 0.3234),
    PublishedRow("checkpoint-792", 1536, 792, 2.0, 36.33, 3.92, 66.17, 0.3232),
    PublishedRow("checkpoint-1980", 1536, 1980, 5.0, 37.00, 3.86, 65.33, 0.3224),
    PublishedRow("checkpoint-1188", 1536, 1188, 3.0, 35.33, 3.79, 64.42, 0.3144),
)

NAMED_BEST: Final = "checkpoint-410"
"""The row that the original report calls the best of all, and fine-tuned from."""

FINE_TUNED: Final = "checkpoint-1600"
"""The row that the original report fine-tuned, on repeated entities."""
