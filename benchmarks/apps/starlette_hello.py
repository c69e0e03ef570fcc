"""Starlette's smallest application, for uvicorn and asgibox."""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def hello(request):
    return PlainTextResponse("Hello World!")


app = Starlette(routes=[Route("/", hello)])
