"""The `unsl` command: output, errors and exit statuses, over a tracker plugin of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import unsl_tracking
from tests.plugins import install
from unsl_tracking.cli.app import app
from unsl_tracking.cli.arguments import read_point, split_list
from unsl_tracking.errors import DataError
from unsl_tracking.experiment import tracker_plugins

PLUGIN = """
import numpy as np
from unsl_tracking.errors import TrackerUnavailable, TrackerError
from unsl_tracking.runs import MemoryTracker

class Ladder(MemoryTracker):
    def __init__(self, uri="ladder:"):
        super().__init__(uri)
        self.new_experiment("empty")
        for index, params in enumerate(np.geomspace(1e4, 1e6, 5)):
            run = self.new_run("demo", name=f"[bold]run[/] {index}", params={"params": params})
            steps = np.geomspace(20, 2000, 12).astype(int)
            rows = [(0.5 + 30 * params**-0.4 + 6 * int(s) ** -0.45, int(s), int(s)) for s in steps]
            self.log(run, "loss", rows)
            self.log(run, "acc", [(1 - value / 10, step, time) for value, step, time in rows])
            self.finish(run)

    def runs(self, experiment, *, filter=None):
        if self.uri == "ladder:down":
            raise TrackerUnavailable("The server must answer", got="no answer in 10 s",
                                     next_step="Check that it runs.")
        if self.uri == "ladder:bug":
            raise ZeroDivisionError("a bug in a plugin")
        if self.uri == "ladder:interrupted":
            raise KeyboardInterrupt
        return super().runs(experiment, filter=filter)

    def log_artifact(self, run_id, path, data):
        if self.uri == "ladder:full" and run_id.endswith("2"):
            raise TrackerError("Artifacts must fit on the disk", got="[red]0 bytes[/] free")
        super().log_artifact(run_id, path, data)
"""
ASK = ("--experiment", "demo", "--metric", "loss")


@pytest.fixture
def strict_floating_point() -> Iterator[None]:
    """Not here: matplotlib computes NaN on the way to its ticks, and means to."""
    yield


@pytest.fixture(autouse=True)
def ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tracker plugin `ladder` with an experiment `demo` of five runs."""
    points = "[unsl_tracking.trackers]\nladder = ladder_tracker:Ladder\n"
    install(tmp_path, "ladder_tracker", PLUGIN, points, "ladder")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    tracker_plugins.cache_clear()
    yield tmp_path
    tracker_plugins.cache_clear()
    sys.modules.pop("ladder_tracker", None)


def unsl(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


# --- what it prints ------------------------------------------------------------------------------


def test_the_version_is_printed() -> None:
    found = unsl("--version")
    assert (found.exit_code, found.stdout) == (0, f"unsl {unsl_tracking.__version__}\n")


def test_without_arguments_there_is_help() -> None:
    assert "forecast" in unsl().output


def test_a_forecast_says_what_was_read_and_what_is_to_be_expected() -> None:
    found = unsl("forecast", "ladder", *ASK, "--at", "params=10M")
    assert found.exit_code == 0, found.output
    for expected in (
        "loss of experiment demo (ladder:)",
        "taken from the word 'loss'",
        "params",
        "varies between runs",
        "loss at params=1e7, step=2000:",
        "[bold]run[/] 4",
        "extrapolation",
    ):
        assert expected in found.stdout


def test_nothing_is_written_unless_asked_for() -> None:
    assert "Written" not in unsl("forecast", "ladder", *ASK).stdout
    assert "Written into 5 runs" in unsl("forecast", "ladder", *ASK, "--write").stdout


def test_json_is_all_there_is_on_stdout() -> None:
    found = unsl("forecast", "ladder", *ASK, "--at", "params=1e7", "--json", "--write")
    content = json.loads(found.stdout)
    assert content["schema"] == "unsl_tracking/experiment"
    assert len(content["runs"]) == len(content["written"]) == 5
    assert {answer["name"] for answer in content["runs"][0]["answers"]} == {"target", "final"}


def test_a_score_is_taken_for_one() -> None:
    found = unsl("forecast", "ladder", "-e", "demo", "-m", "acc", "--json")
    metric = json.loads(found.stdout)["runs"][0]["metric"]
    assert (metric["mode"], metric["mode_why"][:25]) == ("max", "taken from the word 'acc'")


def test_the_mode_can_be_given() -> None:
    found = unsl("forecast", "ladder", "-e", "demo", "-m", "acc", "--mode", "min", "--json")
    assert json.loads(found.stdout)["runs"][0]["metric"] == {
        "name": "acc",
        "mode": "min",
        "mode_why": "",
    }


def test_horizons_and_axes_are_taken_as_given() -> None:
    found = unsl(
        "forecast", "ladder", *ASK, "--axes", "size=param:params,step", "--horizon", "step=10k",
        "--json",
    )  # fmt: skip
    answer = json.loads(found.stdout)["runs"][0]["answers"][0]
    assert list(answer["point"]) == ["size", "step"]
    assert answer["point"]["step"] == 10_000


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("forecast", "ladder", *ASK, "--at", "params"), "--at must be NAME=NUMBER"),
        (("forecast", "ladder", *ASK, "--at", "params=large"), "but got 'params=large'"),
        (("forecast", "ladder", *ASK, "--at", "params=-1"), "positive number"),
        (("forecast", "ladder", *ASK, "--at", "params=nan"), "positive number"),
        (("forecast", "ladder", *ASK, "--at", "params=1,params=2"), "may name an axis once"),
        (("forecast", "ladder", *ASK, "--horizon", "step=0"), "--horizon must be"),
        (("forecast", "ladder", *ASK, "--mode", "up"), "--mode must be min or max"),
        (("forecast", "ladder", *ASK, "--axes", "n=(("), "n"),
        (("forecast", "leiter", *ASK), "A tracker must be one of ladder, memory"),
        (("forecast", "ladder", "--metric", "loss"), "experiment"),
        (("forecast", "ladder", *ASK, "--colour"), "colour"),
        (("foretell",), "foretell"),
    ],
)
def test_a_wrong_command_line_is_status_2(arguments: tuple[str, ...], said: str) -> None:
    found = unsl(*arguments)
    assert found.exit_code == 2, found.output
    assert said in found.stderr
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("forecast", "ladder", "-e", "none", "-m", "loss"), "'none'"),
        (("forecast", "ladder", "-e", "empty", "-m", "loss"), "must have runs"),
        (("forecast", "ladder", "-e", "demo", "-m", "bleu"), "Metrics there: acc, loss"),
        (("forecast", "ladder", *ASK, "--at", "tokens=1e9"), "axes in use: params, step"),
        (("forecast", "ladder", *ASK, "--axes", "tokens"), "'tokens'"),
        (("forecast", "ladder", *ASK, "--group", "colour"), "'colour'"),
        (("forecast", "ladder:down", *ASK), "The server must answer"),
    ],
)
def test_what_cannot_be_done_is_status_1_and_one_message(
    arguments: tuple[str, ...], said: str
) -> None:
    found = unsl(*arguments)
    assert found.exit_code == 1, found.output
    assert said in found.stderr
    assert "Traceback" not in found.output
    assert found.stdout == ""


def test_a_run_that_could_not_be_written_is_named_and_the_others_are_written() -> None:
    found = unsl("forecast", "ladder:full", *ASK, "--write")
    assert found.exit_code == 1
    assert "Written into 4 runs" in found.stdout
    assert "1 run could not be written" in found.stderr
    assert "[bold]run[/] 1" in found.stderr
    assert "[red]0 bytes[/] free" in found.stderr


def test_something_unexpected_is_one_line_and_a_traceback_only_when_asked_for() -> None:
    found = unsl("forecast", "ladder:bug", *ASK)
    assert found.exit_code == 1
    assert "unexpected ZeroDivisionError: a bug in a plugin" in found.stderr
    asked = unsl("--debug", "forecast", "ladder:bug", *ASK)
    assert isinstance(asked.exception, ZeroDivisionError)


def test_ctrl_c_is_clean() -> None:
    found = unsl("forecast", "ladder:interrupted", *ASK)
    assert found.exit_code == 130
    assert "Interrupted" in found.stderr
    assert "Traceback" not in found.output


def test_too_little_evidence_is_status_1_with_the_reason() -> None:
    found = unsl("forecast", "ladder", *ASK, "--axes", "params", "--group", "params")
    assert found.exit_code == 1
    assert "Not forecast" in found.stdout


# --- as a process --------------------------------------------------------------------------------


def as_process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "unsl_tracking.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
    )


def test_a_process_prints_json_to_stdout_and_nothing_to_stderr(ladder: Path) -> None:
    found = as_process(ladder, "forecast", "ladder", *ASK, "--json")
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert len(json.loads(found.stdout)["runs"]) == 5


def test_a_process_ends_with_the_status_of_its_error(ladder: Path) -> None:
    found = as_process(ladder, "forecast", "ladder", *ASK, "--at", "x")
    assert found.returncode == 2
    assert found.stderr.startswith("Error --at must be NAME=NUMBER")
    assert as_process(ladder, "forecast", "ladder:down", *ASK).returncode == 1


def test_without_typer_the_way_to_get_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no typer', name='typer')\n")
    found = as_process(tmp_path, "--version")
    assert found.returncode == 1
    assert found.stderr == "unsl needs the package typer: pip install 'unsl-tracking[cli]'\n"


# --- the small languages -------------------------------------------------------------------------


def test_lists_may_be_repeated_split_and_hold_arithmetic() -> None:
    given = ["a,b", "size=max(x, y) , `k,l` * 2", ""]
    assert split_list(given) == ["a", "b", "size=max(x, y)", "`k,l` * 2"]
    assert split_list(None) == []


def test_points_read_numbers_as_people_write_them() -> None:
    assert read_point("--at", ["params=7B,tokens=140G", "lr=3e-4"]) == {
        "params": 7e9,
        "tokens": 1.4e11,
        "lr": 3e-4,
    }
    assert read_point("--at", None) is None


def test_a_name_may_hold_an_equals_sign() -> None:
    assert read_point("--at", ["a=b=3"]) == {"a=b": 3.0}
    with pytest.raises(DataError, match="NAME=NUMBER"):
        read_point("--at", ["=3"])


@pytest.mark.parametrize("loaded", ["typer", "rich", "unsl_tracking.cli.app"])
def test_ctrl_c_while_the_command_is_loading_is_one_line(loaded: str) -> None:
    program = f"""
import os, signal, sys
class Impatient:
    def find_spec(self, name, *more):
        if name == {loaded!r}:
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
sys.meta_path.insert(0, Impatient())
from unsl_tracking.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
