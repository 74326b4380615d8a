"""What a terminal shows in the end of text that moves its own cursor: progress bars as their last frame."""

import re
from dataclasses import dataclass, field
from typing import final

TOKEN = re.compile(
    r"\x1b\[(?P<numbers>[0-9;:?]*)(?P<command>[ -/]*[@-~])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles and links
    r"|\x1b[^\[\]]?"
    r"|(?P<move>[\r\n\b])"
    r"|(?P<text>[^\x1b\r\n\b]+)"
)
MOVES = re.compile(r"[\r\b]|\x1b(?!\[[0-9;:]*m)|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
"""What makes the last frame another text than all that was written; colours alone do not."""
INVISIBLE = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f]")
COLUMNS, COLOURS = 10_000, 4
"""How far to the right a cursor moves by command, and commands of colour that one letter carries: the last ones."""


def last_frame(text: str) -> str:
    r"""The lines a terminal shows once it has received a text; colours stay, as the codes they were.

    Carriage returns, backspaces, and the commands that move the cursor or erase are obeyed; other commands go.

    >>> last_frame("\rstep 1/2\rstep 2/2\ndone")
    'step 2/2\ndone'
    """
    if not MOVES.search(text):
        return text
    screen = _Screen()
    for token in TOKEN.finditer(text):
        if token["text"] is not None:
            screen.write(INVISIBLE.sub("", token["text"]))
        elif token["move"] is not None:
            screen.move(token["move"])
        elif token["command"] is not None:
            screen.obey(token["command"], token["numbers"])
    return screen.text()


@final
@dataclass
class _Screen:
    """Lines of letters, each with the colour codes in force when it was written, and a cursor."""

    lines: list[list[tuple[str, str]]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    colours: tuple[str, ...] = ()

    def write(self, text: str) -> None:
        line, end = self.lines[self.row], self.column + len(text)
        line += [("", " ")] * (self.column - len(line))
        style = "".join(self.colours)
        line[self.column : end] = [(style, letter) for letter in text]
        self.column = end

    def move(self, letter: str) -> None:
        if letter == "\b":
            self.column = max(0, self.column - 1)
        else:
            self.column = 0
        if letter == "\n":
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append([])

    def obey(self, command: str, numbers: str) -> None:
        first = numbers.partition(";")[0]
        count = min(int(first), COLUMNS) if first.isdigit() and len(first) < 9 else 0
        match command:
            case "m":
                code = f"\x1b[{numbers}m"
                kept = [colour for colour in self.colours if colour != code]
                self.colours = () if numbers in ("", "0") else (*kept, code)[-COLOURS:]
            case "A" | "F":
                self.row = max(0, self.row - max(1, count))
            case "B" | "E":
                self.row = min(len(self.lines) - 1, self.row + max(1, count))
            case "C":
                self.column = min(COLUMNS, self.column + max(1, count))
            case "D":
                self.column = max(0, self.column - max(1, count))
            case "G":
                self.column = max(0, count - 1)
            case "K":
                self._erase_in_line(count)
            case "J" if count != 1:
                self._erase_below(everything=count >= 2)
        if command in ("E", "F"):
            self.column = 0

    def _erase_in_line(self, count: int) -> None:
        line = self.lines[self.row]
        if count in (1, 2):
            line[: self.column + 1] = [("", " ")] * min(self.column + 1, len(line))
        if count in (0, 2):
            del line[self.column :]

    def _erase_below(self, *, everything: bool) -> None:
        if everything:
            self.lines, self.row, self.column = [[]], 0, 0
        else:
            del self.lines[self.row + 1 :], self.lines[self.row][self.column :]

    def text(self) -> str:
        return "\n".join(map(_line, self.lines))


def _line(letters: list[tuple[str, str]]) -> str:
    """One line as text: a colour begins where it changes and ends with the line."""
    written, now = [], ""
    for style, letter in letters:
        if style != now:
            written.append(("\x1b[0m" if now else "") + style)
            now = style
        written.append(letter)
    return "".join(written) + ("\x1b[0m" if now else "")
