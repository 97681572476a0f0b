"""The works that are measured: each has some texts, a model, and batch sizes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """Texts that go through one model."""

    name: str
    model: str
    """A folder that models.py makes."""
    batches: tuple[int, ...]
    """Texts per call. Peers get the article in windows, and these count as texts."""
    whole: bool = False
    """Whether entopic also gets all texts in one call, which peers would mostly pad."""
    unit: str = "tokens"


WORKS = [
    Work("sentences", "minilm", (1, 8, 32), whole=True),
    Work("article", "minilm", (1, 8)),
    Work("window512", "minilm", (1,)),
    Work("base", "base", (8, 32), whole=True),
    Work("nli", "nli", (8,), unit="documents"),
]
