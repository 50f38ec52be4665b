from __future__ import annotations

import importlib
import os
import pickle
import sys
import threading
from pathlib import Path

import pytest

from lanrage_events._discovery import import_file, place_of, plugin_files


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_public_python_files_of_a_folder_are_plugins(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "_c.py", ".d.py", "e.txt", "__init__.py"):
        write(tmp_path / name, "")

    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "f.py", "")
    assert [path.name for path in plugin_files(tmp_path)] == ["a.py", "b.py"]
    assert plugin_files(tmp_path / "missing") == []


def test_a_file_is_imported_as_a_real_module(tmp_path: Path) -> None:
    file = write(
        tmp_path / "my-plugin.v2.py",
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from pydantic import BaseModel\n"
        "@dataclass\nclass Note:\n    text: str\n"
        "class Config(BaseModel):\n    notes: list[Note] = []\n",
    )
    module = import_file(file)
    assert module.__file__ == str(file)
    assert sys.modules[module.__name__] is module
    note = module.Config.model_validate({"notes": [{"text": "x"}]}).notes[0]
    assert pickle.loads(pickle.dumps(note)) == note


def test_no_cache_is_written_or_read(tmp_path: Path) -> None:
    file = write(tmp_path / "quick.py", "value = 1\n")
    assert import_file(file).value == 1
    before = file.stat()
    write(file, "value = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert import_file(file).value == 2
    assert [path.name for path in tmp_path.iterdir()] == ["quick.py"]


def test_a_file_that_has_not_changed_gives_the_same_module(tmp_path: Path) -> None:
    file = write(tmp_path / "same.py", "class Plugin: pass\n")
    module = import_file(file)
    assert import_file(tmp_path / ".." / tmp_path.name / "same.py") is module
    write(file, "class Plugin: pass  # changed\n")
    assert import_file(file).Plugin is not module.Plugin


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()

    first = import_file(write(tmp_path / "a" / "twin.py", "value = 1\n"))
    second = import_file(write(tmp_path / "b" / "twin.py", "value = 1\n"))
    assert first is not second


def test_a_file_that_fails_leaves_no_half_module(tmp_path: Path) -> None:
    file = write(tmp_path / "half.py", "value = 1\nraise RuntimeError\n")
    before = set(sys.modules)
    with pytest.raises(RuntimeError):
        import_file(file)

    assert not [name for name in set(sys.modules) - before if "half" in name]


def test_the_place_of_an_error_is_the_last_line_in_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "deep.py", "def f():\n    return int('x')\n\nf()\n")
    with pytest.raises(ValueError, match="invalid literal") as caught:
        import_file(file)

    assert place_of(caught.value, file) == f"{file}:2"
    assert place_of(ValueError(), file) == str(file)


def test_a_syntax_error_in_another_file_is_placed_where_it_is_imported(tmp_path: Path) -> None:
    file = write(tmp_path / "compiles.py", "x = 1\ncompile('a b', 'other', 'exec')\n")
    with pytest.raises(SyntaxError) as caught:
        import_file(file)

    assert place_of(caught.value, file) == f"{file}:2"


def test_a_file_that_is_too_large_is_not_imported(tmp_path: Path) -> None:
    file = write(tmp_path / "large.py", "#" * 5_000_001)
    with pytest.raises(OSError, match="larger than 5,000,000 bytes"):
        import_file(file)


def test_what_was_read_is_what_is_run(tmp_path: Path) -> None:
    file = write(tmp_path / "itself.py", "open(__file__, 'w').close()\nvalue = 1\n")
    assert import_file(file).value == 1


def test_a_module_that_is_still_imported_is_waited_for(tmp_path: Path) -> None:
    text = "import builtins\nbuiltins.begun.set()\nbuiltins.go_on.wait()\nvalue = 1\n"
    file = write(tmp_path / "slow.py", text)
    builtins = vars(importlib.import_module("builtins"))
    builtins["begun"], builtins["go_on"] = begun, go_on = threading.Event(), threading.Event()
    try:
        values: list[int] = []
        threads = [
            threading.Thread(target=lambda: values.append(import_file(file).value))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()

        assert begun.wait(10)
        assert not values
        go_on.set()
        for thread in threads:
            thread.join()

        assert values == [1, 1]
    finally:
        del builtins["begun"], builtins["go_on"]
