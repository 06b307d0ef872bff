# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs for farms: compiled as Flamenco compiles them, and run as Open Job Description says, on real shots."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aim_blender.jobs.batch import shots
from aim_blender.jobs.batch.batch import SUMMARY
from aim_blender.jobs.running.registry import TASKS
from tests.core.tiny_capture import learn_step, write_capture, write_performance

ROOT = Path(__file__).parents[2]
FARM = ROOT / "farm"
OPENJD = Path(sys.executable).with_name("openjd.exe" if sys.platform == "win32" else "openjd")
# What Flamenco gives a job type, as far as it is needed to write the tasks down.
AUTHOR = """
const author = {
    Task: (name, type) => ({ name, type, commands: [], after: [],
        addCommand(command) { this.commands.push(command); },
        addDependency(task) { this.after.push(task.name); } }),
    Command: (name, parameters) => ({ name, parameters }),
};
const job = { settings: SETTINGS, tasks: [], addTask(task) { this.tasks.push(task); } };
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with a learned actor and a table of three performances, and a Blender that passes its command on."""
    folder = tmp_path_factory.mktemp("farm")
    step = learn_step(write_capture(folder / "capture.npz"), folder / "a.actor.safetensors", 5)
    TASKS["learn"](step["arguments"], lambda _: None, None)
    rows = [{"performance": f"sh{number}.npz"} for number in (1, 2, 3)]
    for number, row in enumerate(rows):
        write_performance(folder / row["performance"], 3 + number)
    defaults = {"actor": "a.actor.safetensors", "modes": 4, "tolerance_mm": 0.5}
    (folder / "shots.json").write_text(json.dumps({"defaults": defaults, "shots": rows}))
    blender = folder / "blender"
    blender.write_text(
        f"""#!/bin/sh
[ "$1 $2 $3" = "--background --command aim" ] || exit 3
shift 3
PYTHONPATH={ROOT} exec {sys.executable} -m aim_blender "$@"
"""
    )
    blender.chmod(blender.stat().st_mode | stat.S_IXUSR)
    return folder


def states(out: Path) -> list[str]:
    return [row["state"] for row in json.loads((out / SUMMARY).read_text())["rows"]]


@pytest.mark.skipif(shutil.which("node") is None, reason="Flamenco's job types are JavaScript, which node runs")
@pytest.mark.skipif(sys.platform == "win32", reason="the Blender of this test is a shell script")
def test_flamenco_deals_out_parts_and_gathers_them(project, tmp_path):
    out = tmp_path / "out"
    settings = {"table": str(project / "shots.json"), "out": str(out), "parts": 2, "blender": str(project / "blender")}
    program = AUTHOR.replace("SETTINGS", json.dumps(settings)) + (FARM / "aim_batch.js").read_text()
    program += "\ncompileJob(job); console.log(JSON.stringify({ type: JOB_TYPE, tasks: job.tasks }));"
    found = json.loads(subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True).stdout)
    assert {setting["key"] for setting in found["type"]["settings"]} == set(settings)
    assert [(task["name"], task["after"]) for task in found["tasks"]] == [
        ("part 1 of 2", []), ("part 2 of 2", []), ("summary", ["part 1 of 2", "part 2 of 2"]),
    ]  # fmt: skip
    for task in found["tasks"]:
        for command in task["commands"]:
            assert command["name"] == "exec"
            subprocess.run([command["parameters"]["exe"], *command["parameters"]["args"]], check=True)
    assert states(out) == [shots.KEPT] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="the Blender of this test is a shell script")
def test_open_job_description_deals_out_parts_and_gathers_them(project, tmp_path):
    template, out = FARM / "aim_batch.yaml", tmp_path / "out"
    subprocess.run([OPENJD, "check", template], check=True)
    given = {"Table": project / "shots.json", "Out": out, "Parts": 4, "Blender": project / "blender"}
    parameters = [word for name, value in given.items() for word in ("--job-param", f"{name}={value}")]
    command = [str(OPENJD), "run", str(template), *parameters, "--step", "Summary", "--run-dependencies"]
    ran = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert states(out) == [shots.KEPT] * 3
