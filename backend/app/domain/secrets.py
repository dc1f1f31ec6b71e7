"""What keys look like, so that none is told by accident: for error texts, for the log, for traces."""

import re

LOOKS_LIKE_ONE = r"""
    \b(?:bearer|basic)\s+[^\s"',;]{4,}
    | \b(?:x[-_])?(?:api[-_ ]?key|token|authorization|password|passwd|secret)["']?
        \s*[=:]\s*["']?(?:(?:bearer|basic)\s+)?[^\s"',;&]{6,}
    | \b(?:sk[-_]|gsk_|csk-|hf_|nvapi-|xai-|pplx-|r8_|tgp_|ghp_|glpat-|glsa_)[\w*.-]{4,}
    | \bAIza[\w-]{10,}
    | \bAKIA[0-9A-Z]{12,}
    | \beyJ[\w-]{8,}(?:\.[\w-]+)*
    | (?<=://)[^/@\s"']{1,200}(?=@)
"""
"""For re.VERBOSE and re.IGNORECASE: words that go before a key, and the beginnings that vendors give to theirs."""

SECRET = re.compile(LOOKS_LIKE_ONE, re.VERBOSE | re.IGNORECASE)
HIDDEN = "[redacted]"
