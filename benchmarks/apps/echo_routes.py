"""An echo with routes."""

from asgibox import route


def connect(message):
    message.reply_channel.send({"accept": True})


def receive(message):
    message.reply_channel.send({"text": message["text"]})


channel_routing = [route("websocket.connect", connect), route("websocket.receive", receive)]
