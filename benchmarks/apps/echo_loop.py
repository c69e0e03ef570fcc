"""An echo that receives itself."""

while True:
    channel, message = layer.receive_many(["websocket.connect", "websocket.receive"], block=True)
    if channel == "websocket.connect":
        layer.send(message["reply_channel"], {"accept": True})
    else:
        layer.send(message["reply_channel"], {"text": message["text"]})
