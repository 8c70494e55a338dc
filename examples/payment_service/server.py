"""A payment service for balance-worker's provider `http`, to try it with and to begin one's own from.

    python examples/payment_service/server.py --secret whsec_… --port 8430 --journal charges.jsonl

It moves no money: who the payer is decides what becomes of a charge (README.md). Python's standard library is enough.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

TOLERANCE_S: Final = 300  # how far the time of a request may be from ours
BODY_BYTES_MAX: Final = 65_536
SLOW_S: Final = 5.0


@dataclass
class Charge:
    """What is known of a charge. `asked`: how often. `charged`: money was taken, which happens at most once."""

    id: str
    account: str
    payer: str
    amount: int
    currency: str
    credits: str
    digest: str  # of the body that it was asked for with
    status: str = ""
    code: str | None = None
    asked: int = 0
    charged: bool = False


class Refused(Exception):
    """A request that is no charge; `status` is that of HTTP."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Book:
    """All charges, by their keys; and a journal, from which they are known again after a restart."""

    def __init__(self, journal: Path | None, public_url: str) -> None:
        self._lock = threading.Lock()
        self._charges: dict[str, Charge] = {}
        self._public_url = public_url
        self._file = None
        if journal is not None:
            if journal.exists():
                self._read(journal)
            self._file = journal.open("ab", buffering=0)

    def charge(self, key: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """The answer to a charge: its first, or what became of it since. Raises Refused."""
        digest = hashlib.sha256(body).hexdigest()
        with self._lock:
            known = self._charges.get(key)
            if known is not None and known.digest != digest:
                raise Refused(409, "this key was used for another charge")
            charge = known or _asked_for(key, body, digest)
            charged_before = charge.charged
            _decide(charge)
            charge.asked += 1
            self._charges[key] = charge
            self._write(charge, charged_now=charge.charged and not charged_before)
            return self._answer(charge)

    def confirm(self, key: str) -> Charge | None:
        """The payer agrees. None: there is no such charge, or nothing to confirm."""
        with self._lock:
            charge = self._charges.get(key)
            if charge is None or charge.status != "needs_action":
                return None
            charge.status, charge.code, charge.charged = "succeeded", None, True
            self._write(charge, charged_now=True)
            return charge

    def note(self, key: str, status: int) -> None:
        """A request that was turned away, with the status of its answer: for the journal alone."""
        with self._lock:
            self._append({"turned_away": status, "id": key, "charged_now": False})

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(charge) for charge in self._charges.values()]

    def _answer(self, charge: Charge) -> tuple[int, dict[str, Any]]:
        answer: dict[str, Any] = {"status": charge.status, "reference": f"ch_{charge.id}"}
        if charge.code is not None:
            answer["code"] = charge.code
        if charge.status == "needs_action":
            answer["link"] = f"{self._public_url}/confirm/{charge.id}"
        return 402 if charge.status == "declined" else 200, answer

    def _write(self, charge: Charge, *, charged_now: bool) -> None:
        """Before the answer: a charge that nobody knows of any more would be made again."""
        self._append({"charged_now": charged_now, "charge": asdict(charge), "id": charge.id})

    def _append(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps({"at": time.time(), **line}).encode() + b"\n")
            os.fsync(self._file.fileno())

    def _read(self, journal: Path) -> None:
        *whole, torn = journal.read_bytes().split(b"\n")
        for text in whole:
            line = json.loads(text)
            if "charge" in line:
                self._charges[line["id"]] = Charge(**line["charge"])
        if torn:  # half a line, by a kill while it was written: nothing was answered for it
            os.truncate(journal, journal.stat().st_size - len(torn))


def _asked_for(key: str, body: bytes, digest: str) -> Charge:
    try:
        wanted = json.loads(body)
        fields = {name: wanted[name] for name in ("id", "account", "payer", "amount", "currency", "credits")}
    except (ValueError, KeyError, TypeError):
        raise Refused(400, "this is no charge") from None
    if fields["id"] != key or type(fields["amount"]) is not int or fields["amount"] <= 0:
        raise Refused(400, "the id must be the key, and the amount a positive integer")
    fields["payer"] = fields["payer"] or ""
    return Charge(**fields, digest=digest)


def _decide(charge: Charge) -> None:
    """What becomes of it: a real service asks its bank here. Asked again, a charge is not decided anew."""
    kind, _, rest = charge.payer.partition("_")
    if charge.asked and charge.payer == "pending" and charge.status == "pending":
        charge.status, charge.charged = "succeeded", True  # it took a moment
    if charge.asked:
        return
    if kind == "decline":
        charge.status, charge.code = "declined", rest or "card_declined"
    elif kind == "action":
        charge.status, charge.code = "needs_action", rest or "authentication_required"
    elif kind == "pending":  # "pending" is decided when it is asked for again, "pending_forever" never
        charge.status = "pending"
    else:
        charge.status, charge.charged = "succeeded", True


def verify(secret: str, headers: Any, body: bytes, now: float) -> None:
    """Whether whoever shares the secret sent this, and just now. Raises Refused."""
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    name, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not moment.isdecimal() or abs(now - int(moment)) > TOLERANCE_S:
        raise Refused(401, "the request is too old, too new, or says no time")
    wanted = hmac.new(key, f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    for signature in headers.get("webhook-signature", "").split():  # several while a secret is being replaced
        version, _, digest = signature.partition(",")
        if version == "v1" and hmac.compare_digest(digest.encode(), base64.b64encode(wanted)):
            return
    raise Refused(401, "the signature is not that of this secret")


class Troubles:
    """What is made to go wrong: the first so many requests fail, or are carried out and never answered."""

    def __init__(self, fail: int, lose: int, delay_s: float) -> None:
        self.delay_s = delay_s
        self._fail, self._lose, self._lock = fail, lose, threading.Lock()

    def fails(self) -> bool:
        with self._lock:
            self._fail -= 1
            return self._fail >= 0

    def loses(self) -> bool:
        with self._lock:
            self._lose -= 1
            return self._lose >= 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a connection may be idle
    disable_nagle_algorithm = True
    secret: str
    book: Book
    troubles: Troubles

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True  # what it would send is not read
            self._say(413, {"error": "a body of at most 64 KB, with its length"})
            return
        body = self.rfile.read(int(length))
        key = self.headers.get("Idempotency-Key", "")
        try:
            if self.path != "/charges":
                raise Refused(404, "POST /charges")
            verify(self.secret, self.headers, body, time.time())
            self._charge(key, body)
        except Refused as refused:
            self.book.note(key, refused.status)
            self._say(refused.status, {"error": str(refused)}, {"Retry-After": "1"} if refused.status == 503 else None)

    def _charge(self, key: str, body: bytes) -> None:
        if self.troubles.fails():
            raise Refused(503, "try again")
        time.sleep(self.troubles.delay_s)
        status, answer = self.book.charge(key, body)
        if json.loads(body)["payer"] == "slow":
            time.sleep(SLOW_S)
        if self.troubles.loses():
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._say(status, answer)

    def do_GET(self) -> None:
        if self.path == "/charges":
            self._say(200, {"charges": self.book.all()})
        elif self.path.startswith("/confirm/") and self.book.confirm(self.path.removeprefix("/confirm/")):
            self._say(200, {"confirmed": True})
        else:
            self._say(404, {"error": "there is nothing here"})

    def _say(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True  # the other side did not wait

    def log_message(self, format: str, *args: Any) -> None:
        sys.stderr.write(f"{self.log_date_time_string()} {format % args}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--secret", required=True, help="shared with the worker: whsec_ and base64, or any text")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8430, help="0: any that is free; it is printed")
    parser.add_argument("--journal", type=Path, help="a line for each request, and what is known after a restart")
    parser.add_argument("--fail", type=int, default=0, metavar="N", help="the first N requests are answered with 503")
    parser.add_argument("--lose-answers", type=int, default=0, metavar="N", help="the first N charges are not answered")
    parser.add_argument("--delay-s", type=float, default=0.0, metavar="X", help="each charge takes so long")
    given = parser.parse_args()
    Handler.secret = given.secret
    Handler.troubles = Troubles(given.fail, given.lose_answers, given.delay_s)
    server = ThreadingHTTPServer((given.host, given.port), Handler)
    url = f"http://{given.host}:{server.server_port}"
    Handler.book = Book(given.journal, url)
    print(f"payment service on {url}/charges", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
