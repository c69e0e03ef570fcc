"""Background jobs, as in app.star, in Python. It has the same pages, and the same
state, so either of the two can continue where the other one was stopped.

    asgibox run jobs.py

A POST sends a job to a channel and returns at once. A consumer of that channel does
the job, one slice at a time. The page receives the progress over a WebSocket.

Jobs survive a restart of the server, even kill -9. The response to the POST is sent
when the job is on disk."""

import json
import re
import time
import uuid
from typing import Any, Dict, List

from asgibox import Channel, ChannelFull, Group, JsonResponse, Message, Request, render, route, state, static, view

SLICES = 20  # of a new job
KEEP = 100  # jobs in the list


def page(request: Request) -> Any:
    return render("page.html")


def submit(request: Request) -> Any:
    below = request.POST.get("below", "")
    if not re.fullmatch("[0-9]{2,7}", below) or not 10 <= int(below) <= 2000000:
        return (400, "below must be a number from 10 to 2000000")
    if not make_room():
        return (503, "too many jobs wait; try again later")
    job: Dict[str, Any] = {
        "id": str(uuid.uuid4()), "below": int(below), "slices": SLICES, "slice": 0, "found": 0,
        "state": "queued", "attempt": 1, "at": int(time.time()),
    }  # fmt: skip
    state.set("job/" + job["id"], job)
    show(job)
    if not queue(job):
        remove(job["id"])
        return (503, "too many jobs wait; try again later")
    return JsonResponse(job, status=202)


def make_room() -> bool:
    """Deletes the oldest jobs that are done, if the list is full. Reports whether
    there is room for another job."""
    known = all_jobs()
    for job in known[KEEP - 1 :]:
        if job["state"] == "done":
            remove(job["id"])
    return len([job for job in known if job["state"] != "done"]) < KEEP


def queue(job: Dict[str, Any]) -> bool:
    """Sends a job to the workers. Reports whether the channel had room."""
    try:
        Channel("jobs.primes").send(job)
    except ChannelFull:
        return False
    return True


def all_jobs() -> List[Dict[str, Any]]:
    """Returns the jobs, the newest first."""
    found = [state.get(key) for key in state.keys("job/")]
    return sorted((job for job in found if job), key=lambda job: int(job["at"]), reverse=True)


def jobs(request: Request) -> Any:
    return all_jobs()


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
    if job["state"] != "done" and not queue(job):
        message.consume_later()  # the channel is full: count this slice again, later


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


def remove(id: str) -> None:
    state.delete("job/" + id)
    show({"id": id, "state": "deleted"})


def delete(request: Request, id: str) -> None:
    remove(id)
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
    # First the group: the page asks for the list when its socket is open, and a
    # change between the list and the group would be lost.
    Group("jobs").add(message.reply_channel)
    message.reply_channel.send({"accept": True})


channel_routing = [
    view("/", page),
    view("/jobs", jobs, methods=["GET"]),
    view("/jobs", submit, methods=["POST"]),
    view("/jobs/<id>", delete, methods=["DELETE"]),
    static("/static/", "static"),
    route("jobs.primes", work, concurrency=2),
    route("websocket.connect", listen, path=r"^/progress$"),
]
