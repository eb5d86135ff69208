"""What several tests need: analysed documents, the committed passages, a tiny random checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import reliability
from hub import Hub, running_hub
from huggingface_hub import constants
from hypothesis import settings
from reliability import Claim

from kocoref.corpus.document import Document, Span
from kocoref.corpus.passages import parse, read_passages
from kocoref.text.morphology import Analyzer

ROOT = Path(__file__).parents[1]

# How long a case takes on a busy machine says nothing of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

SENTENCES = (
    "홍길동은 학생이다.",
    "그는 학교에서 공부한다.",
    "김서연 교수는 부산에서 태어났다.",
    "그녀는 그곳을 떠난 적이 없다.",
    "민지가 지우에게 책을 주었다.",
    "그것은 소설이다.",
    "지우는 도서관에서 그것을 읽었다.",
    "서울과 부산의 회사가 사람들을 찾는다.",
    "경찰은 회사와 학교를 조사했다.",
    "이 사람은 그들이 아는 의사이다.",
    "의사는 환자에게 약을 주었고 환자는 그에게 인사했다.",
    "학생들은 시험을 보고 집으로 갔다.",
    "아이는 나무 아래에서 노래를 불렀다.",
    "물과 바람, 산과 바다에 관한 이야기였다.",
    "은 는 이 가 을 를 에게 에서 (책)",
)
"""What the tiny vocabulary is made of; each is counted four times so that every character is in."""


@pytest.fixture(scope="session")
def analyzer() -> Analyzer:
    return Analyzer(threads=1)


@pytest.fixture(scope="session")
def analysed(analyzer: Analyzer) -> Callable[..., Document]:
    """Text (and chains of spans) → a document with real sentences and tokens."""

    def make(text: str, chains: Sequence[Sequence[Span]] = (), name: str = "d") -> Document:
        ((sentences, tokens),) = analyzer.analyze([text])
        return Document(
            name, text, "test", "none", sentences, tokens, tuple(tuple(c) for c in chains)
        )

    return make


@pytest.fixture(scope="session")
def marked(analysed: Callable[..., Document]) -> Callable[..., Document]:
    """Text with mentions marked as in data/raw/passages → an analysed document with chains."""

    def make(text: str, name: str = "d") -> Document:
        document = parse(text, "test:1", name).document()
        return analysed(document.text, document.chains, name)

    return make


@pytest.fixture(scope="session")
def analyse_all(analyzer: Analyzer) -> Callable[[Iterable[Document]], list[Document]]:
    def make(documents: Iterable[Document]) -> list[Document]:
        listed = list(documents)
        analyses = analyzer.analyze(document.text for document in listed)
        return [
            replace(document, sentences=sentences, tokens=tokens)
            for document, (sentences, tokens) in zip(listed, analyses, strict=True)
        ]

    return make


@pytest.fixture(scope="session")
def passage_documents(
    analyse_all: Callable[[Iterable[Document]], list[Document]],
) -> list[Document]:
    """Every committed passage, analysed."""
    paths = sorted((ROOT / "data/raw/passages").glob("*/*.txt"))
    return analyse_all(p.document() for path in paths for p in read_passages(path))


@pytest.fixture(scope="session")
def make_tiny(analyzer: Analyzer, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a random BERT of 2 layers, 32 wide, over a vocabulary of SENTENCES; its directory.

    ``more`` are texts whose words are in the vocabulary too.
    """
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from kocoref.pretraining.vocabulary import build_tokenizer, build_vocabulary, count_pieces

    torch.set_num_threads(1)

    def vocabulary_of(texts: Sequence[str]) -> list[str]:
        analyses = [tokens for _, tokens in analyzer.analyze(texts)]
        pieces, characters = count_pieces([*zip(texts, analyses, strict=True)] * 4)
        return build_vocabulary(pieces, characters, 1000)

    def make(
        dropout: float = 0.0, length: int = 128, half: bool = False, more: Sequence[str] = ()
    ) -> Path:
        vocabulary = vocabulary_of([*SENTENCES, *more])
        directory = tmp_path_factory.mktemp("tiny")
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=length,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            initializer_range=0.2,
        )
        model = BertForMaskedLM(config)
        (model.half() if half else model).save_pretrained(directory)
        build_tokenizer(vocabulary, length).save_pretrained(directory)
        return directory

    return make


@pytest.fixture(scope="session")
def tiny(make_tiny: Callable[..., Path]) -> Path:
    """The directory of the tiny checkpoint: float32, no dropout, 128 positions."""
    return make_tiny()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty Hub, its address in the environment, and an empty cache."""
    with running_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        for name, value in {"HF_HUB_CACHE": "hub", "HF_TOKEN_PATH": "token"}.items():
            monkeypatch.setattr(constants, name, str(tmp_path / value))
        yield server


@pytest.fixture
def often(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """How many times: the second number where only slow tests are asked for (pytest -m slow)."""
    thorough = request.config.getoption("markexpr") == "slow"
    return lambda usual, many: many if thorough else usual


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-reliability",
        action="store_true",
        help="write docs/reliability.md from the claims of the tests that passed",
    )


class ClaimsOfARun:
    """The claims of the tests of a run, without those of which a case failed or did not run."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._passed: set[str] = set()
        self._failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            mark = item.get_closest_marker("holds")
            if mark:
                test = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
                self._claims[item.nodeid] = Claim(test, *mark.args)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        claim = self._claims.get(report.nodeid)
        if claim and not report.passed:
            self._failed.add(claim.test)
        elif claim and report.when == "call":
            self._passed.add(claim.test)

    def pytest_sessionfinish(self) -> None:
        shown = self._passed - self._failed
        kept = [claim for claim in self._claims.values() if claim.test in shown]
        reliability.PAGE.write_text(reliability.page(kept), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--write-reliability"):
        if config.getoption("numprocesses", None):
            raise pytest.UsageError("--write-reliability: one process sees all tests; leave out -n")
        config.pluginmanager.register(ClaimsOfARun())
