"""Words that ask for another one."""

from __future__ import annotations

import pytest

from trustydetox.steps.holes import dangling


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("you are an", 1),
        ("you are an idiot.", 0),
        ("clinton is , twice .", 1),
        ("This is your. And that is\nThe end is", 3),
        ("ban, plan, this, won't be", 1),  # words that only end like one
        ("don't you dare to!", 1),
        ("the on the phone and only a would know", 2),
        ("the one is on a train", 0),
        ("close the door, you!", 1),
        ("I love you. Is it you, you say, you know", 0),
        ("come here, you", 1),
        ("She's. And that's what he likes. Let's", 1),
        ("They escorted the out and lost to behind us", 2),
        ("my old on your new and ya old of it", 3),
        ("love ya and on my own and the old and the new, ya little one", 0),
        ("being a rude, but a bad, rude plan, a bad one", 1),
        ("Those. I like those. We", 1),
        ("why are you being? It seemed", 2),
        ("as being that he was one, being one, a human being that sings", 1),
        ("He is no, he wins. If you weren't so you would. They’re sooo.", 3),
        ("No, I say so, and so you said. It is so that you know. He is so tired", 0),
        ("shut the up, the ups and downs", 1),
        ("a piece of thing, a pile of things, that kind of thing, a type of person", 1),
        ("a complete naive. a really bad; a bit rude. a real idiot. he is so naive", 2),
        ('they see you ". I [know (that “it', 4),
        ('he said "no" (and “yes”) [so]', 0),
        ("I hate you)", 1),
        ("I hate you :-) and (you) (: too", 0),
        ("You (are late :)", 1),
        ('b) my 27" screen is "new" stuff, it is 5\'10" high', 0),
        ('You", and "fool too', 2),
        ('he said " idiot " , " me', 1),
        ('"a "b" c" (d (e))', 0),
        ("'Read it, he said. ‘You too", 2),
        ("'Read it', she didn't say. ‘Read’ it, «now» {so}", 0),
        ("You're… you are a naive (and I know it), an (lol)", 3),
        ('a "sir" and an "idiot". He is "an"', 1),
        ("<i>an</i> - well, an - well", 2),
        ("you're an #fail, a #1 fan, some thing, some things", 2),
        ("such bad \U0001f602. don't be such naive, please. such good people, so bad", 2),
        ("It is just. They're really. He is just so. She is pretty.", 2),
        ("it's to brand us, it is to me, it is hard to say, known as etc", 3),
        ("What they do is bad. Last May was bad. They are bad", 0),
        ("Why do we are bad? It can't are bad. It could are bad. Are bad this, loser", 4),
        ("an up-and-coming man, my in-laws, an off-topic rant", 0),
        ('He wrote "you got a 3" there, a 27" one', 0),
        ("Tell 'em that freakin' dog, 'til the '90s", 0),
        ("be such bad person, such a little bad about it, such a bad man about it", 2),
        ("u r. that is ur. what is r. U R late", 2),
        ("a bad bad plan and and so. What. So what. your fellow of us", 4),
        ("an *bad*! a *bad* day. u r a naive lol", 2),
        (
            "the most bad plan. the plan ever. the worst plan ever. the best ever, ever made",
            2,
        ),
        ("It could are bad. Does it are bad? It didn't really are bad, but they are bad", 3),
        ("It was a little. They are totally! He is one crazy, isn't he? It's kind of", 4),
        ("the willfully. wow be quiet , little. be quiet, little one, and the daily paper", 2),
        ("Completely. I agree completely. Oh, absolutely. It was a little late. one big man", 1),
        (
            "one of the people i have ever met. The thing you've ever said. one of the people that "
            "anyone has ever met. the nicest people i have ever met. the day i ever go. the one i "
            "never met. the man who ever",
            3,
        ),
        ("He called me in front of her. I was called by him. Calling someone is bad", 3),
        ("They called me in. He treats people by age. He called. I was called Tom", 2),
        ("He called her in front of us. calling the man during it. I felt when I saw it", 3),
        ("He called me a friend, she calls my brother Tom, it was called off", 0),
        ("It would be not to take it. It is best not to go. It is not to wear it", 2),
        ("either. neither a nor. either a rude or blind. either you go or not, a good or bad", 3),
        ("What kind of would do that. It is kind of nice. some kind of can", 2),
        ("a rude to the new. a **naive** and I am done. a bad plan than this", 3),
        ("a rude and long talk, a bad plan, more than a bad plan, rude to the new", 0),
        ("more naive than that, less rude than him, rather mean than bad. it is bad than that", 1),
        ("the biggest person. an utter person. a total guy, a bigger plan, the complete guide", 3),
        ("You lucky! ya big. you old friend, u poor, thing", 3),
        ("He's (really). It is—really. She is --really. it is -really, and (you)", 3),
        ("an <b></b>. <i>x</i> <em class='a'> </em>\n- \n-\n- one\n# one # #two", 6),
        ("# Title\n- one\n* two\n#tag #other c#b", 0),
        ("The most. Could you be any more? Not even more. At the most two, more, and most", 3),
        ("stop being a girl, hurt like a woman; don't be a boy, like a man", 4),
        ("a woman. being a girlfriend, like a man-made lake, like that girl", 0),
        ("", 0),
    ],
)
def test_a_word_that_asks_for_another_dangles_before_a_sign_or_the_end(
    text: str, count: int
) -> None:
    assert dangling(text) == count
