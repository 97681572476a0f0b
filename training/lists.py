"""Pages without prose, drawn from names: lists, tables, results, casts, contents, cards and credits."""

import random

from pages import Mention, Page
from variations import BULLETS, Varier

#: Headings of lists of each kind of name, which are no names themselves.
HEADINGS = {
    "PER": ("Present:", "Participants", "Team", "Speakers", "Guests:", "Absent", "Authors", "Starring", "Squad", "Names",
            "Nominees", "Passengers", "Board", "Staff", "Who is coming", "Signed", "Candidates", "Contacts", "Cast"),
    "LOC:country": ("Countries", "Member states", "Visited:", "Where we ship", "Hosts", "Destinations"),
    "LOC:city": ("Cities", "Stops", "Offices", "Tour dates", "Route:", "Towns", "Branches", "Departures"),
    "LOC:region": ("Regions", "Areas covered:", "Provinces"),
    "LOC:nature": ("Rivers and lakes", "Hikes", "Mountains", "To see"),
    "LOC:place": ("Venues", "Sights", "Meeting points:", "To visit"),
    "ORG:company": ("Companies", "Sponsors", "Customers", "Suppliers:", "Shares", "Exhibitors", "Partners", "Portfolio"),
    "ORG:club": ("Teams", "Results", "Clubs", "Table", "Group A", "Fixtures:", "Through to the next round"),
    "ORG:band": ("Line-up", "Playlist", "Bands", "Tonight:"),
    "ORG:party": ("Parties", "Results", "Seats"),
    "ORG:agency": ("Agencies", "Authorities:", "Sources"),
    "ORG:school": ("Education", "Schools", "Universities", "Studied at"),
    "ORG:media": ("Press", "Sources:", "As seen in", "Reading"),
    "ORG:other": ("Partners", "Members", "Thanks to:"),
    "MISC:event": ("Events", "Dates", "Coming up:"),
    "MISC:work": ("Reading list", "Books", "Films:", "Discography", "Albums", "Watchlist"),
    "MISC:product": ("Products", "In stock", "Devices:", "Stack", "Tools"),
    "MISC:nationality": ("Languages:", "Cuisine", "Nationalities"),
    "MISC:law": ("Law", "Regulations:"),
}  # fmt: skip
#: Tables: the columns' headings and what they hold; `#` is a number, `date` a date, `word` a word that is no name.
TABLES = (
    (("Name", "City"), ("PER", "LOC:city")),
    (("Name", "Company", "City"), ("PER", "ORG:company", "LOC:city")),
    (("Player", "Club", "Goals"), ("PER", "ORG:club", "#")),
    (("Company", "Country", "Employees"), ("ORG:company", "LOC:country", "#")),
    (("City", "Country", "Population"), ("LOC:city", "LOC:country", "#")),
    (("Title", "Author", "Year"), ("MISC:work", "PER", "year")),
    (("Date", "City", "Venue"), ("date", "LOC:city", "LOC:place")),
    (("Home", "", "", "Away"), ("ORG:club", "#", "#", "ORG:club")),
    (("Team", "Pld", "Pts"), ("ORG:club", "#", "#")),
    (("Student", "School", "Mark"), ("PER", "ORG:school", "#")),
    (("Candidate", "Party", "Votes"), ("PER", "ORG:party", "#")),
    (("Product", "Maker", "Price"), ("MISC:product", "ORG:company", "#")),
    (("Name", "Role", "Office"), ("PER", "word", "LOC:city")),
    (("Country", "Capital"), ("LOC:country", "LOC:city")),
    (("Item", "Qty", "Sold to"), ("word", "#", "PER")),
    (("Artist", "Song"), ("ORG:band", "MISC:work")),
    (("Event", "Place", "Date"), ("MISC:event", "LOC:city", "date")),
    (("Degree", "University"), ("word", "ORG:school")),
    (("Rank", "Athlete", "Nation", "Time"), ("#", "PER", "LOC:country", "#")),
)
WORDS = (
    "treasurer", "chair", "Manager", "Engineer", "editor", "driver", "apples", "Milk", "Consultant", "Director", "bread",
    "secretary", "BSc Physics", "MA History", "PhD", "Analyst", "chairs", "Invoice", "Head of Sales", "Nurse", "Captain",
    "member", "paint", "Chief Executive", "Vice President", "Intern", "CTO", "keys", "batteries", "Teacher", "Lead",
)  # fmt: skip
MONTHS = ("Jan", "Feb", "March", "April", "May", "June", "July", "Aug", "Sept", "October", "Nov", "December")
#: Lines about one name or two; `{a}` and `{b}` are names, and the first two items say of which kind.
LINES = (
    ("PER", "ORG:company", "{a}, {b}"), ("PER", "ORG:company", "{a} ({b})"), ("PER", "LOC:city", "{a}, {b}"),
    ("PER", "LOC:city", "{a} – {b}"), ("PER", "word", "{a}, {b}"), ("PER", "word", "{a} - {b}"), ("word", "PER", "{a}: {b}"),
    ("ORG:club", "ORG:club", "{a} {n}-{m} {b}"), ("ORG:club", "ORG:club", "{a} {n}:{m} {b}"),
    ("ORG:club", "ORG:club", "{a} v {b}"), ("ORG:club", "ORG:club", "{a} - {b} {n}:{m}"),
    ("ORG:club", "ORG:club", "{a}   {n}  {m}  {b}"), ("LOC:country", "LOC:country", "{a} {n}, {b} {m}"),
    ("LOC:city", "LOC:country", "{a}, {b}"), ("LOC:city", "LOC:country", "{a} ({b})"), ("LOC:city", "LOC:city", "{a} → {b}"),
    ("LOC:city", "LOC:city", "{a} - {b}"), ("LOC:city", "#", "{a}: {b} °C"), ("ORG:company", "#", "{a} {b}%"),
    ("ORG:company", "#", "{a}: +{b}"), ("ORG:school", "word", "{a}, {b}"), ("word", "ORG:school", "{a}, {b}"),
    ("ORG:school", "word", "{a}\n{b}"), ("ORG:company", "word", "{a}\n{b}"), ("MISC:work", "PER", "{a} by {b}"),
    ("PER", "MISC:work", "{a}, {b}"), ("PER", "MISC:work", "{a}: {b}"), ("ORG:band", "MISC:work", "{a} - {b}"),
    ("PER", "PER", "{a} and {b}"), ("PER", "PER", "{a} & {b}"), ("PER", "PER", "{a} / {b}"), ("PER", "PER", "{a} - {b}"),
    ("PER", "PER", "{a} to {b}"), ("ORG:company", "LOC:city", "{a}, {b}"), ("ORG:company", "MISC:product", "{a} {b}"),
    ("LOC:place", "LOC:city", "{a}, {b}"), ("MISC:event", "LOC:city", "{a}, {b}"), ("ORG:party", "#", "{a} {b} %"),
    ("PER", "#", "{a} {b}'"), ("PER", "#", "{a}, {b}"), ("#", "PER", "{a} {b}"), ("PER", "PER", "{a} ({b} {n}')"),
    ("ORG:agency", "LOC:country", "{a}, {b}"), ("PER", "LOC:country", "{a} ({b})"), ("PER", "LOC:country", "{a} {b} {n}"),
    ("ORG:media", "date", "{a}, {b}"), ("PER", "date", "{a} ({b})"), ("MISC:law", "word", "{a} – {b}"),
    ("PER", "ORG:club", "{a} ({b})"), ("PER", "ORG:club", "{a} {b}"), ("PER", "ORG:agency", "{a}, {b}"),
)  # fmt: skip
#: Pages of one or two names.
CARDS = (
    ("PER", "PER", "Hi {a}\n\n{b} is ill."), ("PER", "PER", "Dear {a},\n\nthank you.\n\n{b}"), ("PER", "PER", "{a}\n\n{b}"),
    ("PER", "PER", "From: {a}\nTo: {b}\nSubject: keys"), ("PER", "PER", "{a}: ok\n{b}: and you?"),
    ("PER", "PER", "> {a} wrote:\n> see you\n\nThanks, {b}"), ("ORG:company", "LOC:city", "{a}\n{b}"),
    ("PER", "ORG:company", "{a}\nManager\n{b}"), ("PER", "ORG:company", "{a} | {b}"), ("PER", "LOC:city", "{a}\t{b}"),
    ("PER", "PER", "{a}: \n\n{b}"), ("PER", "PER", "cc {a}, {b}"), ("ORG:company", "LOC:city", "{a} · {b}"),
    ("PER", "ORG:club", "{a} 🔁 {b}"), ("ORG:club", "ORG:club", "{a}\n\n{b}"), ("PER", "PER", "[10:0{n}] {a}: hi\n[10:1{m}] {b}: hey"),
    ("PER", "PER", "* {a}\n* {b}"), ("PER", "ORG:media", "By {a}\n{b}"), ("PER", "ORG:media", "Photo: {a}/{b}"),
    ("LOC:city", "ORG:media", "{a} ({b}) -"), ("LOC:city", "LOC:country", "{a}, {b} —"), ("PER", "PER", "Q: {a}?\nA: {b}."),
)  # fmt: skip


class Lists:
    """Draws such pages, with the names of `varier`."""

    def __init__(self, varier: Varier) -> None:
        self.varier, self.rng = varier, varier.rng
        self.kinds = [kind for kind in HEADINGS if kind == "PER" or kind in varier.names_of]

    def pages(self, count: int) -> list[Page]:
        makers = (self.list, self.list, self.line, self.table, self.lines, self.lines, self.card)
        return [self.cased(self.rng.choice(makers)()) for _ in range(count)]

    def item(self, kind: str) -> tuple[str, str | None]:
        """A name of `kind`, or a word that is none, and the label."""
        rng = self.rng
        match kind:
            case "#":
                return rng.choice((str(rng.randint(0, 9)), f"{rng.randint(10, 99)}", f"{rng.randint(1, 999)},{rng.randint(100, 999)}", f"{rng.randint(1, 99)}.{rng.randint(0, 9)}")), None
            case "year":
                return str(rng.randint(1890, 2030)), None
            case "date":
                return rng.choice((f"{rng.randint(1, 28)} {rng.choice(MONTHS)}", f"2{rng.randint(0, 9)}/0{rng.randint(1, 9)}", f"20{rng.randint(10, 29)}-0{rng.randint(1, 9)}-1{rng.randint(0, 9)}")), None
            case "word":
                return rng.choice(WORDS), None
            case "PER":
                name = self.varier.person(rng.choice((1, 2, 2, 2, 2, 3)))
                first, *rest = name.split()
                if rest and rng.random() < 0.08:
                    name = rng.choice((f"{first[0]}. {' '.join(rest)}", f"{rest[-1]}, {first}"))
                return name, kind
        return rng.choice(self.varier.names_of[kind]), kind

    def filled(self, template: str, items: dict[str, tuple[str, str | None]]) -> Page:
        """`template` with `{key}` replaced by the items, and digits for other keys."""
        text, mentions = "", []
        pieces = template.replace("{", "\0{").replace("}", "}\0").split("\0")
        for piece in pieces:
            if piece.startswith("{"):
                name, label = items.get(piece[1:-1], (str(self.rng.randint(0, 5)), None))
                if label:
                    mentions.append(Mention(len(text), len(text) + len(name), label))
                text += name
            else:
                text += piece
        return Page(text, mentions)

    def rows(self, template: str, kinds: list[dict[str, str]], gap: str) -> Page:
        """One filled template for each of `kinds`, by `gap` apart."""
        pages = [self.filled(template, {key: self.item(kind) for key, kind in row.items()}) for row in kinds]
        text, mentions = "", []
        for number, page in enumerate(pages):
            text += gap if number else ""
            mentions += [Mention(m.start + len(text), m.end + len(text), m.label) for m in page.mentions]
            text += page.text
        return Page(text, mentions)

    def headed(self, kind: str, page: Page) -> Page:
        """Half of the time a heading of that kind before `page`."""
        if self.rng.random() < 0.5 or kind not in HEADINGS:
            return page
        before = self.rng.choice(("", "", "## ", "")) + self.rng.choice(HEADINGS[kind]) + self.rng.choice(("\n", "\n\n", "\n"))
        return Page(before + page.text, [Mention(m.start + len(before), m.end + len(before), m.label) for m in page.mentions])

    def list(self) -> Page:
        """One name per line."""
        kind = self.rng.choice(("PER", "PER", "PER", *self.kinds))
        count = self.rng.randint(2, 9)
        bullet = self.rng.choice(("", "", "", *BULLETS, "> "))
        if self.rng.random() < 0.15:
            page = self.rows("{n}. {a}", [{"a": kind}] * count, "\n")
        else:
            page = self.rows(bullet + "{a}" + self.rng.choice(("", "", "", ",", " ", ";")), [{"a": kind}] * count, self.rng.choice(("\n", "\n", "\n", "\n\n", "\r\n")))
        return self.headed(kind, page)

    def line(self) -> Page:
        """Names in one line."""
        kind = self.rng.choice(("PER", "PER", *self.kinds))
        gap = self.rng.choice((", ", ", ", "; ", " - ", " | ", " / ", " · ", "\t", " • ", " – ", " & ", " and ", "   "))
        return self.headed(kind, self.rows("{a}", [{"a": kind}] * self.rng.randint(2, 7), gap))

    def lines(self) -> Page:
        """Lines of one form."""
        first, second, template = self.rng.choice(LINES)
        bullet = self.rng.choice(("", "", "", *BULLETS))
        gap = self.rng.choice(("\n", "\n", "\n\n"))
        page = self.rows(bullet + template, [{"a": first, "b": second}] * self.rng.randint(1, 6), gap)
        return self.headed(first, page)

    def table(self) -> Page:
        """Columns by tabs, bars or spaces, with a head or without."""
        heads, kinds = self.rng.choice(TABLES)
        gap = self.rng.choice(("\t", "\t", " | ", ";", ",", "    ", "  "))
        template = gap.join("{" + "abcd"[at] + "}" for at in range(len(kinds)))
        edge = "| {} |" if gap == " | " and self.rng.random() < 0.5 else "{}"
        template = edge.replace("{}", template)
        rows = [{"abcd"[at]: kind for at, kind in enumerate(kinds)}] * self.rng.randint(1, 6)
        page = self.rows(template, rows, "\n")
        if self.rng.random() < 0.6:
            head = edge.replace("{}", gap.join(heads)) + "\n"
            head += "|---" * len(kinds) + "|\n" if edge != "{}" else ""
            page = Page(head + page.text, [Mention(m.start + len(head), m.end + len(head), m.label) for m in page.mentions])
        return page

    def card(self) -> Page:
        first, second, template = self.rng.choice(CARDS)
        return self.filled(template, {"a": self.item(first), "b": self.item(second)})

    def cased(self, page: Page) -> Page:
        """Now and then in capitals or in small letters."""
        draw = self.rng.random()
        text = page.text.upper() if draw < 0.05 else page.text.lower() if draw < 0.1 else page.text
        return Page(text, page.mentions) if len(text) == len(page.text) else page
