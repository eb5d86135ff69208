"""The measures by hand: the report's definitions, the strict ones, baselines and intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import log2
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from kocoref.errors import InputError
from kocoref.evaluation import significance
from kocoref.evaluation.baselines import (
    ANTECEDENT_RULES,
    antecedent_baseline,
    constant_baseline,
)
from kocoref.evaluation.measures import (
    COSTLY_MEASURES,
    MEASURES,
    QUICK_MEASURES,
    Outcome,
    count_antecedent,
    count_coref,
    lenient_match,
    report_score,
)
from kocoref.evaluation.prediction import vocabulary_nouns
from kocoref.evaluation.protocols import evaluate
from kocoref.evaluation.salience import salience_baseline, train_salience
from kocoref.evaluation.significance import paired_bootstrap
from kocoref.evaluation.slices import slice_accuracy
from kocoref.examples.antecedents import Candidate
from kocoref.examples.items import AntecedentItem, CorefItem, ItemSet, LambadaItem, PlainText
from kocoref.model.checkpoint import Checkpoint, load_checkpoint
from kocoref.model.copying import References
from kocoref.model.objective import Output

Script = Callable[[int, int], dict[str, float]]
"""Number of masks in a row and which of them this is → logits by piece; all others are 0."""


class Scripted(nn.Module):
    """A model that answers by script, whatever the text, and copies the last candidate."""

    def __init__(self, vocabulary: dict[str, int], script: Script) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))
        self.vocabulary = vocabulary
        self.script = script

    def forward(
        self,
        ids: Tensor,
        attention: Tensor,
        rows: Tensor,
        positions: Tensor,
        references: References,
    ) -> Output:
        logits = torch.zeros(len(rows), len(self.vocabulary))
        counts = Counter(rows.tolist())
        seen: Counter[int] = Counter()
        for place, row in enumerate(rows.tolist()):
            for piece, value in self.script(counts[row], seen[row]).items():
                logits[place, self.vocabulary[piece]] = value
            seen[row] += 1
        return Output(logits, torch.arange(len(references.gold)).float())


@pytest.fixture(scope="module")
def checkpoint(tiny: Path) -> Checkpoint:
    return load_checkpoint(str(tiny))


@pytest.fixture
def scripted(checkpoint: Checkpoint) -> Callable[[Script], Checkpoint]:
    def make(script: Script) -> Checkpoint:
        model = Scripted(checkpoint.tokenizer.get_vocab(), script)
        return Checkpoint(model, checkpoint.tokenizer, 128, torch.float32)  # type: ignore[arg-type]

    return make


def coref_item(*nouns: str, document: str = "d") -> CorefItem:
    return CorefItem(document, 0, "", "그", "는 공부한다.", nouns)


def lambada_item(target: str) -> LambadaItem:
    return LambadaItem("d", 0, f"{target}은 학생이다. ", target, "은 공부한다.")


def items(
    coref: tuple[CorefItem, ...] = (),
    lambada: tuple[LambadaItem, ...] = (),
    antecedent: tuple[AntecedentItem, ...] = (),
    plain: tuple[PlainText, ...] = (),
) -> ItemSet:
    return ItemSet(coref, lambada, antecedent, plain)


def nouns_of(checkpoint: Checkpoint, texts: dict[str, str]) -> list[str | None]:
    """As vocabulary_nouns: only the given pieces are nouns, with the given texts."""
    pieces = checkpoint.tokenizer.convert_ids_to_tokens(list(range(len(checkpoint.tokenizer))))
    return [texts.get(piece) for piece in pieces]


def ranking(*pieces: str) -> Script:
    """The same order of pieces at every mask, best first."""
    return lambda masks, mask: {p: float(len(pieces) - i) for i, p in enumerate(pieces)}


# ---- the report's measures, from counts


def test_coref_counts_every_noun_of_the_set() -> None:
    outcome = Outcome()
    count_coref(outcome, coref_item("홍길동", "학생", "학교"), ["학생", "사람", "것", "학교", "말"])
    # 학생 and 학교 are right, 사람, 것 and 말 wrong, 홍길동 missed: F1 = 4 / (4 + 3 + 1).
    assert outcome.sums() == {
        "true": 2, "false": 3, "missed": 1, "coref_hits": 1, "coref_items": 1,
    }  # fmt: skip
    assert MEASURES["coref_f1"](outcome.sums()) == pytest.approx(0.5)


def test_coref_f1_is_micro() -> None:
    outcome = Outcome()
    count_coref(outcome, coref_item("가", "나", "다", document="a"), ["가", "나", "라"])
    count_coref(outcome, coref_item("마", "바", document="b"), ["사"])
    # Together 2 right, 1 + 1 wrong, 1 + 2 missed: 4 / (4 + 2 + 3). The mean of F1s would be 1/3.
    assert MEASURES["coref_f1"](outcome.sums()) == pytest.approx(4 / 9)


def test_coref_at_5_is_the_share_of_items_with_a_hit() -> None:
    outcome = Outcome()
    for predicted in (["가"], ["나", "다"], ["라"], ["나"]):
        count_coref(outcome, coref_item("가", "나"), predicted)
    assert MEASURES["coref_at_5"](outcome.sums()) == 3 / 4


def test_item_without_predictions_misses_all_its_nouns() -> None:
    outcome = Outcome()
    count_coref(outcome, coref_item("가", "나"), [])
    assert outcome.sums() == {
        "true": 0, "false": 0, "missed": 2, "coref_hits": 0, "coref_items": 1,
    }  # fmt: skip


def test_same_noun_predicted_twice_counts_once() -> None:
    outcome = Outcome()
    count_coref(outcome, coref_item("가", "나"), ["가", "가", "다"])
    assert (outcome.sums()["true"], outcome.sums()["false"]) == (1, 1)


@pytest.mark.parametrize(
    ("target", "predicted", "hit"),
    [
        ("학생", "학생", True),
        ("학생", "대학생", True),  # the prediction contains the target
        ("대학생", "학생", True),  # the target contains the prediction
        ("학생", "학교", False),
    ],
)
def test_lenient_match(target: str, predicted: str, hit: bool) -> None:
    assert lenient_match(target, predicted) is hit


@pytest.mark.parametrize(
    ("lambada_at_1", "coref_f1", "coref_at_5", "published"),
    [
        (36.17, 3.27, 68.03, 0.3257),
        (34.67, 3.38, 69.69, 0.3266),
        (36.83, 3.29, 67.91, 0.3274),
        (36.00, 3.28, 68.09, 0.3254),
        (35.00, 3.30, 68.41, 0.3234),
        (37.67, 2.89, 62.84, 0.3131),
        (35.83, 4.10, 68.38, 0.3290),
        (36.50, 3.90, 66.08, 0.3234),
        (36.33, 3.92, 66.17, 0.3232),
        (37.00, 3.86, 65.33, 0.3224),
        (35.33, 3.79, 64.42, 0.3144),
    ],
)
def test_score_reproduces_the_published_rows(
    lambada_at_1: float, coref_f1: float, coref_at_5: float, published: float
) -> None:
    # Percentages rounded to 0.005 and a Score rounded to 0.00005: together up to 0.0001 off.
    found = report_score(coref_f1 / 100, coref_at_5 / 100, lambada_at_1 / 100)
    assert found == pytest.approx(published, abs=1e-4)


# ---- the report's measures, from a model


def test_coref_looks_at_the_first_five_nouns(
    scripted: Callable[[Script], Checkpoint], checkpoint: Checkpoint
) -> None:
    order = ("는", "학생", "책", "은", "서울", "약", "물", "회사")
    nouns = nouns_of(checkpoint, {p: p for p in ("학생", "책", "서울", "약", "물", "회사")})
    model = scripted(ranking(*order))
    outcome = evaluate(
        model, items((coref_item("물", "학생", "회사"),)), ["coref_f1"], 512, "replace", nouns
    )
    # 는 and 은 are no nouns; 회사 is the sixth: 2 right, 3 wrong, 1 missed.
    assert outcome.predictions[0]["predicted"] == ["학생", "책", "서울", "약", "물"]
    assert outcome.measures(["coref_f1"]) == {"coref_f1": pytest.approx(4 / (4 + 3 + 1))}


@pytest.mark.parametrize(("rank", "found"), [(50, ["회사"]), (51, [])])
def test_only_the_first_fifty_predictions_are_looked_at(
    scripted: Callable[[Script], Checkpoint], checkpoint: Checkpoint, rank: int, found: list[str]
) -> None:
    others = [p for p in checkpoint.tokenizer.get_vocab() if p != "회사"][: rank - 1]
    nouns = nouns_of(checkpoint, {"회사": "회사"})
    model = scripted(ranking(*others, "회사"))
    outcome = evaluate(
        model, items((coref_item("회사", "책"),)), ["coref_f1"], 512, "replace", nouns
    )
    assert outcome.predictions[0]["predicted"] == found


def test_no_noun_among_the_predictions_is_no_hit(
    scripted: Callable[[Script], Checkpoint], checkpoint: Checkpoint
) -> None:
    nouns = nouns_of(checkpoint, {})
    part = items((coref_item("학생", "책"),), (lambada_item("학생"),))
    found = evaluate(scripted(ranking("학생")), part, ["score"], 512, "replace", nouns)
    assert found.measures(["lambada_at_1", "coref_f1", "coref_at_5", "score"]) == {
        "lambada_at_1": 0, "coref_f1": 0, "coref_at_5": 0, "score": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [("학생", "대학생", 1), ("대학생", "학생", 1), ("학생", "학교", 0)],
)
def test_lambada_takes_the_top_noun_leniently(
    scripted: Callable[[Script], Checkpoint],
    checkpoint: Checkpoint,
    target: str,
    text: str,
    expected: int,
) -> None:
    nouns = nouns_of(checkpoint, {"책": text, "학생": target})
    model = scripted(ranking("는", "책", "학생"))
    outcome = evaluate(
        model, items(lambada=(lambada_item(target),)), ["lambada_at_1"], 512, "replace", nouns
    )
    assert outcome.sums()["lambada_hits"] == expected


def test_vocabulary_nouns_are_what_kiwi_calls_nouns(checkpoint: Checkpoint) -> None:
    nouns = vocabulary_nouns(checkpoint)
    vocabulary = checkpoint.tokenizer.get_vocab()
    assert nouns[vocabulary["학생"]] == "학생"
    assert nouns[vocabulary["는"]] is None
    assert nouns[vocabulary["[MASK]"]] is None


# ---- the strict measures


def candidate(form: str, gold: bool = False, **keys: int) -> Candidate:
    values = {"first": 0, "last": 0, "count": 1, "proper": 0, "subject": 0} | keys
    between = range(values["first"] + 1, values["first"] + values["count"] - 1)
    ends = (values["first"], *between, values["last"]) if values["count"] > 1 else (values["last"],)
    return Candidate(
        form,
        ends,
        bool(values["proper"]),
        bool(values["subject"]),
        gold,
    )


def antecedent_item(*found: Candidate, document: str = "d", distance: int = 1) -> AntecedentItem:
    return AntecedentItem(document, 0, "홍길동은 학생이다. ", "그", "는 공부한다.", distance, found)


@pytest.mark.parametrize(
    ("gold", "scores", "hits", "reciprocal"),
    [
        ([0, 1, 0, 1], [3, 2, 1, 0], 0, 1 / 2),  # the best gold candidate is second
        ([1, 0, 0, 0], [3, 2, 1, 0], 1, 1),
        ([0, 1, 0, 1], [1, 2, 2, 0], 1 / 2, (1 + 1 / 2) / 2),  # first or second
        ([0, 1, 0, 1], [7, 7, 7, 7], 2 / 4, 13 / 18),  # all level: 1/2·1 + 1/3·1/2 + 1/6·1/3
        ([0, 0, 0, 1], [3, 1, 1, 1], 0, (1 / 2 + 1 / 3 + 1 / 4) / 3),  # second to fourth
    ],
)
def test_antecedent_counts(
    gold: list[int], scores: list[float], hits: float, reciprocal: float
) -> None:
    outcome = Outcome()
    item = antecedent_item(*(candidate(str(i), bool(g)) for i, g in enumerate(gold)))
    count_antecedent(outcome, item, scores, "antecedent")
    assert outcome.sums() == {
        "antecedent_hits": pytest.approx(hits),
        "antecedent_reciprocal": pytest.approx(reciprocal),
        "antecedent_items": 1,
    }


@given(st.lists(st.booleans(), min_size=1, max_size=9).filter(any))
def test_constant_scorer_is_chance(gold: list[bool]) -> None:
    outcome = Outcome()
    count_antecedent(
        outcome, antecedent_item(*(candidate("가", g) for g in gold)), [0] * len(gold), "antecedent"
    )
    assert outcome.sums()["antecedent_hits"] == pytest.approx(sum(gold) / len(gold))


@given(st.permutations(range(5)), st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_antecedent_does_not_depend_on_the_order(order: list[int], scores: list[int]) -> None:
    found = [candidate(str(i), i % 2 == 0) for i in range(5)]
    one, other = Outcome(), Outcome()
    count_antecedent(one, antecedent_item(*found), scores, "antecedent")
    count_antecedent(
        other, antecedent_item(*(found[i] for i in order)), [scores[i] for i in order], "antecedent"
    )
    assert one.sums() == pytest.approx(other.sums())


def test_antecedent_mrr_is_a_mean_over_pronouns() -> None:
    outcome = Outcome()
    for gold in (0, 1, 3):
        found = antecedent_item(*(candidate(str(i), i == gold) for i in range(4)))
        count_antecedent(outcome, found, [4, 3, 2, 1], "antecedent")
    # Ranks 1, 2 and 4.
    assert MEASURES["antecedent_mrr"](outcome.sums()) == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)


def test_model_prefers_by_mean_log_probability(scripted: Callable[[Script], Checkpoint]) -> None:
    def script(masks: int, mask: int) -> dict[str, float]:
        return {"학생": 5.0} if masks == 1 else ({"홍": 9.0} if mask == 0 else {"##길": 1.0})

    item = antecedent_item(candidate("학생", True), candidate("홍길"))
    outcome = evaluate(
        scripted(script), items(antecedent=(item,)), ["antecedent_accuracy"], 512, "replace"
    )
    # One mask: 학생 has logit 5. Two masks: 홍 and ##길 have mean logit 5 too, but its share of
    # the vocabulary V is exp(9) / (exp(9) + V) and exp(1) / (exp(1) + V): less in the mean.
    assert outcome.predictions[0]["predicted"] == ["학생", "홍길"]
    assert outcome.measures(["antecedent_accuracy"]) == {"antecedent_accuracy": 1}


def test_lambada_exact_with_two_subwords(
    scripted: Callable[[Script], Checkpoint], checkpoint: Checkpoint
) -> None:
    def script(masks: int, mask: int) -> dict[str, float]:
        return {("홍", "##길")[mask]: 20.0} if masks == 2 else {"책": 5.0}

    part = items(lambada=(lambada_item("홍길"),))
    nouns = nouns_of(checkpoint, {})
    outcome = evaluate(scripted(script), part, ["lambada_exact"], 512, "replace", nouns)
    assert outcome.predictions[0]["predicted"][0] == "홍길"
    assert outcome.measures(["lambada_exact"]) == {"lambada_exact": 1}


def test_lambada_exact_is_not_lenient(
    scripted: Callable[[Script], Checkpoint], checkpoint: Checkpoint
) -> None:
    nouns = nouns_of(checkpoint, {})
    part = items(lambada=(lambada_item("학생들"),))
    outcome = evaluate(scripted(ranking("학생")), part, ["lambada_exact"], 512, "replace", nouns)
    assert outcome.measures(["lambada_exact"]) == {"lambada_exact": 0}


def test_pseudo_bpc_of_a_uniform_model(
    scripted: Callable[[Script], Checkpoint], checkpoint: Checkpoint
) -> None:
    text = "홍길동은 학생이다. 그는 학교에서 공부한다."
    pieces = len(checkpoint.tokenizer(text, add_special_tokens=False).input_ids)
    part = items(plain=(PlainText("d", text),))
    outcome = evaluate(scripted(lambda masks, mask: {}), part, ["pseudo_bpc"], 512, "replace")
    # Every piece costs log2 of the vocabulary.
    bits = pieces * log2(len(checkpoint.tokenizer))
    assert outcome.measures(["pseudo_bpc"]) == {
        "pseudo_bpc": pytest.approx(bits / len(text), rel=1e-5)
    }


def test_pseudo_bpc_counts_only_the_characters_that_the_model_saw(
    scripted: Callable[[Script], Checkpoint],
) -> None:
    text = "학생 " * 100
    part = items(plain=(PlainText("d", text),))
    outcome = evaluate(scripted(lambda masks, mask: {}), part, ["pseudo_bpc"], 512, "replace")
    # 128 positions hold all 100 pieces of the one text, and 126 of the 300 of the other.
    longer = items(plain=(PlainText("d", text * 3),))
    cropped = evaluate(scripted(lambda masks, mask: {}), longer, ["pseudo_bpc"], 512, "replace")
    whole = outcome.measures(["pseudo_bpc"])["pseudo_bpc"]
    assert cropped.measures(["pseudo_bpc"])["pseudo_bpc"] == pytest.approx(whole, rel=0.02)


def test_only_what_is_wanted_is_measured(scripted: Callable[[Script], Checkpoint]) -> None:
    part = items((coref_item("학생", "책"),), plain=(PlainText("d", "그는 학생이다."),))
    outcome = evaluate(scripted(ranking("학생")), part, ["pseudo_bpc"], 512, "replace")
    assert list(outcome.measures(MEASURES)) == ["pseudo_bpc"]


def test_copying_has_measures_of_its_own(scripted: Callable[[Script], Checkpoint]) -> None:
    item = antecedent_item(candidate("학생"), candidate("홍길동", gold=True))
    names = ["antecedent_accuracy", "copy_accuracy", "copy_mrr"]
    outcome = evaluate(scripted(ranking("학생")), items(antecedent=(item,)), names, 512, "replace")
    assert outcome.measures(names) == {
        "antecedent_accuracy": 0, "copy_accuracy": 1, "copy_mrr": 1,
    }  # fmt: skip
    by_name, copied = outcome.predictions
    assert [row["measure"] for row in (by_name, copied)] == ["antecedent", "copy"]
    assert [row["predicted"] for row in (by_name, copied)] == [
        ["학생", "홍길동"], ["홍길동", "학생"],
    ]  # fmt: skip
    assert [row["hit"] for row in (by_name, copied)] == [0, 1]
    for row in (by_name, copied):
        assert (row["document"], row["pronoun"], row["gold"]) == ("d", "그", ["홍길동"])
        assert row["text"] == "홍길동은 학생이다. [그]는 공부한다."
        assert (row["distance"], row["candidates"]) == (1, 2)


def test_pronouns_of_one_text_are_copied_in_their_order(
    scripted: Callable[[Script], Checkpoint],
) -> None:
    # The script prefers the last candidate of the batch's last: scores rise throughout.
    left, middle = "홍길동은 학생이다. ", "는 왔다. "
    name, other = candidate("홍길동", gold=True), candidate("학생", last=5)
    first = AntecedentItem("d", 0, left, "그", f"{middle}그는 갔다.", 1, (name, other))
    second = AntecedentItem("d", 0, f"{left}그{middle}", "그", "는 갔다.", 2, (other, name))
    outcome = evaluate(
        scripted(ranking("학생")), items(antecedent=(first, second)), ["copy_mrr"], 512, "replace"
    )
    assert [(row["measure"], row["distance"], row["hit"]) for row in outcome.predictions] == [
        ("copy", 1, 0), ("copy", 2, 1),
    ]  # fmt: skip
    assert outcome.measures(["copy_accuracy", "copy_mrr"]) == {
        "copy_accuracy": 1 / 2, "copy_mrr": (1 / 2 + 1) / 2,
    }  # fmt: skip


def test_scores_that_are_no_numbers_are_an_input_error(
    scripted: Callable[[Script], Checkpoint],
) -> None:
    item = antecedent_item(candidate("학생"), candidate("홍길동", gold=True))
    model = scripted(lambda masks, mask: {"학생": float("nan")})
    with pytest.raises(InputError, match=r"^document d: the model's scores are no numbers"):
        evaluate(model, items(antecedent=(item,)), ["antecedent_mrr"], 512, "replace")


def test_only_the_wanted_scorer_is_asked(scripted: Callable[[Script], Checkpoint]) -> None:
    item = antecedent_item(candidate("학생"), candidate("홍길동", gold=True))
    for scorer in ("antecedent", "copy"):
        outcome = evaluate(
            scripted(ranking("학생")), items(antecedent=(item,)), [f"{scorer}_mrr"], 512, "replace"
        )
        assert [row["measure"] for row in outcome.predictions] == [scorer]


def test_quick_measures_ask_once_for_each_item() -> None:
    assert QUICK_MEASURES == (
        "lambada_at_1", "coref_f1", "coref_at_5", "score", "copy_accuracy", "copy_mrr",
    )  # fmt: skip
    assert set(QUICK_MEASURES) | set(COSTLY_MEASURES) == set(MEASURES)
    assert set(QUICK_MEASURES).isdisjoint(COSTLY_MEASURES)


def test_score_needs_both_kinds_of_items() -> None:
    outcome = Outcome()
    count_coref(outcome, coref_item("가", "나"), ["가"])
    assert list(outcome.measures(MEASURES)) == ["coref_f1", "coref_at_5"]


# ---- baselines

ITEM = antecedent_item(
    candidate("학생", first=0, last=50, count=3),
    candidate("민지", gold=True, first=5, last=30, count=2, proper=1, subject=1),
    candidate("지우", first=10, last=40, count=1, proper=1, subject=1),
    candidate("책", first=20, last=60, count=1),
)


@pytest.mark.parametrize(
    ("rule", "accuracy", "mrr"),
    [
        ("random_candidate", 1 / 4, (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4),
        ("nearest_noun", 0, 1 / 4),  # 책, 학생, 지우, 민지
        ("nearest_proper_noun", 0, 1 / 2),  # 지우, 민지
        ("most_frequent_noun", 0, 1 / 2),  # 학생, 민지
        ("most_frequent_proper_noun", 1, 1),  # 민지
        ("subject_first", 1, 1),  # 민지, 지우
    ],
)
def test_antecedent_baselines(rule: str, accuracy: float, mrr: float) -> None:
    outcome = antecedent_baseline(items(antecedent=(ITEM,)), ANTECEDENT_RULES[rule])
    assert outcome.measures(["antecedent_accuracy", "antecedent_mrr"]) == {
        "antecedent_accuracy": pytest.approx(accuracy),
        "antecedent_mrr": pytest.approx(mrr),
    }


def test_ties_of_a_rule_go_to_the_nearest() -> None:
    item = antecedent_item(
        candidate("가", last=1, count=2), candidate("나", gold=True, last=9, count=2)
    )
    outcome = antecedent_baseline(items(antecedent=(item,)), ANTECEDENT_RULES["most_frequent_noun"])
    assert outcome.sums()["antecedent_hits"] == 1


def test_constant_baseline_guesses_the_first_five() -> None:
    part = items((coref_item("가", "바"), coref_item("바", "사")))
    outcome = constant_baseline(part, ["가", "나", "다", "라", "마", "바"])
    # Only 가 is ever right: 1 right, 4 + 5 wrong, 1 + 2 missed.
    assert outcome.measures(["coref_f1", "coref_at_5"]) == {
        "coref_f1": pytest.approx(2 / (2 + 9 + 3)),
        "coref_at_5": 1 / 2,
    }


# ---- slices


def prediction(
    pronoun: str, hit: bool, distance: int = 1, candidates: int = 5
) -> dict[str, object]:
    return {
        "measure": "antecedent", "pronoun": pronoun, "hit": hit,
        "distance": distance, "candidates": candidates,
    }  # fmt: skip


def test_slices_by_pronoun_put_the_rare_together() -> None:
    rows = [prediction("그", i < 3) for i in range(6)]
    rows += [prediction("이것", True)] * 2 + [prediction("그녀", False)] * 4
    assert slice_accuracy(rows, "antecedent")["pronoun"] == {
        "그": {"accuracy": 0.5, "items": 6},
        "other": {"accuracy": pytest.approx(2 / 6), "items": 6},
    }


def test_slices_by_distance() -> None:
    rows = [prediction("그", d == 0, distance=d) for d in (0, 1, 2, 7) for _ in range(5)]
    assert {k: v["items"] for k, v in slice_accuracy(rows, "antecedent")["distance"].items()} == {
        "same sentence": 5, "1 sentence": 5, "2 or more sentences": 10,
    }  # fmt: skip


def test_slices_by_number_of_candidates() -> None:
    rows = [prediction("그", True, candidates=c) for c in (9, 10, 19, 20) for _ in range(5)]
    assert {k: v["items"] for k, v in slice_accuracy(rows, "antecedent")["candidates"].items()} == {
        "1-9": 5, "10-19": 10, "20 or more": 5,
    }  # fmt: skip


def test_slices_leave_other_measures_out() -> None:
    rows = [prediction("그", True)] * 5 + [{"measure": "coref", "pronoun": "그", "hit": False}]
    assert slice_accuracy(rows, "antecedent")["pronoun"] == {"그": {"accuracy": 1.0, "items": 5}}


def test_slices_are_of_one_scorer() -> None:
    rows = [prediction("그", True)] * 5
    rows += [row | {"measure": "copy", "hit": 0.25} for row in rows]
    found = {scorer: slice_accuracy(rows, scorer) for scorer in ("antecedent", "copy")}
    assert found["antecedent"]["pronoun"] == {"그": {"accuracy": 1.0, "items": 5}}
    assert found["copy"]["pronoun"] == {"그": {"accuracy": 0.25, "items": 5}}
    assert list(found["copy"]) == ["pronoun", "distance", "candidates"]


def test_slices_of_a_scorer_without_rows_are_empty() -> None:
    nothing: dict[str, object] = {"pronoun": {}, "distance": {}, "candidates": {}}
    assert slice_accuracy([prediction("그", True)], "copy") == nothing


# ---- the ranker by salience


def salient_items() -> list[AntecedentItem]:
    """Fifty pronouns each of which refers to the subject, wherever it stands."""
    found = []
    for number in range(50):
        subject = candidate("민지", gold=True, first=number % 5, last=number % 5, subject=1)
        others = [candidate(f"책{i}", first=6 + i, last=6 + i) for i in range(3)]
        found.append(antecedent_item(*others[: number % 3], subject, *others[number % 3 :]))
    return found


def test_salience_ranker_learns_what_decides() -> None:
    ranker = train_salience(salient_items())
    assert ranker is not None
    outcome = salience_baseline(ranker, salient_items())
    assert outcome.measures(["antecedent_accuracy", "copy_accuracy"]) == {
        "antecedent_accuracy": 1, "copy_accuracy": 1,
    }  # fmt: skip


def test_salience_ranker_needs_fifty_pronouns() -> None:
    assert train_salience(salient_items()[:49]) is None


def test_salience_ranker_needs_a_wrong_candidate() -> None:
    only = antecedent_item(candidate("민지", gold=True, first=0, last=0, subject=1))
    assert train_salience([only] * 50) is None


# ---- intervals


def outcome_of(hits: list[int]) -> Outcome:
    outcome = Outcome()
    for number, hit in enumerate(hits):
        outcome.add(f"d{number}", antecedent_hits=hit, antecedent_items=1)
    return outcome


def test_identical_outcomes_do_not_differ() -> None:
    one = outcome_of([0, 1, 1, 0, 1])
    assert paired_bootstrap(one, one, "antecedent_accuracy", 200, 1) == {
        "difference": 0, "low": 0, "high": 0, "p_value": 1,
    }  # fmt: skip


def test_clear_difference_excludes_zero() -> None:
    found = paired_bootstrap(
        outcome_of([1] * 30), outcome_of([0] * 25 + [1] * 5), "antecedent_accuracy", 1000, 1
    )
    assert found["difference"] == pytest.approx(25 / 30)
    assert 0 < found["low"] <= found["difference"] <= found["high"] <= 1
    assert found["p_value"] == pytest.approx(2 / 1001)


def test_difference_of_one_document_in_many_is_chance() -> None:
    found = paired_bootstrap(
        outcome_of([1, 0] * 20), outcome_of([0, 0] + [1, 0] * 19), "antecedent_accuracy", 1000, 1
    )
    assert found["low"] == 0
    assert found["p_value"] > 0.3


def test_resamples_without_an_item_do_not_count() -> None:
    one, other = outcome_of([1] * 6), outcome_of([0] * 6)
    for outcome in (one, other):
        for number in range(6, 1800):  # documents of other measures
            outcome.add(f"d{number}", lambada_hits=1, lambada_items=1)
    found = paired_bootstrap(one, other, "antecedent_accuracy", 1000, 1)
    assert (found["low"], found["high"]) == (1, 1)
    assert found["p_value"] < 0.01


def test_bootstrap_is_a_function_of_the_seed() -> None:
    one, other = outcome_of([1, 1, 0, 1, 0, 1, 1]), outcome_of([0, 1, 0, 1, 1, 0, 0])
    runs = []
    for seed in (3, 3, 4):
        significance._resamples.cache_clear()  # what is drawn, not what is remembered
        runs.append(paired_bootstrap(one, other, "antecedent_accuracy", 200, seed))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_document_of_one_outcome_only_counts_as_nothing_for_the_other() -> None:
    one, other = outcome_of([1, 1, 1]), outcome_of([1, 1])
    found = paired_bootstrap(one, other, "antecedent_accuracy", 200, 1)
    assert found["difference"] == 0


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=12),
    st.integers(0, 5),
)
def test_bootstrap_is_antisymmetric(pairs: list[tuple[int, int]], seed: int) -> None:
    one, other = (outcome_of([pair[side] for pair in pairs]) for side in (0, 1))
    there = paired_bootstrap(one, other, "antecedent_accuracy", 100, seed)
    back = paired_bootstrap(other, one, "antecedent_accuracy", 100, seed)
    assert there["p_value"] == back["p_value"]
    assert (there["difference"], there["low"], there["high"]) == pytest.approx(
        (-back["difference"], -back["high"], -back["low"])
    )
