"""No secret is in the repository: what detect-secrets takes for one is known in .secrets.baseline to be none.

After a new example in the documents: `detect-secrets scan --baseline .secrets.baseline`, and look at what it adds.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

ROOT: Final = Path(__file__).resolve().parent.parent
BASELINE: Final[dict[str, Any]] = json.loads((ROOT / ".secrets.baseline").read_text())
# They take every digest and every URL with a password for one, and tests are full of those: there only what has the
# form of a real key or token is looked for.
GUESSES: Final = {"Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "BasicAuthDetector"}

Secret = tuple[str, str, str]  # file, kind, digest


def found(files: Iterable[str], *, guesses: bool = True) -> set[Secret]:
    plugins = [each for each in BASELINE["plugins_used"] if guesses or each["name"] not in GUESSES]
    filters = [each for each in BASELINE["filters_used"] if not each["path"].startswith("detect_secrets.filters.regex")]
    secrets = SecretsCollection(root=str(ROOT))
    with transient_settings({"plugins_used": plugins, "filters_used": filters}):
        for file in files:
            secrets.scan_file(file)
    return {(file, secret.type, secret.secret_hash) for file, secret in secrets}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    made = (
        "requirements",
        ".secrets.baseline",
        "asyncapi.yaml",
        "examples/events/package-lock.json",
        "examples/publishers/node/package-lock.json",
    )  # by programs: digests, and what stands elsewhere too
    return [file for file in listed.splitlines() if not file.startswith(made) and (ROOT / file).is_file()]


def test_nothing_looks_like_a_secret_but_what_is_known_to_be_none() -> None:
    known = {(file, each["type"], each["hashed_secret"]) for file, all in BASELINE["results"].items() for each in all}
    assert found(file for file in tracked() if not file.startswith("tests/")) == known


def test_in_tests_nothing_looks_like_a_real_key_or_token() -> None:
    assert found((file for file in tracked() if file.startswith("tests/")), guesses=False) == set()


def test_a_secret_that_was_committed_would_be_found(tmp_path: Path) -> None:
    key, token = tmp_path / "key.pem", tmp_path / "settings.py"
    key.write_text("-----BEGIN RSA " + "PRIVATE KEY-----\n")
    token.write_text('key = "AKIA' + 'QX7V3M2LKD84ZPTN"\nurl = "redis://worker:' + 'k3Jd82hsQ@broker/0"\n')
    seen = {kind for _, kind, _ in found([str(key), str(token)])}
    assert seen == {"Private Key", "AWS Access Key", "Basic Auth Credentials"}
    assert len(found([str(key), str(token)], guesses=False)) == 2
