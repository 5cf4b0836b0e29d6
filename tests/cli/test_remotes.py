"""Every command answers for a run behind a network as for one in a folder: fsspec, S3, Drive by its API."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from drive_server.faults import Delay, ExpiredToken, Fault, Match, Refuse
from drive_server.server import DriveServer
from remotes.servers import Server, s3_server
from run_folders import flip, forge, manifests, newest_pack, own_pack, picture

from colab_resume.checkpoints.digest import digest_of
from colab_resume.checkpoints.fetching import prove_pack
from colab_resume.checkpoints.names import pack_name
from colab_resume.checkpoints.pack import Slab, write_pack
from colab_resume.cli import COMMANDS, looking, places, runs, verifying
from colab_resume.cli.doctor.afar import QUESTIONS, Asked
from colab_resume.errors import DamagedCheckpoint, UsageError
from colab_resume.remotes import BytesSource, FileSource, Remote
from colab_resume.remotes.drive_api import DriveAPI
from colab_resume.remotes.filesystem import FilesystemRemote
from colab_resume.remotes.opening import open_remote

from .conftest import Answer, Call

PROJECT = Path(__file__).parents[2]
LOOKING = (["ls"], ["show"], ["show", "6"], ["verify"], ["verify", "--all"], ["history"], ["metrics"])
SECRET = "the secret of a client"


@dataclass(frozen=True)
class Far:
    """Where the runs of the folder `drive` lie once more, and how the command line is led there."""

    where: str
    remote: Remote
    words: tuple[str, ...] = ()
    server: Any = field(default=None, compare=False)

    def call(self, call: Call, verb: str, run: str, *words: object) -> Answer:
        return call(verb, f"{self.where}/{run}" if run else self.where, *words, *self.words)

    def replace(self, folder: Path, path: Path) -> None:
        """Make one object what the file below `folder` is now."""
        name = path.relative_to(folder).as_posix()
        self.remote.put(name, FileSource(path)) if path.exists() else self.remote.delete(name)


def send(folder: Path, remote: Remote) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        remote.put(path.relative_to(folder).as_posix(), FileSource(path))


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_url(s3: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The command line takes no options of fsspec's, but the environment tells its client where S3 is."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return f"s3://bucket/{tmp_path.name}"


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[DriveServer]:
    """Its time is the true one: keys of service accounts are signed with a time by whoever uses them."""
    with DriveServer() as server:
        monkeypatch.setenv("COLAB_RESUME_DRIVE_URL", server.url)
        yield server
    assert server.violations == []


@pytest.fixture
def robot(google: DriveServer, tmp_path: Path) -> Path:
    """The key file of a service account."""
    path = tmp_path / "robot.json"
    path.write_text(json.dumps(google.service_account()))
    return path


@pytest.fixture
def person(google: DriveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an authorized user. None says where tokens are had, so it has one already for other processes."""
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", google.token_uri)
    path = tmp_path / "person.json"
    told = {"type": "authorized_user", "client_id": "client", "client_secret": SECRET, "token": google.new_token()}
    ends = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    path.write_text(json.dumps({**told, "refresh_token": google.refresh_token, "expiry": ends}))
    return path


@pytest.fixture(params=["robot", "person"])
def either_key(request: pytest.FixtureRequest) -> Path:
    key: Path = request.getfixturevalue(request.param)
    return key


@pytest.fixture(params=["file", "memory", "s3", "drive"])
def far(request: pytest.FixtureRequest, drive: Path, tmp_path: Path) -> Far:
    """The runs of the folder `drive`, with the same names, somewhere else."""
    made: Far = _FAR[request.param](request, tmp_path)
    send(drive, made.remote)
    return made


def _on_drive(request: pytest.FixtureRequest, tmp_path: Path) -> Far:
    server, key = request.getfixturevalue("google"), request.getfixturevalue("robot")
    remote = DriveAPI("a/runs", credentials=key, root_url=server.url)
    return Far("drive:a/runs", remote, ("--credentials", str(key)), server)


def _at(url: str) -> Far:
    return Far(url, open_remote(url))


_FAR: dict[str, Callable[[pytest.FixtureRequest, Path], Far]] = {
    "file": lambda request, tmp_path: _at(f"file://{tmp_path}/far"),
    "memory": lambda request, tmp_path: _at(f"memory://{tmp_path.name}/runs"),
    "s3": lambda request, tmp_path: _at(request.getfixturevalue("s3_url")),
    "drive": _on_drive,
}


@pytest.fixture
def far_drive(request: pytest.FixtureRequest, drive: Path, tmp_path: Path) -> Far:
    """Only on Drive, where all requests can be seen."""
    made = _on_drive(request, tmp_path)
    send(drive, made.remote)
    made.server.log.clear()
    return made


def command(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own."""
    line = (sys.executable, "-m", "colab_resume", *map(str, words))
    return subprocess.run(line, cwd=PROJECT, text=True, capture_output=True, check=False, **options)


def timeless(text: str) -> list[list[str]]:
    """The words of each line, without how long ago something was, which is another second every second."""
    return [re.sub(r"just now|\d+ (s|min) ago", "lately", line).split() for line in text.splitlines()]


def downloads(server: DriveServer) -> list[str]:
    """What was asked for of contents."""
    return [line.path for line in server.log if "alt=media" in line.path]


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_far_run_looks_like_a_near_one(call: Call, drive: Path, far: Far, words: list[str]) -> None:
    """The answer about one run is, word for word, what it is for the folder."""
    near, there = call(words[0], drive / "digits", *words[1:]), far.call(call, words[0], "digits", *words[1:])
    assert (there.status, timeless(there.out), there.err) == (0, timeless(near.out), "")


@pytest.mark.parametrize("words", [["ls"], ["verify", "--all"]], ids=" ".join)
def test_what_holds_runs_is_looked_through(call: Call, drive: Path, far: Far, words: list[str]) -> None:
    """All runs are found, and told by name."""
    near, there = call(words[0], drive, *words[1:]), far.call(call, words[0], "", *words[1:])
    assert (there.status, timeless(there.out), there.err) == (0, timeless(near.out), "")
    answer = far.call(call, "show", "")
    assert answer.status == 1
    assert "holds runs: digits, 数字 ä — give the folder of one, as '" in answer.err


def test_json_says_where_a_run_is(call: Call, far: Far) -> None:
    """Each run's `folder` can be given to the other commands."""
    runs = json.loads(far.call(call, "ls", "", "--json").out)["runs"]
    assert [run["run"] for run in runs] == ["digits", "数字 ä"]
    assert call("show", runs[0]["folder"], *far.words).status == 0
    assert json.loads(far.call(call, "ls", "digits", "--json").out) == runs[0]


def test_a_pull_brings_the_same_as_from_a_folder(call: Call, drive: Path, far: Far, tmp_path: Path) -> None:
    """Manifest, packs, journals and records, byte for byte; a second pull copies nothing."""
    near, there = tmp_path / "near", tmp_path / "there"
    newest = drive / "digits" / "checkpoints" / f"{manifests(drive / 'digits')[-1].name}.json"
    forge(newest, lambda document: document.update(later="unknown"))
    far.replace(drive, newest)
    call("pull", drive / "digits", near)
    said = json.loads(far.call(call, "pull", "digits", there, "--json").out)
    assert said["copied"] == said["bytes"] > 0
    contents = [{name: data for name, (_, data) in picture(one).items()} for one in (near, there)]
    assert all(content.pop("run.json") for content in contents)
    assert contents[0] == contents[1]
    assert json.loads(far.call(call, "pull", "digits", there, "--json").out)["copied"] == 0
    assert call("verify", there, "--all").status == 0


def test_a_pull_needs_no_dest(call: Call, far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes a folder of the run's name where it was called."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert far.call(call, "pull", "digits").status == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["digits"]
    assert call("verify", "digits").status == 0


def test_an_export_is_the_same_as_from_a_folder(call: Call, drive: Path, far: Far, tmp_path: Path) -> None:
    """Byte for byte, and nothing is left beside it."""
    (tmp_path / "out").mkdir()
    call("export", drive / "digits", tmp_path / "near.safetensors", "--part", "model")
    answer = far.call(call, "export", "digits", tmp_path / "out" / "m.safetensors", "--part", "model")
    assert answer.status == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["m.safetensors"]
    assert (tmp_path / "out" / "m.safetensors").read_bytes() == (tmp_path / "near.safetensors").read_bytes()


def test_damage_is_found_far_away_too(call: Call, drive: Path, far: Far, tmp_path: Path) -> None:
    """Flipped bits, missing packs and broken manifests have the same findings, and nothing damaged is brought."""
    digits = drive / "digits"
    pack, bad, good = newest_pack(digits)
    flip(pack)
    gone = own_pack(digits, 0)
    gone.unlink()
    broken = digits / "checkpoints" / f"{manifests(digits)[1].name}.json"
    flip(broken)
    for path in (pack, gone, broken):
        far.replace(drive, path)
    for words in (["ls"], ["verify"]):
        near, there = call(words[0], digits), far.call(call, words[0], "digits")
        assert (there.status, timeless(there.out)) == (near.status, timeless(near.out))
    answer = far.call(call, "pull", "digits", tmp_path / "dest")
    assert answer.status == 0
    assert [f"{name} skipped" in answer.err for name in bad] == [True] * len(bad)
    assert good.name in answer.out
    answer = far.call(call, "export", "digits", tmp_path / "m.pt")
    assert good.name in answer.out
    assert far.call(call, "export", "digits", tmp_path / "n.pt", bad[-1]).status == 1
    assert not (tmp_path / "n.pt").exists()


@pytest.mark.parametrize("verb", ["ls", "show", "verify", "pull", "history", "metrics"])
def test_nothing_there_is_one_line(call: Call, far: Far, verb: str) -> None:
    """A folder that is not there holds no run, and the status is 1."""
    answer = far.call(call, verb, "nowhere")
    assert (answer.status, answer.out, len(answer.err.splitlines())) == (1, "", 1)
    assert "nowhere" in answer.err
    assert " — " in answer.err


def test_the_doctor_looks_at_a_far_run(far: Far) -> None:
    """At its space, its newest checkpoint, its sessions; it reads no pack."""
    credentials = far.words[1] if far.words else None
    findings = list(QUESTIONS["run"](Asked(where=f"{far.where}/digits", credentials=credentials, seconds=10)))
    assert not [finding for finding in findings if finding.wrong]
    assert [finding.about for finding in findings] == [
        *["remote"] * 2,
        "run",
        *["checkpoint"] * 2,
        *["session"] * 2,
    ]
    if far.server is not None:
        packs = [item.id for item in _inside(far.server, "a/runs/digits/packs")]
        assert not [path for path in downloads(far.server) if any(pack in path for pack in packs)]


def test_a_bucket_that_is_not_there_is_one_line(call: Call, s3_url: str) -> None:
    """It is no empty folder, and no traceback."""
    answer = call("ls", "s3://no-such-bucket/runs")
    assert (answer.status, answer.out, len(answer.err.splitlines())) == (1, "", 1)
    assert "no-such-bucket" in answer.err
    assert SECRET not in answer.err


def test_a_password_in_a_url_is_not_shown(call: Call) -> None:
    """What stands before the `@` is for the server alone."""
    for where in ("memory://me:password@nowhere/runs", "nonsense://me:password@nowhere/runs"):
        answer = call("ls", where)
        assert answer.status == 1
        assert "password" not in answer.err
        assert "nowhere/runs" in answer.err
    for where in ("s3://key:password@bucket/runs", "gs://key:pass/password@bucket", "s3://password@bucket/runs"):
        answer = call("ls", where)
        assert answer.status == 1
        assert "password" not in answer.err
        assert "holds no keys" in answer.err


@pytest.mark.parametrize("words", [["ls"], ["show"], ["history"], ["metrics"]], ids=" ".join)
def test_who_only_looks_downloads_no_pack(call: Call, far_drive: Far, words: list[str]) -> None:
    """Of contents, manifests and journals are asked for, each once, and no pack."""
    far_drive.call(call, words[0], "digits")
    server = far_drive.server
    packs = {item.id for name in ("digits", "数字 ä") for item in _inside(server, f"a/runs/{name}/packs")}
    assert packs
    asked = downloads(server)
    assert len(asked) == len(set(asked)) > 0
    assert not [path for path in asked if any(pack in path for pack in packs)]


def _inside(server: DriveServer, path: str) -> list[Any]:
    (folder,) = server.account.find(path)
    return list(server.account.children(folder.id))


def test_an_export_of_one_part_downloads_its_packs_only(
    call: Call, drive: Path, far_drive: Far, tmp_path: Path
) -> None:
    """What lies in other packs is not needed for it."""
    tagged = next(manifest for manifest in manifests(drive / "digits") if len(manifest.packs) > 1)
    part = tagged.state["model"]
    needed = {ref.pack for ref in tagged.tensors[part["first"] : part["first"] + part["count"]]}
    assert needed < set(tagged.packs)
    assert far_drive.call(call, "export", "digits", tmp_path / "m.pt", tagged.name, "--part", "model").status == 0
    asked = downloads(far_drive.server)
    packs = {item.name for item in _inside(far_drive.server, "a/runs/digits/packs") if any(item.id in a for a in asked)}
    assert packs == needed


def test_many_runs_are_listed_with_few_requests(call: Call, drive: Path, far_drive: Far) -> None:
    """Four lists for each run, and two requests for each checkpoint; no folder is looked for by itself."""
    for number in range(12):
        send(drive / "数字 ä", open_remote(f"drive:a/runs/r{number}", credentials=far_drive.words[1]))
    far_drive.server.log.clear()
    answer = far_drive.call(call, "ls", "")
    assert len(answer.lines) == 1 + 14
    each = len(manifests(drive / "数字 ä"))
    first = len(manifests(drive / "digits"))
    assert places.open_place(far_drive.where, far_drive.words[1]).at_a_time == 8
    asked = [line for line in far_drive.server.log if line.method_id.startswith("drive")]
    assert len(asked) <= 8 + 14 * 4 + 2 * (13 * each + first)


def test_several_questions_are_asked_at_a_time() -> None:
    """Eight wait for each other here, which they could not if one were asked after the other."""
    met = threading.Barrier(8, timeout=20)
    answers = looking.of_each(range(16), lambda number: (met.wait() >= 0, number), at_a_time=8)
    assert answers == [(True, number) for number in range(16)]


def test_the_first_error_ends_the_questions() -> None:
    """What one question raised comes out, and what nobody has begun is not asked any more."""
    asked: list[int] = []

    def ask(number: int) -> None:
        asked.append(number)
        if number == 0:
            raise UsageError("the first", hint="none")
        threading.Event().wait(0.005)  # an answer takes a while

    with pytest.raises(UsageError):
        looking.of_each(range(1000), ask, at_a_time=8)
    assert len(asked) < 1000


def test_proving_a_far_pack_takes_little_memory(s3: Server, tmp_path: Path) -> None:
    """64 MiB go past their proof, and a bit that is wrong at their end is noticed."""
    data = memoryview(bytes(64 << 20))
    name = pack_name("0000000001-aaaaaa", 0)
    info = write_pack(tmp_path / name, [Slab("x", "U8", (len(data),), data, digest_of(data))])
    remote = s3.open("bucket/large")
    remote.put(f"packs/{name}", FileSource(tmp_path / name))
    told: list[int] = []
    tracemalloc.start()
    prove_pack(remote, name, info, progress=told.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(told) == info.size
    assert peak < 24 << 20
    flip(tmp_path / name)
    remote.put(f"packs/{name}", FileSource(tmp_path / name))
    with pytest.raises(DamagedCheckpoint, match="another digest"):
        prove_pack(remote, name, info, progress=told.append)


class _FromThenOn:
    """True for the first request that names one of these ids, and for all after it."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = tuple(ids)
        self._begun = False

    def __call__(self, call: Any) -> bool:
        self._begun = self._begun or any(one in call.target for one in self._ids)
        return self._begun


@pytest.mark.parametrize(
    ("verb", "folder"),
    [
        ("ls", "checkpoints"),
        ("verify", "packs"),
        ("pull", "packs"),
        ("export", "packs"),
        ("history", "sessions"),
        ("metrics", "journal"),
    ],
)
def test_an_ended_login_is_no_damage(call: Call, far_drive: Far, tmp_path: Path, verb: str, folder: str) -> None:
    """If Drive refuses everything from some file on, that is said, and no checkpoint is called damaged."""
    ended = _FromThenOn(item.id for item in _inside(far_drive.server, f"a/runs/digits/{folder}"))
    far_drive.server.faults.add(Fault(Match("drive.*", where=ended), ExpiredToken(), times=None))
    more = {"pull": [tmp_path / "dest"], "export": [tmp_path / "m.pt"]}.get(verb, [])
    answer = far_drive.call(call, verb, "digits", *more)
    assert answer.status == 1
    assert "authenticate again" in answer.err
    assert "damaged" not in answer.out + answer.err
    assert "skipped" not in answer.err


def test_what_goes_away_meanwhile_is_not_damaged(drive: Path, far: Far) -> None:
    """Retention deletes a manifest and then its packs, also between a list and what is read by it."""
    credentials = far.words[1] if far.words else None
    gone, later, *_ = manifests(drive / "digits")
    (listed,) = looking.listed([places.open_place(f"{far.where}/digits", credentials)])
    far.remote.delete(f"digits/checkpoints/{gone.name}.json")
    (run,) = runs._found([listed])
    assert not run.unreadable
    far.remote.delete(f"digits/checkpoints/{later.name}.json")
    for pack in later.packs.keys() - {pack for m in manifests(drive / "digits")[2:] for pack in m.packs}:
        far.remote.delete(f"digits/packs/{pack}")
    found = list(verifying._look(run, [].append, everything=True))
    assert {finding.what for finding in found} == {m.name for m in manifests(drive / "digits")[2:]}
    assert {finding.state for finding in found} == {"ok"}


@pytest.mark.slow
def test_a_laptop_needs_a_key_file_and_no_more(drive: Path, google: DriveServer, either_key: Path) -> None:
    """As a process of its own, with a service account's key and with an authorized user's, also by the environment."""
    tmp_path, file = drive.parent, either_key
    send(drive, open_remote("drive:", credentials=file))
    done = command("ls", "drive:colab_resume", "--credentials", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert timeless(done.stdout) == timeless(command("ls", drive).stdout)
    done = command("pull", "drive:/digits/../digits", tmp_path / "no", "--credentials", file)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    environment = {**os.environ, "COLAB_RESUME_CREDENTIALS": str(file)}
    done = command("pull", "drive:colab_resume/digits", tmp_path / "digits", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert command("verify", tmp_path / "digits", "--all").returncode == 0


def test_drive_without_a_folder_is_the_usual_one(google: DriveServer, robot: Path, call: Call) -> None:
    """`drive:` means `drive:colab_resume`; a Path of it is no folder of this machine."""
    open_remote(Path("drive:colab_resume/run"), credentials=str(robot)).put("run.json", BytesSource(b"{}"))
    (item,) = google.account.find("colab_resume/run/run.json")
    assert item.size == 2
    answer = call("ls", "drive:", "--json", "--credentials", robot)
    assert json.loads(answer.out)["runs"][0]["folder"] == "drive:colab_resume/run"


@pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb not in ("demo", "doctor")])
def test_only_drive_takes_credentials(call: Call, digits: Path, verb: str, tmp_path: Path) -> None:
    """A key that would not be used is a mistake, and said to be one; every command has the option.

    The doctor's page says it as well, and goes on."""
    more = [tmp_path / "m.pt"] if verb == "export" else []
    for where in (digits, "s3://bucket/runs", "memory://runs"):
        answer = call(verb, where, *more, "--credentials", "key.json")
        assert (answer.status, answer.out) == (1, "")
        assert "only drive:FOLDER takes credentials" in answer.err


@pytest.mark.parametrize("verb", [verb for verb in COMMANDS if verb != "demo"])
def test_help_shows_credentials_by_an_example(call: Call, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's help says what they are, and how they are given."""
    with pytest.raises(SystemExit):
        call(verb, "--help")
    _, _, examples = capsys.readouterr().out.partition("examples:")
    assert "drive:colab_resume" in examples
    assert "--credentials key.json" in examples


def test_a_key_file_that_is_none_is_one_line(call: Call, google: DriveServer, robot: Path, tmp_path: Path) -> None:
    """Not there, no JSON, another kind, half a key: the path is told, and not what is in it."""
    told = json.loads(robot.read_text())
    wrong = {
        "torn.json": robot.read_text()[:-20],
        "other.json": json.dumps({**told, "type": "external_account"}),
        "half.json": json.dumps({**told, "private_key": told["private_key"][:300]}),
    }
    for name, text in wrong.items():
        (tmp_path / name).write_text(text)
    for name in ("nowhere.json", *wrong):
        answer = call("ls", "drive:colab_resume", "--credentials", tmp_path / name)
        assert (answer.status, answer.out, len(answer.err.splitlines())) == (1, "", 1)
        assert name in answer.err
        assert not leaked(google, answer.out + answer.err)


def leaked(server: DriveServer, text: str) -> list[str]:
    """The secrets that are in a text: of keys, of tokens."""
    key = server.service_account()["private_key"].splitlines()[1:-1]
    secrets = [*key, server.refresh_token, SECRET, *server._tokens._ends]
    return [secret for secret in secrets if secret in text]


@pytest.mark.parametrize("fault", [None, Refuse(403, "forbidden"), Refuse(401, "authError")], ids=repr)
def test_secrets_are_never_shown(
    call: Call, drive: Path, google: DriveServer, either_key: Path, fault: Refuse | None
) -> None:
    """Whatever a command does and however it is refused, no key, token or secret is on stdout or stderr."""
    send(drive / "digits", DriveAPI("runs", credentials=either_key, root_url=google.url))
    if fault is not None:
        google.faults.add(Fault("drive.*", fault, skip=12, times=None))
    lines: list[list[object]] = [["ls"], ["show"], ["verify"], ["history"], ["metrics"], ["pull", drive / "to"]]
    for verb, *words in [*lines, ["export", drive / "m.pt"], ["show", "--json"], ["show", "no such tag"]]:
        answer = call(verb, "drive:runs", *words, "--credentials", either_key)
        assert not leaked(google, answer.out + answer.err)
        assert "Traceback" not in answer.err
    assert google._tokens._ends


@pytest.mark.slow
def test_what_stays_unavailable_is_one_line(call: Call, google: DriveServer, either_key: Path) -> None:
    """It is asked several times, and then said how often, without a secret."""
    google.faults.add(Fault("drive.*", Refuse(500), times=None))
    answer = call("ls", "drive:", "--credentials", either_key)
    assert (answer.status, answer.out, len(answer.err.splitlines())) == (1, "", 1)
    assert "(tries: 5)" in answer.err
    assert not leaked(google, answer.err)


def test_a_key_that_is_refused_is_not_shown(call: Call, google: DriveServer, tmp_path: Path) -> None:
    """A person's refresh token that Google does not take, with nothing but that to go by."""
    told = {"type": "authorized_user", "client_id": "me", "client_secret": SECRET, "refresh_token": "1//another"}
    ends = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    (tmp_path / "key.json").write_text(json.dumps({**told, "token": "ya29.wrong", "expiry": ends}))
    with pytest.MonkeyPatch.context() as patch:
        import google.oauth2.credentials as module

        patch.setattr(module, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", google.token_uri)
        answer = call("ls", "drive:", "--credentials", tmp_path / "key.json")
    assert (answer.status, answer.out, len(answer.err.splitlines())) == (1, "", 1)
    assert not [secret for secret in ("1//another", "ya29.wrong", SECRET) if secret in answer.err]


@pytest.mark.slow
def test_an_interrupt_ends_at_once(drive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ctrl-C while Drive is slow: status 130, one line, and soon."""
    arrived = threading.Event()

    def stall(seconds: float) -> None:
        arrived.set()
        threading.Event().wait(1)

    with DriveServer(wait=stall) as server:
        key = tmp_path / "robot.json"
        key.write_text(json.dumps(server.service_account()))
        send(drive / "digits", DriveAPI("runs", credentials=key, root_url=server.url))
        server.faults.add(Fault(Match("drive.files.get_media"), Delay(1), times=None))
        line = [sys.executable, "-m", "colab_resume", "ls", "drive:runs", "--credentials", str(key)]
        env = {**os.environ, "COLAB_RESUME_DRIVE_URL": server.url}
        process = subprocess.Popen(
            line, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert arrived.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "colab-resume: interrupted\n")


def test_looking_at_a_far_run_needs_no_torch(robot: Path, google: DriveServer, drive: Path) -> None:
    """A laptop without torch can look at what is on Drive, and bring it."""
    send(drive / "digits", DriveAPI("runs", credentials=robot, root_url=google.url))
    code = "import sys; from colab_resume.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    for words in (["ls"], ["verify", "--all"], ["history"], ["metrics"], ["pull", str(drive / "dest")]):
        line = [sys.executable, "-c", code, words[0], "drive:runs", *words[1:], "--credentials", str(robot)]
        done = subprocess.run(line, cwd=PROJECT, text=True, capture_output=True, check=True)
        assert done.stdout.splitlines()[-1] == "0 False"


def test_folders_of_a_remote_are_its_own(tmp_path: Path) -> None:
    """Files, and folders with names that no object can have, are not among them."""
    from fsspec.implementations.local import LocalFileSystem

    for name in ("b", "a ü", ".part-x", "new\nline", "b/deeper"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    remote = FilesystemRemote(LocalFileSystem(), str(tmp_path), protocol="sftp")
    assert remote.folders() == ["a ü", "b"]
    assert FilesystemRemote(LocalFileSystem(), str(tmp_path / "c"), protocol="sftp").folders() == []
