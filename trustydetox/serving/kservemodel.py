"""The detoxifier as a model of KServe's server: V1 and V2, REST and gRPC.

    python -m trustydetox.serving.kservemodel --model_name detox --recipe mini

is the command of an InferenceService's container, and takes the options of KServe's own server
(`--http_port`, `--grpc_port`, …) but for two: more than one of `--workers` is refused, since the
model can't be handed to other processes, and `--enable_latency_logging` is off unless it is said.
Those of a transformer (`--predictor_…`) change nothing. It listens on all addresses, as KServe's
server does.

V1 takes `{"instances": ["…"]}` and gives `{"predictions": ["…"]}`, the mended texts. V2 takes one
BYTES tensor and gives three of its shape: `text`, the mended texts, `verdict` and `toxicity`, of
the text as it came. A text that can't be mended is redacted, or what `--fallback` says.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trustydetox.detoxifier import Detoxifier
from trustydetox.errors import ConfigError, DetoxError, require_extra
from trustydetox.records import Record
from trustydetox.serving.batching import Batcher, OverloadError
from trustydetox.serving.judging import Answer, Judge, Question
from trustydetox.serving.service import Limits

if TYPE_CHECKING:
    import kserve


def kserve_model(
    name: str, detoxifier: Detoxifier, *, limits: Limits | None = None
) -> kserve.Model:
    """A model for `kserve.ModelServer`, ready; requests that come together are computed together.

    limits: of these `texts`, `characters`, `waiting` and `batch` count; the rest is the server's.
    """
    import kserve

    if detoxifier.fallback == "drop":
        raise ConfigError("a tensor has no place for a dropped text: fallback redact or keep")
    allowed = limits or Limits()
    judge = Judge(detoxifier)

    class DetoxModel(kserve.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name)
            self._batcher: Batcher[Question, Answer] = Batcher(
                judge, largest=allowed.batch, capacity=allowed.waiting
            )

        def load(self) -> bool:
            judge.make_ready()
            self.ready = True
            return self.ready

        def get_input_types(self) -> list[dict[str, Any]]:
            return [{"name": "text", "datatype": "BYTES", "shape": [-1]}]

        def get_output_types(self) -> list[dict[str, Any]]:
            kinds = {"text": "BYTES", "verdict": "BYTES", "toxicity": "FP32"}
            return [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in kinds.items()]

        async def predict(
            self, payload: Any, headers: Any = None, response_headers: Any = None
        ) -> Any:
            is_v1 = isinstance(payload, dict)
            texts, shape = _instances(payload) if is_v1 else _tensor(payload)
            if refusal := allowed.refusal(texts):
                raise kserve.errors.InvalidInput(refusal)
            try:
                answers = await self._batcher.results([Question(one, "rewrite") for one in texts])
            except OverloadError:
                raise _busy(is_grpc=not is_v1 and payload.from_grpc) from None
            except Exception as error:
                # The server logs what it catches, and an exception's words may quote a text.
                raise kserve.errors.InferenceError(type(error).__name__) from None
            records = [answer for answer in answers if isinstance(answer, Record)]
            for answer in answers:
                if isinstance(answer, str):
                    raise kserve.errors.InferenceError(answer)
            outputs = [record.output or "" for record in records]
            return {"predictions": outputs} if is_v1 else _response(payload, shape, records)

    model = DetoxModel()
    model.load()
    return model


def _instances(payload: dict[str, Any]) -> tuple[list[str], list[int]]:
    from kserve.errors import InvalidInput

    texts = payload.get("instances")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput('expected {"instances": ["text", …]}')
    return texts, [len(texts)]


def _tensor(request: Any) -> tuple[list[str], list[int]]:
    """The texts of the one BYTES tensor, row by row, and its shape."""
    from kserve.errors import InvalidInput

    tensors = [one for one in request.inputs if one.datatype == "BYTES"]
    if len(tensors) != 1:
        raise InvalidInput(f"expected one tensor of BYTES, got {len(tensors)}")
    shape = list(tensors[0].shape)
    try:
        values = tensors[0].as_numpy().ravel().tolist()
        # JSON brings str, everything else bytes.
        texts = [one.decode() if isinstance(one, bytes) else one for one in values]
    except UnicodeDecodeError:
        raise InvalidInput("expected BYTES in UTF-8") from None
    except Exception:
        raise InvalidInput(f"expected as many values as the shape {shape} has places") from None
    if not all(isinstance(text, str) for text in texts):
        raise InvalidInput("expected BYTES that are texts")
    return texts, shape


def _response(request: Any, shape: list[int], records: Sequence[Record]) -> Any:
    from kserve import InferOutput, InferResponse

    columns = {
        "text": ("BYTES", [record.output or "" for record in records]),
        "verdict": ("BYTES", [record.verdict.value for record in records]),
        "toxicity": ("FP32", [record.toxicity.overall for record in records]),
    }
    return InferResponse(
        response_id=request.id or "",
        model_name=request.model_name,
        infer_outputs=[
            InferOutput(name=name, shape=shape, datatype=kind, data=values)
            for name, (kind, values) in columns.items()
        ],
    )


def _busy(*, is_grpc: bool) -> Exception:
    message = "too many texts wait; try again"
    refusal: Exception
    if is_grpc:
        from grpc_interceptor.exceptions import ResourceExhausted

        refusal = ResourceExhausted(message)
    else:
        from fastapi import HTTPException

        refusal = HTTPException(429, message, {"retry-after": "1"})
    return refusal


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, with KServe's options and those of this module."""
    require_extra("kserve", "a model of KServe", "kserve")

    import kserve
    from kserve.logging import KSERVE_LOG_CONFIG, configure_logging
    from kserve.model_server import parser as options

    from trustydetox.recipes import load_recipe

    parser = argparse.ArgumentParser(
        prog="python -m trustydetox.serving.kservemodel", parents=[options]
    )
    parser.add_argument("--recipe", default="mini", help="which steps do the work")
    parser.add_argument("--threshold", type=float, help="from which toxicity on; the recipe's")
    parser.add_argument("--fallback", default="redact", help="redact or keep")
    parser.set_defaults(enable_latency_logging=False)
    asked = parser.parse_args(arguments)
    # KServe's own, but for the access log, which it writes among the data on standard output.
    logs = copy.deepcopy(KSERVE_LOG_CONFIG)
    for handler in logs["handlers"].values():
        handler["stream"] = "ext://sys.stderr"
    if asked.configure_logging:
        configure_logging(asked.log_config_file or logs)
    try:
        if asked.workers != 1:
            raise ConfigError(
                f"expected --workers 1, got {asked.workers}: the model can't be handed to other "
                "processes; for more, raise minReplicas of the InferenceService"
            )
        pipeline = load_recipe(asked.recipe, threshold=asked.threshold, fallback=asked.fallback)
        model = kserve_model(asked.model_name, pipeline)
    except DetoxError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    kserve.ModelServer(
        http_port=asked.http_port,
        grpc_port=asked.grpc_port,
        enable_grpc=asked.enable_grpc,
        enable_latency_logging=asked.enable_latency_logging,
    ).start([model])


if __name__ == "__main__":
    main()
