"""What runs on the public host: workflows, the bot, pre-commit, and the forms of issues."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOST = ROOT / ".github"
WORKFLOWS = sorted((HOST / "workflows").glob("*.yml"))


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_that_a_comment_names(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text())
    wrong = [
        action
        for action, comment in used
        if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)
        or not re.fullmatch(r" # v[\d.]+", comment)
    ]
    assert wrong == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_write_only_where_a_job_says_so(path: Path) -> None:
    workflow = read(path)
    assert set(workflow["permissions"].values()) <= {"read"}
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_a_release_is_published_without_a_stored_password() -> None:
    path = HOST / "workflows" / "release.yml"
    assert "secrets." not in path.read_text()
    jobs = read(path)["jobs"]
    assert jobs["publish"]["environment"] == "pypi"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    actions = [step.get("uses", "").split("@")[0] for step in jobs["build"]["steps"]]
    assert {"actions/attest-build-provenance", "actions/attest-sbom"} <= set(actions)


def test_scripts_that_workflows_run_are_there() -> None:
    for path in WORKFLOWS:
        for script in re.findall(r"(?:scripts|\.ci)/[\w-]+", path.read_text()):
            assert (ROOT / script).is_file(), f"{path.name}: {script}"


def test_zizmor_finds_no_weakness_in_the_workflows() -> None:
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent)) or shutil.which("zizmor")
    if zizmor is None:
        pytest.skip("zizmor is not installed")
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", "--format", "json", HOST],
        capture_output=True,
        text=True,
    )
    found = [(one["ident"], one["desc"]) for one in json.loads(done.stdout)]
    assert found == []
    assert done.returncode == 0


def test_the_bot_watches_what_we_pin() -> None:
    updates = read(HOST / "dependabot.yml")["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"pip", "github-actions", "docker"}
    assert [one["directory"] for one in updates if not (ROOT / one["directory"][1:]).is_dir()] == []


def test_pre_commit_runs_what_ci_runs() -> None:
    hooks = [
        hook for repo in read(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]
    ]
    assert [hook["entry"] for hook in hooks] == ["scripts/check --no-tests"]


def test_a_report_of_a_fault_must_have_what_doctor_says() -> None:
    form = read(HOST / "ISSUE_TEMPLATE" / "bug.yml")
    (field,) = [part for part in form["body"] if part.get("id") == "doctor"]
    assert "oddframe doctor --json" in field["attributes"]["label"]
    assert field["validations"]["required"] is True
    assert "oddframe doctor --json" in (HOST / "PULL_REQUEST_TEMPLATE.md").read_text()
