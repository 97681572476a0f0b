#!/usr/bin/env python3
"""Writes src/groups/countries.tsv: code, names and nationalities of countries, in English.

Names are those of Unicode CLDR (the npm package cldr-localenames-full, licence Unicode-3.0), nationalities those of the npm
package i18n-nationality (MIT); names that both lack are below. The arguments are the unpacked folders of both packages.
"""

import json
import sys
from pathlib import Path

#: Names and nationalities that the packages lack, by code.
MORE = {
    "AE": ("UAE|Emirates", "Emirati|Emiratis"), "AR": ("", "Argentinian|Argentine|Argentines|Argentinians"),
    "AU": ("", "Aussie|Aussies"), "AT": ("", "Austrians"), "BE": ("", "Belgians"), "BR": ("", "Brazilians"),
    "CD": ("DRC|DR Congo|Democratic Republic of the Congo|Zaire", "Congolese"), "CG": ("Republic of the Congo", ""),
    "CH": ("Swiss Confederation", "Swiss"), "CN": ("People's Republic of China|PRC", "Chinese"),
    "CZ": ("Czech Republic", "Czech|Czechs"), "DE": ("Federal Republic of Germany", "Germans"),
    "DK": ("", "Dane|Danes"), "ES": ("", "Spaniard|Spaniards"), "FI": ("", "Finn|Finns"),
    "FR": ("French Republic", "Frenchman|Frenchwoman|Frenchmen|Frenchwomen"),
    "GB": ("Great Britain|Britain|U.K.", "British|Briton|Britons|Brit|Brits"), "GR": ("Hellenic Republic", "Greeks"),
    "HU": ("", "Hungarians"), "IE": ("Republic of Ireland", "Irishman|Irishwoman|Irishmen"), "IL": ("", "Israelis"),
    "IN": ("", "Indians"), "IR": ("Islamic Republic of Iran|Persia", "Iranians"), "IS": ("", "Icelander|Icelanders"),
    "KP": ("DPRK|Democratic People's Republic of Korea", ""), "KR": ("Republic of Korea", ""),
    "LU": ("", "Luxembourger|Luxembourgers"), "MK": ("Macedonia", ""), "MM": ("Burma", "Burmese"),
    "NL": ("Holland|the Netherlands", "Dutchman|Dutchwoman|Dutchmen"), "NO": ("", "Norwegians"),
    "NZ": ("Aotearoa", "New Zealander|New Zealanders|Kiwi|Kiwis"), "PH": ("the Philippines", "Filipina|Filipinos|Philippine"),
    "PL": ("", "Pole|Poles"), "RU": ("Russian Federation", "Russians"), "SA": ("KSA", "Saudis"), "SE": ("", "Swede|Swedes"),
    "SZ": ("Swaziland", "Swazi"), "TR": ("Turkey", "Turk|Turks"), "TW": ("Republic of China", ""), "UA": ("", "Ukrainians"),
    "US": ("USA|U.S.|U.S.A.|United States of America|America", "Americans"), "VA": ("Holy See|the Vatican", ""),
    "VN": ("Viet Nam", ""),
}  # fmt: skip
#: Countries of the past and parts of countries that have nationalities; CLDR has no codes for them.
FORMER = {
    "SU": ("Soviet Union|USSR|U.S.S.R.|Union of Soviet Socialist Republics", "Soviet|Soviets"),
    "DD": ("East Germany|GDR|German Democratic Republic", "East German|East Germans"),
    "YU": ("Yugoslavia", "Yugoslav|Yugoslavs|Yugoslavian"),
    "CS": ("Czechoslovakia", "Czechoslovak|Czechoslovakian"),
    "GB-ENG": ("England", "English|Englishman|Englishwoman|Englishmen"),
    "GB-SCT": ("Scotland", "Scottish|Scot|Scots|Scotsman"),
    "GB-WLS": ("Wales", "Welsh|Welshman|Welshmen"),
    "GB-NIR": ("Northern Ireland", "Northern Irish"),
}
#: Codes of CLDR that are not countries.
GROUPS = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}


def main() -> None:
    territories = json.loads(
        (Path(sys.argv[1]) / "main/en/territories.json").read_text(encoding="utf-8")
    )["main"]["en"]["localeDisplayNames"]["territories"]
    nationalities = json.loads((Path(sys.argv[2]) / "langs/en.json").read_text(encoding="utf-8"))["nationalities"]
    rows: dict[str, tuple[list[str], list[str]]] = {}
    for key, name in territories.items():
        code, _, form = key.partition("-alt-")
        if len(code) == 2 and code.isalpha() and code not in GROUPS and form != "chagos":
            plain = name.replace(" & ", " and ").replace("’", "'").replace("St. ", "Saint ")
            rows.setdefault(code, ([], []))[0].append(plain)
    for code, name in nationalities.items():
        # For some countries, the package repeats the name of the country as the nationality.
        if code in rows and name not in rows[code][0] and "Island" not in name:
            rows[code][1].append(name)
    for code, (names, people) in (MORE | FORMER).items():
        row = rows.setdefault(code, ([], []))
        for found, more in zip(row, (names, people)):
            found += [name.removeprefix("the ") for name in more.split("|") if name and name.removeprefix("the ") not in found]
    out = Path(__file__).resolve().parent.parent / "src/groups/countries.tsv"
    lines = (f"{code}\t{'|'.join(names)}\t{'|'.join(people)}\n" for code, (names, people) in sorted(rows.items()))
    out.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
