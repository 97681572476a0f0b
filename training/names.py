"""Names of people from every continent, as the package faker lists them, for putting into training texts."""

import importlib

from faker import Generator

#: faker's locales by region, those that have names in Latin letters.
REGIONS = {
    "africa": ["en_KE", "en_NG", "ha_NG", "ig_NG", "sw", "tw_GH", "yo_NG", "zu_ZA"],
    "east asia": ["en_TH", "id_ID", "ja_JP", "zh_CN", "zh_TW"],
    "south and central asia": ["az_AZ", "en_IN", "en_PK", "tr_TR", "uz_UZ"],
    "latin america": ["es_AR", "es_CL", "es_CO", "es_MX", "pt_BR"],
    "north america and oceania": ["en_NZ", "en_US", "fr_CA"],
    "western europe": ["de_DE", "en_GB", "es_ES", "fr_FR", "it_IT", "nl_NL", "pt_PT", "sv_SE"],
    "eastern europe": ["cs_CZ", "et_EE", "hr_HR", "hu_HU", "lt_LT", "lv_LV", "pl_PL", "ro_RO", "sk_SK"],
}
FIRST = ("first_names", "first_names_female", "first_names_male", "first_romanized_names")
LAST = ("unisex_last_names", "last_names", "last_romanized_names")


def people() -> list[list[tuple[list[str], list[str]]]]:
    """First and last names of each locale of each region, one word per name."""
    return [[(names(locale, FIRST), names(locale, LAST)) for locale in locales] for locales in REGIONS.values()]


def names(locale: str, fields: tuple[str, ...]) -> list[str]:
    """The first of `fields` that the locale has in Latin letters, sorted."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider(Generator())
    for field in fields:
        listed = {capitalised(name) for name in getattr(provider, field, ()) if is_latin_word(name)}
        if listed:
            return sorted(listed)
    raise LookupError(f"faker has no {fields[0]} in Latin letters for {locale}")


def capitalised(name: str) -> str:
    """`name`, with capitals where it begins if it is all in one case."""
    return name.title() if name.islower() or name.isupper() else name


def is_latin_word(name: str) -> bool:
    """One word of Latin letters, up to Latin Extended-B, with hyphens or apostrophes."""
    return name[:1].isalpha() and all(c in "-'" or (c.isalpha() and ord(c) < 0x250) for c in name)
