"""What a stranger's command is told by: on a screen that is shown to others, in a recording that is posted.

How tokens begin: huggingface.co/docs/hub/security-tokens; docs.github.com, "About authentication to GitHub", "GitHub's
token formats"; docs.gitlab.com, "Token overview"; others as their services show them (2026-11).

Patterns are texts, which ``re`` compiles once they are used (and remembers): all of them are 4 ms of a start, and most
commands need none.
"""

import re
from collections.abc import Iterable

CUT = "..."
"""Stands for what may be a secret."""
NAME_PART = (
    r"(?<!os_)tok(?!en(?:iz|s))|(?:api|access|private|secret|master|account|license|signing|encryption|wandb)[-_]?ke"
    r"|secret|pass(?!es|ag|ive|thro|thru)|_pwd|auth|credential|cookie"
)
"""In the name of a flag, a variable or a key whose value is one; misspelt ones as well."""
_STARTS = (
    "hf_", "api_org_", "sk-", "sk_", "ghp_", "gho_", "ghu_", "ghs_", "github_pat_", "glpat-", "nvapi-", "xoxa-",
    "xoxb-", "xoxp-", "xoxr-", "xoxs-", "AKIA", "eyJ", "tskey-",
)  # fmt: skip
TOKEN = rf"(?<![\w-])(?:{'|'.join(_STARTS)})[\w-]{{6,400}}"
"""Of services, by how it begins."""
LONG_LETTERS = 32
LONG_WORD = rf"(?<![\w/:.-])(?=\w{{0,200}}\d)(?=\w{{0,200}}[A-Za-z])\w{{{LONG_LETTERS},200}}(?![\w/.-])"
"""What is too long, of too few signs, for a name (ASSUMED)."""
_LOGIN = r"(?<=://)[^\s/?#@]{0,200}:[^\s/?#]{1,200}@|(?<![\w.-])[\w.-]{1,64}:[^\s:/@]{1,200}@(?!sha256:)"
"""``user:password@host``, within a sentence."""
_IN_NAME = rf"{_LOGIN}|{TOKEN}"
"""Names of models are as long as ``Meta_Llama_3_1_70B_Instruct_Q4_K_M``."""
_SHOWN = rf"{_IN_NAME}|{LONG_WORD}"
_STEMS = ("tok", "key", "secret", "pass", "_pwd", "auth", "cred", "cookie", "@")
"""One of them is in whatever is found by a name: to look for these first takes a tenth of the time."""
_FLAG = rf"(?i)--?(?!-|(?:no|disable|enable|skip|allow)-)(?=[\w.-]{{0,60}}?(?:{NAME_PART}))[\w.-]{{1,80}}"
"""Whose value is the next word."""
_GIVEN = (
    rf"(?i)((?:{NAME_PART})[\w.-]{{0,40}}\\?[\"']?\s{{0,2}}[=:]\s{{0,2}}\\?[\"']?(?:(?:bearer|basic|token)\s)?"
    rf"|(?<!\S){_FLAG[4:]}\s(?!-)[\"']?)([^\s\"'&;,{{}}\[\\][^\s\"'&;,}}\\]{{0,400}})"
)
"""A name with its value, within a word: an assignment, a field of JSON, a part of an address, a flag of a script."""
_FURTHER = (
    rf"(?i)(?<!\S){_FLAG[4:]}[ \t][\"']?{re.escape(CUT)}[\"']?"
    r"((?:[ \t]+(?![-&|;<>(){}])[\"']?[^\s\"'&|;]{1,400}[\"']?){1,40})"
)
"""What follows the first value of a flag of a script."""
_HEADER = r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\s?:\s?)[^\"'\n]{1,2000}"
"""Of HTTP, whose value has blanks in it."""
_NUMBER_OF_TOKENS = r"(?i)[\w.-]{0,80}tok[\w.-]{0,80}[ =:]{1,3}[\d.,]{1,7}"


def told(words: Iterable[str]) -> str:
    """The words of a command, joined by blanks, without what may be a secret."""
    shown: list[str] = []
    flag, is_further = "", False  # vLLM's --api-key takes several values
    for word in words:
        is_value = bool(flag) and not word.startswith("--") and not is_number_of_tokens(f"{flag} {word}")
        is_value = is_value or (is_further and not word.startswith("-"))
        is_suspect = not is_value and any(stem in word.casefold() for stem in _STEMS)
        flag = word if is_suspect and re.fullmatch(_FLAG, word) else ""
        is_further = is_value
        shown.append(CUT if is_value else _without_named(word) if is_suspect else word)
    said = " ".join(shown)
    is_long = any(len(word) >= LONG_LETTERS for word in shown)
    return screened(said) if is_long or "@" in said or any(start in said for start in _STARTS) else said


def screened(sentence: str) -> str:
    """A sentence that quotes a command, without what may be a secret."""
    return re.sub(_SHOWN, _cut, sentence)


def screened_name(name: str) -> str:
    """The name of a model, without what is a secret by its form; however long its words are."""
    return re.sub(_IN_NAME, _cut, name)


def is_number_of_tokens(given: str) -> bool:
    """Whether that is a flag with its value which is named for tokens that a model reads."""
    return re.fullmatch(_NUMBER_OF_TOKENS, given) is not None


def _cut(found: re.Match[str]) -> str:
    return CUT + "@" * found[0].endswith("@")


def _without_named(word: str) -> str:
    """Of a word, which may be a whole script, what is given by name."""
    return re.sub(_FURTHER, _each_cut, re.sub(_GIVEN, _named_only, re.sub(_HEADER, rf"\1\2{CUT}", word)))


def _each_cut(given: re.Match[str]) -> str:
    return given[0].removesuffix(given[1]) + f" {CUT}" * len(given[1].split())


def _named_only(given: re.Match[str]) -> str:
    return given[0] if is_number_of_tokens(given[0]) else f"{given[1]}{CUT}"
