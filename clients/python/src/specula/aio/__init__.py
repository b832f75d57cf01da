"""Specula for asyncio: the same calls as in `specula`, of the same names, to be awaited.

>>> async def main():
...     async with specula.aio.connect(agent) as vm:
...         result = await vm.exec(["uname", "-s"])
...         async with vm.exec_stream("seq 2") as stream:
...             chunks = [chunk.data async for chunk in stream]
...         return result.text, b"".join(chunks)
>>> asyncio.run(main())
('Linux\\n', b'1\\n2\\n')

A task that is cancelled cancels its call, and ends the process tree of its command. Errors and results
are those of `specula`.
"""

from specula.aio._fleet import Fleet
from specula.aio._host import Host, connect
from specula.aio._streams import ExecStream, LineStream, Stream, TailStream

__all__ = ["ExecStream", "Fleet", "Host", "LineStream", "Stream", "TailStream", "connect"]
