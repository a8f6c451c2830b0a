"""What is named as not understood, without what may be a secret: a report is posted, and a token in it is lost.

How tokens begin: huggingface.co/docs/hub/security-tokens; docs.github.com, "About authentication to GitHub", "GitHub's
token formats"; docs.gitlab.com, "Token overview"; others as their services show them (2026-11).
"""

import re

CUT = "..."
"""Stands for it."""
NAMELESS = "a line that begins with no key"
_NAME = re.compile(r"(?i)tok(?!en(?:iz|s))|api[-_]?ke|secret|pass(?!es|ag|ive|thro|thru)|auth|credential|cookie")
"""In the name of a flag whose value is one; misspelt flags are what is not understood."""
_TOKEN = re.compile(
    r"(?<![\w-])(?:hf_|api_org_|sk-|sk_|ghp_|gho_|ghu_|ghs_|github_pat_|glpat-|nvapi-|xox[a-z]-|AKIA|eyJ)\w{6}|://[^/@\s]+:[^/@\s]+@"
    r"|(?<![\w/:.-])(?=\w*\d)(?=\w*[A-Za-z])\w{32,200}(?![\w/.-])"
)
"""Of services; credentials in an address; else what is too long, of too few signs, for a name (ASSUMED)."""
_SHOWN = re.compile(
    r"(?<![\w-])(?:hf_|api_org_|sk-|sk_|ghp_|gho_|ghu_|ghs_|github_pat_|glpat-|nvapi-|xox[a-z]-|AKIA|eyJ)[\w-]{6,400}"
    r"|(?<![\w/:.-])(?=\w{0,200}\d)(?=\w{0,200}[A-Za-z])\w{32,200}(?![\w/.-])"
    r"|(?<![\w.-])[\w.-]{1,64}:[^\s:/@]{1,200}@(?!sha256:)"
)
"""The same, within a sentence: ``user:password@host`` too."""
_HARMLESS = re.compile(r"[\d.,]{1,7}|\$\{?\w{1,60}\}?")
"""A number of tokens, or a variable that nothing says: of any flag."""
_PARTED = re.compile(r"(-[\w.-]{0,80})([ =])(.*)", re.DOTALL)
_WITHIN = re.compile(r"(?<!\S)-[\w.-]{1,80}[ =]\S{1,400}")
"""The same among other words."""
_KEY = re.compile(r"(?:-\s+)?[\"']?([A-Za-z_][\w.-]{0,59})[\"']?\s*[:=]")


def withheld(word: str) -> str:
    """A word, or a flag with its value; the value left out where it may be a secret."""
    found = _PARTED.fullmatch(word)
    if found is not None and _HARMLESS.fullmatch(found[3]):
        return word
    if found is not None and (_NAME.search(found[1]) or _TOKEN.search(found[3])):
        return f"{found[1]}{found[2]}{CUT}"
    if found is None:
        word = _WITHIN.sub(lambda each: withheld(each[0]), word)
    return CUT if found is None and _TOKEN.search(word) else word


def screened(sentence: str) -> str:
    """A sentence that quotes a command, without what may be a secret."""
    return _SHOWN.sub(lambda found: CUT + "@" * found[0].endswith("@"), sentence)


def key_of(line: str) -> str:
    """What a line of settings sets, never to what."""
    found = _KEY.match(line)
    return NAMELESS if found is None else withheld(found[1])
