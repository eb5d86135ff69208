"""Statistics of runs over rows and seeds, worked out by hand or by brute force."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparisons import DOCUMENTS, RESAMPLES, comparison_of, found, run_of, whole

from kocoref.errors import InputError
from kocoref.evaluation.measures import Outcome
from kocoref.evaluation.significance import (
    bootstrap_values,
    documents_with_items,
    interval,
    paired_bootstrap,
)
from kocoref.files import write_json
from kocoref.reporting.comparison import Comparison


def hits(row: str, seed: int | None, *values: float) -> dict[str, Any]:
    """A run whose copying is right in a share of each document's ten pronouns."""
    run = run_of(row, seed, copy_accuracy=sum(values) / len(values))
    run["counts"]["copy_hits"] = [10 * value for value in values]
    run["counts"]["copy_items"] = [10] * len(values)
    return run


@pytest.fixture
def three() -> Comparison:
    """Two seeds of one row and one of another; the base is right in half of three documents."""
    value = comparison_of(
        hits("pronoun", 1, 1, 1, 1, 0, 0, 0),
        hits("entity", 1, 0, 0, 0, 0, 0.5, 1),
        hits("pronoun", 2, 1, 0.5, 0, 0, 0, 0),
    )
    base = hits("base", None, 0.5, 0.5, 0.5, 0, 0, 0)
    return found(value | {"base": base["measures"], "base_counts": base["counts"]})


def test_rows_are_in_the_order_of_the_file(three: Comparison) -> None:
    assert {row: [run.seed for run in runs] for row, runs in three.rows().items()} == {
        "pronoun": [1, 2], "entity": [1],
    }  # fmt: skip
    assert list(three.rows()) == ["pronoun", "entity"]


def test_mean_and_spread_over_seeds(three: Comparison) -> None:
    # 0.5 and 0.25: mean 0.375, sqrt(2 · 0.125² / 1).
    assert three.mean("pronoun", "copy_accuracy") == 0.375
    assert three.spread("pronoun", "copy_accuracy") == pytest.approx(0.125 * sqrt(2))
    assert (three.mean("entity", "copy_accuracy"), three.spread("entity", "copy_accuracy")) == (
        0.25, 0,
    )  # fmt: skip


def resampled(*seeds: list[float]) -> Any:
    """The mean of some shares over each resample of six documents of one size, and of seeds."""
    picks = np.random.default_rng(1).multinomial(6, [1 / 6] * 6, size=RESAMPLES)
    drawn = np.random.default_rng(1).integers(len(seeds), size=(len(seeds), RESAMPLES))
    of_seeds = picks @ np.array(seeds).T / 6
    return np.mean([of_seeds[range(RESAMPLES), which] for which in drawn], axis=0)


def test_difference_from_the_base(three: Comparison) -> None:
    difference = three.against_base("pronoun", "copy_accuracy")
    assert difference["difference"] == pytest.approx(0.375 - 0.25)
    # By document and seed, minus the base.
    values = resampled([0.5, 0.5, 0.5, 0, 0, 0], [0.5, 0, -0.5, 0, 0, 0]).round(12)
    assert difference["low"] == pytest.approx(np.quantile(values, 0.025))
    assert difference["high"] == pytest.approx(np.quantile(values, 0.975))
    below = (values <= 0).sum()
    assert 5 < below < 60
    assert difference["p_value"] == pytest.approx(2 * (below + 1) / (RESAMPLES + 1))


def test_seeds_that_disagree_widen_the_interval() -> None:
    # Two seeds of which one is as much better as the other is worse, in every document alike.
    made = found(comparison_of(hits("pronoun", 1, *[0.9] * 6), hits("pronoun", 2, *[0.3] * 6)))
    base = hits("base", None, *[0.5] * 6)
    difference = made.model_copy(update={"base_counts": base["counts"]}).against_base(
        "pronoun", "copy_accuracy"
    )
    assert [difference[key] for key in ("difference", "low", "high")] == pytest.approx(
        [0.1, -0.2, 0.4]
    )


def test_rounding_is_no_difference() -> None:
    # (0.1 + 0.1 + 0.1) / 3 is not 0.1.
    made = found(comparison_of(*(hits("pronoun", seed, *[0.1] * 6) for seed in (1, 2, 3))))
    base = hits("base", None, *[0.1] * 6)
    difference = made.model_copy(update={"base_counts": base["counts"]}).against_base(
        "pronoun", "copy_accuracy"
    )
    assert (difference["low"], difference["high"], difference["p_value"]) == (0, 0, 1)


def test_difference_of_two_rows(three: Comparison) -> None:
    difference = three.against_row("pronoun", "entity", "copy_accuracy")
    # By document and seed, minus zeros, 0.5 and 1.
    values = resampled([1, 1, 1, 0, -0.5, -1], [1, 0.5, 0, 0, -0.5, -1])
    assert difference["difference"] == pytest.approx(0.375 - 0.25)
    assert difference["low"] == pytest.approx(np.quantile(values, 0.025))
    assert difference["high"] == pytest.approx(np.quantile(values, 0.975))
    assert difference["low"] < 0 < difference["high"]


def test_difference_of_two_rows_is_antisymmetric(three: Comparison) -> None:
    there = three.against_row("pronoun", "entity", "copy_accuracy")
    back = three.against_row("entity", "pronoun", "copy_accuracy")
    assert (back["difference"], back["low"], back["high"]) == pytest.approx(
        (-there["difference"], -there["high"], -there["low"])
    )
    same = three.against_row("pronoun", "pronoun", "copy_accuracy")
    assert same == {"difference": 0, "low": 0, "high": 0, "p_value": 1}


def test_difference_that_is_the_same_everywhere_is_certain() -> None:
    made = found(whole())
    # F1 of 9 % minus 10 %, in each document.
    difference = made.against_base("entity_unlabelled", "coref_f1")
    assert [difference[k] for k in ("difference", "low", "high")] == pytest.approx([-0.01] * 3)
    assert difference["p_value"] == pytest.approx(2 / 200)
    bits = made.against_row("entity_anchor", "entity", "pseudo_bpc")
    assert bits["difference"] == pytest.approx(3.6 - 3.8)


# ---- the file


def test_file_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "experiments.json", whole())
    assert Comparison.read(tmp_path / "experiments.json") == found(whole())


def test_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"experiments\.json: no such file"):
        Comparison.read(tmp_path / "experiments.json")


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("base",), None, "base"),
        (("runs", 1, "seed"), "one", r"runs\.1\.seed"),
        (("runs", 2, "measures", "coref_f1"), "much", r"runs\.2\.measures\.coref_f1"),
        (("base_counts", "copy_hits", 0), "x", r"base_counts\.copy_hits\.0"),
    ],
)
def test_wrong_value_is_named(
    tmp_path: Path, place: tuple[Any, ...], value: object, named: str
) -> None:
    made = whole()
    at: Any = made
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    write_json(tmp_path / "experiments.json", made)
    with pytest.raises(InputError, match=rf"json: {named}: .*; run `make experiments`$"):
        Comparison.read(tmp_path / "experiments.json")


# ---- the bootstrap below it


def outcome(*values: int) -> Outcome:
    made = Outcome()
    for document, value in zip(DOCUMENTS, values, strict=False):
        made.add(document, copy_hits=value, copy_items=1)
    return made


def test_interval_by_hand() -> None:
    # 0, 1, … 40 in fortieths: the 2.5 % and 97.5 % quantiles are the second and the last but one.
    values = np.arange(41) / 40
    # One value is not above zero: 2 · (1 + 1) / (41 + 1).
    assert interval(0.5, values, 6) == {
        "difference": 0.5,
        "low": pytest.approx(0.025),
        "high": pytest.approx(0.975),
        "p_value": pytest.approx(4 / 42),
    }
    assert interval(-0.5, -values, 6)["p_value"] == pytest.approx(4 / 42)
    assert interval(0.0, np.zeros(41), 6)["p_value"] == 1


@pytest.mark.parametrize("difference", [0.5, -0.5])
@pytest.mark.parametrize("documents", [0, 1, 5])
def test_few_documents_show_nothing(difference: float, documents: int) -> None:
    # Of one document every resample is the same: its interval would be a point.
    values = np.full(41 if documents else 0, difference)
    assert interval(difference, values, documents) == {
        "difference": difference,
        "low": min(difference, 0),
        "high": max(difference, 0),
        "p_value": 1,
    }


def test_documents_that_count_are_those_with_items() -> None:
    one, other = outcome(1, 0, 0), Outcome()
    other.add("z", copy_hits=1, copy_items=1)
    one.add("y", lambada_hits=1, lambada_items=1)
    one.add("x", coref_hits=1, coref_items=1)
    assert documents_with_items([one, other], "copy_accuracy") == 4
    assert documents_with_items([one, other], "lambada_at_1") == 1
    assert documents_with_items([one, other], "score") == 2
    assert documents_with_items([one, other], "pseudo_bpc") == 0


def test_resampled_values_are_of_the_resampled_documents() -> None:
    made = outcome(1, 0, 0, 1, 0, 1)
    values = bootstrap_values(made, DOCUMENTS, "copy_accuracy", RESAMPLES, 1)
    assert values.shape == (RESAMPLES,)
    assert values == pytest.approx(resampled([1, 0, 0, 1, 0, 1]))


def test_resampled_values_of_two_outcomes_are_pairs() -> None:
    one, other = (
        bootstrap_values(outcome(*right), DOCUMENTS, "copy_accuracy", 50, 3)
        for right in ((1, 0, 0, 1), (0, 1, 1, 0))
    )
    assert one + other == pytest.approx(np.ones(50))
    assert len(set(one)) > 1


def test_document_that_an_outcome_lacks_counts_nothing() -> None:
    values = bootstrap_values(outcome(1, 1), DOCUMENTS, "copy_accuracy", 200, 1)
    # All that is counted is right; where nothing is counted there is no measure.
    assert set(values[~np.isnan(values)]) == {1.0}
    assert np.isnan(values).any()
    assert np.isnan(bootstrap_values(Outcome(), DOCUMENTS, "copy_accuracy", 5, 1)).all()


def test_paired_bootstrap_is_the_interval_of_both() -> None:
    one, other = outcome(1, 0, 0, 1, 0, 1), outcome(1, 1, 0, 0, 0, 1)
    values = [bootstrap_values(o, DOCUMENTS, "copy_accuracy", 100, 7) for o in (one, other)]
    expected = interval(0.0, values[0] - values[1], 6)
    assert paired_bootstrap(one, other, "copy_accuracy", 100, 7) == expected
