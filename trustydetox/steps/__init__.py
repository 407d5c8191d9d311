"""The built-in steps by name, per role; a class is imported when its step is asked for.

Add a step: write its class, give it a line here, and the contract tests find it by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

_SCORING = "trustydetox.steps.scoring"
_ATTRIBUTING = "trustydetox.steps.attributing"

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "scorers": {
        "encoder": f"{_SCORING}:EncoderScorer",
        "ngrams": f"{_SCORING}:NgramScorer",
    },
    "attributors": {
        "token-head": f"{_ATTRIBUTING}:TokenHead",
        "integrated-gradients": f"{_ATTRIBUTING}:IntegratedGradients",
        "gradient-x-activation": f"{_ATTRIBUTING}:GradientXActivation",
        "leave-one-out": f"{_ATTRIBUTING}:LeaveOneOut",
        "blend": f"{_ATTRIBUTING}:Blend",
    },
    "maskers": {},
    "infillers": {},
    "checks": {},
}
