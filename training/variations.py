"""Variations of pages: other names, other layout, other case, emoji, handles, Markdown, headings, signatures."""

import random
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace

import names
from augment import is_plain_name
from pages import Mention, Page, edit

EMOJI = (
    *"😀😂🔥🎉👏❤🙏⚽🏆🎸🎶✨💪😭🥳👀📍🗳📰🚨➡✅⭐🐦🌍🚀💔😡🤝🏅🎤", "🇩🇪", "🇺🇸", "🇳🇬", "🇯🇵", "🇧🇷", "❤️", "👍🏽", "™", "®",
)  # fmt: skip
BULLETS = ("- ", "* ", "• ", "– ", "+ ", "· ", "▪ ", "✓ ")
CLOSINGS = (
    "Best", "Best regards,", "Kind regards,", "Regards", "Thanks,", "Cheers", "Yours sincerely,", "–", "x", "Sent by",
)  # fmt: skip


@dataclass(frozen=True)
class Chances:
    """How often a page is varied in each way."""

    #: Every person, or name of another kind, gets another name of the same kind.
    person: float = 0.35
    other: float = 0.15
    upper: float = 0.03
    lower: float = 0.06
    title: float = 0.03
    quotes: float = 0.15
    emoji: float = 0.08
    hashtag: float = 0.04
    handle: float = 0.03
    emphasis: float = 0.04
    link: float = 0.03
    bullets: float = 0.06
    wrapped: float = 0.08
    flat: float = 0.04
    heading: float = 0.08
    signature: float = 0.05
    bare: float = 0.06
    cut: float = 0.05
    joined: float = 0.12


@dataclass
class Varier:
    """Draws variations of pages; `names_of` has the names that take one another's place, by label with kind."""

    rng: random.Random
    names_of: dict[str, list[str]]
    chances: Chances = field(default_factory=Chances)
    people: list[list[tuple[list[str], list[str]]]] = field(default_factory=names.people)

    def happens(self, chance: float) -> bool:
        return self.rng.random() < chance

    def vary(self, page: Page) -> Page:
        """One variation of `page`."""
        chances = self.chances
        page = self.renamed(page)
        for chance, change in (
            (chances.heading, self.headed),
            (chances.bullets, self.bulleted),
            (chances.wrapped, self.wrapped),
            (chances.flat, self.flattened),
            (chances.bare, self.bare),
            (chances.signature, self.signed),
            (chances.cut, self.cut),
            (chances.emoji, self.decorated),
            (chances.hashtag, self.tagged),
            (chances.handle, self.addressed),
            (chances.emphasis, self.emphasised),
            (chances.link, self.linked),
        ):
            if self.happens(chance):
                page = change(page)
        draw = self.rng.random()
        for chance, change in ((chances.upper, upper), (chances.lower, lower), (chances.title, titled)):
            if 0 <= draw < chance:
                page = same_length(page, change)
            draw -= chance
        if self.happens(chances.quotes):
            quote = self.rng.choice("“”")
            page = replace(page, text=page.text.replace('"', quote).replace("'", "’"))
        return page

    def pages(self, pages: list[Page]) -> list[Page]:
        """Each page once, varied; some with the next one behind them."""
        found: list[Page] = []
        for page in pages:
            page = self.vary(page)
            if found and len(found[-1].text) + len(page.text) < 600 and self.happens(self.chances.joined):
                found[-1] = join(found[-1], page, self.rng.choice((" ", "\n", "\n\n", "\n\n")))
            else:
                found.append(page)
        return found

    def person(self, words: int) -> str:
        """A name of `words` words: the family name alone, or given names before it."""
        given, family = self.rng.choice(self.rng.choice(self.people))
        return " ".join([*(self.rng.choice(given) for _ in range(words - 1)), self.rng.choice(family)])

    def renamed(self, page: Page) -> Page:
        """Other names, the same one for the same name; a family name alone follows the whole one."""
        new: dict[tuple[str, str], str] = {}
        swaps_people, swaps_others = self.happens(self.chances.person), self.happens(self.chances.other)
        for mention in sorted(page.mentions, key=lambda m: m.start - m.end):
            label, old = mention.label, page.name(mention)
            if (label, old) in new:
                continue
            if label == "PER" and swaps_people and is_plain_name(old.split()):
                words = self.person(len(old.split()))
                new[label, old] = words
                new.setdefault((label, old.split()[-1]), words.split()[-1])
                new.setdefault((label, old.split()[0]), words.split()[0])
            elif label != "PER" and swaps_others and self.names_of.get(label):
                new[label, old] = self.rng.choice(self.names_of[label])
            if old.isupper() and (label, old) in new:
                new[label, old] = new[label, old].upper()
        found = [(mention, (mention.label, page.name(mention))) for mention in page.mentions]
        return edit(page, [(mention.start, mention.end, new[key]) for mention, key in found if key in new])

    def headed(self, page: Page) -> Page:
        """A heading that repeats a name of the page."""
        if not page.mentions:
            return page
        mention = self.rng.choice(page.mentions)
        name = " ".join(page.name(mention).split())
        before = self.rng.choice(("", "", "# ", "## ", "", "About "))
        after = self.rng.choice(("\n\n", "\n\n", "\n", "\n=====\n", ":\n", "\n\n\n"))
        if not before and self.happens(0.2):
            name = name.upper()
        head = Page(before + name + after, [Mention(len(before), len(before) + len(name), mention.label)])
        return join(head, page, "")

    def bulleted(self, page: Page) -> Page:
        """Signs or numbers before the lines."""
        starts = [match.start() for match in re.finditer(r"^(?=\w)", page.text, re.MULTILINE)]
        if len(starts) < 2:
            return page
        bullet = self.rng.choice(BULLETS)
        marks = [f"{n}. " for n in range(1, len(starts) + 1)] if self.happens(0.3) else [bullet] * len(starts)
        return edit(page, [(start, start, mark) for start, mark in zip(starts, marks)])

    def wrapped(self, page: Page) -> Page:
        """Prose in lines of one width."""
        if "\n" in page.text or len(page.text) < 60:
            return page
        width, start, edits = self.rng.randint(28, 76), 0, []
        for match in re.finditer(" ", page.text):
            following = page.text.find(" ", match.end())
            if (following if following >= 0 else len(page.text)) - start > width:
                edits.append((match.start(), match.end(), "\n"))
                start = match.end()
        return replaced(page, edits)

    def flattened(self, page: Page) -> Page:
        """Everything on one line."""
        edits = [(match.start(), match.end(), "\n") for match in re.finditer(r"\n", page.text)]
        return replaced(page, [(start, end, " ") for start, end, _ in edits])

    def bare(self, page: Page) -> Page:
        """No punctuation outside names, as in chats."""
        taken = {at for m in page.mentions for at in range(m.start, m.end)}
        signs = [match.start() for match in re.finditer(r"[.,;:!?](?=\s|$)", page.text)]
        return edit(page, [(at, at + 1, "") for at in signs if at not in taken])

    def signed(self, page: Page) -> Page:
        """A signature, or a sender."""
        name = self.person(self.rng.choice((1, 2, 2)))
        closing = self.rng.choice(CLOSINGS)
        gap = self.rng.choice(("\n", "\n\n", " "))
        before = f"{gap}{closing}{self.rng.choice((chr(10), ' ', chr(10)))}"
        tail = Page(before + name, [Mention(len(before), len(before) + len(name), "PER")])
        return join(page, tail, "")

    def cut(self, page: Page) -> Page:
        """The second half, from a word on that is in no name."""
        spaces = [m.end() for m in re.finditer(r"\s+", page.text)]
        free = [at for at in spaces if not any(m.start < at < m.end for m in page.mentions)]
        if len(free) < 4:
            return page
        start = self.rng.choice(free[: len(free) // 2])
        kept = [m for m in page.mentions if m.start >= start]
        shifted = [Mention(m.start - start, m.end - start, m.label) for m in kept]
        return replace(page, text=page.text[start:], mentions=shifted)

    def some(self, page: Page, share: float) -> list[Mention]:
        return [mention for mention in page.mentions if self.happens(share)]

    def decorated(self, page: Page) -> Page:
        """Emoji at names and ends."""
        edits = []
        for mention in self.some(page, 0.5):
            sign = self.rng.choice(EMOJI) * self.rng.choice((1, 1, 2))
            edits.append((mention.end, mention.end, self.rng.choice(("", " ")) + sign))
            if self.happens(0.3):
                edits.append((mention.start, mention.start, sign))
        page = edit(page, edits)
        return replace(page, text=page.text + self.rng.choice(("", " ")) + self.rng.choice(EMOJI))

    def tagged(self, page: Page) -> Page:
        """Hashtags for names of one word."""
        ones = [m for m in self.some(page, 0.6) if page.name(m).isalpha()]
        return edit(page, [(m.start, m.start, "#") for m in ones])

    def addressed(self, page: Page) -> Page:
        """Handles for people, companies, clubs, bands and media."""
        kinds = ("PER", "ORG:company", "ORG:club", "ORG:band", "ORG:media")
        chosen = [m for m in self.some(page, 0.5) if m.label in kinds and "@" not in page.name(m)]
        edits = []
        for mention in chosen:
            letters = re.sub(r"\W", "", page.name(mention))
            if not letters.isascii() or not letters:
                continue
            handle = self.rng.choice((letters, letters.lower(), letters.lower() + str(self.rng.randint(1, 99))))
            edits.append((mention.start, mention.end, "@" + handle))
        return edit(page, edits)

    def emphasised(self, page: Page) -> Page:
        """Names in Markdown's emphasis, or in quotation marks."""
        mark = self.rng.choice(("**", "*", "_", "__", "`", '"', "'"))
        around = [edit_at for m in self.some(page, 0.7) for edit_at in ((m.start, m.start, mark), (m.end, m.end, mark))]
        return edit(page, around)

    def linked(self, page: Page) -> Page:
        """Names as links of Markdown."""
        edits = []
        for mention in self.some(page, 0.6):
            slug = re.sub(r"\W+", "-", page.name(mention).lower())
            edits.append((mention.start, mention.start, "["))
            edits.append((mention.end, mention.end, f"](https://example.org/{slug})"))
        return edit(page, edits)


def replaced(page: Page, edits: list[tuple[int, int, str]]) -> Page:
    """`edit` by texts of the same length, which may lie within mentions."""
    letters = list(page.text)
    for start, end, text in edits:
        letters[start:end] = text
    return replace(page, text="".join(letters))


def join(first: Page, second: Page, gap: str) -> Page:
    """One page of two."""
    shift = len(first.text) + len(gap)
    moved = [Mention(m.start + shift, m.end + shift, m.label) for m in second.mentions]
    return replace(second, text=first.text + gap + second.text, mentions=[*first.mentions, *moved])


def same_length(page: Page, change) -> Page:
    """`page` in another case, where that keeps every character's place."""
    text = change(page.text)
    return replace(page, text=text) if len(text) == len(page.text) else page


def upper(text: str) -> str:
    return text.upper()


def lower(text: str) -> str:
    return text.lower()


def titled(text: str) -> str:
    """Each Word With A Capital."""
    return re.sub(r"(?<!\w)[a-z](?=\w{2})", lambda match: match[0].upper(), text)


def names_of(pages: list[Page]) -> dict[str, list[str]]:
    """The distinct names of each label with kind, those of people left out, in a fixed order."""
    found: dict[str, set[str]] = defaultdict(set)
    for page in pages:
        for mention in page.mentions:
            name = page.name(mention)
            if mention.label != "PER" and name[:1].isupper() and "\n" not in name and len(name) > 2:
                found[mention.label].add(name)
    return {label: sorted(these) for label, these in sorted(found.items())}
