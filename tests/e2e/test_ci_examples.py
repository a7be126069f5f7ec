"""The commands of examples/ci run as they are written, against a local store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.e2e.conftest import loss

yaml = pytest.importorskip("yaml")

if TYPE_CHECKING:
    from tests.e2e.conftest import Store

CI = Path(__file__).parents[2] / "examples" / "ci"


@pytest.fixture
def folder(store: Store, tmp_path: Path) -> Path:
    """A checkout with the example's policy, beside a store with a ladder."""
    for i, p in enumerate(np.geomspace(1e4, 1e6, 12).round()):
        store.run("ladder", f"w{i}", {"params": p}, [(loss(p, 2000), 2000)])
    shutil.copy(CI / "unsl.toml", tmp_path)
    return tmp_path


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A step as runners call it; pip finds what is installed, and no network."""
    bin_folder = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "PIP_NO_INDEX": "1"}
    env |= {"MLFLOW_DISABLE_TELEMETRY": "true", "COLUMNS": "200", **variables}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def steps() -> list[dict[str, Any]]:
    found = yaml.safe_load((CI / "unsl-gate" / "action.yml").read_text(encoding="utf-8"))
    assert found["runs"]["using"] == "composite"
    return list(found["runs"]["steps"])


def act(folder: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Both steps of the action with these inputs; the last step's process and its outputs."""
    action = yaml.safe_load((CI / "unsl-gate" / "action.yml").read_text(encoding="utf-8"))
    values = {name: spec.get("default", "") for name, spec in action["inputs"].items()} | inputs
    output, summary = folder / "output", folder / "summary.md"
    files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
    for step in steps():
        variables = {
            name: values[text.removeprefix("${{ inputs.").removesuffix(" }}")]
            for name, text in step["env"].items()
        }
        done = run(step["run"], folder, **variables, **files)
        if done.returncode:
            break
    lines = output.read_text().splitlines() if output.exists() else []
    return done, dict(line.split("=", 1) for line in lines)


@pytest.mark.slow
def test_the_action_says_go_and_passes(store: Store, folder: Path) -> None:
    done, outputs = act(folder, tracker=store.uri, options="--write")
    assert done.returncode == 0, done.stderr
    assert outputs == {"json": "unsl-gate.json", "verdict": "GO"}
    assert (folder / "summary.md").read_text(encoding="utf-8").startswith("## ✅ GO")
    assert '"verdict": "GO"' in (folder / "unsl-gate.json").read_text()


@pytest.mark.slow
def test_the_action_fails_for_undecided_unless_told_to_pass(store: Store, folder: Path) -> None:
    options = "--max-decades 0.1"
    done, outputs = act(folder, tracker=store.uri, options=options)
    assert (done.returncode, outputs["verdict"]) == (20, "UNDECIDED"), done.stderr
    done, outputs = act(folder, tracker=store.uri, options=options, undecided="pass")
    assert (done.returncode, outputs["verdict"]) == (0, "UNDECIDED"), done.stderr
    assert "::warning title=UNDECIDED::" in done.stdout


@pytest.mark.slow
def test_the_gitlab_job_writes_its_summary_and_ends_with_the_verdicts_status(
    store: Store, folder: Path
) -> None:
    content = yaml.safe_load((CI / "gitlab-ci.yml").read_text(encoding="utf-8"))
    job = content["scale-up-gate"]
    assert job["allow_failure"]["exit_codes"] == 20
    policy = (folder / "unsl.toml").read_text(encoding="utf-8")
    (folder / "unsl.toml").write_text(
        policy.replace("target = 0.9", "target = 0.6"), encoding="utf-8"
    )
    done = run("\n".join(job["script"]), folder, UNSL_TRACKER=store.uri)
    assert done.returncode == 10, done.stderr
    assert (folder / "unsl-gate.md").read_text(encoding="utf-8").startswith("## ⛔ NO-GO")


def test_no_input_becomes_part_of_a_script() -> None:
    assert not any("${{" in step["run"] for step in steps())


def test_the_workflow_uses_what_the_action_offers() -> None:
    action = yaml.safe_load((CI / "unsl-gate" / "action.yml").read_text(encoding="utf-8"))
    workflow = yaml.safe_load((CI / "github-workflow.yml").read_text(encoding="utf-8"))
    (step,) = [s for s in workflow["jobs"]["gate"]["steps"] if s.get("id") == "gate"]
    assert set(step["with"]) <= set(action["inputs"])
    assert workflow["jobs"]["train"]["needs"] == "gate"
