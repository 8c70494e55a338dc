"""What a service of asyncio publishes money jobs with. docs/publishing.md, "From asyncio"."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from typing_extensions import Self

from balance_client.aio.answers import Answers
from balance_client.aio.handles import AsyncJobHandle
from balance_client.aio.home import Home
from balance_client.aio.outgoing import TOGETHER_MAX, Outgoing
from balance_client.aio.redis_answers import RedisAnswers
from balance_client.aio.reply_queue import ReplyQueueAnswers
from balance_client.brokers.tls import Tls
from balance_client.publishing.confirmed import NotAccepted
from balance_client.publishing.handles import PublishFailed
from balance_client.publishing.job_message import JobMessage, JobSpec
from balance_client.publishing.job_methods import JobMethods
from balance_client.routing import BALANCE
from balance_client.settings import REPLIES, TIMEOUT_S, Connecting, Signer
from models.contracts.wire.envelope import DEFAULT_PRODUCER

WAITING_MAX: Final = 10_000


class _Connections:
    """What all producers of a client share."""

    def __init__(self, connecting: Connecting, max_waiting: int) -> None:
        self.home = Home()
        self._connecting = connecting
        self._answers = {url: self._answers_at(url) for url in connecting.urls}
        self._outgoing = {  # each for itself: a broker that is away keeps nothing from the others
            url: Outgoing(connecting.publisher_at(url, each.reply_to), max_waiting)
            for url, each in self._answers.items()
        }

    def _answers_at(self, broker_url: str) -> Answers:
        timeout_s, tls = self._connecting.timeout_s, self._connecting.tls
        if (where := self._connecting.results_at(broker_url)) == REPLIES:
            return ReplyQueueAnswers(self.home, broker_url, timeout_s, tls)
        return RedisAnswers(self.home, where, timeout_s, tls)

    def answers_of(self, message: JobMessage) -> Answers:
        """Where the answer to this job will be."""
        return self._answers[self._connecting.broker_of(message.account)]

    def outgoing_of(self, message: JobMessage) -> Outgoing:
        """What leaves for the same broker as this job."""
        return self._outgoing[self._connecting.broker_of(message.account)]

    async def publish_all(self, messages: Sequence[JobMessage]) -> list[BaseException | None]:
        """As Outgoing's, to all brokers at once."""
        if len(self._outgoing) == 1:
            return await self._outgoing[self._connecting.broker_url].publish_all(messages)
        places = defaultdict[Outgoing, list[int]](list)
        for place, message in enumerate(messages):
            places[self.outgoing_of(message)].append(place)
        errors: list[BaseException | None] = [None] * len(messages)

        async def leave(outgoing: Outgoing, those: list[int]) -> None:
            for place, error in zip(those, await outgoing.publish_all([messages[p] for p in those]), strict=True):
                errors[place] = error

        await asyncio.gather(*(leave(outgoing, those) for outgoing, those in places.items()))
        return errors

    async def close(self) -> None:
        if self.home.closed:
            return
        self.home.check()
        self.home.closed = True
        for each in self._outgoing.values():
            await each.finish()
        for answers in self._answers.values():
            await answers.close()
        for each in self._outgoing.values():
            await each.close()


class AsyncProducer(JobMethods[Coroutine[Any, Any, AsyncJobHandle]]):
    """Publishes money jobs for one producer, over the connections of an AsyncBalanceClient.

    Jobs leave in the order in which they are submitted, and together when that is at the same moment. Cancelled before
    its job has left, a submission is withdrawn; later, the broker may have the job or not, as after PublishFailed: the
    same key again is safe.
    """

    def __init__(self, connections: _Connections, signer: Signer) -> None:
        self._connections = connections
        self._signer = signer

    async def submit(self, job: JobSpec, *, want_result: bool = True) -> AsyncJobHandle:
        """Publishes one job: a contract's instance, or (name, keyword arguments).

        Returns when the broker has it; waits first while `max_waiting` jobs are on their way. Raises InvalidJob or
        PublishFailed, and RuntimeError when the client is closed, or belongs to another event loop or process.
        """
        self._connections.home.check()
        message = self._signer.message(job, want_result)
        handle = self._handle(message)
        outgoing = self._connections.outgoing_of(message)
        known = outgoing.enter(message) if outgoing.has_room() else await outgoing.enter_later(message)
        try:
            await known
        except NotAccepted as error:
            raise PublishFailed(str(error), [], [handle], []) from error
        return handle

    async def submit_many(self, jobs: Iterable[JobSpec], *, want_result: bool = True) -> list[AsyncJobHandle]:
        """Publishes many jobs in their order.

        Raises InvalidJob, naming the job's place, before the first is published; PublishFailed when the broker stops
        taking them; RuntimeError as `submit` does.
        """
        self._connections.home.check()
        messages = self._signer.messages(jobs, want_result)
        handles = [self._handle(each) for each in messages]
        for done in range(0, len(messages), TOGETHER_MAX):
            upto = done + TOGETHER_MAX
            errors = await self._connections.publish_all(messages[done:upto])
            if any(errors):
                raise _failure(handles[:done], list(zip(handles[done:upto], errors, strict=True)), handles[upto:])
        return handles

    def _handle(self, message: JobMessage) -> AsyncJobHandle:
        return AsyncJobHandle(message, self._connections.answers_of(message) if message.want_result else None)


def _failure(
    accepted: Sequence[AsyncJobHandle],
    tried: Sequence[tuple[AsyncJobHandle, BaseException | None]],
    not_sent: Sequence[AsyncJobHandle],
) -> BaseException:
    error = next(error for _, error in tried if error is not None)
    if not isinstance(error, NotAccepted):
        return error
    known = [*accepted, *(handle for handle, why in tried if why is None)]
    failed = PublishFailed(str(error), known, [handle for handle, why in tried if why is not None], not_sent)
    failed.__cause__ = error
    return failed


class AsyncBalanceClient(AsyncProducer):
    """BalanceClient for asyncio: `async with AsyncBalanceClient(url) as client: job = await client.wallets_top_up(…)`.

    `max_waiting`: jobs that may be on their way to a broker; who submits more of them waits for room. All else is as
    BalanceClient's.

    Connects with the first job, and has one connection for publishing (in the one thread that it starts) and one
    subscription for all results. It belongs to the event loop and the process of its first use: anywhere else it raises
    RuntimeError.
    """

    def __init__(
        self,
        broker_url: str,
        producer: str = DEFAULT_PRODUCER,
        result_url: str | None = None,
        queue: str = BALANCE,
        *,
        timeout_s: float = TIMEOUT_S,
        partitions: int = 0,
        brokers: Mapping[str, str] | None = None,
        secret: str | None = None,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        max_waiting: int = WAITING_MAX,
    ) -> None:
        signer = Signer(producer, secret)
        tls = Tls(tls_ca, tls_cert, tls_key)
        connecting = Connecting(broker_url, result_url, queue, timeout_s, partitions, tls, brokers)
        super().__init__(_Connections(connecting, max_waiting), signer)

    def for_producer(self, name: str, secret: str | None = None) -> AsyncProducer:
        """The same connections for another producer, with its own secret. Raises ValueError for what can be neither.

        It ends with this client, and has nothing to be closed.
        """
        return AsyncProducer(self._connections, Signer(name, secret))

    async def close(self) -> None:
        """Takes no more jobs, sees those through that were submitted, and ends connections and thread.

        Who still waits for an outcome gets RuntimeError: it can be had by publishing the job again.
        """
        await self._connections.close()

    async def __aenter__(self) -> Self:
        self._connections.home.check()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
