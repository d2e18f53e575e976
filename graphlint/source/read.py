"""From bytes to text, and back to the same bytes."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

_BOM = b"\xef\xbb\xbf"
_NEWLINE = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Why a file can't be read as Python, and where: row and column from 1, in characters."""

    row: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The text of a file, with the newlines that it has.

    Attributes:
        filename: what the file is called in findings.
        text: the text, without a byte order mark.
        encoding: the codec that the bytes are in.
        bom: the bytes start with a UTF-8 byte order mark.
        newline: the first line end of the text, a line feed where there is none.
        problem: why it can't be read as Python; the text is empty then.
    """

    filename: str
    text: str
    encoding: str = "utf-8"
    bom: bool = False
    newline: str = "\n"
    problem: SyntaxProblem | None = None

    def encode(self, text: str) -> bytes:
        """Return the bytes of a text in this file's encoding, behind its byte order mark.

        Raises:
            UnicodeEncodeError: the encoding has no bytes for a character.
        """
        return (_BOM if self.bom else b"") + text.encode(self.encoding)


def read_source(path: Path | str, filename: str | None = None) -> SourceFile:
    """Read a file.

    Args:
        path: where it is.
        filename: what to call it, the path unless told.

    Raises:
        OSError: the file can't be read.
    """
    return decode_source(Path(path).read_bytes(), str(path) if filename is None else filename)


def decode_source(data: bytes, filename: str = "<string>") -> SourceFile:
    """Decode a file's bytes as Python does: byte order mark, encoding cookie, else UTF-8.

    Args:
        data: the bytes.
        filename: what to call the file in findings.

    Returns:
        The file, with a problem in place of text where the bytes can't be decoded or hold a null.
    """
    bom = data.startswith(_BOM)
    body = data[len(_BOM) :] if bom else data
    try:
        # The cookie stands on one of the first two lines, whichever newlines the file has.
        head = b"\n".join(_NEWLINE.split(data, 2)[:2])
        encoding = tokenize.detect_encoding(io.BytesIO(head).readline)[0]
    except SyntaxError as error:
        problem = SyntaxProblem(_cookie_row(body), 1, _sentence(str(error.msg)))
        return SourceFile(filename, "", bom=bom, problem=problem)
    encoding = "utf-8" if bom else encoding
    null = body.find(b"\0")
    if null >= 0:
        row, column = _place(body[:null])
        problem = SyntaxProblem(row, column, "source code can't contain null bytes")
        return SourceFile(filename, "", encoding, bom, problem=problem)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        row, column = _place(body[: error.start])
        message = f"byte 0x{body[error.start]:02x} can't be decoded as {encoding}"
        problem = SyntaxProblem(row, column, message)
        return SourceFile(filename, "", encoding, bom, problem=problem)
    return SourceFile(filename, text, encoding, bom, _newline(text))


def _newline(text: str) -> str:
    end = min((i for i in (text.find("\n"), text.find("\r")) if i >= 0), default=-1)
    if end < 0 or text[end] == "\n":
        return "\n"
    return "\r\n" if text[end : end + 2] == "\r\n" else "\r"


def _place(before: bytes) -> tuple[int, int]:
    """Return the row and the column behind some bytes, as good as can be told."""
    text = before.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1


def _cookie_row(body: bytes) -> int:
    first, *others = _NEWLINE.split(body, 2)[:2]
    return 2 if b"coding" not in first and others else 1


def _sentence(message: str) -> str:
    # The standard library puts the (unknown) file name into some of its messages.
    return message.removeprefix("'<_io.BytesIO object>': ")
