"""Training never sees what evaluation asks: built as the stage does, then searched for leaks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

import prepare
from kocoref.corpus.document import Document
from kocoref.corpus.lines import json_lines
from kocoref.corpus.names import NameLexicon
from kocoref.corpus.reading import read_chosen
from kocoref.corpus.similarity import near_duplicates, sketch
from kocoref.corpus.splits import split_documents
from kocoref.errors import InputError
from kocoref.examples.items import read_items
from kocoref.files import read_json
from kocoref.settings import PrepareSettings, SourceSettings, load_settings

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Corpus:
    """What prepare makes of the embedded passages."""

    training: list[Document]
    evaluation: list[Document]
    evaluation_twins: list[Document]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """The passages by the committed settings; at least one twin each, also of evaluation."""
    with chdir(ROOT):
        settings = load_settings("prepare", PrepareSettings)
        source = SourceSettings(path="data/raw/passages", format="passages")
        swaps = max(1, settings.name_swaps)
        settings = settings.model_copy(update={"sources": [source], "name_swaps": swaps})
        chosen = prepare.choose(settings, {}, Counter())
        lexicon = NameLexicon.read(Path("data/raw/names.tsv"))
        held_out = [*chosen["validation"], *chosen["test"]]
        return Corpus(
            [
                *read_chosen([source], chosen["train"]),
                *prepare.twins(chosen["train"], lexicon, settings),
            ],
            [*read_chosen([source], held_out)],
            [*prepare.twins(held_out, lexicon, settings)],
        )


def squeezed(text: str) -> str:
    return "".join(text.split())


def leaks(training: Sequence[Document], evaluation: Sequence[Document]) -> list[str]:
    """Pairs of a training and an evaluation document that share their text, or nearly so."""
    found = []
    # One string, so that a passage within a longer document is found as well.
    everything = "\n".join(squeezed(document.text) for document in training)
    copied = [document.id for document in evaluation if squeezed(document.text) in everything]
    found += [f"{name}: its text is trained on" for name in copied]
    sketches = {f"train {d.id}": sketch(d.text) for d in training}
    sketches |= {f"evaluation {d.id}": sketch(d.text) for d in evaluation}
    for one, other in near_duplicates(sketches):
        if one.split()[0] != other.split()[0]:
            found.append(f"{one} is like {other}")
    return found


def test_training_set_holds_passages_and_twins(corpus: Corpus) -> None:
    kinds = Counter("~" in document.id for document in corpus.training)
    assert kinds[False] >= 300
    assert kinds[True] >= 0.5 * kinds[False]


def test_no_evaluation_passage_in_training(corpus: Corpus) -> None:
    assert len(corpus.evaluation) >= 200
    assert leaks(corpus.training, corpus.evaluation) == []


def test_no_twin_of_an_evaluation_passage_in_training(corpus: Corpus) -> None:
    assert len(corpus.evaluation_twins) >= 50
    assert leaks(corpus.training, corpus.evaluation_twins) == []


def test_twins_are_of_training_passages_only(corpus: Corpus) -> None:
    trained = {document.id for document in corpus.training if "~" not in document.id}
    assert {document.id.split("~")[0] for document in corpus.training} == trained
    assert trained.isdisjoint(document.id for document in corpus.evaluation)


def test_twin_is_like_its_passage(corpus: Corpus) -> None:
    # Else the search for twins of evaluation passages above would prove nothing.
    like = {frozenset(pair) for pair in near_duplicates(
        {d.id: sketch(d.text) for d in corpus.evaluation + corpus.evaluation_twins}
    )}  # fmt: skip
    twins = [document.id for document in corpus.evaluation_twins]
    assert sum(frozenset((twin, twin.split("~")[0])) in like for twin in twins) >= 0.9 * len(twins)


# ---- the search finds what is planted


def planted(corpus: Corpus, text: str) -> list[str]:
    return leaks([*corpus.training, Document("planted", text, "", "")], corpus.evaluation)


@pytest.mark.parametrize("space", [" ", "\n"])
def test_planted_copy_is_found(corpus: Corpus, space: str) -> None:
    victim = corpus.evaluation[7]
    found = planted(corpus, victim.text.replace(" ", space))
    assert found == [
        f"{victim.id}: its text is trained on",
        f"evaluation {victim.id} is like train planted",
    ]


def test_planted_copy_in_a_long_document_is_found(corpus: Corpus) -> None:
    victim = corpus.evaluation[7]
    around = " ".join(document.text for document in corpus.training[:40])
    assert planted(corpus, f"{around} {victim.text} {around}") == [
        f"{victim.id}: its text is trained on"
    ]


def test_planted_near_duplicate_is_found(corpus: Corpus) -> None:
    victim = corpus.evaluation[7]
    shortened = victim.text[: len(victim.text) * 2 // 3] + " 그 뒤의 일은 아무도 모른다."
    assert planted(corpus, shortened) == [f"evaluation {victim.id} is like train planted"]


def test_planted_twin_is_found(corpus: Corpus) -> None:
    twin = corpus.evaluation_twins[0]
    victim = twin.id.split("~")[0]
    assert planted(corpus, twin.text) == [f"evaluation {victim} is like train planted"]


# ---- the stage refuses what is planted

SENTENCES = (
    "[1:PER 김서연]은 [2:LOC 부산]에서 태어났다. [1 그녀]는 [2 그곳]을 그리워한다.",
    "[1:PER 박지성] 선수가 [2:ORG 한빛전자]와 계약했다. [1 그]는 [2 이 회사]의 얼굴이 된다.",
    "[1:PER 윤동주]가 [2:OBJ 시집]을 냈다. [1 그]는 [2 그것]을 스승에게 바쳤다고 한다.",
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one passage a split, where the stage may run."""
    for split, text in zip(("train", "validation", "test"), SENTENCES, strict=True):
        directory = tmp_path / "passages" / split
        directory.mkdir(parents=True)
        (directory / "news.txt").write_text(f"@ {split}-1\n{text}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_params(
    gold: Sequence[dict[str, str]] = (),
    more: Sequence[dict[str, str]] = (),
    lambada: dict[str, str] | None = None,
    first: bool = False,
    limit: int = 400,
) -> None:
    """The passages and ``more``, which may come first; ``limit`` documents for testing."""
    sections = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    passages = [{"path": "passages", "format": "passages"}]
    sections["prepare"] |= {
        "sources": [*more, *passages] if first else [*passages, *more],
        "gold": list(gold),
        "lambada": lambada,
        "name_swaps": 0,
        "max_validation_documents": limit,
        "max_test_documents": limit,
    }
    Path("params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")


def ids_of(split: str) -> list[str]:
    """The documents of a split that the stage has written."""
    return [row["id"] for _, _, row in json_lines(Path(f"data/prepared/{split}.jsonl"))]


def test_test_passage_among_the_training_passages_is_refused(project: Path) -> None:
    write_params()
    with Path("passages/train/news.txt").open("a", encoding="utf-8") as file:
        file.write(f"\n@ copy\n{SENTENCES[2].replace('윤동주', '윤동영')}\n")
    with pytest.raises(InputError, match=r"copy \(train\) and test-1 \(test\) are near-duplicates"):
        prepare.main()


def test_copy_of_a_test_passage_in_raw_text_is_not_trained_on(project: Path) -> None:
    text = SENTENCES[2].replace("[1:PER 윤동주]", "윤동주").replace("[2:OBJ 시집]", "시집")
    text = text.replace("[1 그]", "그").replace("[2 그것]", "그것")
    Path("web.txt").write_text(text, encoding="utf-8")
    write_params(more=[{"path": "web.txt", "format": "text"}])
    prepare.main()
    assert "윤동주" not in Path("data/prepared/train.jsonl").read_text(encoding="utf-8")


def test_gold_document_among_the_training_passages_is_refused(project: Path) -> None:
    Path("gold.jsonl").write_text(
        '{"id": "g1", "text": "김서연은 부산에서 태어났다. 그녀는 그곳을 그리워한다.", '
        '"clusters": [[[0, 3], [16, 18]]], "source": "web", "license": "CC0"}\n',
        encoding="utf-8",
    )
    write_params(gold=[{"name": "human", "path": "gold.jsonl", "format": "spans"}])
    with pytest.raises(InputError, match="near-duplicates"):
        prepare.main()


def test_article_that_holds_a_gold_document_is_not_trained_on(project: Path) -> None:
    text = "허균은 광해군 때의 문신으로 홍길동전을 썼다. 그는 신분의 벽을 소설로 비판했다고 전한다."
    gold = {"id": "g1", "text": text, "clusters": [[[0, 2], [26, 27]]],
            "source": "web", "license": "CC0"}  # fmt: skip
    Path("gold.jsonl").write_text(json.dumps(gold) + "\n", encoding="utf-8")
    around = [" ".join(f"{n}번째 {word} 이야기가 길게 이어진다." for n in range(200))
              for word in ("바다", "하늘")]  # fmt: skip
    Path("web.jsonl").write_text(
        json.dumps({"text": f"{around[0]} {text} {around[1]}"}) + "\n"
        + json.dumps({"text": " ".join(around)}) + "\n",
        encoding="utf-8",
    )  # fmt: skip
    write_params(
        gold=[{"name": "human", "path": "gold.jsonl", "format": "spans"}],
        more=[{"path": "web.jsonl", "format": "jsonl"}],
    )
    prepare.main()
    assert read_json(Path("metrics/data.json"))["read"]["shares_evaluation_text"] == 1
    trained = Path("data/prepared/train.jsonl").read_text(encoding="utf-8")
    assert "허균은" not in trained
    assert trained.count("web-2") == 1


TALE = (
    "옛날 어느 고을에 마음씨 고운 나무꾼이 홀어머니를 모시고 살았다고 전해진다.",
    "하루는 사냥꾼에게 쫓기던 사슴이 나무 더미 뒤에 숨겨 달라고 애원하였다.",
    "사슴은 은혜를 갚으려고 선녀들이 목욕하러 내려오는 연못을 일러 주었다.",
    "나무꾼은 날개옷 하나를 감추었고 막내 선녀는 하늘로 돌아가지 못하였다.",
)


AROUND = " ".join(f"{n}번째 바다 이야기가 길게 이어진다." for n in range(200))
LONG_TEXT = f"{AROUND} {TALE[1]} {AROUND}"
"""A sentence of the tale in a text that is far longer."""


def gold_tale() -> dict[str, str]:
    """A gold set of the whole tale."""
    row = {"id": "tale", "text": " ".join(TALE * 3), "clusters": [[[16, 19]]],
           "source": "", "license": ""}  # fmt: skip
    Path("gold.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return {"name": "human", "path": "gold.jsonl", "format": "spans"}


def test_paragraphs_of_a_gold_document_are_not_trained_on(project: Path) -> None:
    paragraphs = [*TALE, "이 마을의 도서관은 해마다 가을이면 작은 책 잔치를 연다."]
    Path("web.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    write_params(gold=[gold_tale()], more=[{"path": "web.txt", "format": "text"}])
    prepare.main()
    trained = Path("data/prepared/train.jsonl").read_text(encoding="utf-8")
    assert "나무꾼" not in trained
    assert "도서관" in trained
    assert read_json(Path("metrics/data.json"))["read"]["shares_evaluation_text"] == len(TALE)


def test_training_passage_that_holds_gold_text_is_refused(project: Path) -> None:
    row = {"id": "deer", "text": TALE[1], "clusters": [[[4, 7]]], "source": "", "license": ""}
    Path("gold.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with Path("passages/train/news.txt").open("a", encoding="utf-8") as file:
        file.write(f"\n@ tale\n{LONG_TEXT}\n")
    write_params(gold=[{"name": "human", "path": "gold.jsonl", "format": "spans"}])
    with pytest.raises(InputError, match=r"passages: passage tale \(train\) shares text with"):
        prepare.main()


@pytest.mark.parametrize("of", ["gold", "test"])
def test_excerpt_of_evaluation_text_among_the_validation_passages_is_refused(
    project: Path, of: str
) -> None:
    with Path("passages/validation/news.txt").open("a", encoding="utf-8") as file:
        file.write(f"\n@ tale\n{TALE[1]}\n")
    if of == "test":
        with Path("passages/test/news.txt").open("a", encoding="utf-8") as file:
            file.write(f"\n@ whole\n{LONG_TEXT}\n")
    write_params(gold=[gold_tale()] if of == "gold" else [])
    with pytest.raises(InputError, match=r"passage tale \(validation\) shares text with"):
        prepare.main()


def test_page_that_holds_a_test_passage_is_not_trained_on(project: Path) -> None:
    with Path("passages/test/news.txt").open("a", encoding="utf-8") as file:
        file.write(f"\n@ tale\n{TALE[1]}\n")
    Path("web.txt").write_text(LONG_TEXT, encoding="utf-8")
    write_params(more=[{"path": "web.txt", "format": "text"}])
    prepare.main()
    assert "사냥꾼" not in Path("data/prepared/train.jsonl").read_text(encoding="utf-8")


def test_id_of_a_document_that_was_left_out_is_taken(project: Path) -> None:
    for name, text in (("a", " ".join(TALE)), ("b", "이 마을의 도서관은 가을에 책 잔치를 연다.")):
        Path(f"{name}.jsonl").write_text(json.dumps({"id": "n", "text": text}), encoding="utf-8")
    write_params(
        gold=[gold_tale()],
        more=[{"path": f"{name}.jsonl", "format": "jsonl"} for name in "ab"],
    )
    with pytest.raises(InputError, match=r"b.jsonl: document id n is used twice"):
        prepare.main()


@pytest.mark.parametrize("name", ["gold human tale", "lambada l"])
def test_id_of_evaluation_text_is_taken(project: Path, name: str) -> None:
    Path("a.jsonl").write_text(json.dumps({"id": name, "text": TALE[0]}), encoding="utf-8")
    Path("l.jsonl").write_text(
        json.dumps({"id": "l", "text": f"{TALE[1]} 사슴", "answer": "사슴"}), encoding="utf-8"
    )
    lambada = {"path": "l.jsonl", "format": "jsonl"}
    write_params(gold=[gold_tale()], more=[{"path": "a.jsonl", "format": "jsonl"}], lambada=lambada)
    with pytest.raises(InputError, match=f"a.jsonl: document id {name} is used twice"):
        prepare.main()


@pytest.mark.holds(
    "raw text of which parts are documents of their own, over all splits",
    "no part of an evaluation document is trained on; what is left out is counted",
)
def test_excerpt_of_raw_evaluation_text_is_not_trained_on(project: Path) -> None:
    # 40 stories of 30 lines, and two lines of each as a document of its own.
    stories = {n: [f"{n}번 이야기의 {k}째 줄은 {n * 977 + k * 7919}로 시작한다." for k in range(30)]
               for n in range(40)}  # fmt: skip
    rows = [{"id": f"story {n}", "text": " ".join(lines)} for n, lines in stories.items()]
    rows += [{"id": f"lines {n}", "text": " ".join(lines[17:19])} for n, lines in stories.items()]
    Path("web.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    write_params(more=[{"path": "web.jsonl", "format": "jsonl"}])
    prepare.main()
    stories_of = {
        split: {name.split()[1] for name in ids_of(split) if " " in name}
        for split in ("train", "validation", "test")
    }
    held_out = stories_of["validation"] | stories_of["test"]
    assert held_out
    assert held_out.isdisjoint(stories_of["train"])
    assert read_json(Path("metrics/data.json"))["read"]["shares_evaluation_text"] > 0


def id_in(wanted: str) -> str:
    """An id by which raw text falls into this split."""
    alone = ({f"page {number}": sketch(LONG_TEXT)} for number in range(1000))
    return next(n for page in alone for n, split in split_documents(page, {}, 0.02, 0.05, 1).items()
                if split == wanted)  # fmt: skip


def test_excerpt_of_raw_test_text_is_not_validated_on(project: Path) -> None:
    rows = [
        {"id": id_in("validation"), "text": TALE[1]}, {"id": id_in("test"), "text": LONG_TEXT},
    ]  # fmt: skip
    Path("web.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    write_params(more=[{"path": "web.jsonl", "format": "jsonl"}])
    prepare.main()
    assert id_in("test") in ids_of("test")
    assert id_in("validation") not in ids_of("validation")
    assert read_json(Path("metrics/data.json"))["read"]["shares_evaluation_text"] == 1


def test_raw_evaluation_text_that_shares_with_a_training_passage_is_not_asked(
    project: Path,
) -> None:
    # A page around the passage that would be in the test split by its id.
    with Path("passages/train/news.txt").open("a", encoding="utf-8") as file:
        file.write(f"\n@ tale\n{TALE[1]}\n")
    row = {"id": id_in("test"), "text": LONG_TEXT}
    Path("web.jsonl").write_text(json.dumps(row), encoding="utf-8")
    write_params(more=[{"path": "web.jsonl", "format": "jsonl"}])
    prepare.main()
    assert ids_of("test") == ["test-1"]
    assert "tale" in ids_of("train")
    assert read_json(Path("metrics/data.json"))["read"]["shares_evaluation_text"] == 1


def test_marked_evaluation_passages_come_before_raw_text(project: Path) -> None:
    rows = [
        {"id": f"r{n}", "text": f"{n * 7919}번째 글은 {n * 104729}로 끝난다."} for n in range(99)
    ]
    Path("web.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    write_params(more=[{"path": "web.jsonl", "format": "jsonl"}], first=True, limit=2)
    prepare.main()
    for split in ("validation", "test"):
        found = ids_of(split)
        assert f"{split}-1" in found
        assert len(found) <= 2


def test_gold_of_whole_words_is_read_without_particles(project: Path) -> None:
    gold = {"id": "g1", "text": "허균에게는 벗이 많았다. 그는 소설을 썼다.",
            "clusters": [[[0, 5], [14, 16]]], "source": "web", "license": "CC0"}  # fmt: skip
    Path("gold.jsonl").write_text(json.dumps(gold) + "\n", encoding="utf-8")
    write_params(gold=[{"name": "human", "path": "gold.jsonl", "format": "spans"}])
    prepare.main()
    (item,) = read_items(Path("data/prepared/evaluation/human")).antecedent
    assert item.surface == "그"
    assert [c.form for c in item.candidates if c.gold] == ["허균"]


def test_same_id_in_two_sources_is_refused(project: Path) -> None:
    Path("more.jsonl").write_text('{"id": "test-1", "text": "다른 글이다."}\n', encoding="utf-8")
    write_params(more=[{"path": "more.jsonl", "format": "jsonl"}])
    with pytest.raises(InputError, match=r"more.jsonl: document id test-1 is used twice; rename"):
        prepare.main()


def test_leak_check_sees_no_leak_in_other_documents(corpus: Corpus) -> None:
    documents = [replace(corpus.evaluation[0], id="one")]
    assert leaks(documents, corpus.evaluation[1:]) == []
