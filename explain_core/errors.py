"""The errors that a caller can act on.

    ExplainError
    ├── InputError        an argument that does not fit: what came, what fits, the way out
    │   └── ImageError    a picture that cannot be read or is refused
    ├── ModelError        a model that cannot be loaded, a layer that cannot be explained
    ├── BankError         reference features that do not belong to this model
    └── NumericsError     a map with NaN or infinity, and why

Pages catch `ExplainError` and show its text. Anything else is a bug of ours and surfaces.
"""


class ExplainError(Exception):
    """Stand for everything a user can mend; the text is written for them."""


class InputError(ExplainError):
    """Report an argument that does not fit."""


class ImageError(InputError):
    """Report a picture that cannot be read, or that is refused."""


class ModelError(ExplainError):
    """Report a model that cannot be loaded, or a part of it that cannot be explained."""


class BankError(ExplainError):
    """Report reference features that are missing or were made by another model."""


class NumericsError(ExplainError):
    """Report NaN or infinity in a map."""
