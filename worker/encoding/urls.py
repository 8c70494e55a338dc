"""URLs with passwords in them, and how they may be shown."""

import re

# Greedy up to the last "@" of the word: a password with an unescaped "@" or "/" is masked whole, at the price of
# sometimes masking more than the password. Quotes end a word, so that JSON stays JSON.
_PASSWORD = re.compile(r"""(://[^\s:@/"';]*:)[^\s"';]*@""")
_PARAMETER = re.compile(r"([?&](?:\w*password|token)=)[^&\s\"';]+", re.IGNORECASE)
_MASK = "***"


def mask_url(text: str) -> str:
    """The same text with the passwords of all URLs in it replaced by `***`."""
    return _PARAMETER.sub(rf"\1{_MASK}", _PASSWORD.sub(rf"\1{_MASK}@", text))


class SecretUrl(str):
    """A URL that may contain a password: a string to connect with, whose `repr` is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(mask_url(self))
