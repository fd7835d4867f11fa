"""What a user's script defines is found by name in a trial: by pickle, joblib and the processes that a trial starts."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from raydrive.runtime.trial_actor.fork_client import Exit, ForkServerClient, Job

DEFINITIONS = """
    import concurrent.futures, dataclasses, enum, functools, multiprocessing, os, pickle, sys
    import joblib

    counter = 0
    scale = 3

    class Net:
        class Layer:
            width = 1

        def __init__(self, width):
            self.width = width
            self.layer = Net.Layer()

        def __eq__(self, other):
            return type(other) is type(self) and other.width == self.width

    @dataclasses.dataclass
    class Result:
        value: float

    class Kind(enum.Enum):
        A = "a"

    def square(x):
        return scale * x * x

    def build(x):
        return Result(float(x))

    @functools.lru_cache(maxsize=7)
    def slow(x):
        return x + 1

    prepared = Net(5)
"""
SUBMITTING = """
    if __name__ == "__main__":
        from raydrive.api.submit.packaging import pickle_function
        open(sys.argv[1], "wb").write(pickle_function(train))
"""


def run_script(path: Path, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, str(path), *arguments], capture_output=True, text=True, cwd=cwd or path.parent, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Trial:
    """A user's folder with scripts, and a folder elsewhere in which their functions run."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.work = folder / "work"
        self.home.mkdir()
        self.work.mkdir()
        self.log = folder / "log.txt"
        self.pickled = folder / "function.pkl"

    def write(self, name: str, *parts: str) -> Path:
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(textwrap.dedent(part) for part in parts))
        return path

    def submit(self, body: str, *, definitions: str = DEFINITIONS) -> Path:
        """Writes the script ``main.py``, whose ``train`` has this body, and pickles that as a submission does."""
        train = "def train(params):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        path = self.write("main.py", definitions, train, SUBMITTING)
        run_script(path, str(self.pickled))
        return path

    def run(self, *params: dict[str, Any], reuse: bool = False, away: bool = True) -> list[Exit]:
        """Runs it on another machine, as it were: where the script is not."""
        hidden = self.home.with_name("hidden")

        async def main() -> list[Exit]:
            fork_server = await ForkServerClient.start()
            try:
                return [await fork_server.run(self._job(one, reuse)) for one in params or ({},)]
            finally:
                await fork_server.close()

        if away:
            self.home.rename(hidden)
        try:
            return asyncio.run(main())
        finally:
            if away:
                hidden.rename(self.home)

    def _job(self, params: dict[str, Any], reuse: bool) -> Job:
        return Job(
            function_path=str(self.pickled),
            params=params,
            reuse=reuse,
            cwd=str(self.work),
            env={"PATH": os.environ["PATH"], "HOME": str(self.work)},
            log_path=str(self.log),
            grace_s=1.0,
        )

    @property
    def text(self) -> str:
        return self.log.read_text()


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes_find_what_the_script_defines(trial: Trial, method: str) -> None:
    trial.submit(f"""
        context = multiprocessing.get_context({method!r})
        with context.Pool(2) as pool:
            print(pool.map(square, range(4)), pool.map(build, [1, 2]) == [Result(1.0), Result(2.0)])
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            print(pool.submit(square, 5).result(), pool.submit(build, Kind.A.value == "a").result())
        queue = context.Queue()
        process = context.Process(target=queue.put, args=([Net(3), Kind.A],))
        process.start()
        print(queue.get() == [Net(3), Kind.A])
        process.join()
    """)
    (exit_,) = trial.run()
    assert trial.text == "[0, 3, 12, 27] True\n75 Result(value=1.0)\nTrue\n"
    assert exit_.code == 0


def test_what_a_trial_dumps_is_loaded_in_the_script(trial: Trial) -> None:
    trial.submit("""
        with open("net.pkl", "wb") as file:
            pickle.dump([Net(7), prepared, square, Net.Layer, slow, train], file)
        joblib.dump(Net(8), "net.joblib")
        assert pickle.loads(pickle.dumps(Net(7))) == Net(7)
        assert slow(1) == 2 and slow.cache_parameters()["maxsize"] == 7
        print(__name__, Net.__module__)
    """)
    (exit_,) = trial.run()
    assert (exit_.code, trial.text) == (0, "__main__ __main__\n")
    reading = trial.write(
        "reading.py",
        DEFINITIONS,
        """
        def train(params): pass
        with open(sys.argv[1] + "/net.pkl", "rb") as file:
            found = pickle.load(file)
        print(found[:2] == [Net(7), Net(5)], found[2:] == [square, Net.Layer, slow, train])
        print(joblib.load(sys.argv[1] + "/net.joblib") == Net(8))
        """,
    )
    assert run_script(reading, str(trial.work)) == "True True\nTrue\n"


def test_joblib_has_workers_of_its_own(trial: Trial) -> None:
    trial.submit("""
        print(joblib.Parallel(n_jobs=2)(joblib.delayed(square)(x) for x in range(4)))
        print(joblib.Parallel(n_jobs=2, backend="multiprocessing")(joblib.delayed(build)(x) for x in range(2)))
    """)
    (exit_,) = trial.run()
    assert trial.text.splitlines() == ["[0, 3, 12, 27]", "[Result(value=0.0), Result(value=1.0)]"]
    assert exit_.code == 0


def test_the_main_module_is_the_functions_own(trial: Trial) -> None:
    """Globals are one thing, whoever looks; each trial has them as they were submitted."""
    path = trial.submit("""
        global counter
        counter += params["x"]
        import __main__
        print(counter, __main__.counter, __main__.square is square, __file__, hasattr(__main__, "never_used"))
    """)
    trial.run({"x": 1}, {"x": 1})
    assert trial.text == f"1 1 True {path} False\n" * 2
    trial.log.unlink()
    trial.run({"x": 1}, {"x": 1}, reuse=True)
    assert trial.text == f"1 1 True {path} False\n2 2 True {path} False\n"


def test_a_class_that_only_an_object_brings_along(trial: Trial) -> None:
    """No name of it stands in the function."""
    trial.submit("""
        print(pickle.loads(pickle.dumps(prepared)) == prepared)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.apply(type, [prepared]))
    """)
    (exit_,) = trial.run()
    assert (exit_.code, trial.text) == (0, "True\n<class '__main__.Net'>\n")


@pytest.mark.parametrize("away", [True, False])
@pytest.mark.parametrize("module", ["models", "package.models"])
def test_a_local_module_travels_with_its_function(trial: Trial, module: str, away: bool) -> None:
    body = textwrap.indent(
        textwrap.dedent("""
        print(pickle.loads(pickle.dumps(Net(1))) == Net(1), Net.__module__)
        with open("net.pkl", "wb") as file:
            pickle.dump(Net(7), file)
        for method in ("fork", "spawn"):
            with multiprocessing.get_context(method).Pool(1) as pool:
                print(pool.map(square, [2]), pool.map(build, [1]))
        """),
        "    ",
    )
    file = module.replace(".", "/") + ".py"
    trial.write(file, DEFINITIONS, "def other():\n    return 'other'\n", "def train(params):\n" + body)
    main = trial.write("main.py", f"import sys\nfrom {module} import train", SUBMITTING)
    run_script(main, str(trial.pickled))
    (exit_,) = trial.run(away=away)
    assert trial.text == f"True {module}\n" + "[12] [Result(value=1.0)]\n" * 2
    assert exit_.code == 0
    script = f"import pickle, sys\nfrom {module} import Net\nprint(pickle.load(open(sys.argv[1], 'rb')) == Net(7))"
    assert run_script(trial.write("reading.py", script), str(trial.work / "net.pkl")) == "True\n"


def test_what_else_a_local_module_holds_is_imported_where_it_can_be(trial: Trial) -> None:
    trial.write("models.py", "def train(params):\n    import models\n    print(models.other(), models.train is train)")
    with (trial.home / "models.py").open("a") as file:
        file.write("\n    from models import missing\n\ndef other():\n    return 'other'\n")
    main = trial.write("main.py", "import sys\nfrom models import train", SUBMITTING)
    run_script(main, str(trial.pickled))
    trial.run()
    assert "has only what the function uses: No module named 'models'" in trial.text
    trial.log.unlink()
    (trial.work / "models.py").write_bytes((trial.home / "models.py").read_bytes())  # its folder is on the path
    trial.run()
    assert trial.text.startswith("other True\n")
    assert "ImportError: cannot import name 'missing' from 'models'" in trial.text


def test_a_function_that_was_pickled_before_names_travelled_is_loaded_still(trial: Trial) -> None:
    script = "import sys, cloudpickle\ndef train(params): print(params['x'])\n"
    path = trial.write("main.py", script + "open(sys.argv[1], 'wb').write(cloudpickle.dumps(train))")
    run_script(path, str(trial.pickled))
    (exit_,) = trial.run({"x": (1, [(2,)])})
    assert (exit_.code, trial.text) == (0, "(1, [(2,)])\n")


def test_a_pickle_changes_no_module_where_it_is_no_trial(trial: Trial) -> None:
    trial.submit("return square(params)")
    code = "import pickle, sys\nscale = 100\nf = pickle.load(open(sys.argv[1], 'rb'))['function']\nprint(f(2), scale)"
    assert run_script(trial.write("reading.py", code), str(trial.pickled)) == "12 100\n"


def test_trials_in_the_users_own_process_need_nothing(trial: Trial) -> None:
    path = trial.write(
        "main.py",
        DEFINITIONS,
        """
        def train(params):
            for method in ("fork", "spawn"):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    print(pool.map(square, [2]), pool.map(build, [1]), flush=True)
            return float(len(pickle.dumps(Net(1))))

        if __name__ == "__main__":
            from raydrive.runtime.inline import run_inline
            from raydrive.testing.runners import function_config
            print(run_inline(function_config(), train).trials[0].state)
        """,
    )
    lines = run_script(path).splitlines()
    assert lines[:2] == ["[12] [Result(value=1.0)]"] * 2
    assert lines[-1] == "Completed"


def test_a_script_that_another_one_runs_has_a_main_of_its_own(trial: Trial) -> None:
    """As notebooks do, and ``raydrive run-script``: the globals are not those of ``sys.modules["__main__"]``."""
    same = "pickle.loads(pickle.dumps(Net(1))) == Net(1), pickle.loads(pickle.dumps(slow))(1)"
    body = f"def train(params):\n    print({same})"
    trial.write("user.py", DEFINITIONS, body, SUBMITTING)
    script = "import sys\nexec(compile(open('user.py').read(), 'user.py', 'exec'), {'__name__': '__main__'})"
    run_script(trial.write("main.py", script), str(trial.pickled))
    (exit_,) = trial.run()
    assert (exit_.code, trial.text) == (0, "True 2\n")
