from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
from pydantic import BaseModel

from lanrage_events import Notification, PeerJoined, PluginLoadError, PluginNotFound, on
from lanrage_events._discovery import Catalog, PluginInfo, hooks_of, is_name
from lanrage_events.cli import install_command

Install = Callable[..., None]

HOOKS = """
from lanrage_events import hookimpl

@hookimpl
def peer_joined(event):
    pass

@hookimpl(specname="event")
async def everything(event):
    pass

def peer_left(event):
    pass
"""

CLASS = '''
"""A module."""
from pydantic import BaseModel
from lanrage_events import hookimpl

class Greeter:
    """Greets everybody.

    At length.
    """

    class Config(BaseModel):
        greeting: str = "Hello"

    def __init__(self, config):
        self.config = config

    @hookimpl
    async def peer_joined(self, event):
        pass
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that puts a distribution onto the path, as an installer would."""
    before = set(sys.modules)

    def install(
        distribution: str,
        entry_points: dict[str, str] | str,
        *,
        version: str = "1.0",
        requires: tuple[str, ...] = (),
        where: str = "site",
        **modules: str,
    ) -> None:
        site = tmp_path / where
        folder = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir(parents=True)
        metadata = ["Metadata-Version: 2.4", f"Name: {distribution}", f"Version: {version}"]
        metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
        (folder / "METADATA").write_text("\n".join(metadata), encoding="utf-8")
        if isinstance(entry_points, dict):
            lines = [f"{name} = {target}" for name, target in entry_points.items()]
            entry_points = "\n".join(["[lanrage_events]", *lines])

        (folder / "entry_points.txt").write_text(entry_points, encoding="utf-8")
        for name, source in modules.items():
            (site / f"{name}.py").write_text(dedent(source), encoding="utf-8")

        monkeypatch.syspath_prepend(str(site))

    yield install
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def describe(*names: str, folder: Path | None = None) -> dict[str, PluginInfo]:
    catalog = Catalog.discover(folder, environment={"LANRAGE_EVENTS_PLUGINS": ",".join(names)})
    infos = [info for info in catalog.describe() if info.name in names]
    return {info.name: info for info in infos}


def load_error(name: str, folder: Path | None = None) -> PluginLoadError:
    with pytest.raises(PluginLoadError) as caught:
        Catalog.discover(folder).load(name)

    assert caught.value.plugin == name
    return caught.value


def test_a_class_with_a_config_is_made_from_it(install: Install) -> None:
    install("greeter-dist", {"greeter": "greeter_class:Greeter"}, greeter_class=CLASS)
    plugin = Catalog.discover().load("greeter")
    assert plugin.config_class is not None
    made = plugin.make(plugin.config_class(greeting="Moin"))
    assert type(made).__name__ == "Greeter"
    config = made.config  # type: ignore[attr-defined]
    assert isinstance(config, BaseModel)
    assert config.model_dump() == {"greeting": "Moin"}
    assert not plugin.is_module
    assert plugin.hooks == ("peer_joined",)


def test_a_class_without_a_config_is_made_without(install: Install) -> None:
    install("plain", {"plain": "plain_class:Plain"}, plain_class="class Plain: pass")
    plugin = Catalog.discover().load("plain")
    assert plugin.config_class is None
    assert type(plugin.make()).__name__ == "Plain"
    assert plugin.make() is not plugin.make()


def test_a_module_is_the_plugin(install: Install) -> None:
    install("modular", {"modular": "modular_module"}, modular_module=HOOKS)
    plugin = Catalog.discover().load("modular")
    made = plugin.make()
    assert isinstance(made, ModuleType)
    assert made.__name__ == "modular_module"
    assert plugin.is_module
    assert plugin.hooks == ("event", "peer_joined")


def test_nothing_is_imported_before_it_is_asked_for(install: Install) -> None:
    install("lazy", {"lazy": "lazy_module", "other": "other_module"}, lazy_module=HOOKS)
    catalog = Catalog.discover()
    assert {"lazy", "other"} <= set(catalog.names)
    assert "lazy_module" not in sys.modules
    catalog.load("lazy")
    assert "lazy_module" in sys.modules
    assert catalog.load("lazy") is catalog.load("lazy")


def test_plugins_are_described_and_broken_ones_do_not_hide_the_others(install: Install) -> None:
    install("greeter-dist", {"greeter": "described_class:Greeter"}, described_class=CLASS)
    install(
        "broken-dist",
        {
            "missing": "no_such_module",
            "raising": "raising_module",
            "exiting": "exiting_module",
            "wrong": "wrong_module:value",
            "nameless": "wrong_module:nothing",
            "unparsable": "not a target",
        },
        version="2.5",
        raising_module="raise RuntimeError('at import')",
        exiting_module="raise SystemExit",
        wrong_module="value = 5",
    )
    infos = describe("greeter", "missing", "raising", "exiting", "wrong", "nameless", "unparsable")
    assert infos["greeter"] == PluginInfo(
        name="greeter",
        distribution="greeter-dist",
        version="1.0",
        hooks=("peer_joined",),
        description="Greets everybody.",
    )
    broken = {name: info for name, info in infos.items() if name != "greeter"}
    assert {(info.status, info.distribution, info.version) for info in broken.values()} == {
        ("broken", "broken-dist", "2.5")
    }
    reasons = {name: info.reason for name, info in broken.items()}
    assert reasons["missing"] == (
        "cannot be imported (broken-dist 2.5): "
        "ModuleNotFoundError: No module named 'no_such_module'"
    )
    assert reasons["raising"] == ("cannot be imported (broken-dist 2.5): RuntimeError: at import")
    assert reasons["exiting"] == "cannot be imported (broken-dist 2.5): SystemExit"
    assert reasons["wrong"] == (
        "is neither a class nor a module, but of type 'int' (broken-dist 2.5)"
    )
    assert "AttributeError" in reasons["nameless"]
    assert reasons["unparsable"].startswith("cannot be imported (broken-dist 2.5): ")


def test_an_undocumented_class_is_described_by_its_module(install: Install) -> None:
    install(
        "undocumented",
        {"undocumented": "undocumented_class:Plugin", "bare": "bare_class:Plugin"},
        undocumented_class='"""Does things."""\nclass Plugin: pass',
        bare_class="class Plugin: pass",
    )
    infos = describe("undocumented", "bare")
    assert infos["undocumented"].description == "Does things."
    assert infos["bare"].description == ""


def test_an_interrupt_while_importing_is_not_held_back(install: Install) -> None:
    install("stuck", {"stuck": "stuck_module"}, stuck_module="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Catalog.discover().load("stuck")


def test_an_error_stays_an_error_when_it_is_asked_for_again(install: Install) -> None:
    install("failing", {"failing": "failing_module"}, failing_module="1 / 0")
    catalog = Catalog.discover()
    errors = []
    for _ in range(2):
        with pytest.raises(PluginLoadError) as caught:
            catalog.load("failing")

        errors.append(caught.value)

    assert str(errors[0]) == str(errors[1])
    assert errors[0] is not errors[1]
    assert isinstance(errors[1].__cause__, ZeroDivisionError)


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    install("first-dist", {"twice": "first_module"}, first_module=HOOKS)
    install("second-dist", {"twice": "second_module"}, version="3", second_module=HOOKS)
    error = load_error("twice")
    assert "first-dist 1.0" in error.reason
    assert "second-dist 3" in error.reason
    assert "first_module" not in sys.modules
    catalog = Catalog.discover(environment={"LANRAGE_EVENTS_PLUGINS": "twice"})
    infos = [info for info in catalog.describe() if info.name == "twice"]
    assert [(info.distribution, info.status) for info in infos] == [
        ("first-dist", "broken"),
        ("second-dist", "broken"),
    ]


def test_a_distribution_that_is_on_the_path_twice_counts_once(install: Install) -> None:
    install("shadowed", {"shadow": "old_module"}, where="old", old_module=HOOKS)
    install("shadowed", {"shadow": "new_module"}, where="new", version="2.0", new_module=HOOKS)
    plugin = Catalog.discover().load("shadow")
    assert plugin.source.version == "2.0"
    assert isinstance(plugin.target, ModuleType)
    assert plugin.target.__name__ == "new_module"


def test_a_list_of_plugins_that_cannot_be_read_is_reported(install: Install) -> None:
    install("garbled-dist", "[lanrage_events]\nno equals sign\n")
    install("fine-dist", {"fine": "fine_module"}, fine_module=HOOKS)
    catalog = Catalog.discover(environment={"LANRAGE_EVENTS_PLUGINS": "fine"})
    (info,) = [info for info in catalog.describe() if info.distribution == "garbled-dist"]
    assert (info.name, info.version, info.status) == ("", "1.0", "broken")
    assert info.reason.startswith("its entry_points.txt cannot be read: ")
    assert catalog.load("fine").hooks
    with pytest.raises(PluginNotFound) as caught:
        catalog.load("of-garbled")

    assert f"; of garbled-dist, {info.reason}" in caught.value.reason


def test_an_unknown_plugin_is_reported_with_the_nearest(install: Install) -> None:
    install("greeter-dist", {"greeter": "some_module"})
    with pytest.raises(PluginNotFound) as caught:
        Catalog.discover().load("greter")

    assert caught.value.reason == "no such plugin is installed, did you mean 'greeter'?"
    with pytest.raises(PluginNotFound) as caught:
        Catalog.discover().load("GREETER")

    assert "did you mean 'greeter'?" in caught.value.reason


def test_an_unknown_plugin_that_is_an_extra_comes_with_how_to_install() -> None:
    with pytest.raises(PluginNotFound) as caught:
        Catalog(()).load("trio")

    assert caught.value.reason.endswith(f"'trio' is an extra, {install_command('trio')}")


def test_without_our_own_metadata_an_unknown_plugin_is_just_unknown() -> None:
    script = dedent(
        """
        import importlib.metadata
        def absent(name): raise importlib.metadata.PackageNotFoundError(name)
        importlib.metadata.metadata = importlib.metadata.requires = absent
        from lanrage_events._hints import install_hint
        from lanrage_events._discovery.catalog import Catalog
        try:
            Catalog(()).load("trio")
        except Exception as error:
            print(error)
        print(install_hint(ModuleNotFoundError(name="trio")))
        """
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "plugin 'trio': no such plugin is installed\n\n"


def test_a_missing_package_of_an_extra_is_reported_with_the_command(install: Install) -> None:
    install(
        "needy-dist",
        {"needy": "needy_module", "own": "own_module", "base": "base_module"},
        requires=(
            "missing_base >= 1",
            "Missing.Package[fast] >= 2 ; extra == 'more'",
            "missing-package ; extra == 'all'",
            "another ; extra == 'all'",
        ),
        needy_module="import missing_package.part",
        own_module="raise ModuleNotFoundError('no', name='structlog')",
        base_module="import missing_base",
    )
    assert load_error("needy").reason == (
        "cannot be imported (needy-dist 1.0): the package 'missing_package' is missing: "
        + install_command("more", "needy-dist")
    )
    assert load_error("own").reason == (
        "cannot be imported (needy-dist 1.0): the package 'structlog' is missing: "
        + install_command("daemon")
    )
    assert load_error("base").reason == (
        "cannot be imported (needy-dist 1.0): ModuleNotFoundError: No module named 'missing_base'"
    )


def test_an_import_error_of_another_kind_is_reported_as_it_is(install: Install) -> None:
    install(
        "odd",
        {"odd": "odd_module", "nameless": "nameless_module", "old": "old_module"},
        odd_module="from os import no_such_name",
        nameless_module="raise ModuleNotFoundError('nothing')",
        old_module="raise ImportError('too old', name='structlog')",
    )
    assert "cannot import name 'no_such_name'" in load_error("odd").reason
    assert load_error("nameless").reason.endswith(": ModuleNotFoundError: nothing")
    assert load_error("old").reason.endswith(": ImportError: too old")


def test_a_config_that_is_not_a_model_is_rejected(install: Install) -> None:
    install(
        "no-model",
        {"dict": "no_model:Dict", "object": "no_model:Object"},
        no_model="class Dict:\n    Config = {}\nclass Object:\n    class Config: pass",
    )
    for name in ("dict", "object"):
        assert load_error(name).reason == (
            "has a Config that is not a pydantic model: derive it from ConfigModel (no-model 1.0)"
        )


def test_a_config_with_a_key_of_every_plugin_is_rejected(install: Install) -> None:
    install(
        "clashing",
        {"clash": "clashing_module:Clash"},
        clashing_module="""
            from pydantic import BaseModel, Field

            class Clash:
                class Config(BaseModel):
                    mailbox: int = 5
                    timeout: float = Field(default=1.0, alias="hook_timeout")
            """,
    )
    assert load_error("clash").reason == (
        "has a Config with 'mailbox' and 'hook_timeout', which every plugin already has "
        "(clashing 1.0)"
    )


def test_a_class_that_raises_is_reported_with_its_distribution(install: Install) -> None:
    install(
        "fragile",
        {"fragile": "fragile_module:Fragile", "demanding": "fragile_module:Demanding"},
        fragile_module="""
            class Fragile:
                def __init__(self):
                    raise OSError("disk full")

            class Demanding:
                def __init__(self, something):
                    pass
            """,
    )
    catalog = Catalog.discover()
    with pytest.raises(PluginLoadError) as caught:
        catalog.load("fragile").make()

    assert caught.value.reason == "cannot be made (fragile 1.0): OSError: disk full"
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(PluginLoadError, match="which takes arguments, but no Config: give it one"):
        catalog.load("demanding").make()


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (None, {"one", "two"}),
        ("", set()),
        (" , ", set()),
        ("one", {"one"}),
        ("two , one,", {"one", "two"}),
    ],
)
def test_the_environment_limits_what_may_be_loaded(
    install: Install, value: str | None, allowed: set[str]
) -> None:
    install(
        "limited",
        {"one": "limited_one", "two": "limited_two"},
        limited_one=HOOKS,
        limited_two=HOOKS,
    )
    environment = {} if value is None else {"LANRAGE_EVENTS_PLUGINS": value}
    catalog = Catalog.discover(environment=environment)
    assert {name for name in ("one", "two") if catalog.allows(name)} == allowed
    for name in {"one", "two"} - allowed:
        with pytest.raises(PluginLoadError, match="LANRAGE_EVENTS_PLUGINS does not name it"):
            catalog.load(name)

    for name in allowed:
        assert catalog.load(name).hooks

    if value is not None:
        statuses = {info.name: info.status for info in catalog.describe()}
        assert statuses["one"] == ("ok" if "one" in allowed else "excluded")
        assert ("limited_one" in sys.modules) == ("one" in allowed)


@pytest.mark.parametrize(
    ("source", "is_required"),
    [
        ("transform_required = True", True),
        ("class Plugin:\n    transform_required: bool = REQUIRED", True),
        ("def make(self):\n    self.transform_required=True", True),
        ("transform_required = False", False),
        ("# transform_required = True", False),
        ("if plugin.transform_required == True: pass", False),
        ("", False),
    ],
)
def test_a_required_transform_is_found_without_importing_it(
    install: Install, tmp_path: Path, source: str, is_required: bool
) -> None:
    targets = {"one": "required_one", "two": "required_pkg.plugins", "gone": "required_gone.x"}
    install("required", targets, required_one=f"raise ValueError\n{source}")
    package = next(tmp_path.rglob("required_one.py")).parent / "required_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("raise ValueError\n")
    (package / "plugins.py").write_text(source)
    (tmp_path / "three.py").write_text(source)
    catalog = Catalog.discover(tmp_path, environment={"LANRAGE_EVENTS_PLUGINS": "log"})
    for name in ("one", "two", "three"):
        assert catalog.requires_transform(name) is is_required

    assert not catalog.requires_transform("gone")
    assert "required_pkg" not in sys.modules


def test_names_in_the_limit_that_nothing_offers_are_known(install: Install) -> None:
    install("limited", {"one": "x"})
    catalog = Catalog.discover(environment={"LANRAGE_EVENTS_PLUGINS": "one,on,tow"})
    assert catalog.unknown_limits == ("on", "tow")
    assert Catalog.discover(environment={}).unknown_limits == ()


def test_single_files_are_modules_or_have_a_plugin_class(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text('"""Counts."""\n' + HOOKS, encoding="utf-8")
    (tmp_path / "cls.py").write_text(CLASS.replace("Greeter", "Plugin"), encoding="utf-8")
    (tmp_path / "_private.py").write_text("1 / 0", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("1 / 0", encoding="utf-8")
    (tmp_path / "folder.py").mkdir()
    catalog = Catalog(()).with_folder(tmp_path)
    assert catalog.names == ("cls", "module")
    assert catalog.load("module").is_module
    assert catalog.load("cls").config_class is not None
    assert catalog.describe() == (
        PluginInfo(
            name="cls",
            distribution=None,
            version=None,
            file=tmp_path / "cls.py",
            hooks=("peer_joined",),
            description="Greets everybody.",
        ),
        PluginInfo(
            name="module",
            distribution=None,
            version=None,
            file=tmp_path / "module.py",
            hooks=("event", "peer_joined"),
            description="Counts.",
        ),
    )


def test_a_file_with_a_plugin_class_and_hooks_beside_it_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "both.py").write_text(HOOKS + "class Plugin: pass\n", encoding="utf-8")
    assert load_error("both", tmp_path).reason == (
        "has hooks beside its class Plugin (event, peer_joined): move them into it "
        f"(the file {tmp_path / 'both.py'})"
    )


def test_a_name_plugin_that_is_no_class_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(HOOKS + "Plugin = 5\n", encoding="utf-8")
    assert Catalog(()).with_folder(tmp_path).load("odd").is_module


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("x = 1\nimport no_such_module\n", 2, "ModuleNotFoundError: No module named"),
        ("x = 1\n\ndef broken(:\n", 3, "SyntaxError: "),
        ("def f():\n    1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("import json\njson.loads('{')\n", 2, "JSONDecodeError"),
        ("import structlog_is_missing as s\n", 1, "ModuleNotFoundError"),
    ],
)
def test_a_file_that_cannot_be_imported_is_reported_with_its_line(
    tmp_path: Path, source: str, line: int, reason: str
) -> None:
    file = tmp_path / "bad.py"
    file.write_text(source, encoding="utf-8")
    before = set(sys.modules)
    error = load_error("bad", tmp_path)
    assert error.reason.startswith(f"cannot be imported: {file}:{line}: {reason}")
    assert not [name for name in set(sys.modules) - before if "bad" in name]


def test_a_file_that_cannot_be_read_is_reported_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "gone.py"
    file.touch()
    catalog = Catalog(()).with_folder(tmp_path)
    file.unlink()
    with pytest.raises(PluginLoadError) as caught:
        catalog.load("gone")

    assert caught.value.reason.startswith(f"cannot be imported: {file}: FileNotFoundError")


def test_a_file_with_the_name_of_an_entry_point_is_a_clash(
    install: Install, tmp_path: Path
) -> None:
    install("greeter-dist", {"greeter": "some_module"})
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "greeter.py").write_text(HOOKS, encoding="utf-8")
    assert load_error("greeter", folder).reason == (
        f"is offered by greeter-dist 1.0 and the file {folder / 'greeter.py'}: remove one of them"
    )


def test_a_folder_that_is_added_twice_adds_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(HOOKS, encoding="utf-8")
    catalog = Catalog(()).with_folder(tmp_path).with_folder(tmp_path / ".." / tmp_path.name)
    assert len(catalog.sources) == 1


def test_the_limit_holds_for_files_too(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("1 / 0", encoding="utf-8")
    catalog = Catalog.discover(tmp_path, environment={"LANRAGE_EVENTS_PLUGINS": ""})
    assert {info.status for info in catalog.describe()} == {"excluded"}


def test_hooks_are_read_without_making_anything() -> None:
    from lanrage_events import hookimpl

    class Marked:
        lanrage_events_impl = {"specname": None}  # noqa: RUF012 - as pluggy's marker does it

    class Plugin:
        lanrage_events_impl = "no function"
        marked = Marked()

        def __init__(self) -> None:
            raise AssertionError

        @property
        def fails(self) -> None:
            raise AssertionError

        @hookimpl
        def peer_joined(self, event: object) -> None: ...

        @staticmethod
        @hookimpl
        def peer_left(event: object) -> None: ...

        def game_started(self, event: object) -> None: ...

    class Inherits(Plugin):
        @hookimpl(specname="game_ended")
        def _ended(self, event: object) -> None: ...

    class Meta(type):
        @property
        def fails(cls) -> None:
            raise RuntimeError

        def __dir__(cls) -> list[str]:
            return ["fails"]

    class Strange(metaclass=Meta):
        pass

    assert hooks_of(Plugin) == ("peer_joined", "peer_left")
    assert hooks_of(Inherits) == ("game_ended", "peer_joined", "peer_left")
    assert hooks_of(Strange) == ()


def test_a_function_that_is_marked_with_event_classes_is_a_hook_of_each() -> None:
    class Plugin:
        @on((PeerJoined, Notification))
        def greet(self, event: object) -> None: ...

    assert hooks_of(Plugin) == hooks_of(Plugin()) == ("notification", "peer_joined")


def test_names_of_plugins_are_words() -> None:
    for name in ("discord", "my-log", "a.b", "_x", "9"):
        assert is_name(name)

    for name in ("", "m d", "../x", "-x", "ä", "x\n"):
        assert not is_name(name)


def test_finding_plugins_imports_neither_pydantic_nor_yaml_nor_them() -> None:
    script = (
        "import sys\n"
        "from lanrage_events._discovery.catalog import Catalog\n"
        "from lanrage_events._discovery import plugin_commands\n"
        "names = Catalog.discover().names\n"
        "assert 'discord' in names, names\n"
        "assert any(command.name == 'demo' for command in plugin_commands())\n"
        "found = {'pydantic', 'yaml', 'httpx', 'jinja2', 'lanrage_events_discord'}\n"
        "print(found & set(sys.modules))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"


@pytest.mark.parametrize("error", ["SystemExit(3)", "BaseException(3)", "GeneratorExit(3)"])
@pytest.mark.parametrize("timeout", [None, 10])
def test_a_module_that_would_end_the_program_is_reported(
    tmp_path: Path, error: str, timeout: float | None
) -> None:
    (tmp_path / "ends.py").write_text(f"raise {error}", "utf-8")
    with pytest.raises(PluginLoadError, match=rf"ends.py:1: {error[:-3]}: 3"):
        Catalog.discover(tmp_path).load("ends", timeout=timeout)


@pytest.mark.parametrize("error", ["SystemExit(3)", "BaseException(3)", "GeneratorExit(3)"])
def test_a_class_that_would_end_the_program_is_reported(tmp_path: Path, error: str) -> None:
    text = f"class Plugin:\n    def __init__(self): raise {error}"
    (tmp_path / "ends.py").write_text(text, "utf-8")
    plugin = Catalog.discover(tmp_path).load("ends")
    with pytest.raises(PluginLoadError, match=rf"cannot be made .*: {error[:-3]}: 3"):
        plugin.make()


def test_a_module_that_hangs_is_reported_each_time(tmp_path: Path) -> None:
    text = "import threading\nthreading.Event().wait()"
    (tmp_path / "hangs.py").write_text(text, "utf-8")
    for _ in range(2):
        with pytest.raises(PluginLoadError, match=r"it takes longer than 0\.05 seconds"):
            Catalog.discover(tmp_path).load("hangs", timeout=0.05)


def test_ctrl_c_that_a_module_raises_in_a_thread_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "interrupts.py").write_text("raise KeyboardInterrupt", "utf-8")
    with pytest.raises(PluginLoadError, match="it raised KeyboardInterrupt"):
        Catalog.discover(tmp_path).load("interrupts", timeout=10)
