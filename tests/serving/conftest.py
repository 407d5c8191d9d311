from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tests.fakes import detoxifier
from trustydetox.serving.service import Limits, create_app

Serve = Callable[[Any], str]


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The URL of an ASGI app on a free port, served by uvicorn in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve an app until the test ends."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serving(app))


@pytest.fixture
def service() -> Iterator[Callable[..., httpx.Client]]:
    """A client of a service whose steps are the fakes; keywords are its limits."""
    with ExitStack() as stack:

        def _service(pipeline: Any = None, **limits: Any) -> httpx.Client:
            pipeline = pipeline or detoxifier(fallback="redact")
            url = stack.enter_context(serving(create_app(pipeline, limits=Limits(**limits))))
            return stack.enter_context(httpx.Client(base_url=url, timeout=20))

        yield _service


@pytest.fixture(scope="session")
def saved_opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny OPT as an export leaves it; to be read only."""
    from tests.serving.models import save_tiny_opt

    return save_tiny_opt(tmp_path_factory.mktemp("opt") / "model")


@pytest.fixture
def opt(saved_opt: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled."""
    return shutil.copytree(saved_opt, tmp_path / "model")
