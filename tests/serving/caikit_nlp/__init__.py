"""A library for caikit's own runtime: its one module repeats the prompt and goes on in its words.

It has the name of IBM's, and its parameters in the same order, so that the runtime gives it the
same paths, services and field numbers: those that `infer` speaks. Runs in an environment of its
own, with caikit and without this package.
"""

from collections.abc import Iterable

from caikit.core import ModuleBase, module
from caikit.interfaces.nlp.data_model import (
    FinishReason,
    GeneratedTextResult,
    GeneratedTextStreamResult,
    TokenStreamDetails,
)
from caikit.interfaces.nlp.tasks import TextGenerationTask


@module("f9181353-4ccf-4572-bd1e-f12bcda26792", "Text Generation", "0.1.0", TextGenerationTask)
class Repeating(ModuleBase):
    """` and` as often as tokens are asked for, after the prompt."""

    @classmethod
    def load(cls, model_path: str, **kwargs: object) -> "Repeating":
        return cls()

    @TextGenerationTask.taskmethod()
    def run(
        self,
        text: str,
        max_new_tokens: int = 20,
        min_new_tokens: int = 0,
        truncate_input_tokens: int = 0,
        decoding_method: str = "GREEDY",
    ) -> GeneratedTextResult:
        _check(text, decoding_method)
        return GeneratedTextResult(
            generated_text=text + " and" * max_new_tokens,
            generated_tokens=max_new_tokens,
            finish_reason=FinishReason.MAX_TOKENS,
        )

    @TextGenerationTask.taskmethod(output_streaming=True)
    def run_stream_out(
        self,
        text: str,
        max_new_tokens: int = 20,
        min_new_tokens: int = 0,
        truncate_input_tokens: int = 0,
        decoding_method: str = "GREEDY",
    ) -> Iterable[GeneratedTextStreamResult]:
        _check(text, decoding_method)
        for count in range(1, max_new_tokens + 1):
            is_last = count == max_new_tokens
            reason = FinishReason.MAX_TOKENS if is_last else FinishReason.NOT_FINISHED
            yield GeneratedTextStreamResult(
                generated_text=" and",
                details=TokenStreamDetails(finish_reason=reason, generated_tokens=count, seed=1),
            )
            if text == "break":
                raise RuntimeError("broken")


def _check(text: str, decoding_method: str) -> None:
    if decoding_method != "GREEDY" or text == "refuse":
        raise ValueError("refused")
