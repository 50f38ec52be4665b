"""Build and try the example plugin and a new one, each as an author and as a user would.

Run it with a Python that has build, mypy and ruff. It needs the package registries.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import venv
from pathlib import Path

TIMEOUT_SECONDS = 600
EXAMPLE = "lanrage-events-motd"
INSIDE = Path(__file__).with_name("check_example_daemon.py")


def run(*arguments: str | Path, folder: Path, stdin: Path | None = None) -> str:
    """Run a command, and stop with what it prints if it fails."""
    result = subprocess.run(
        arguments,
        cwd=folder,
        input="" if stdin is None else stdin.read_text("utf-8"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    if result.returncode:
        words = " ".join(map(str, arguments))
        sys.exit(f"error: '{words}' exits {result.returncode} and prints:\n{result.stdout}")

    return result.stdout


class Environment:
    """A fresh virtual environment with the wheel of lanrage-events, as authors and users have."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        venv.create(folder, with_pip=True)
        self._bin = folder / ("Scripts" if sys.platform == "win32" else "bin")
        self._folder = folder.parent
        self.install(f"{wheel}[daemon,trio]", "pytest >= 9")

    def path(self, command: str) -> Path:
        """Return where a command is."""
        return self._bin / command

    def install(self, *requirements: str) -> None:
        """Install with pip."""
        run(
            self.path("python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            *requirements,
            folder=self._folder,
        )


def check_style(project: Path, environment: Environment) -> None:
    for options in (("check",), ("format", "--check")):
        run(sys.executable, "-m", "ruff", *options, "--no-cache", ".", folder=project)

    python = environment.path("python")
    run(sys.executable, "-m", "mypy", "--python-executable", python, folder=project)


def build(project: Path) -> Path:
    run(sys.executable, "-m", "build", ".", folder=project)
    [wheel] = (project / "dist").glob("*.whl")
    return wheel


def check_tests(project: Path, environment: Environment) -> None:
    """Run a project's tests with what is installed, away from its source."""
    away = project.with_name(f"{project.name}-tests")
    away.mkdir()
    shutil.copy(project / "pyproject.toml", away)
    shutil.copytree(project / "tests", away / "tests")
    output = run(environment.path("python"), "-I", "-m", "pytest", "-v", folder=away)
    for backend in ("asyncio", "trio"):
        if f"[{backend}" not in output:
            sys.exit(f"error: no test ran on {backend}:\n{output}")

    if "skipped" in output.splitlines()[-1]:
        sys.exit(f"error: tests were skipped:\n{output}")

    print(f"{project.name}: {output.splitlines()[-1].strip('= ')}")


def check_first_steps(project: Path, environment: Environment) -> None:
    """Do what new-plugin says to do next, apart from the tests."""
    command = environment.path("lanrage-events")
    run(command, "check", folder=project)
    output = run(command, "run", "--stdin", folder=project, stdin=project / "events.jsonl")
    if output.count('"type":"bingo_called"') != 2:
        sys.exit(f"error: the daemon should have logged two events bingo_called:\n{output}")

    print(run(command, "preview", "bingo_called", folder=project).splitlines()[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tree", type=Path, required=True, help="the copy of the repository")
    parser.add_argument("--wheel", type=Path, required=True, help="the wheel of lanrage-events")
    parser.add_argument("--work", type=Path, required=True, help="a new folder to work in")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True)
    environment = Environment(work / "environment", arguments.wheel.resolve())
    shutil.copytree(arguments.tree / "docs" / "examples" / EXAMPLE, work / EXAMPLE)
    new_plugin = (environment.path("lanrage-events"), "new-plugin")
    run(*new_plugin, "lan-bingo", "--event", "BingoCalled", folder=work)
    # With the longest and the shortest names that there can be, for the style of what is written.
    run(*new_plugin, "a" * 24, "--folder", "longest", folder=work)
    run(*new_plugin, "x", "--folder", "shortest", "--event", "Yy", folder=work)
    projects = [work / EXAMPLE, work / "lanrage-events-lan-bingo"]
    for kind in ("sink", "source", "transform"):
        run(*new_plugin, f"lan-{kind}", "--kind", kind, folder=work)
        projects.append(work / f"lanrage-events-lan-{kind}")

    for project in projects:
        environment.install(str(build(project)))

    for project in (*projects, work / "longest", work / "shortest"):
        check_style(project, environment)

    for project in projects:
        check_tests(project, environment)

    check_first_steps(projects[1], environment)
    for backend in ("asyncio", "trio"):
        options = ("-I", INSIDE, "--backend", backend)
        print(run(environment.path("python"), *options, folder=work), end="")


if __name__ == "__main__":
    main()
