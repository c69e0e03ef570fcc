"""Background jobs, as in app.star, in Python. It has the same pages, and the same
state, so either of the two can continue where the other one was stopped.

    asgibox run jobs.py

A POST sends a job to a channel and returns at once. A consumer of that channel does
the job, one slice at a time. The page receives the progress over a WebSocket.

Jobs survive a restart of the server, even kill -9. The response to the POST is sent
when the job is on disk."""

import json
import time
import uuid
from typing import Any, Dict

from asgibox import Channel, Group, JsonResponse, Message, Request, render, route, state, static, view

SLICES = 20  # of a new job


def page(request: Request) -> Any:
    return render("page.html")


def submit(request: Request) -> Any:
    below = request.POST.get("below", "")
    if not below.isdecimal() or not 10 <= int(below) <= 2000000:
        return (400, "below must be a number from 10 to 2000000")
    job: Dict[str, Any] = {
        "id": str(uuid.uuid4()), "below": int(below), "slices": SLICES, "slice": 0, "found": 0,
        "state": "queued", "attempt": 1, "at": int(time.time()),
    }  # fmt: skip
    state.set("job/" + job["id"], job)
    show(job)
    Channel("jobs.primes").send(job)
    return JsonResponse(job, status=202)


def jobs(request: Request) -> Any:
    found = [state.get(key) for key in state.keys("job/")]
    return sorted((job for job in found if job), key=lambda job: int(job["at"]), reverse=True)


def work(message: Message) -> None:
    """Counts the primes of one slice and queues the next one."""
    job = message.content
    stored = state.get("job/" + job["id"])
    if not stored or stored["attempt"] != job["attempt"]:
        return  # the job was deleted, or was sent again after a restart
    width = job["below"] // job["slices"] + 1
    first = job["slice"] * width
    job["found"] += sum(prime(n) for n in range(first, min(first + width, job["below"])))
    job["slice"] += 1
    job["state"] = "done" if job["slice"] == job["slices"] else "running"
    if not state.update("job/" + job["id"], lambda stored: job if stored else None):
        state.delete("job/" + job["id"])  # it was deleted in the meantime
        return
    show(job)
    if job["state"] != "done":
        Channel("jobs.primes").send(job)


def prime(n: int) -> bool:
    if n < 2 or n % 2 == 0:
        return n == 2
    i = 3
    while i * i <= n:
        if n % i == 0:
            return False
        i += 2
    return True


def show(job: Dict[str, Any]) -> None:
    """Sends a job to every open page."""
    Group("jobs").send({"text": json.dumps(job)})


def delete(request: Request, id: str) -> None:
    state.delete("job/" + id)
    return None  # no content


def on_start() -> None:
    # A message is delivered at most once. If the server was killed while it
    # counted, the message of that slice is gone. So the jobs that are not done are
    # sent again, as a new attempt, and messages of earlier attempts are ignored.
    for key in state.keys("job/"):
        job = state.update(key, lambda job: dict(job, attempt=job["attempt"] + 1) if job else None)
        if job and job["state"] != "done":
            Channel("jobs.primes").send(job)


def listen(message: Message) -> None:
    message.reply_channel.send({"accept": True})
    Group("jobs").add(message.reply_channel)


channel_routing = [
    view("/", page),
    view("/jobs", jobs, methods=["GET"]),
    view("/jobs", submit, methods=["POST"]),
    view("/jobs/<id>", delete, methods=["DELETE"]),
    static("/static/", "static"),
    route("jobs.primes", work, concurrency=2),
    route("websocket.connect", listen, path=r"^/progress$"),
]
