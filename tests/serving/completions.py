"""A model of a folder behind OpenAI's completions route, as vLLM has it, for want of vLLM here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trustydetox.steps.loading import open_model, open_tokenizer


def completions_app(folder: Path, name: str) -> Any:
    """Greedy completions by the real model; another name gets vLLM's 404."""
    tokenizer = open_tokenizer(str(folder))
    model: Any = open_model("causal LM", str(folder)).eval()

    async def complete(request: Request) -> Response:
        asked = await request.json()
        if asked["model"] != name:
            message = f"The model `{asked['model']}` does not exist."
            return JSONResponse({"error": {"message": message, "code": 404}}, status_code=404)
        tokens = tokenizer(asked["prompt"], return_tensors="pt")
        with torch.inference_mode():
            said = model.generate(
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
                max_new_tokens=asked.get("max_tokens", 16),
                do_sample=False,
                pad_token_id=1,
            )
        new = said[0, tokens["input_ids"].shape[1] :]
        text = tokenizer.decode(new)
        choice = {"index": 0, "text": text, "finish_reason": "length", "logprobs": None}
        return JSONResponse({"object": "text_completion", "model": name, "choices": [choice]})

    async def healthy(_: Request) -> Response:
        return Response()

    return Starlette(
        routes=[
            Route("/v1/completions", complete, methods=["POST"]),
            Route("/health", healthy, methods=["GET"]),
        ]
    )
