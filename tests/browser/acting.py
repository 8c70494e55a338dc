"""`celery` with one more page in Flower, on which something can be done: what it does is to tell of itself."""

from __future__ import annotations

from celery.__main__ import main
from tornado.web import HTTPError, url

from worker.flower.pages import catalogue
from worker.flower.pages.actions import ActionHandler
from worker.flower.pages.base import PageHandler
from worker.flower.pages.page import Page


class Notes(PageHandler):
    name = "notes"

    def get(self) -> None:
        form = {"action": self.reverse_url("note", "17"), "label": "Write", "sure": "I mean it", "asks_reason": True}
        self.finish(b"<!doctype html><title>Notes</title>" + self.render_string("action.html", **form))


class Note(ActionHandler):
    name = "notes"

    async def act(self, *where: str) -> str:
        if self.reason == "taken":
            raise HTTPError(409, "Somebody else did it.")
        if self.reason.startswith("job "):
            return await self.submit("users.update_balance", {"user_id": 42, "amount_kopeks": int(self.reason[4:])})
        return f"{self.operator} wrote {self.reason} on {where[0]}"

    def back(self, *where: str) -> str:
        return f"{self.reverse_url('jobs')}?key={where[0]}"


catalogue.PAGES += (Page("notes", "Notes", "notes", Notes, [url(r"/notes/(\d+)", Note, name="note")]),)  # type: ignore[misc]

if __name__ == "__main__":
    main()
