"""Text in, pronouns and their antecedents out.

Finds the pronouns of the third person (그, 그녀, 그들), demonstratives (그것, 이곳, 이) and
reflexives (자신, 자기, 본인) of a Korean text. For each, every noun phrase before it in the window
gets a probability; the likeliest is the antecedent. Pronouns of the first and second person (나,
너, 우리) are left out unless asked for; interrogative and indefinite ones (누구, 무엇) always.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kocoref.errors import InputError
from kocoref.runtime import fix_arithmetic
from kocoref.stage import one_line_errors

if TYPE_CHECKING:
    from kocoref.resolver import Resolution

FINETUNED = Path(__file__).resolve().parents[1] / "models" / "finetuned"
THREADS = 2
CONTEXT = 20
"""Characters that are printed on either side of a pronoun."""
EPILOG = """\
examples:
  python src/resolve.py "홍길동은 학생이다. 그는 공부한다."
  python src/resolve.py --file novel.txt --top 1
  python src/resolve.py --json --lines - < texts.txt > pronouns.jsonl

--json prints one object for each text, in order:
  {"text": "홍길동은 학생이다. 그는 공부한다.",
   "pronouns": [{"form": "그", "span": [11, 12],
                 "candidates": [{"form": "홍길동", "span": [0, 3], "probability": 0.91}, …]}]}
Spans are in characters of the text, end exclusive; that of a candidate is its last occurrence
before the pronoun. Candidates are the antecedent and the runners-up, the likeliest first; the
probabilities of all candidates, printed or not, sum to 1. There are none if no noun comes before
it in the window.
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("text", nargs="?", metavar="TEXT", help="the text; - reads standard input")
    source.add_argument("--file", type=Path, metavar="PATH", help="a file with the text, UTF-8")
    parser.add_argument(
        "--lines",
        action="store_true",
        help="each line is a text of its own (default: the input is one text)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON Lines")
    parser.add_argument(
        "--top", type=int, default=3, metavar="K", help="runners-up to print (default: 3)"
    )
    parser.add_argument(
        "--model",
        metavar="DIR",
        help="model directory or Hugging Face id (default: models/finetuned of this project)",
    )
    parser.add_argument(
        "--window",
        type=int,
        default=600,
        metavar="CHARACTERS",
        help="text around a pronoun, 50 to 20000, of which the model sees as much as it takes at"
        " once (default: 600)",
    )
    parser.add_argument(
        "--scorer",
        choices=("copy", "mlm"),
        help="copy: the copying head, by where candidates stand; mlm: masked language modelling,"
        " by what they are called (default: copy if the model's copying head was trained)",
    )
    parser.add_argument(
        "--speech",
        action="store_true",
        help="also pronouns of the first and second person, for texts that name who speaks",
    )
    found = parser.parse_args(arguments)
    if found.model == "":
        parser.error("--model: empty")
    if found.top < 0:
        parser.error("--top: 0 or more")
    if not 50 <= found.window <= 20000:
        parser.error("--window: 50 to 20000")
    return found


def main() -> None:
    """Run the command; a bad input ends it with exit status 2 and one line on standard error."""
    arguments = parse(sys.argv[1:])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `resolve.py … | head` ends in silence
    os.environ.setdefault("TQDM_DELAY", "5")  # progress of what takes seconds only
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    with one_line_errors():
        if sys.stdout is None:
            raise InputError("standard output: closed")
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # whatever the locale
        fix_arithmetic(True, THREADS, "fp32")
        resolve(arguments)


def resolve(arguments: argparse.Namespace) -> None:
    """Print what the arguments ask for; torch is imported here, after its arithmetic was fixed."""
    texts = read_texts(arguments)
    if arguments.model is None and not (FINETUNED / "config.json").is_file():
        raise InputError(f"{FINETUNED}: no model yet; run `dvc repro finetune` or use --model")

    from kocoref.resolver import Resolver

    resolver = Resolver(
        arguments.model or str(FINETUNED), arguments.window, arguments.scorer, arguments.speech
    )
    shown = 1 + arguments.top
    for number, (text, found) in enumerate(zip(texts, resolver.resolve(texts), strict=True), 1):
        if arguments.json:
            row = {"text": text, "pronouns": [as_json(pronoun, shown) for pronoun in found]}
            print(json.dumps(row, ensure_ascii=False))
            continue
        if arguments.lines:
            print(f"line {number}")
        for pronoun in found:
            print(as_text(text, pronoun, shown))
        if not found:
            print("no pronoun to resolve")


def read_texts(arguments: argparse.Namespace) -> list[str]:
    """The texts of the argument, of a file or of standard input.

    Raises:
        InputError: there is no such file, it is not UTF-8, or there is nothing in it.
    """
    if arguments.file is not None:
        name = str(arguments.file)
        try:
            content = arguments.file.read_bytes()
        except OSError as error:
            raise InputError(f"{name}: {error.strerror}") from None
    elif arguments.text == "-":
        if sys.stdin is None:
            raise InputError("standard input: closed")
        name, content = "standard input", sys.stdin.buffer.read()
    else:
        name, content = "TEXT", os.fsencode(arguments.text)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: not UTF-8 at byte {error.start + 1}; convert it, perhaps from CP949 or UTF-16"
        ) from None
    if not text.strip():
        raise InputError(f"{name}: empty")
    if not arguments.lines:
        return [text]
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def as_json(pronoun: Resolution, shown: int) -> dict[str, Any]:
    """A pronoun and its first candidates as the object that ``--help`` shows."""
    return {
        "form": pronoun.form,
        "span": pronoun.span,
        "candidates": [
            {
                "form": candidate.form,
                "span": candidate.span,
                "probability": round(candidate.probability, 6),
            }
            for candidate in pronoun.candidates[:shown]
        ],
    }


def as_text(text: str, pronoun: Resolution, shown: int) -> str:
    """Two lines: the pronoun in its context, and its first candidates."""
    start, end = pronoun.span
    before = ("…" if start > CONTEXT else "") + text[max(0, start - CONTEXT) : start]
    after = text[end : end + CONTEXT] + ("…" if len(text) > end + CONTEXT else "")
    context = " ".join(f"{before}[{pronoun.form}]{after}".split())
    best, *others = [
        f"{candidate.form} {candidate.probability:.1%}" for candidate in pronoun.candidates[:shown]
    ] or ["no candidate: no noun comes before it in the window"]
    runners_up = f"  (then {', '.join(others)})" if others else ""
    return f"{start}-{end}  {context}\n    {pronoun.form} → {best}{runners_up}"


if __name__ == "__main__":
    main()
