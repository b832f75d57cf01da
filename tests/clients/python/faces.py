"""Both faces of the client with one shape, so that each test is written once."""

import asyncio
import inspect

import specula


class Threads:
    """`specula` as it is."""

    connect = staticmethod(specula.connect)
    Fleet = specula.Fleet

    def close(self):
        pass

    @staticmethod
    def map(fleet, method, *arguments):
        return fleet.map(lambda host: getattr(host, method)(*arguments))


class Asyncio:
    """`specula.aio`, each awaitable awaited on a loop of its own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()

    def close(self):
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def connect(self, *arguments, **options):
        return Waiting(self._loop, specula.aio.connect(*arguments, **options))

    def Fleet(self, *arguments, **options):
        return Waiting(self._loop, specula.aio.Fleet(*arguments, **options))

    def map(self, fleet, method, *arguments):
        return fleet.map(lambda host: getattr(host, method)(*arguments))


class Waiting:
    """An object of specula.aio, used without await."""

    def __init__(self, loop, inner):
        self._loop = loop
        self._inner = inner

    def _wait(self, value):
        if inspect.isawaitable(value):

            async def wait():
                return await value

            return self._loop.run_until_complete(wait())
        return value

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments, **options):
            value = self._wait(found(*arguments, **options))
            return Waiting(self._loop, value) if hasattr(value, "__aiter__") else value

        return call

    def __enter__(self):
        self._wait(self._inner.__aenter__())
        return self

    def __exit__(self, *error):
        self._wait(self._inner.__aexit__(*error))

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self._wait(self._inner.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None
