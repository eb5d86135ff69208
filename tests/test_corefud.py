"""CorefUD gold: tokens, empty nodes, discontinuous mentions, documents that come back, failures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from gold_files import failure_as, read_as, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kocoref.corpus.document import Document, Span
from kocoref.errors import InputError

HEADER = "# newdoc id = 글\n# global.Entity = eid-etype-head-other\n"


read = partial(read_as, "corefud")
failure = partial(failure_as, "corefud")


def row(number: object, form: str, entity: str = "", *, space: bool = True) -> str:
    misc = [f"Entity={entity}"] * bool(entity) + ["SpaceAfter=No"] * (not space)
    return "\t".join([str(number), form, *["_"] * 7, "|".join(misc) or "_"]) + "\n"


def sentence(*rows: str, comments: str = "") -> str:
    return comments + "".join(rows) + "\n"


def write(path: Path, *rows: str) -> Document:
    """The document of one sentence."""
    path.write_text(sentence(*rows, comments=HEADER), encoding="utf-8")
    (document,) = read(path)
    return document


def test_text_tokens_and_singletons(tmp_path: Path) -> None:
    path = tmp_path / "x.conllu"
    first = sentence(
        row("1-2", "홍길동은"), row(1, "홍길동", "(e1-person-1-"), row(2, "은", "e1)"),
        row(3, "학생이다", "(e2)", space=False), row(4, ".", space=False),
        comments=f"{HEADER}# newpar\n# sent_id = 1\n# text = 홍길동은 학생이다.\n",
    )  # fmt: skip
    second = sentence(
        row("1-2", "그는"), row(1, "그", "(e1--1)"), row(2, "는"),
        row(3, "공부한다", space=False), row(4, "."),
    )  # fmt: skip
    path.write_text(first + second, encoding="utf-8")
    assert read(path) == [
        Document(
            id="글",
            text="홍길동은 학생이다. 그는 공부한다.",
            source="x.conllu",
            licence="unknown",
            chains=(((0, 4), (11, 12)), ((5, 9),)),
        )
    ]


def test_words_that_do_not_add_up_stand_for_their_token(tmp_path: Path) -> None:
    document = write(
        tmp_path / "x.conllu",
        row("1-2", "난"), row(1, "나", "(e1--1)"), row(2, "는"),
        row("3-4", "책을", space=False), row(3, "책", "(e2--1)"), row(4, "을"), row(5, "!"),
    )  # fmt: skip
    assert document.text == "난 책을!"
    assert texts(document) == [["난"], ["책"]]


def test_nested_and_crossing_mentions(tmp_path: Path) -> None:
    document = write(
        tmp_path / "x.conllu",
        row(1, "내", "(e1-person-3-(e2-person-1-)"), row(2, "친구", "(e3--1"),
        row(3, "민수", "e1)"), row(4, "씨", "e3)(e4--2-(e4--1-)"), row(5, "집", "e4)(e5)"),
    )  # fmt: skip
    assert texts(document) == [["내"], ["내 친구 민수"], ["친구 민수 씨"], ["씨", "씨 집"], ["집"]]


def test_documents_and_the_order_of_declared_fields(tmp_path: Path) -> None:
    path = tmp_path / "x.conllu"
    declared = sentence(
        row(1, "그녀는", "(person-1-e1)"),
        comments="# global.Entity = etype-head-eid\n# newdoc id = 가\n",
    )
    again = sentence(row(1, "그는", "(person-1-e1-more)"), comments="# newdoc id = 나 = 2\n")
    path.write_text((declared + again).replace("\n", "\r\n"), encoding="utf-8")
    documents = read(path)
    assert [document.id for document in documents] == ["가", "나 = 2"]
    assert [texts(document) for document in documents] == [[["그녀는"]], [["그는"]]]


def test_empty_nodes_have_no_text(tmp_path: Path) -> None:
    document = write(
        tmp_path / "x.conllu",
        row("0.1", "_", "(e1--1)(e2--1-"), row(1, "그가", "e2)(e3--3-"), row("1.1", "나"),
        row(2, "집에", "e3)(e4--1-"), row("2.1", "_", "e4)(e2--1)"), row(3, "왔다."),
    )  # fmt: skip
    assert document.text == "그가 집에 왔다."
    assert texts(document) == [["그가"], ["그가 집에"], ["집에"]]


def test_a_span_twice_in_a_chain_counts_once(tmp_path: Path) -> None:
    document = write(
        tmp_path / "x.conllu",
        row("1-2", "난"), row(1, "나", "(e1--1)"), row(2, "는", "(e1--1)"), row(3, "간다"),
    )  # fmt: skip
    assert document.chains == (((0, 1),),)


@pytest.mark.parametrize(("head", "span"), [(1, "긴 머리의"), (2, "긴 머리의"), (3, "여자가")])
def test_the_part_with_the_head_counts(tmp_path: Path, head: int, span: str) -> None:
    document = write(
        tmp_path / "x.conllu",
        row(1, "긴", f"(e1[1/2]-person-{head}-"), row(2, "머리의", "e1[1/2])"), row(3, "그때"),
        row(4, "여자가", f"(e1[2/2]-person-{head}-)"), row(5, "왔다."),
    )  # fmt: skip
    assert texts(document) == [[span]]


def test_parts_with_only_empty_nodes_between_are_one(tmp_path: Path) -> None:
    document = write(
        tmp_path / "x.conllu",
        row(1, "민수와", "(e1[1/3]--1-)"), row("1.1", "_", "(e2--1)"),
        row(2, "영희가", "(e1[2/3]--1-)"), row(3, "또"), row("3.1", "_", "(e1[3/3]--1-)"),
    )  # fmt: skip
    assert texts(document) == [["민수와 영희가"]]


def test_a_head_without_text_leaves_the_first_part_with_text(tmp_path: Path) -> None:
    document = write(
        tmp_path / "x.conllu",
        row(1, "민수와", "(e1[1/2]--2-)"), row(2, "어제"), row("2.1", "_", "(e1[2/2]--2-)"),
    )  # fmt: skip
    assert texts(document) == [["민수와"]]


def test_nested_discontinuous_mentions_of_one_entity(tmp_path: Path) -> None:
    document = write(
        tmp_path / "x.conllu",
        row(1, "가", "(e1[1/2]--2-)"), row(2, "나"), row(3, "다", "(e1[1/2]--1-)"), row(4, "라"),
        row(5, "마", "(e1[2/2]--1-)"), row(6, "바"), row(7, "사", "(e1[2/2]--2-)"),
    )  # fmt: skip
    assert texts(document) == [["다", "사"]]


def test_parts_that_look_the_same_are_continued_one_by_one(tmp_path: Path) -> None:
    document = write(
        tmp_path / "x.conllu",
        row(1, "가", "(e1[1/3]--3-)(e1[1/3]--3-)"), row(2, "나"), row(3, "다", "(e1[2/3]--3-)"),
        row(4, "라", "(e1[2/3]--3-)"), row(5, "마", "(e1[3/3]--3-)"), row(6, "바"),
        row(7, "사", "(e1[3/3]--3-)"),
    )  # fmt: skip
    assert texts(document) == [["라 마", "사"]]


WORD = row(1, "그는")
MARKED = f"# newdoc id = marked\n{row(1, '그는', '(e1)')}"
"""A document with a chain, which a file has to have."""


@pytest.mark.parametrize(
    ("content", "line", "problem", "action"),
    [
        (WORD, 1, "a sentence outside of documents", "write # newdoc id = NAME before it"),
        (f"# newdoc\n{WORD}", 1, "a document without id", "write # newdoc id = NAME"),
        (f"# newdoc id =\n{WORD}", 1, "a document without id", "write # newdoc id = NAME"),
        (f"# global.Entity = GRP-head\n{WORD}", 1, "global.Entity = GRP-head has no", "declare"),
        (f"{HEADER}{WORD}# text = 그\n", 4, "a comment inside a sentence", "put a blank line"),
        (f"{HEADER}{WORD}\n# newdoc id = b\n", 5, "comments without a sentence", "remove them, or"),
        (f"{HEADER}1\t그는\t_\n", 3, "3 columns, not 10", "put one tab between columns"),
        (HEADER + row("가", "그는"), 3, "id '가'", "write 3, 3-4 or 3.1"),
        (HEADER + row("1-", "그는"), 3, "id '1-'", "write 3, 3-4 or 3.1"),
        (HEADER + row(1, ""), 3, "an empty form", "write the word, or _"),
        (HEADER + row(2, "그는"), 3, "word 2 where 1 is due", "mend the ids"),
        (HEADER + WORD + WORD, 4, "word 1 where 2 is due", "mend the ids"),
        (HEADER + row("1-2", "그는") + WORD, 3, "token 1-2 is not before its words", "mend it"),
        (HEADER + row("2-3", "그는") + WORD, 3, "token 2-3 is not before its words", "mend it"),
        (HEADER + row("1-0", "그는") + WORD, 3, "token 1-0 is not before its words", "mend it"),
        (
            HEADER + row("1-1", "그는") + row("1-1", "그는") + WORD,
            4,
            "token 1-1 is not before its words",
            "mend it",
        ),
        (
            HEADER + row("1-1", "그는", "(e1)") + WORD,
            3,
            "a mention on the multiword token 1-1",
            "mark it on the words after it",
        ),
        (
            HEADER + row(1, "그는", "(e1)|Entity=(e2)"),
            3,
            "Entity comes twice",
            "put all brackets in one",
        ),
        (
            HEADER + row(1, "그는", "_").replace("Entity=_", "SpaceAfter=No | Entity=(e1)"),
            3,
            "white space around a key of the last column",
            "remove it",
        ),
        (
            f"# newdoc id = a\n{row(1, '그는', '(e1)')}",
            2,
            "Entity=(e1) without a declaration",
            "write # global.Entity = eid-etype-head-other before it",
        ),
        (HEADER + row(1, "그는", "e1"), 3, "Entity=e1;", "write (e1-..., e1) or (e1-...)"),
        (HEADER + row(1, "그는", "(e1)()"), 3, "Entity=(e1)();", "write (e1-..., e1)"),
        (HEADER + row(1, "그는", "(e1)e2"), 3, "Entity=(e1)e2;", "write (e1-..., e1)"),
        (HEADER + row(1, "그는", "(e12-person)" * 99 + ")"), 3, "Entity=(e12-", "write (e1-..."),
        (HEADER + row(1, "그는", "(-person)"), 3, "mention '-person' has no eid", "as global"),
        (HEADER + row(1, "그는", "(e1--0)"), 3, "mention 'e1--0' has head '0'", "a number from 1"),
        (HEADER + row(1, "그는", "(e1--x)"), 3, "mention 'e1--x' has head 'x'", "a number from 1"),
        (HEADER + row(1, "그는", "(e1--2)"), 3, "mention 'e1' has head 2 of 1 words", "correct"),
        (HEADER + row(1, "그는", "e1)"), 3, "mention 'e1' is closed but not", "write (e1 where"),
        (HEADER + row(1, "그는", "(e1"), 3, "mention 'e1' is not closed", "write e1) where"),
        (
            HEADER + sentence(row(1, "그는", "(e1")) + row(1, "갔다", "e1)"),
            3,
            "mention 'e1' is not closed",
            "in the same sentence",
        ),
        (
            HEADER + row(1, "그는", "(e1[2/2])"),
            3,
            "mention 'e1[2/2]' without part 1 before it",
            "number its parts from 1",
        ),
        (
            HEADER + row(1, "그는", "(e1[1/3])") + row(2, "또", "(e1[3/3])"),
            4,
            "mention 'e1[3/3]' without part 2 before it",
            "number its parts from 1",
        ),
        (
            HEADER + row(1, "그는", "(e1[1/2])"),
            3,
            "mention 'e1' has 1 of its 2 parts",
            "mark the others",
        ),
    ],
)  # fmt: skip
def test_failures(tmp_path: Path, content: str, line: int, problem: str, action: str) -> None:
    path = tmp_path / "x.conllu"
    path.write_text(content, encoding="utf-8")
    message = failure(path)
    assert message.startswith(f"{path}:{line}: {problem}")
    assert action in message


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "x.conllu"
    path.write_text("\n", encoding="utf-8")
    assert failure(path) == f"{path}: no documents in it; check the file"
    path.write_bytes((HEADER + WORD).encode("cp949"))
    assert f"{path}:1: not UTF-8" in failure(path)
    path.write_text((HEADER + sentence(WORD)) * 2, encoding="utf-8")
    assert f"{path}:5: id '글' came before" in failure(path)


@dataclass(frozen=True)
class Node:
    """A word with its span, or an empty node."""

    id: str
    form: str
    span: Span | None


@dataclass(frozen=True)
class Written:
    """A sentence: the line of a multiword token goes before the node with its index."""

    nodes: list[Node]
    tokens: dict[int, str]
    spaces: dict[int, bool]


Mention = tuple[str, int, list[tuple[int, int]]]
"""Entity, head, and first and last node of each part."""


@st.composite
def sentences(draw: st.DrawFn, start: int) -> tuple[Written, str]:
    """A sentence whose text begins at ``start``, and its text."""
    form = st.text("가나다그는이.()-", min_size=1, max_size=3)
    nodes: list[Node] = []
    tokens: dict[int, str] = {}
    spaces: dict[int, bool] = {}
    text, number = "", 1
    for words in draw(st.lists(st.lists(form, min_size=1, max_size=3), min_size=1, max_size=5)):
        surface = "".join(words) if draw(st.booleans()) else draw(form)
        if len(words) == 1:
            surface = words[0]
        begin = start + len(text)
        exact = surface == "".join(words)
        spaces[len(nodes)] = draw(st.booleans())
        text += surface + " " * spaces[len(nodes)]
        if len(words) > 1:
            tokens[len(nodes)] = row(
                f"{number}-{number + len(words) - 1}", surface, space=spaces[len(nodes)]
            )
        for word in words:
            end = begin + len(word)
            whole = start + len(text.rstrip(" ")) - len(surface), start + len(text.rstrip(" "))
            nodes.append(Node(str(number), word, (begin, end) if exact else whole))
            begin, number = end, number + 1
        for extra in range(draw(st.sampled_from([0, 0, 1, 2]))):
            nodes.append(Node(f"{number - 1}.{extra + 1}", "_", None))
    return Written(nodes, tokens, spaces), text.rstrip(" ")


def cross(one: Span, other: Span) -> bool:
    (a, b), (c, d) = sorted([one, other])
    return one == other or a < c <= b < d


@st.composite
def mentions(draw: st.DrawFn, count: int, number: int) -> list[Mention]:
    """Mentions of a sentence of ``count`` nodes; those of one entity do not cross."""
    found: list[Mention] = []
    for index in range(draw(st.integers(0, 5))):
        cut = draw(
            st.lists(st.integers(0, count - 1), min_size=1, max_size=4, unique=True).map(sorted)
        )
        pairs = [(cut[i], cut[min(i + 1, len(cut) - 1)]) for i in range(0, len(cut), 2)]
        parts = [pair for i, pair in enumerate(pairs) if i == 0 or pair[0] > pairs[i - 1][1] + 1]
        entity = f"e{number}x{index}" if len(parts) > 1 else draw(st.sampled_from(["e1", "e2"]))
        if not any(entity == other and cross(parts[0], pairs[0]) for other, _, pairs in found):
            length = sum(last - first + 1 for first, last in parts)
            found.append((entity, draw(st.integers(1, length)), parts))
    return found


def lines(written: Written, found: list[Mention]) -> str:
    content = ""
    for index, node in enumerate(written.nodes):
        closing, opening, single = "", [], ""
        for entity, head, parts in found:
            for part, (first, last) in enumerate(parts, 1):
                label = entity if len(parts) == 1 else f"{entity}[{part}/{len(parts)}]"
                if first == last == index:
                    single += f"({label}--{head}-)"
                elif first == index:
                    opening.append((-last, f"({label}-person-{head}"))
                elif last == index:
                    closing += f"{label})"
        entity = closing + "".join(text for _, text in sorted(opening)) + single
        content += written.tokens.get(index, "")
        alone = index in written.spaces and index not in written.tokens
        content += row(node.id, node.form, entity, space=not alone or written.spaces[index])
    return content + "\n"


def span(nodes: list[Node], head: int, parts: list[tuple[int, int]]) -> Span | None:
    """What is left of a mention: grown from its head over its own and empty nodes."""
    inside = [index for first, last in parts for index in range(first, last + 1)]
    overt = [index for index in inside if nodes[index].span]
    for seed in [inside[head - 1], *overt]:
        low = high = seed
        while low > 0 and (low - 1 in inside or not nodes[low - 1].span):
            low -= 1
        while high + 1 < len(nodes) and (high + 1 in inside or not nodes[high + 1].span):
            high += 1
        spans = [nodes[index].span for index in overt if low <= index <= high]
        if spans and spans[0] and spans[-1]:
            return spans[0][0], spans[-1][1]
    return None


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_documents_come_back(tmp_path: Path, data: st.DataObject) -> None:
    text, content = "", HEADER
    chains: dict[str, set[Span]] = {}
    for number in range(data.draw(st.integers(1, 3))):
        text += " " * bool(text)
        written, own = data.draw(sentences(len(text)))
        found = data.draw(mentions(len(written.nodes), number))
        text += own
        content += lines(written, found)
        for entity, head, parts in found:
            expected = span(written.nodes, head, parts)
            if expected:
                chains.setdefault(entity, set()).add(expected)
    path = tmp_path / "x.conllu"
    path.write_text(content + MARKED, encoding="utf-8")
    document, _ = read(path)
    assert document.text == text
    assert document.chains == tuple(sorted(tuple(sorted(chain)) for chain in chains.values()))


LINE = st.sampled_from(
    [HEADER, "\n", WORD, row(2, "집", "e1)"), row(1, "그", "(e1"), row("1-2", "그는"),
     row("1.1", "_", "(e1[1/2])"), row(2, "또", "(e1[2/2]--2)"), "# newdoc\n", "1\t그\n"]
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.lists(LINE).map(lambda drawn: "".join(drawn).encode()))
def test_any_bytes_are_documents_or_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.conllu"
    path.write_bytes(content)
    try:
        read(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
