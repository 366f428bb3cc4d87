"""Map the body part in a DICOM header to one of MURA's seven regions, or to another region.

Body Part Examined (0018,0015) is a CS with defined terms (PS3.16 Annex L), but in practice it
contains free text: sides, views, plurals, other languages. Anatomic Region Sequence (0008,2218)
contains codes of SNOMED CT or, in older files, of SNOMED RT (PS3.16 CID 4009, 4031 and 7304).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ulna.dicom.other_regions import OTHER_REGIONS
from ulna.types import BodyPart

# English, German, French, Spanish, Italian, Portuguese, Dutch, Scandinavian; without accents.
_WORDS = {
    BodyPart.ELBOW: "ELBOW OLECRANON CUBITUS ELLENBOGEN ELLBOGEN ELLENBOGENGELENK COUDE CODO "
    "GOMITO GOMITI COTOVELO ELLEBOOG ALBUE ARMBAGE",
    BodyPart.FINGER: "FINGER THUMB POLLEX DAUMEN ZEIGEFINGER MITTELFINGER RINGFINGER DOIGT POUCE "
    "DEDO PULGAR DITO DITA POLLICE POLEGAR VINGER DUIM TOMMEL TUMME",
    BodyPart.FOREARM: "FOREARM LOWERARM RADIUS ULNA RADIUSULNA ANTEBRACHIUM UNTERARM SPEICHE ELLE "
    "AVANTBRAS ANTEBRAZO AVAMBRACCIO AVAMBRACCI ANTEBRACO ONDERARM UNDERARM",
    BodyPart.HAND: "HAND METACARPUS METACARPAL METACARPALE HAENDE HANDE HANDEN MITTELHAND MAIN "
    "MANO MANI MAO MAOS METACARPE METACARPO MIDDENHAND",
    BodyPart.HUMERUS: "HUMERUS UPPERARM HUMERI HUMERAL OBERARM HUMERO OMERO OMERI BOVENARM "
    "OVERARM OVERARME",
    BodyPart.SHOULDER: "SHOULDER SHLDR SHLD SHOULDERGIRDLE GLENOHUMERAL SCHULTER SCHULTERN "
    "SCHULTERGELENK EPAULE HOMBRO SPALLA SPALLE OMBRO SCHOUDER SKULDER AXEL",
    BodyPart.WRIST: "WRIST CARPUS CARPAL CARPALS SCAPHOID RADIOCARPAL HANDGELENK HANDWURZEL "
    "POIGNET CARPE MUNECA CARPO POLSO POLSI PUNHO POLS POLSEN HANDWORTEL HANDLED HANDLEDD "
    "HANDLEDEN HANDLEDDET",
}
# Other anatomy, in addition to `OTHER_REGIONS`: ambiguous together with one of the seven.
_OTHERS = (
    "CLAVICLE CLAVICULA SCAPULA ACJOINT ACROMIOCLAVICULAR SCJOINT STERNOCLAVICULAR AXILLA THORAX "
    "LUNG HEART BREAST CERVICAL LUMBAR SACRUM COCCYX SIJOINT TARSUS TARSAL METATARSUS METATARSAL "
    "HEEL TOES FEET TIBIAFIBULA LOWERLEG MANDIBLE FACE SINUS ORBIT KNIE FUSS HUEFTE SCHAEDEL "
    "BECKEN BRUSTKORB WIRBELSAEULE GENOU PIED HANCHE CHEVILLE CRANE BASSIN RODILLA PIE CADERA "
    "TOBILLO CRANEO TORAX GINOCCHIO PIEDE ANCA CAVIGLIA JOELHO PE QUADRIL TORNOZELO VOET HEUP "
    "ENKEL ARTERY VEIN NERVE BRONCHUS"
)
# General words, compatible with each of the seven.
_ANY = (
    "EXTREMITY EXTREMITIES UPPEREXTREMITY UPPER UPPERLIMB LIMB ARM ARMS UPEXM EXM OTHER UNKNOWN "
    "UNDEFINED UNSPECIFIED NONE NA BRAS BRAZO BRACCIO BRACO SKELETON BONE BONES MSK ORTHO"
)
_VIEWS = frozenset({"AP", "PA", "LAT", "LATERAL", "OBL", "OBLIQUE", "XR", "X", "RAY", "VIEWS"})
_PHRASES = (
    (r"\b(?:UPPER|UP) ARMS?\b|\bARMS? UPPER\b", "UPPERARM"),
    (r"\bARMS? LOWER\b", "FOREARM"),
    (r"\bLOWER ARMS?\b", "FOREARM"),
    (r"\bAVANT BRAS\b", "AVANTBRAS"),
    (r"\bFORE ARMS?\b", "FOREARM"),
    (r"\b(?:UPPER|UP) (EXTREMIT(?:Y|IES)|EXT|EXM|LIMBS?)\b", "UPPERLIMB"),
    (r"\b(A C|AC|S C|SC|SI|S I) JOINTS?\b", "ACJOINT"),
    (r"\bRADIAL HEADS?\b", "ELBOW"),
    (r"\b(HUMERAL|METACARPAL) HEADS?\b", r"\1"),
    # Digits may be toes, unless the text names a hand.
    (r"\b(?:DIGITS?|PHALANX|PHALANGES)\b(?=.* HANDS?\b)", "FINGER"),
    (r"(\bHANDS?\b.* )(?:DIGITS?|PHALANX|PHALANGES)\b", r"\1FINGER"),
    # "Finger of the hand" is a finger, "scaphoid of the hand" is part of the wrist.
    (r"\b(OF|DE|DER|DELLA|DA|VAN)( (THE|LA|LEFT|RIGHT|BOTH))* (HANDS?|MAINS?|MANOS?|MAO)\b", " "),
)
_JOINED = re.compile(r"[&+/,\\]|\b(?:AND|UND|ET|Y|E|EN|OG|OCH)\b")
_SIDE = r"(?:LEFT|RIGHT|LINKS|RECHTS|LT|RT|L|R)"
_BEFORE, _AFTER = re.compile(rf"(?:XR|{_SIDE})"), re.compile(rf"(?:JOINT|{_SIDE})S?$")

# SNOMED CT: PS3.16 CID 4009, 4031, 7304, and the regions' left and right structures.
_CODES = {
    BodyPart.ELBOW: "16953009 127949000 368148009 368149001",
    BodyPart.FINGER: "7569003 76505004 125682004 734143007 734144001",
    BodyPart.FOREARM: "14975008 62413002 23416004 110535000 75129005 91238003 12881000 34318004 "
    "47728000 21133008 66480008 64262003",
    BodyPart.HAND: "85562004 24097009 36455000 85151006 78791008",
    BodyPart.HUMERUS: "85050009 40983000 118495001 119524001 20760004 368208006 368209003",
    BodyPart.SHOULDER: "16982005 9454009 91775009 91774008",
    BodyPart.WRIST: "74670003 8205005 30518006 5951000 9736006",
}
# The same concepts in SNOMED RT (designators SRT, SNM3, 99SDM).
_OLD_CODES = {
    BodyPart.ELBOW: "T-15430 T-D8300",
    BodyPart.FINGER: "T-D8800 T-D8810",
    BodyPart.FOREARM: "T-D8500 T-12420 T-12430 T-12403",
    BodyPart.HAND: "T-D8700 T-12540",
    BodyPart.HUMERUS: "T-12410 T-D8200",
    BodyPart.SHOULDER: "T-D2220 T-48330",
    BodyPart.WRIST: "T-15460 T-D8600 T-12450",
}


def _by_word(groups: Mapping[BodyPart, str]) -> dict[str, BodyPart]:
    return {word: part for part, words in groups.items() for word in words.split()}


_PART_OF = _by_word(_WORDS)
_PART_OF_CODE = _by_word(_CODES) | _by_word(_OLD_CODES)
_GENERAL = frozenset(_ANY.split())
_OTHER_ANATOMY = (OTHER_REGIONS | frozenset(_OTHERS.split())) - _GENERAL


@dataclass(frozen=True)
class BodyPartName:
    """A parsed name of a body part: `part` is one of the seven, `other` the text for anything else.

    Both are empty for an empty text and for words that fit each of the seven (EXTREMITY).
    other_anatomy: `other` is known to be another region (KNEE), not just an unknown word.
    """

    part: BodyPart | None = None
    other: str = ""
    other_anatomy: bool = False


def parse_body_part(text: str) -> BodyPartName:
    """Parse a body part in free text: any case, with sides, plurals and views, in eight languages.

    Unknown words are ignored next to one of the seven ("HAND BONE AGE"). Two of the seven ("HAND
    WRIST"), or one of them and another region, are ambiguous and returned as `other`.

    >>> parse_body_part("LT Hand PA").part, parse_body_part("KNEE").other
    (<BodyPart.HAND: 'HAND'>, 'KNEE')
    """
    words = _tokens(text)
    known = [(_part(w), _is_other(w)) for w in words]
    parts = {part for part, _ in known if part}
    if parts == {BodyPart.FINGER, BodyPart.HAND} and not _JOINED.search(text.upper()):
        parts = {BodyPart.FINGER}  # "THUMB LEFT HAND" is a finger
    others = any(other for _, other in known)
    if len(parts) == 1 and not others:
        return BodyPartName(next(iter(parts)))
    general = all(w in _GENERAL or w in _VIEWS or re.fullmatch(_SIDE, w) for w in words)
    if general and not parts:
        return BodyPartName()
    return BodyPartName(other=_shown(text), other_anatomy=others)


def parse_body_part_codes(items: Iterable[tuple[str, str]]) -> BodyPartName:
    """Parse (code value, code meaning) pairs; the meaning is used where no code is known."""
    pairs = list(items)
    for code, _ in pairs:
        if code.strip().upper() in _PART_OF_CODE:
            return BodyPartName(_PART_OF_CODE[code.strip().upper()])
    names = [parse_body_part(meaning) for _, meaning in pairs]
    return next((n for n in names if n.part), next((n for n in names if n.other), BodyPartName()))


def region_remarks(regions: Iterable[str], source: str = "the header") -> tuple[str, ...]:
    """Return a remark on images that `source` assigns to other `regions` ('' for none)."""
    named = sorted({r for r in regions if r})
    if not named:
        return ()
    return (f"{source} names {', '.join(named[:5])}: not known as one of the seven regions",)


def _tokens(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text.upper().replace("ß", "SS"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = " ".join(re.findall(r"[^\W\d_]+", plain))
    for pattern, word in _PHRASES:
        shorter = re.sub(pattern, word, plain).strip()
        plain = shorter or plain
    return plain.split()


def _part(word: str) -> BodyPart | None:
    """Parse one word, to which a side, a plural or XR may be attached: LWRIST, HANDRT, XRHAND."""
    starts = (word, _BEFORE.sub("", word, count=1) if _BEFORE.match(word) else word)
    stems = [w for s in starts for w in (s, _AFTER.sub("", s))]
    forms = (f for w in stems for f in (w, w.removesuffix("S"), w.removesuffix("ES")))
    return next((_PART_OF[f] for f in forms if f in _PART_OF), None)


def _is_other(word: str) -> bool:
    return _part(word) is None and not {word, word.removesuffix("S")}.isdisjoint(
        _OTHER_ANATOMY - _GENERAL
    )


def _shown(text: str) -> str:
    """Shorten a text to one line, since a header may contain anything."""
    return " ".join(text.split())[:40]
