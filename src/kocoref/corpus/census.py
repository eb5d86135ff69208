"""What the embedded passages hold, counted for their data card.

``python -m kocoref.corpus.census`` with ``src`` on the path writes the counts into
docs/passages.md, between the marks :data:`BEGIN` and :data:`END`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kocoref.corpus.passages import Mention, Passage, read_passages
from kocoref.corpus.splits import SPLITS
from kocoref.corpus.validation import pronoun_mentions
from kocoref.markdown import table
from kocoref.text.morphology import Analyzer

CARD: Final = Path("docs/passages.md")
SETS: Final = {"short": Path("data/raw/passages"), "long": Path("data/raw/long")}
BEGIN: Final = "<!-- counts: python -m kocoref.corpus.census -->"
END: Final = "<!-- end of counts -->"
FREQUENT: Final = 15
"""Pronouns that have a row of their own."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A pronoun with an earlier noun of its chain.

    ``distance`` is in sentences, to the nearest such noun; ``misled`` says that the nearest noun
    of the chain's type is of another chain.
    """

    form: str
    kind: str
    distance: int
    misled: bool


def resolved_pronouns(passage: Passage, sentence_starts: Sequence[int]) -> Iterator[Resolved]:
    """The resolved pronouns of a passage."""
    pronouns = set(pronoun_mentions(passage))
    nouns = [m for i, m in enumerate(passage.mentions) if i not in pronouns]

    def sentence(mention: Mention) -> int:
        return sum(start <= mention.span[0] for start in sentence_starts)

    for index in sorted(pronouns):
        pronoun = passage.mentions[index]
        before = [noun for noun in nouns if noun.span[1] <= pronoun.span[0]]
        own = [noun for noun in before if noun.chain == pronoun.chain]
        if not own:
            continue
        kind = passage.types[pronoun.chain]
        nearest = max(
            (noun for noun in before if passage.types[noun.chain] == kind),
            key=lambda noun: noun.span[1],
        )
        antecedent = max(own, key=lambda noun: noun.span[1])
        yield Resolved(
            form=passage.text[slice(*pronoun.span)],
            kind=kind,
            distance=sentence(pronoun) - sentence(antecedent),
            misled=nearest.chain != pronoun.chain,
        )


def count(root: Path) -> str:
    """The counts of all passages as Markdown."""
    analyzer = Analyzer()
    by_file: list[tuple[str, str, str, Passage]] = [
        (name, split, path.stem, passage)
        for name, directory in SETS.items()
        for split in SPLITS
        for path in sorted((root / directory / split).glob("*.txt"))
        for passage in read_passages(path)
    ]
    analyses = analyzer.analyze(passage.text for *_, passage in by_file)
    genres: dict[tuple[str, str], Counter[str]] = {}
    found: dict[str, list[Resolved]] = {}
    for (name, split, genre, passage), (sentences, _) in zip(by_file, analyses, strict=True):
        genres.setdefault((name, genre), Counter())[split] += 1
        made = list(resolved_pronouns(passage, [start for start, _ in sentences]))
        found.setdefault("long" if name == "long" else split, []).extend(made)
    groups = {"train": "training", "validation": "validation", "test": "test", "long": "long"}
    columns = [label for group, label in groups.items() if group in found]
    kept = {group: found[group] for group in groups if group in found}

    def by_key(title: str, keys: Iterable[str], of: dict[str, Counter[str]]) -> str:
        rows = [[key, *(f"{of[group][key]:,}" for group in kept)] for key in keys]
        return table([title, *columns], rows)

    forms = {group: Counter(p.form for p in pronouns) for group, pronouns in kept.items()}
    total = sum(forms.values(), Counter[str]())
    frequent = [form for form, _ in total.most_common(FREQUENT)]
    for counts in forms.values():
        counts["other"] = counts.total() - sum(counts[form] for form in frequent)
    kinds = {group: Counter(p.kind for p in pronouns) for group, pronouns in kept.items()}
    distances = {
        group: Counter(_distance(p.distance) for p in pronouns) for group, pronouns in kept.items()
    }
    misled = [f"{sum(p.misled for p in ps) / len(ps):.1%}" if ps else "—" for ps in kept.values()]
    return "\n\n".join(
        [
            table(
                ["Passages", *SPLITS],
                [
                    [f"{genre} ({name})", *(f"{counts[split]:,}" for split in SPLITS)]
                    for (name, genre), counts in genres.items()
                ],
            ),
            table(
                ["Pronouns with an antecedent", *columns],
                [["all", *(f"{len(pronouns):,}" for pronouns in kept.values())],
                 ["nearest noun of the type is wrong", *misled]],
            ),
            by_key("Pronoun", [*frequent, "other"], forms),
            by_key("Type of the antecedent", ("PER", "ORG", "LOC", "OBJ", "EVT"), kinds),
            by_key("Distance in sentences", ("0", "1", "2", "3 or more"), distances),
        ]
    )  # fmt: skip


def _distance(sentences: int) -> str:
    return str(sentences) if sentences < 3 else "3 or more"


def with_counts(card: str, counts: str) -> str:
    """The card with its counts replaced."""
    head, _, rest = card.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{counts}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    CARD.write_text(with_counts(CARD.read_text(encoding="utf-8"), count(Path())), encoding="utf-8")
