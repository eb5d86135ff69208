"""Twins of passages: the same text with other names, so that no name gives its chain away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from kocoref.corpus.document import Span
from kocoref.corpus.lines import numbered_lines
from kocoref.corpus.passages import Mention, Passage
from kocoref.errors import InputError
from kocoref.text.particles import agree, has_final

FAMILY, CITY, COMPANY = "family", "city", "company"
PERSONAL: Final = frozenset({"given_male", "given_female", "foreign_male", "foreign_female"})
"""Kinds of names that a person goes by without a family name."""

KINDS: Final = PERSONAL | {FAMILY, CITY, COMPANY}

_HEADER: Final = "form\tkind"

_LOOKAHEAD: Final = 24
"""Characters after a name that can decide on its particle."""


class FullName(NamedTuple):
    """A Korean name: ``family`` is empty where only the given name is used."""

    family: str
    given: str


class NameLexicon:
    """Names by kind; one form may be of several kinds (a given name of women and of men)."""

    def __init__(self, kinds: Mapping[str, frozenset[str]]) -> None:
        self._kinds = dict(kinds)

    @classmethod
    def read(cls, path: Path) -> NameLexicon:
        """Read a table of ``form`` and ``kind`` separated by a tab, below a line that says so.

        Raises:
            InputError: another first line, a row without exactly two fields, an empty or
                padded form, an unknown kind or a repeated row; the message names file and line.
                Or the file cannot be read.
        """
        lines = [line.rstrip("\r\n") for _, line in numbered_lines(path)]
        if lines[:1] != [_HEADER]:
            raise InputError(f"{path}:1: the first line must be 'form<TAB>kind'")
        kinds: defaultdict[str, set[str]] = defaultdict(set)
        for number, line in enumerate(lines[1:], 2):
            fields = line.split("\t")
            if len(fields) != 2 or not fields[0] or fields[0] != fields[0].strip():
                raise InputError(f"{path}:{number}: {line!r} is not a form, a tab and a kind")
            form, kind = fields
            if kind not in KINDS:
                raise InputError(
                    f"{path}:{number}: unknown kind {kind!r}; use one of {', '.join(sorted(KINDS))}"
                )
            if kind in kinds[form]:
                raise InputError(f"{path}:{number}: {form} is listed twice as {kind}")
            kinds[form].add(kind)
        return cls({form: frozenset(found) for form, found in kinds.items()})

    def kinds(self, form: str) -> frozenset[str]:
        """The kinds of a form; empty for a form that is not listed."""
        return self._kinds.get(form, frozenset())

    def forms(self, kinds: Iterable[str]) -> list[str]:
        """The forms that are of all the given kinds, sorted."""
        wanted = frozenset(kinds)
        return sorted(form for form, found in self._kinds.items() if wanted <= found)

    def parse(self, text: str) -> FullName | None:
        """``text`` as the name of a person; None where it is none.

        A listed given or foreign name is taken as such, before the longest family name is split
        off. A full name has three syllables or more: 주 + 민 is also the noun 주민.
        """
        if self.kinds(text) & PERSONAL:
            return FullName("", text)
        for length in range(min(2, len(text) - 1), 0, -1):
            name = FullName(text[:length], text[length:])
            listed = FAMILY in self.kinds(name.family)
            if listed and len(text) > 2 and self.kinds(name.given) & PERSONAL:
                return name
        return None


@dataclass(slots=True)
class _Chain:
    """A chain with a name: ``heads`` are the spans of the mentions that are a form of it.

    ``person`` is None for a place or an organisation, whose only form is ``form``.
    """

    number: int
    person: FullName | None
    form: str
    heads: list[Span]


def swap_names(passage: Passage, lexicon: NameLexicon, random: Random) -> Passage | None:
    """A twin of ``passage`` with other names of the same kinds; None where no name can go.

    A person keeps the sex of the name, and people of one family stay one family. The particles
    after a name agree with the new one, and all spans move with the text. A chain keeps its name
    where that name also stands in the text without a mark.
    """
    chains = [_find(passage, chain, lexicon) for chain in sorted(passage.types)]
    named = [chain for chain in chains if chain is not None]
    swappable = [chain for chain in named if _is_marked_throughout(passage, chain)]
    names = _Names(passage, lexicon, random, named)
    for chain in named:
        if chain not in swappable:
            names.keep(chain)
    edits: list[tuple[int, int, str]] = []
    for chain in swappable:
        forms = names.replace(chain)
        for start, end in chain.heads if forms else ():
            old = passage.text[start:end]
            edits.append((start, end, forms[old]))
            edits += _particle_edit(passage, end, old, forms[old])
    return _apply(passage, sorted(edits)) if edits else None


def _find(passage: Passage, number: int, lexicon: NameLexicon) -> _Chain | None:
    """The name of a chain and the mentions that are a form of it; None where it has no name."""
    spans = passage.spans(number)
    texts = [passage.text[slice(*span)] for span in spans]
    person = None
    if passage.types[number] == "PER":
        person = _person(texts, lexicon)
        forms = {"".join(person), person.given, person.given + "이"} if person else set()
    elif passage.types[number] in {"LOC", "ORG"}:
        kind = CITY if passage.types[number] == "LOC" else COMPANY
        forms = {text for text in texts if kind in lexicon.kinds(text)}
    else:
        return None
    heads = [span for span, text in zip(spans, texts, strict=True) if text in forms]
    if person:
        return _Chain(number, person, "".join(person), heads)
    return _Chain(number, None, forms.pop(), heads) if len(forms) == 1 else None


def _person(texts: list[str], lexicon: NameLexicon) -> FullName | None:
    """The fullest name among the mentions of one person; None where they do not fit together."""
    parsed = [name for text in texts if (name := lexicon.parse(text))]
    person = max(parsed, key=lambda name: len(name.family), default=None)
    if person is None or any(
        name.given != person.given or name.family not in {"", person.family} for name in parsed
    ):
        return None
    # "김 부장" and "김씨" would keep the old family name.
    by_family = (person.family + " ", person.family + "씨")
    return None if person.family and any(text.startswith(by_family) for text in texts) else person


def _is_marked_throughout(passage: Passage, chain: _Chain) -> bool:
    """Whether the name stands nowhere but in the mentions of its chain, whole and unbroken."""
    used = {passage.text[slice(*span)] for span in chain.heads}
    if chain.person and len(chain.person.given) > 1:
        used.add(chain.person.given)
    inside = all(
        any(start <= found and found + len(form) <= end for start, end in chain.heads)
        for form in used
        for found in _occurrences(passage.text, form)
    )
    others = [mention.span for mention in passage.mentions if mention.chain != chain.number]
    return inside and not any(
        head == other or any(head[0] < border < head[1] for border in other)
        for head in chain.heads
        for other in others
    )


def _occurrences(text: str, form: str) -> Iterator[int]:
    position = text.find(form)
    while position >= 0:
        yield position
        position = text.find(form, position + 1)


class _Names:
    """The new names of one passage, drawn so that none is mistaken for another."""

    def __init__(
        self, passage: Passage, lexicon: NameLexicon, random: Random, named: Iterable[_Chain]
    ) -> None:
        self._text = passage.text
        self._lexicon = lexicon
        self._random = random
        surfaces = {passage.text[slice(*mention.span)] for mention in passage.mentions}
        self._taken = {surface for surface in surfaces if len(surface) > 1}
        self._used_families = {chain.person.family for chain in named if chain.person}
        self._families: dict[str, str] = {}

    def keep(self, chain: _Chain) -> None:
        """Leave the family of a chain with the name it has."""
        if chain.person:
            self._families[chain.person.family] = chain.person.family

    def replace(self, chain: _Chain) -> dict[str, str]:
        """Old forms of the chain's name and the new ones; empty where no new name is left."""
        if chain.person is None:
            new = self._draw(self._alike(chain.form), "")
            return {chain.form: new} if new else {}
        old = chain.person
        family = self._family(old.family)
        # A new given name of one syllable would make words of family names: 조 + 건, 주 + 민.
        kinds = self._lexicon.kinds(old.given) & PERSONAL
        given = self._draw([form for form in self._lexicon.forms(kinds) if len(form) > 1], family)
        if not given:
            return {}
        suffixed = given + "이" if has_final(given) else given
        return {
            old.given: given,
            "".join(old): family + given,
            old.given + "이": suffixed,
        }

    def _alike(self, form: str) -> list[str]:
        """Cities, or companies of the same trade (the last syllables of their names)."""
        if CITY in self._lexicon.kinds(form):
            return self._lexicon.forms({CITY})
        companies = self._lexicon.forms({COMPANY})
        return [other for other in companies if other[-2:] == form[-2:] and other != form]

    def _family(self, old: str) -> str:
        """The new family name, the same for all of one family; empty for none."""
        if old and old not in self._families:
            forms = self._lexicon.forms({FAMILY})
            left = [form for form in forms if form not in self._used_families]
            new = self._random.choice(left) if left else old
            self._used_families.add(new)
            self._families[old] = new
        return self._families.get(old, "")

    def _draw(self, forms: Iterable[str], family: str) -> str | None:
        """One of ``forms`` that, behind ``family``, is neither in the text nor like a taken one."""
        free = [
            form
            for form in forms
            if form not in self._text and self._is_free(form) and self._is_free(family + form)
        ]
        if not free:
            return None
        drawn = self._random.choice(free)
        self._taken.add(family + drawn)
        return drawn

    def _is_free(self, form: str) -> bool:
        return not any(form in taken or taken in form for taken in self._taken)


def _particle_edit(
    passage: Passage, position: int, old: str, new: str
) -> list[tuple[int, int, str]]:
    """The change of the particle at ``position``, without the text that stays as it is."""
    following = passage.text[position : position + _LOOKAHEAD]
    # What does not agree with the old name is no particle of it: 가평군, but 서준이군.
    if agree(old, following) != following:
        return []
    agreed = agree(new, following)
    if agreed == following:
        return []
    same = 0
    while same < min(len(following) - 1, len(agreed)) and following[-same - 1] == agreed[-same - 1]:
        same += 1
    end = position + len(following) - same
    starts = (mention.span[0] for mention in passage.mentions)
    ends = (mention.span[1] for mention in passage.mentions)
    if any(position <= start < end for start in starts) or any(position < e < end for e in ends):
        return []
    return [(position, end, agreed[: len(agreed) - same])]


def _apply(passage: Passage, edits: list[tuple[int, int, str]]) -> Passage:
    pieces: list[str] = []
    position = 0
    for start, end, new in edits:
        pieces += (passage.text[position:start], new)
        position = end
    pieces.append(passage.text[position:])

    def moved(border: int) -> int:
        return border + sum(len(new) - (end - start) for start, end, new in edits if end <= border)

    mentions = tuple(
        Mention((moved(mention.span[0]), moved(mention.span[1])), mention.chain)
        for mention in passage.mentions
    )
    return Passage(f"{passage.id}~swap", "".join(pieces), mentions, dict(passage.types))
