"""Whether a text is in another language, so that an English model leaves it alone.

Short, noisy or slangy English must not count: two cheap tests come before the language model.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from trustydetox.errors import ConfigError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignLanguage:
    """Says of a text whether it is confidently not English; reads its first 400 words.

    confidence: the least probability of the other language.
    min_words: texts in Latin letters with fewer words are foreign by their small words alone.
    small_words: so many of those of six other languages, and none of English, make a text foreign.

    The language model is loaded (about a second, 100 MB) at the first text that needs it: most
    English texts show it by their small words.
    """

    confidence: float = 0.65
    min_words: int = 5
    small_words: int = 2

    def __post_init__(self) -> None:
        if not 0.0 < self.confidence <= 1.0:
            raise ConfigError(f"confidence must be in (0, 1], got {self.confidence}")
        if self.min_words < 1:
            raise ConfigError(f"min_words must be at least 1, got {self.min_words}")

    def __call__(self, text: str) -> bool:
        """Whether `text` is confidently in another language."""
        plain = unicodedata.normalize("NFKC", text[:_READ])
        words = [match.group() for match in islice(_WORD.finditer(_NOISE.sub(" ", plain)), _WORDS)]
        letters = "".join(words)
        other = len(_OTHER_SCRIPT.findall(letters))
        if other >= 4 and other >= 0.6 * len(letters):
            return True
        plain_words = [word.lower().replace("’", "'") for word in words]
        english = sum(word in _ENGLISH for word in plain_words)
        if not english and sum(word in _ELSEWHERE for word in plain_words) >= self.small_words:
            return True
        if len(words) < self.min_words:
            return False
        if english >= 0.15 * len(words):
            return False
        language, probability = _identifier().classify(" ".join(words))
        return language not in _COUNTS_AS_ENGLISH and probability >= self.confidence


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


_READ = 8000  # characters
_WORDS = 400
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# Addresses, mentions, hashtags, character references and tags are in no language.
_NOISE = re.compile(r"https?://\S+|\S+@\S+|[@#&]\S+|<[^<>]*>")
_OTHER_SCRIPT = re.compile("[^\x00-\u02af\u1e00-\u1eff]")

# Nigerian Pidgin is what slang is taken for; zxx is no language at all.
_COUNTS_AS_ENGLISH = frozenset(("en", "pcm", "zxx"))

# Frequent words of Spanish, French, German, Italian, Portuguese and Dutch that are no English ones.
_ELSEWHERE = frozenset(
    """
    ein eine einen einem der das und ist bist sind nicht ich dich dir mit auch wie eres es está
    estás un una muy pero porque que qui une est les des vous suis c'est t'es pas sur sei sono che
    di è della você uma não são muito een het niet jij bent zijn
    """.split()
)

# Frequent English words that are rare in other languages written in Latin letters.
_ENGLISH = frozenset(
    """
    the and you your you're that this with what they are have it's she just like when how would
    could because about there their them were been which who will don't can't i'm not from his her
    my our all but if out one get know people think it by does did some got going
    want these those where why then than really only even more much too very should good never
    ever again something nothing someone anyone u ur im dont lol i'll i've he's that's isn't here
    look being into over after before hate stupid dumb shut go we for
    """.split()
)
