from __future__ import annotations

import pytest

from trustydetox.errors import ConfigError
from trustydetox.steps.recognising import ForeignLanguage

is_foreign = ForeignLanguage()


@pytest.mark.parametrize(
    "text",
    [
        "Ich habe gestern mit meiner Schwester telefoniert, und sie kommt am Wochenende vorbei.",
        "Eres un idiota y no quiero volver a verte nunca más.",
        "Je ne comprends pas pourquoi tu fais toujours la même erreur.",
        "Non capisco perché continui a fare sempre lo stesso errore.",
        "Amanhã vamos à praia com toda a família e os amigos.",
        "Je bent echt een idioot, laat me met rust.",
        "Jag förstår inte varför du alltid gör samma misstag.",
        "Nie rozumiem, dlaczego zawsze popełniasz ten sam błąd.",
        "Neden hep aynı hatayı yaptığını anlamıyorum.",
        "Tôi không hiểu tại sao bạn luôn mắc cùng một lỗi.",
        "Я не понимаю, почему ты всегда делаешь одну и ту же ошибку.",
        "Δεν καταλαβαίνω γιατί κάνεις πάντα το ίδιο λάθος.",
        "لا أفهم لماذا ترتكب دائما نفس الخطأ.",
        "אני לא מבין למה אתה תמיד עושה את אותה הטעות.",
        "मुझे समझ नहीं आता कि तुम हमेशा वही गलती क्यों करते हो।",
        "我不明白你为什么总是犯同样的错误。",
        "どうしていつも同じ間違いをするのか分かりません。",
        "왜 항상 같은 실수를 하는지 이해가 안 돼요.",
        "ฉันไม่เข้าใจว่าทำไมคุณทำผิดซ้ำๆ",
    ],
)
def test_a_sentence_in_another_language_is_foreign(text: str) -> None:
    assert is_foreign(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "🙂🙂🙂 !!! 12345",
        "Idiot",  # German too
        "c'est la vie",  # short
        "omg ur sooo dumb lmaooo",
        "yall gon learn 2day fr fr no cap",
        "wen he go dwn da road wit dem boyz finna pull up",
        "Hbxxx cc x CS t",
        "@jose_maria_lopez #vamos #amigos https://example.es/los/mejores/momentos lol",
        "He said 'guten Tag' and she answered 'bonjour', then they laughed.",
        "My naïve fiancée ordered crème brûlée at the café in São Paulo.",
        "f.u.c.k y0u y0u stuuuupid 1d10t",
        "def main(): print(foo); return bar, baz, qux",
        "Ignatius Reilly, Myrna Minkoff, Santa Battaglia, Lana Lee",
        "ｙｏｕ ａｒｅ ａｎ ｉｄｉｏｔ",
        "𝐲𝐨𝐮 𝐚𝐫𝐞 𝐬𝐨 𝐝𝐮𝐦𝐛",
        "aaaaaaa" * 20_000,
    ],
)
def test_short_noisy_or_slangy_english_is_not(text: str) -> None:
    assert not is_foreign(text)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("Du bist ein Idiot.", True),
        ("Sei un idiota, vai via.", True),
        ("Eres un idiota", True),
        ("You are una idiota, que pena", False),  # English among it
        ("Los Angeles, un desastre", False),  # one small word alone
    ],
)
def test_a_short_text_is_foreign_by_its_small_words(text: str, foreign: bool) -> None:
    assert ForeignLanguage()(text) is foreign


def test_fewer_words_than_the_setting_are_never_foreign_in_latin_letters() -> None:
    text = "Je bent echt een idioot, laat me met rust."
    assert not ForeignLanguage(min_words=10, small_words=10)(text)


def test_a_confidence_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"confidence must be in \(0, 1\], got 0"):
        ForeignLanguage(confidence=0.0)


def test_a_count_of_no_words_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_words must be at least 1, got 0"):
        ForeignLanguage(min_words=0)
