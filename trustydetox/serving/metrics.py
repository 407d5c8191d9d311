"""What a service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable


class Metrics:
    """Counts of one service, and the process's own memory and processor time.

    Labels hold known paths, statuses and verdicts only, so their number is bounded and none can
    carry a text.

    waiting: asked for the number of texts that wait whenever the metrics are read.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        from prometheus_client import (
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            ProcessCollector,
        )

        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "trustydetox_requests", "Requests answered.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "trustydetox_request_seconds",
            "From the first byte of a request to its answer.",
            ["path"],
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "trustydetox_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self.texts = Counter(
            "trustydetox_texts", "Texts judged, by verdict.", ["verdict"], registry=self.registry
        )
        self.batch = Histogram(
            "trustydetox_batch_texts",
            "Texts of a batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        Gauge(
            "trustydetox_waiting_texts", "Texts that no batch has taken.", registry=self.registry
        ).set_function(waiting)

    def page(self) -> tuple[bytes, str]:
        """The numbers as Prometheus reads them, and the content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST
