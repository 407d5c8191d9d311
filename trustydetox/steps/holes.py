"""What can't stand so: a word that asks for another, half a pair of quotation marks.

English. Readers of rewrites gave the reason for each rule. Writers leave such things too, so that a
check compares a text with what it was.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain


def dangling(text: str) -> int:
    """How many words of a text ask for another one where none can come any more.

    A quotation mark or a bracket without its fellow counts as such a word, and so does markup
    around nothing.
    """
    found = chain(_DANGLING.finditer(text), _AROUND_NOTHING.finditer(text))
    return _unpaired(text) + sum(1 for _ in found)


def _unpaired(text: str) -> int:
    """How many quotation marks and brackets have no fellow; smileys, inches and such aren't any."""
    text = _NO_MARK.sub(lambda match: " " * len(match[0]), text)
    depth: Counter[str] = Counter()
    alone = 0
    for match in _MARK.finditer(text):
        mark = _FELLOW.get(match[0], match[0])
        if match[0] in _EITHER:
            at = match.start()
            before, behind = text[max(0, at - 1) : at], text[at + 1 : at + 2]
            if before.isdigit() and not depth[mark]:  # inches
                continue
            opens = not before.strip() or before in _OPENS
            if opens and not behind.strip():  # it stands apart from both
                opens = not depth[mark]
        else:
            opens = match[0] in _OPENS
        if opens:
            depth[mark] += 1
        elif depth[mark]:
            depth[mark] -= 1
        else:
            alone += 1
    return alone + depth.total()


_GAP = r"[^\S\n]+"
_BORDER = r"(?![\w'’\-])"  # where a word ends
# What ends a clause; a quotation mark that opens something doesn't.
_SHUT = r"[.!?;:…)\]}”»\n–—]|--|[\"'’\-](?!\w)|</|[☀-➿\U0001f300-\U0001faff]|\Z"
_ENDS = rf"[*_]*[^\S\n]*(?:,|{_SHUT})"
_ASKS = (
    "an?|the|is|are|was|were|be|am|such|my|your|our|their|of|to|and|or|but|because|with|from|than|as"
    "|very|being|seems?|seemed|becomes?|became|like|without|into|every|ur"
    "|(?:s?he|it|that|there|who|what|you|they|we|i)['’](?:s|re|m)"
)
_NO_NOUN = (
    "an?|the|of|on|in|at|to|from|with|by|is|are|was|were|would|could|should|will|has|have|had|does|do"
    "|did|and|or|nor|but|because|who|up|out|off|away|behind|for|about|than|into|towards?|when"
    "|if|that"
)
_VERB = "is|are|was|were|would|could|does|do|did|has|have|had|can|will"
_NO_OBJECT = "of|to|with|by|from|than|behind|is|are|was|were"
_SIZE = "old|new|little|big|fellow"
_VERY = "very|really|so|pretty|absolute|complete|total|real|true|big|huge"
_COMMON = (
    "bad|rude|wrong|unsuitable|naive|mean|ignorant|unkind|unpleasant|good|great|real|total|complete"
    "|young|huge"
)
_IS = r"is|are|was|were|am|it['’]s|(?:you|they|we)['’]re|i['’]m"
_UTTERLY = "completely|totally|absolutely|utterly|extremely|incredibly"
_DEGREE = (
    rf"just|merely|really|very|quite|rather|simply|as|freaking|frickin|kinda|{_UTTERLY}"
    rf"|(?:kind|sort){_GAP}of|a{_GAP}(?:little|bit)|one{_GAP}(?:crazy|big|total|complete|real)"
)
_AUX = "can|could|may|might|must|shall|should|will|would|do|does|did|gonna"
_HIS = "my|your|his|her|our|their"
# What is said of people and is no noun, and what comes behind a noun.
_MEAN = (
    "arrogant|brainless|cheap|cheating|clueless|cocky|cold|cowardly|greedy|heartless|lazy|lying|miserable|nosy"
    "|obnoxious|pompous|selfish|shameless|smug|sneaky|spineless|spoiled|stingy|ungrateful|useless|worthless"
)
_WENT = (
    "always|never|just|still|only|who|that|which|out|off|up|over|has|have|had|is|was|are|were|will|would"
    "|could|did|does|left|took|went|came|sold|told|got|made|gave|ran|said|lied|stole|keeps?|thinks?|wants?"
)
_NEVER = r"(?:can|could|should|would|must|might|wo|do|does|did)n?['’]t"
_BETWEEN = "i|we|it|this|that|they|he|she|you|really|just|not|never|always|even|probably"
_GENDER = "girl|woman|lady|boy|man"
# What an order doesn't begin with.
_NO_ORDER = (
    "done|because|hi|hello|hey|bye|thanks|yes|no|nope|ok|okay|sorry|sure|right|wrong|why|what|who|how"
    "|where|when|the|this|that|these|those|my|your|an?|there|i|you|s?he|they|we|it"
)
_SUBJECT = "i|you|s?he|they|we|it"
# A comma behind an adjective may part it from another; before one of these it ends the clause.
_NEW_CLAUSE = rf",{_GAP}(?:but|so|which|who|please|thanks|lol|plain|{_SUBJECT}){_BORDER}"
_RULES = (
    # you are an. | what the, and so on
    rf"(?:{_ASKS})(?={_ENDS})",
    rf"(?<=\bu )r(?={_ENDS})",
    # They escorted the out. | your fellow of the north | ya old of
    rf"(?:an?|the|(?:my|your|our|their)(?:{_GAP}(?:{_SIZE}))?|y[ao]{_GAP}(?:{_SIZE}))"
    rf"(?={_GAP}(?:{_NO_NOUN}){_BORDER})",
    # she lost to behind us
    rf"(?:of|to|with|by|from)(?={_GAP}(?:{_NO_OBJECT}){_BORDER})",
    # a piece of thing | that's some thing
    rf"(?<!kind )(?<!sort )(?<!type )of(?={_GAP}(?:thing|person){_BORDER})",
    rf"some(?={_GAP}thing{_BORDER})",
    # a complete naive. | such a bad, but | an *bad*!
    rf"(?:an?|such){_GAP}(?:(?:{_VERY}){_GAP})?[*_\"“‘]*(?:{_COMMON})"
    rf"(?=[*_]*[^\S\n]*(?:\(|{_SHUT})|{_NEW_CLAUSE}|{_GAP}(?:lol|lmao|haha)\b)",
    # be such bad person | such a little bad about it
    rf"such(?={_GAP}(?:{_COMMON}){_GAP}(?:person|man|woman|guy|thing){_BORDER})",
    rf"(?<=such )an?{_GAP}(?:little{_GAP})?(?:{_COMMON})(?={_GAP}(?:about|at|of|to|in){_BORDER})",
    # The most. | Could you be any more?
    rf"(?:(?<=\bthe )most|(?<=\bany )more|(?<=\beven )more)(?={_ENDS})",
    # the most bad plan | the plan ever
    rf"the(?={_GAP}most{_GAP}bad\b"
    rf"|{_GAP}(?!\w*st\b)\w+{_GAP}ever(?:[^\S\n]*[.!?…\n]|\Z))",
    # one of the people I have ever met
    rf"(?<=\bone of )the(?={_GAP}(?!\w*st\b)\w+{_GAP}(?:[\w'’]+{_GAP}){{1,4}}ever\b)",
    rf"the(?={_GAP}(?!\w*st\b|day\b|night\b|moment\b|time\b|minute\b|man\b|woman\b)\w+{_GAP}"
    rf"(?:(?:that|which){_GAP})?(?:{_SUBJECT})"
    rf"(?:{_GAP}(?:have|has|had|will)|['’](?:ve|s|d|ll)){_GAP}ever\b)",
    # My boss called me in front of everyone. | I was called by your agent.
    rf"treat(?:s|ed|ing)?{_GAP}\w+(?={_ENDS})"
    rf"|(?:call(?:s|ed|ing)?|label(?:s|l?ed|l?ing)|treat(?:s|ed|ing)?){_GAP}"
    rf"(?:me|us|you|him|her|them|(?:my|your|him|her)self|(?:our|your|them)selves|someone|somebody|people|(?:my|your|his|our|their|the){_GAP}\w+)"
    rf"(?={_ENDS}|{_GAP}(?:in|by|on|at|for|because|when|during|again|is|was|and|every){_BORDER})",
    rf"(?:am|is|are|was|were|be|been|being|got){_GAP}called(?={_ENDS}|{_GAP}by{_BORDER})",
    # I felt when I pushed that door.
    rf"(?:feel|feels|felt)(?={_GAP}(?:when|because|after){_BORDER})",
    # It would be not to take it.
    rf"(?:be|is|was|it['’]s)(?={_GAP}not{_GAP}to\b)",
    # neither a nor. | either a rude or blind | what kind of ships it?
    rf"(?:either|neither)(?={_ENDS}|{_GAP}(?:person|thing)\b)"
    rf"|either{_GAP}an?{_GAP}(?:{_COMMON})(?={_GAP}or\b)",
    rf"(?:kind|sort){_GAP}of(?={_GAP}(?:{_VERB}){_BORDER})",
    # a rude to the new hires | a naive and I am done | a bad plan than this one
    rf"an?{_GAP}[*_]*(?:{_COMMON})[*_]*(?={_GAP}(?:to{_GAP}(?:the|my|your|him|her|them|me|us|people)"
    rf"|(?:and|so|because|but){_GAP}(?:{_SUBJECT})){_BORDER})",
    rf"an?{_GAP}(?:{_COMMON})(?={_GAP}\w+{_GAP}than\b)",
    rf"(?<!more )(?<!less )(?<!rather )(?:{_COMMON})(?={_GAP}than\b)",
    # the biggest person I know | a complete and utter person
    rf"(?:biggest|bigger|utter|complete|total|absolute)"
    rf"(?={_GAP}(?:bad{_GAP})?(?:person|people|man|guy|thing){_BORDER})",
    # way than a male | such bad that all laugh | you absolute wrong. | like naive. | look a bad
    rf"(?:{_IS}|way|far)(?={_GAP}than{_BORDER})",
    rf"such(?={_GAP}(?:{_COMMON}){_GAP}that{_BORDER})",
    rf"(?:absolute|complete|total|utter)(?={_GAP}(?:{_COMMON}){_ENDS})",
    rf"like(?={_GAP}(?:{_COMMON}){_ENDS})",
    rf"looks?(?={_GAP}an?{_GAP}(?:{_COMMON}){_BORDER})",
    # Go back to school, you know. | You know, read the manual.
    rf"(?:(?<=, )|(?<![\w'’] )(?<!\w, ))you(?={_GAP}know[,.!])",
    # You please, give that back.
    rf"(?<!if )you(?={_GAP}please{_ENDS})",
    # They are a bad person. | Absolute.
    rf"(?:(?:they|we)(?:['’]re|{_GAP}are)(?:{_GAP}all)?|you(?:['’]re|{_GAP}are){_GAP}all)"
    rf"(?={_GAP}an?{_GAP}(?:{_COMMON}){_GAP}person{_BORDER})",
    r"(?<![\w'’] )(?<!\w, )(?:absolute|complete|utter|typical)(?=[^\S\n]*[.!])",
    # Only person would say so.
    rf"(?<!the )only(?={_GAP}person{_GAP}(?:{_VERB}|would){_BORDER})",
    # What this user is. | Then, go home. | Done, please.
    rf"(?<![\w'’] )(?<!\w, )(?:what(?={_GAP}(?:this|that){_GAP}\w+{_GAP}(?:is|was)[^\S\n]*[.!])"
    rf"|then(?=,)|(?:{_NO_ORDER})(?=(?:{_GAP}[^.!?,\n]{{1,60}})?,{_GAP}please(?:{_ENDS})))",
    # He is (really).
    rf"(?:{_IS}|(?:s?he|that|who)['’]s)(?=[^\S\n]*\()",
    # that heartless left | your lazy out of bed
    rf"(?:this|that|the|every|some|another|{_HIS}){_GAP}(?:{_MEAN})"
    rf"(?={_GAP}(?:{_WENT}){_BORDER})",
    # You weren't such a person. | the bad, most annoying one
    rf"such(?={_GAP}an?{_GAP}(?:person|man|woman|guy|thing){_ENDS})",
    rf"the(?={_GAP}(?:{_COMMON}),{_GAP}(?:most|\w{{2,}}est){_BORDER})",
    # Is it me or is this guy?
    rf"(?<=\bor )(?:is|are)"
    rf"(?={_GAP}(?:this|that|these|those){_GAP}(?:guy|man|woman|person|people){_ENDS})",
    # What a person.
    rf"what{_GAP}an?(?={_GAP}(?:person|man|woman|guy|thing){_ENDS})",
    # You big. | ya lucky!
    rf"(?:you|ya|u){_GAP}(?:big|little|lucky|old|poor)(?={_ENDS})",
    # an (lol) | an #fail
    r"an?(?=[^\S\n]*(?:\(|#(?!\d)))",
    # It is just. | it was a little. | he is one crazy. | it's to brand us
    rf"(?:{_IS}){_GAP}(?:{_DEGREE})(?={_ENDS})",
    rf"it(?:['’]s|{_GAP}(?:is|was))(?={_GAP}to\b)",
    # known as etc | as being that he was
    rf"as(?={_GAP}etc\b)",
    rf"(?<!human )being(?={_GAP}that{_BORDER})",
    # It didn't really are bad.
    rf"(?:(?:{_AUX}){_GAP}(?:{_BETWEEN})|gonna|let{_GAP}it|it{_GAP}(?:{_AUX})"
    rf"|(?:{_NEVER})(?:{_GAP}(?:{_BETWEEN}))?){_GAP}(?:is|are|was|am)(?={_GAP}bad\b)",
    # Are bad this, loser
    rf"(?<![\w'’] )(?<!\w, )are(?={_GAP}bad\b)",
    # stop being a girl: what was an insult has become one of them
    rf"(?:be|being|like)(?={_GAP}(?:such{_GAP})?an?{_GAP}(?:{_GENDER}){_BORDER})",
    # You little things, come here.
    rf"(?<=\byou )little(?={_GAP}(?:things?|stuff){_BORDER})",
    # words like and others | someone so be quiet
    rf"(?:words|terms|names|things|stuff){_GAP}like(?={_GAP}(?:and|or){_BORDER})",
    rf"(?:any|some)(?:one|body){_GAP}so(?={_GAP}(?:be|is|are|was|do|did|have|has|can)\b)",
    # bad bad | in your mind in your mind
    rf"(?P<twice>\w{{2,}})(?={_GAP}(?P=twice){_BORDER})",
    rf"(?P<again>\w+{_GAP}\w+{_GAP}\w+)(?={_GAP}(?P=again){_BORDER})",
    # we have wrong for a president
    rf"(?:have|has|had|elected|chose|hired|got)(?={_GAP}(?:{_COMMON}|dishonest|fearful){_GAP}(?:for|as)"
    rf"{_GAP}(?:an?|the|my|your|our|their){_BORDER})",
    # the willfully. | be quiet, little.
    rf"(?:the(?={_GAP}\w+ly{_ENDS})|(?<=, )little(?={_ENDS}))",
    # Completely.
    rf"(?<![\w'’] )(?<!\w, )(?:{_UTTERLY})(?=[^\S\n]*[.!])",
    # Those. | What. | come here, you
    r"(?<![\w'’] )(?<!\w, )(?:(?:those|these|s?he|they|we|you)(?=[^\S\n]*[.!?])"
    r"|what(?=[^\S\n]*\.))",
    r"(?<=, )you(?=[^\S\n]*(?:[.!?]|\Z))",
    # He is no, he wins. | They're so you know.
    r"(?:(?<=\bis )|(?<=\bare )|(?<=\bwas )|(?<=\bwere )|(?<=n['’]t )|(?<=['’][sm] )|(?<=['’]re ))"
    rf"(?:no(?={_ENDS})|so+(?={_ENDS}|{_GAP}(?:{_SUBJECT}){_BORDER}))",
)
_AROUND_NOTHING = re.compile(
    # <b></b> | # idiocy | - and nothing
    r"<(?P<tag>[a-z]\w*)[^<>]*>\s*</(?P=tag)>|(?<!\S)#(?=[^\S\n]+#|[^\S\n]*\Z)|^[^\S\n]*[-*+•]$",
    re.IGNORECASE | re.MULTILINE,
)
_DANGLING = re.compile(rf"(?<![\w'’])(?:{'|'.join(_RULES)})", re.IGNORECASE)

_FELLOW = {"(": ")", "[": "]", "{": "}", "“": "”", "«": "»", "‘": "'", "’": "'"}
_OPENS = frozenset("([{“«‘")
_EITHER = frozenset("\"'")
_MARK = re.compile(r"[()\[\]{}“”«»\"]|(?<!\w)['‘](?=\w)|(?<=[^\s\w])['’](?!\w)|(?<=\w)['’](?!\w)")
# Smileys, marks of a list (`a)`), inches and seconds, apostrophes of words ('em, freakin').
_NO_MARK = re.compile(
    r"(?<!\w)['’](?:em|til|cause|bout|\d\ds?)\b|(?<=[a-z]in)['’](?!\w)"
    r"|[:;=][\"'^]?-?[()\[\]{}]+|\([\-^]?[:;=](?!\w)|^[^\S\n]*\w{1,2}\)|(?<=\d)''",
    re.MULTILINE,
)
