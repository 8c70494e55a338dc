"""Where anchors are kept, and from where they are asked for: the command line, beat's tick, an S3-compatible store."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from models.domain.evidence.anchors import Anchor, parts_of
from models.store.connection.session import transaction
from tests.integration.cli.conftest import Cli, told
from tests.support.anchored import Anchored, forget, lines
from tests.support.builders import ask, done, execute
from worker.anchors.faults import AnchorFault
from worker.anchors.keys import Signer, make_keys, public_keys
from worker.anchors.places import File, Stdout, place_of
from worker.anchors.tick import anchor_tick
from worker.schedule import periods
from worker.settings.settings import Settings

pytestmark = pytest.mark.tampered_ledger


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_keys(tmp_path / "keys")


@pytest.fixture
def cli(of_workers: Engine, engine: Engine, keys: tuple[Path, Path], tmp_path: Path) -> Cli:
    """As the workers' role."""
    url = of_workers.url.render_as_string(hide_password=False)
    return Cli({"database_url": url, "anchor_key": str(keys[0]), "anchor_to": str(tmp_path / "ledger.anchors")})


def test_the_command_line_anchors_and_compares(
    engine: Engine, cli: Cli, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    place = cli.settings["anchor_to"]
    done(engine, "users.upsert", user_id=1)
    refused = ask(engine, "users.update_balance", user_id=1, amount_kopeks=-1)
    assert cli.text("anchor") == "anchor: number 1, 1 accounts, 0 entries, 2 jobs since the one before\n"
    assert cli.json("anchor")["sequence"] == 2
    said = cli.text("verify", "--against", place, "--public-key", str(keys[1]))
    assert said.splitlines()[0] == "verify: ok, 1 accounts, 0 entries, 0 grants, 2 records"
    assert said.splitlines()[1].startswith("anchors: 2, the last one is number 2 of 20")
    forget(engine, refused["job_id"])
    found = cli.json("verify", "--against", place, code=1)  # the public key is that of BALANCE_ANCHOR_KEY
    problems = [finding["problem"] for finding in found["findings"]]
    assert "vanished: it was settled (insufficient_funds)" in problems
    assert any("its history was cut" in problem for problem in problems), "the journal that had it"
    assert found["anchors"]["last"]["sequence"] == 2
    _, stranger = make_keys(tmp_path / "stranger")
    strange = cli.json("verify", "--against", place, "--public-key", str(stranger), code=1)
    assert strange["anchors"] == {"count": 0, "last": None, "without_heads": []}
    assert any("none of" in finding["problem"] for finding in strange["findings"])


def test_to_stdout_goes_the_line_alone(engine: Engine, cli: Cli, tmp_path: Path) -> None:
    done(engine, "users.upsert", user_id=1)
    log = tmp_path / "of.log"
    log.write_text("".join(cli.text("anchor", "--to", "-") for _ in range(3)))
    assert [Anchor.read(parts_of(line)[1]).sequence for line in lines(log)] == [1, 2, 3]
    said = cli.text("verify", "--against", str(log))
    assert "anchors: the heads of 1, 2, 3 are not beside them" in said
    log.write_text("".join(f"{line}\n" for line in lines(log)[:2]))
    assert "anchor 3: was written, and the place has it no more" in cli("verify", "--against", str(log)).stdout


def test_a_session_that_may_settle_jobs_is_waited_for_and_one_that_cleans_up_is_not(engine: Engine, cli: Cli) -> None:
    with engine.connect() as other:
        other.execute(text("lock table jobs in share update exclusive mode"))  # as vacuum does
        assert cli("anchor").returncode == 0
        other.execute(text("select count(*) from jobs"))
        said = told(cli("anchor"))
    assert "is at work on the jobs, and this role may not see since when" in said
    assert "grant pg_read_all_stats to the role that anchors" in said
    assert cli("anchor").returncode == 0


def test_what_cannot_be_done_is_said(cli: Cli, keys: tuple[Path, Path], tmp_path: Path) -> None:
    assert "set BALANCE_ANCHOR_KEY" in told(cli("anchor", anchor_to="", anchor_key=""))
    assert "BALANCE_ANCHOR_TO needs BALANCE_ANCHOR_KEY" in told(cli("anchor", anchor_key=""))
    assert "holds no private key" in told(cli("anchor", anchor_key=str(keys[1])))
    assert "cannot be used" in told(cli("anchor", "--to", str(tmp_path / "nowhere" / "anchors")))
    missing = told(cli("verify", "--against", str(tmp_path / "nothing")))
    assert "cannot be compared with" in missing
    assert "holds no public key" in told(cli("verify", "--against", "x", "--public-key", str(keys[0])))
    assert "cannot be read back" in told(cli("verify", "--against", "-"))
    assert "say with --public-key" in told(cli("verify", "--against", "x", anchor_key="", anchor_to=""))


def test_keys_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    said = Cli().text("anchor-keys", str(tmp_path / "new"))
    private, public = (Path(line.split()[1]) for line in said.splitlines())
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert Signer(private).key in public.name
    assert [*public_keys([public])] == [Signer(private).key]


def test_an_auditor_needs_openssl_alone(anchored: Anchored, workers: Engine, tmp_path: Path) -> None:
    """The commands of docs/security.md."""
    done(workers, "users.upsert", user_id=1)
    anchored.anchor()
    anchored.anchor()
    script = """
        line=$(sed -n 2p ledger.anchors)
        printf %s "${line%% *}" | base64 -d > signature
        printf %s "${line#* }" > payload
        openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in payload -sigfile signature
        printf %s "$(sed -n 1p ledger.anchors)" | sha256sum
    """
    (tmp_path / "public.pem").write_bytes(anchored.public.read_bytes())
    ran = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    verified, previous = ran.stdout.splitlines()
    assert verified == "Signature Verified Successfully"
    assert previous.split()[0] == json.loads((tmp_path / "payload").read_text())["previous"]
    page = (Path(__file__).parents[3] / "docs" / "security.md").read_text()
    assert all(line.strip() in page for line in script.strip().splitlines())


# --- beat's tick


def test_beat_sends_none_until_there_is_a_place(keys: tuple[Path, Path]) -> None:
    assert "ledger.anchor" not in periods(Settings())
    given = Settings(anchor_to="/anchors", anchor_key=str(keys[0]), anchor_every_s=60)
    assert periods(given)["ledger.anchor"] == 60


def test_a_tick_anchors_and_says_what_keeps_it_from_it(
    engine: Engine, workers: Engine, keys: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert anchor_tick(workers, Settings()) == 0
    place = tmp_path / "ledger.anchors"
    settings = Settings(anchor_to=str(place), anchor_key=str(keys[0]))
    assert anchor_tick(workers, settings) == 1
    assert anchor_tick(workers, settings) == 0, "whoever reaches the broker can send ticks, and each reads all accounts"
    assert len(lines(place)) == 1
    assert "anchor.not_written" not in capsys.readouterr().out
    place.unlink()
    execute(engine, "update anchors set until = 0")
    assert anchor_tick(workers, settings) == 0
    assert "anchor.not_written" in (said := capsys.readouterr().out)
    assert "the next tick tries again" in said


# --- places


def test_a_place_is_what_its_name_says() -> None:
    assert isinstance(place_of("-"), Stdout)
    assert isinstance(place_of("/var/anchors"), File)
    with pytest.raises(AnchorFault, match="names no bucket"):
        place_of("s3://")


# --- rights


@pytest.mark.parametrize("privilege", ["select", "insert"])
def test_the_workers_role_needs_this_on_anchors(
    engine: Engine, workers: Engine, anchored: Anchored, privilege: str
) -> None:
    role = workers.url.username
    execute(engine, f"revoke {privilege} on anchors from {role}")
    with pytest.raises(Exception, match="permission denied for table anchors"):
        anchored.anchor()
    execute(engine, f"grant {privilege} on anchors to {role}")
    assert anchored.anchor().sequence == 1
    owner = create_engine(engine.url)
    with transaction(owner) as connection:
        assert connection.scalar(text("select count(*) from anchors")) == 1
    owner.dispose()
