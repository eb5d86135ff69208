"""How a masked language model is asked what a pronoun refers to: where its masks are put.

``replace`` hides the pronoun, so that the model cannot know whether a person or a place is meant;
the others leave it in sight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kocoref.text.particles import agree

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’」』)]*(?=\s|$)|(?=\n)|$")


@dataclass(frozen=True, slots=True)
class Template:
    """``inline`` takes the place of the pronoun, ``after`` follows its sentence.

    Both may hold ``{pronoun}``, ``{topic}`` (은 or 는) and, one of them, ``{mask}``.
    """

    inline: str
    after: str = ""

    def around(self, left: str, pronoun: str, right: str) -> tuple[str, str]:
        """The text before and after the masks."""
        end = _SENTENCE_END.search(right)
        sentence = right[: end.end()] if end else right
        topic = agree(pronoun, "은")
        inline, after = (
            part.replace("{pronoun}", pronoun).replace("{topic}", topic)
            for part in (self.inline, self.after)
        )
        if "{mask}" in inline:
            before, _, behind = inline.partition("{mask}")
            return left + before, behind + sentence + after + right[len(sentence) :]
        before, _, behind = after.partition("{mask}")
        return left + inline + sentence + before, behind + right[len(sentence) :]


TEMPLATES: dict[str, Template] = {
    "replace": Template("{mask}"),
    "apposition": Template("{pronoun}({mask})"),
    "name_first": Template("{mask}({pronoun})"),
    "namely": Template("{pronoun}, 곧 {mask}"),
    "here_is": Template("{pronoun}", " 여기서 {pronoun}{topic} {mask}이다."),
    "refers_to": Template("{pronoun}", " 이때 {pronoun}{topic} {mask}을 가리킨다."),
    "who": Template("{pronoun}", " {pronoun}{topic} 누구인가? {mask}."),
}
"""Inline ones, then sentences put behind the pronoun's."""
