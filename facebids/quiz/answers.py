# SPDX-License-Identifier: Apache-2.0
"""The observers of a study and their answers, as scoring reads them."""

from dataclasses import dataclass

NO_ANSWER = ''


@dataclass(frozen=True)
class Observer:
    """A person who answers questions. What they did not say about themselves is None.

    Attributes
    ----------
    id
        Identifier in the database; it says nothing about the person.
    arm
        Renders that they see, one of the arms of the study: ``'before'`` or ``'after'`` defacing.
    age_band
        Age in years, as ``'30-39'``.
    sex
        As they describe it.
    ethnicity
        As they describe it.
    profession
        As they describe it.
    """

    id: str
    arm: str
    age_band: str | None = None
    sex: str | None = None
    ethnicity: str | None = None
    profession: str | None = None


@dataclass(frozen=True)
class Answer:
    """The answer of an observer to one question.

    Attributes
    ----------
    observer
        Identifier of the observer.
    number
        Position of the question in the order in which the observer saw it, from 1.
    scan
        Identifier of the scan whose render was shown.
    arm
        Arm whose render was shown.
    kind
        ``'match'``: the right photograph is among the choices. ``'open'``: it may be absent, and
        "none of the above" is a choice.
    present
        Whether the right photograph was among the choices.
    choices
        Identifiers of the photographs shown, without "none of the above".
    chosen
        Identifier of the chosen photograph; None: "none of the above". `NO_ANSWER` of a machine
        that finds no face in the render.
    right
        Identifier of the photograph of the person in the scan, whether it was shown or not.
    seconds
        Time from showing the question to the answer (s).
    """

    observer: str
    number: int
    scan: str
    arm: str
    kind: str
    present: bool
    choices: tuple[str, ...]
    chosen: str | None
    right: str
    seconds: float

    @property
    def correct(self) -> bool:
        """Whether the right photograph was chosen, or none of the above where it was absent."""
        return self.chosen == (self.right if self.present else None)

    @property
    def false_match(self) -> bool:
        """Whether the photograph of another person was chosen."""
        return self.chosen not in (None, NO_ANSWER, self.right)
