"""The built-in steps by name, per role; a class is imported when its step is asked for.

Add a step: write its class, give it a line here, and the contract tests find it by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

_SCORING = "trustydetox.steps.scoring"
_ATTRIBUTING = "trustydetox.steps.attributing"
_DIVERGING = "trustydetox.steps.diverging"
_IDENTIFYING = "trustydetox.steps.identifying"
_MASKING = "trustydetox.steps.masking"
_SPARING = "trustydetox.steps.sparing"
_INFILLING = "trustydetox.steps.infilling"
_EDITING = "trustydetox.steps.editing"
_FILLING = "trustydetox.steps.filling"
_RANKING = "trustydetox.steps.ranking"
_CHECKING = "trustydetox.steps.checking"

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "scorers": {
        "encoder": f"{_SCORING}:EncoderScorer",
        "ngrams": f"{_SCORING}:NgramScorer",
        "classifier": f"{_SCORING}:ClassifierScorer",
        "token-classifier": f"{_SCORING}:TokenClassifierScorer",
        "worst-sentence": f"{_SCORING}:WorstSentence",
        "attributed": f"{_SCORING}:Attributed",
        "ensemble": f"{_SCORING}:Ensemble",
        "moderation": f"{_SCORING}:ModerationScorer",
        "guard": f"{_SCORING}:GuardScorer",
        "recorded": f"{_SCORING}:RecordedScores",
        "identifier": f"{_IDENTIFYING}:BagScorer",
        "gated": f"{_IDENTIFYING}:Gated",
    },
    "attributors": {
        "token-head": f"{_ATTRIBUTING}:TokenHead",
        "toxic-sentences": f"{_ATTRIBUTING}:ToxicSentences",
        "word-prior": f"{_ATTRIBUTING}:WordPrior",
        "integrated-gradients": f"{_ATTRIBUTING}:IntegratedGradients",
        "gradient-x-activation": f"{_ATTRIBUTING}:GradientXActivation",
        "leave-one-out": f"{_ATTRIBUTING}:LeaveOneOut",
        "expert-divergence": f"{_DIVERGING}:ExpertDivergence",
    },
    "maskers": {
        "threshold": f"{_MASKING}:Threshold",
        "share-of-strongest": f"{_MASKING}:ShareOfStrongest",
        "sparing": f"{_SPARING}:Sparing",
    },
    "infillers": {
        "delete": f"{_INFILLING}:Delete",
        "phrase-table": f"{_INFILLING}:PhraseTable",
        "tag-and-edit": f"{_EDITING}:TagAndEdit",
        "masked-lm": "trustydetox.steps.guessing:MaskedLMInfiller",
        "seq2seq": "trustydetox.steps.rewriting:Seq2SeqInfiller",
        "chat": "trustydetox.steps.chatting:ChatInfiller",
        "expert-fill": f"{_FILLING}:ExpertInfiller",
        "expert-decode": f"{_FILLING}:ExpertDecoder",
        "ranked": f"{_RANKING}:Ranked",
        "leaving": "trustydetox.steps.leaving:Leaving",
        "idioms": "trustydetox.steps.phrasing:Idioms",
        "together": f"{_INFILLING}:Together",
        "first-of": f"{_INFILLING}:FirstOf",
    },
    "checks": {
        "less-toxic": f"{_CHECKING}:LessToxic",
        "nothing-new": f"{_CHECKING}:NothingNew",
        "facts-kept": f"{_CHECKING}:FactsKept",
        "whole": f"{_CHECKING}:Whole",
        "contained": f"{_CHECKING}:Contained",
        "not-emptied": f"{_CHECKING}:NotEmptied",
    },
}
