"""A chat with rooms, as app.star is, in Python. It has the same pages, and the same
state, so either of the two can continue where the other one was stopped.

    asgibox run chat.py

Each browser has one WebSocket. A room is a group of sockets. Open the page in two
browsers. Then change a line of this file, save it and send a message: the new code
handles it, and the sockets stay connected."""

import json
import re
import time
import uuid
from typing import Any, Callable, List

from asgibox import Group, Message, Request, render, route, state, static, view

KEEP = 200  # messages in the history of a room
ROOMS = 30  # besides the lobby
PEOPLE = 200  # in a room


def group(room: str) -> Group:
    return Group("chat-" + room)


def notify(room: str, event: str, **fields: Any) -> None:
    group(room).send({"text": json.dumps(dict(fields, event=event))})


# Over HTTP: the page and the list of rooms.


def page(request: Request, room: str = "lobby") -> Any:
    if not re.fullmatch(ROOM, room, re.ASCII):
        return (404, "the name of a room has 1 to 40 letters, digits, - and _")
    return render("page.html", {"room": room})


def rooms(request: Request) -> Any:
    return [{"room": room, "here": len(set(people(room)["names"]))} for room in names_of_rooms()]


def names_of_rooms() -> List[str]:
    return sorted({key.split("/", 1)[1] for key in state.keys("here/") + state.keys("said/")})


# Over the WebSocket: a person joins, sends messages and leaves.


def join(message: Message, room: str, who: str) -> None:
    if not has_room(room):
        message.deny()
        return
    message.reply_channel.send({"accept": True})
    message.channel_session["room"] = room
    message.channel_session["who"] = who
    # From here on the page gets every event. Some may overtake the welcome or
    # be in it too, so messages have an id and lists of people a number.
    group(room).add(message.reply_channel)
    here = change_people(room, lambda names: names + [who])
    notify(room, "joined", who=who, here=here)
    welcome = {"event": "welcome", "here": here, "said": state.get("said/" + room, [])}
    message.reply_channel.send({"text": json.dumps(welcome)})


def has_room(room: str) -> bool:
    """Reports whether one more person may join. Everyone can open rooms, and the
    memory of state has an end."""
    known = names_of_rooms()
    return len(people(room)["names"]) < PEOPLE and (room in [*known, "lobby"] or len(known) < ROOMS)


def say(message: Message) -> None:
    room = message.channel_session["room"]
    text = (message.get("text") or "").strip()
    if not text or len(text.encode()) > 6000:  # the page permits 2,000 characters
        return
    entry = {"id": str(uuid.uuid4()), "who": message.channel_session["who"], "text": text, "at": int(time.time())}
    state.append("said/" + room, entry, keep=KEEP)
    notify(room, "said", **entry)


def leave(message: Message) -> None:
    room = message.channel_session.get("room")
    who = message.channel_session.get("who", "")
    if room:
        notify(room, "left", who=who, here=change_people(room, lambda names: without(names, who)))


def without(names: List[str], who: str) -> List[str]:
    # A person may be in a room twice, in two tabs. Remove one of them.
    if who in names:
        names.remove(who)
    return names


# The people in a room, with the number of changes: a page shows the newest list.

NOBODY = {"number": 0, "names": []}


def people(room: str) -> Any:
    return state.get("here/" + room, NOBODY)


def change_people(room: str, change: Callable[[List[str]], List[str]]) -> Any:
    return state.update(
        "here/" + room,
        lambda here: {"number": here["number"] + 1, "names": change(here["names"])},
        default=NOBODY,
    )


def on_start() -> None:
    # No socket survives a restart of the server, but the lists in state do.
    for key in state.keys("here/"):
        state.delete(key)


ROOM = r"[\w-]{1,40}"
PATH = r"^/chat/(?P<room>" + ROOM + r")/(?P<who>[^/]{1,40})$"

channel_routing = [
    view("/", page),
    view("/rooms", rooms),
    view("/rooms/<room>", page),
    static("/static/", "static"),
    route("websocket.connect", join, path=PATH),
    route("websocket.receive", say),
    route("websocket.disconnect", leave),
]
