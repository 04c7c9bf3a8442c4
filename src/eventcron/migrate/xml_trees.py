"""XML as elements that know their lines. Documents that declare entities are refused: they can multiply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from eventcron.migrate.model import WrongFormat

#: How deep elements may nest. No scheduler's file comes near it.
_MAX_DEPTH = 100


@dataclass
class Element:
    """An element. ``name`` and the names of ``attributes`` have no namespace."""

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def walk(self) -> Iterator[Element]:
        """Yield this element and all in it, in the order of the document."""
        yield self
        for child in self.children:
            yield from child.walk()

    def child(self, name: str) -> Element | None:
        """Return the first child with that name."""
        return next((one for one in self.children if one.name == name), None)

    def value(self, name: str) -> str:
        """Return the text of the first child with that name, without blanks around it, or "" if there is none."""
        found = self.child(name)
        return "" if found is None else found.text.strip()


def parse(text: str) -> Element:
    """Return the root element of *text*.

    Raises:
        WrongFormat: *text* is not XML, declares entities or nests too deep.
    """
    root = Element("", 0)
    open_elements = [root]
    parser = expat.ParserCreate(encoding="utf-8")

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(open_elements) > _MAX_DEPTH:
            raise WrongFormat(f"nested more than {_MAX_DEPTH} deep", parser.CurrentLineNumber)
        plain = {_local(key): value for key, value in attributes.items()}
        element = Element(_local(name), parser.CurrentLineNumber, plain)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_name: str) -> None:
        open_elements.pop()

    def data(characters: str) -> None:
        open_elements[-1].text += characters

    def entity(name: str, *_: object) -> None:
        raise WrongFormat(f"it declares the entity {name!r}, and eventcron reads none", parser.CurrentLineNumber)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = data, entity
    try:
        parser.Parse(_without_encoding(text).encode(), True)  # noqa: FBT003  expat's signature
    except expat.ExpatError as error:
        raise WrongFormat(f"not XML: {expat.ErrorString(error.code)}", error.lineno) from error
    return root.children[0]


def _local(name: str) -> str:
    return name.rsplit(":", 1)[-1]


def _without_encoding(text: str) -> str:
    """Return *text* from its first sign on. Jenkins declares XML 1.1, which expat does not know."""
    return (
        text.lstrip()
        .replace("<?xml version='1.1'", "<?xml version='1.0'", 1)
        .replace('<?xml version="1.1"', '<?xml version="1.0"', 1)
    )
