"""`run_program`: a program runs as it does under Python itself, and is recorded."""

from __future__ import annotations

import platform
import subprocess
import sys
import zipfile
from pathlib import Path
from textwrap import dedent

import pytest

from graphlint.errors import GraphlintError
from graphlint.profiles import Profile
from graphlint.runtime.engine import choke_point
from graphlint.runtime.needs import TorchMissingError, require_torch
from graphlint.runtime.program import RunOptions, RunResult, run_program

from .recording import python

# Runs its arguments under the recorder, the way the command does.
DRIVER = """
import sys
from pathlib import Path
from graphlint.runtime.program import RunOptions, run_program

options = RunOptions(module=sys.argv[1] == "-m", output=Path("profile.json"))
result = run_program(sys.argv[2], sys.argv[3:], options)
sys.stdout.flush()
sys.exit(result.exit_status)
"""

ECHO = """
import os, sys
print(sys.argv[1:], __name__, os.path.basename(sys.argv[0]), os.path.basename(__file__))
print(sys.modules["__main__"].__dict__ is globals(), "helper" in os.listdir(sys.path[0]))
print(__spec__ and __spec__.name, "torch" in sys.modules)
print(sys.path[0], __file__, type(__loader__).__name__, __package__)
"""

KEEP = """
import torch
loss = torch.ones(4, requires_grad=True).exp().sum()
loss.backward(retain_graph=True)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "driver.py").write_text(DRIVER, encoding="utf-8")
    (tmp_path / "helper").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, source: str, name: str = "prog.py") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(dedent(source), encoding="utf-8")
    return name


def both(
    folder: Path, *command: str
) -> tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]:
    """Run a program under Python, and under the recorder."""
    plain = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, cwd=folder
    )
    flag = () if command[0] == "-m" else ("-",)
    return plain, python(folder / "driver.py", *flag, *command)


def test_script_sees_itself_as_main(folder: Path) -> None:
    plain, recorded = both(folder, write(folder, ECHO), "--an", "argument")
    assert recorded.stdout == plain.stdout != ""
    assert recorded.returncode == 0


def test_module_sees_itself_as_main(folder: Path) -> None:
    write(folder, "", "pack/__init__.py")
    write(folder, ECHO, "pack/mod.py")
    write(folder, ECHO, "pack/__main__.py")
    for name in ("pack.mod", "pack"):
        plain, recorded = both(folder, "-m", name, "--an", "argument")
        assert recorded.stdout == plain.stdout != ""


def test_folder_and_archive(folder: Path) -> None:
    source = "import sys, other\nprint(other.VALUE, sys.argv, sys.path[0], __name__, __file__)"
    write(folder, source, "app/__main__.py")
    write(folder, "VALUE = 7", "app/other.py")
    with zipfile.ZipFile(folder / "app.zip", "w") as archive:
        for name in ("__main__.py", "other.py"):
            archive.write(folder / "app" / name, name)
    for target in ("app", "app.zip"):
        plain, recorded = both(folder, target, "x")
        assert recorded.stdout == plain.stdout != ""


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("sys.exit()", 0),
        ("sys.exit(7)", 7),
        ("sys.exit('sorry')", 1),
        ("sys.exit(None)", 0),
        ("raise SystemExit(True)", 1),
        ("1 / 0", 1),
        ("raise ValueError('one') from KeyError('two')", 1),
        ("def broken(:", 1),
    ],
)
def test_endings(folder: Path, ending: str, status: int) -> None:
    plain, recorded = both(folder, write(folder, f"import sys\nprint('begun')\n{ending}\n"))
    assert (plain.returncode, recorded.returncode) == (status, status)
    assert recorded.stdout == plain.stdout
    assert recorded.stderr == plain.stderr
    assert Profile.load(folder / "profile.json").sites == ()


def test_tracebacks_through_a_pass_show_no_recorder(folder: Path) -> None:
    plain, recorded = both(folder, write(folder, KEEP + "loss.backward(); loss.backward()"))
    assert recorded.returncode == plain.returncode == 1
    assert recorded.stderr == plain.stderr
    profile = Profile.load(folder / "profile.json")
    assert [f["code"] for f in profile.findings] == ["RG102"]


def test_interrupt(folder: Path) -> None:
    program = write(folder, "import torch\nraise KeyboardInterrupt")
    recorded = python(folder / "driver.py", "-", program)
    assert recorded.returncode == 130
    assert recorded.stderr.endswith("KeyboardInterrupt\n")
    assert (folder / "profile.json").exists()


def test_ranks_write_files_of_their_own(folder: Path) -> None:
    python(folder / "driver.py", "-", write(folder, KEEP), RANK="1", WORLD_SIZE="4")
    profile = Profile.load(folder / "profile.rank1.json")
    assert (profile.rank, profile.world_size) == (1, 4)
    assert not (folder / "profile.json").exists()


def run(folder: Path, source: str, *argv: str, **options: object) -> RunResult:
    return run_program(write(folder, source), argv, RunOptions(**options))


def test_what_the_program_holds_at_its_end_is_unneeded(folder: Path) -> None:
    result = run(folder, KEEP)
    (site,) = result.report.sites
    assert (site.filename, site.row, site.verdict) == ("prog.py", 4, "unneeded")
    assert site.released.still_held == 1
    assert [f["code"] for f in result.report.findings] == ["RG101"]


def test_a_program_without_torch_has_a_profile(folder: Path) -> None:
    write(folder, "print('no tensors here')")
    recorded = python(folder / "driver.py", "-", "prog.py")
    assert recorded.returncode == 0, recorded.stderr
    profile = Profile.load(folder / "profile.json")
    assert (profile.torch, profile.python) == ("", platform.python_version())
    assert profile.sites == ()


def test_threads_are_waited_for(folder: Path) -> None:
    source = """
        import threading, time, torch
        def work():
            time.sleep(0.2)
            torch.ones(4, requires_grad=True).exp().sum().backward(retain_graph=True)
        threading.Thread(target=work).start()
    """
    (site,) = run(folder, source).report.sites
    assert site.retained_passes == 1


def test_the_process_is_left_as_it_was(folder: Path) -> None:
    before = sys.argv, list(sys.path), sys.modules["__main__"], list(sys.meta_path)
    result = run(folder, "import sys; sys.path.append('x'); sys.argv = []; sys.exit(3)")
    assert result.exit_status == 3
    assert (sys.argv, sys.path, sys.modules["__main__"], sys.meta_path) == before


@pytest.mark.parametrize(
    "command",
    [
        ("missing.py",),
        ("helper",),
        ("-m", "no_such_module"),
        ("-m", "no_such_module.part"),
        ("-m", "json.nothing"),
        ("-m", "wsgiref"),
        ("-m", "helper"),
    ],
)
def test_missing_programs(folder: Path, command: tuple[str, ...]) -> None:
    plain = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, cwd=folder
    )
    with pytest.raises(GraphlintError) as missing:
        run_program(command[-1], [], RunOptions(module=command[0] == "-m"))
    assert f"{sys.executable}: {missing.value}\n" == plain.stderr
    assert missing.value.exit_code == plain.returncode
    assert choke_point()._observers == ()


def test_calls_nest_as_deeply(folder: Path) -> None:
    source = """
        def dive(depth):
            try:
                return dive(depth + 1)
            except RecursionError:
                return depth
        print(dive(1))
    """
    plain, recorded = both(folder, write(folder, source))
    assert 0 <= int(recorded.stdout) - int(plain.stdout) <= 2


def test_a_profile_that_cannot_be_written_takes_nothing_else_away(folder: Path) -> None:
    (folder / "file").touch()
    result = run_program(write(folder, KEEP), [], RunOptions(output=Path("file/profile.json")))
    assert result.unwritten.startswith("file/profile.json: can't be written: ")
    assert (result.output, result.exit_status, len(result.report.sites)) == (None, 0, 1)
    result = run_program("prog.py", [], RunOptions(output=Path("new/folder/profile.json")))
    assert result.output is not None
    assert Profile.load(result.output).sites


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(TorchMissingError, match=r"torch-graphlint\[profile\]"):
        require_torch()
    assert TorchMissingError.exit_code == 2


def test_importing_the_entry_points_brings_no_torch(folder: Path) -> None:
    source = """
        import sys
        import graphlint.runtime.profile, graphlint.runtime.program, graphlint.runtime.report
        import graphlint.output.profile_text
        assert "torch" not in sys.modules
    """
    run = python(folder / write(folder, source))
    assert run.returncode == 0, run.stderr


def test_the_program_has_the_same_names_in_its_module(folder: Path) -> None:
    plain, recorded = both(folder, write(folder, "print(sorted(globals()))\n"))
    assert recorded.stdout == plain.stdout
