"""Rules of the contract as plain data, and what comes of holding a plugin to them: `Rule`, `Rules`, `Report`.

Every kind of plugin has a table of rules, each an id, a sentence, and a function that looks for a violation. A table is
run from its first rule to its last; where one that the others rest on is broken, these are left out by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Literal, TypeVar

from xherald.photons.errors import ConformanceError

__all__ = ["Outcome", "Report", "Rule", "Rules", "Skipped", "Violation", "require"]

Case = TypeVar("Case")
State = Literal["passed", "failed", "skipped", "told"]


class Violation(Exception):  # noqa: N818 - it never leaves the kit: a report takes it
    """A rule is broken: what was wrong, where, and what to do."""


class Skipped(Exception):  # noqa: N818
    """A rule could not be looked at: why."""


def require(holds: object, what: str) -> None:
    """Raise a `Violation` unless something holds."""
    if not holds:
        raise Violation(what)


@dataclass(frozen=True, slots=True)
class Rule(Generic[Case]):
    """One rule.

    Parameters
    ----------
    id : str — short, unique in its kind
    says : str — one sentence
    look : callable — raises `Violation` or `Skipped`
    essential : bool — whether nothing else can be looked at where it is broken
    floor : bool — whether it is of speed or memory, which a busy machine can break: told, and a failure where asked for
    """

    id: str
    says: str
    look: Callable[[Case], None]
    essential: bool = False
    floor: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one rule.

    Parameters
    ----------
    rule : str — its id
    says : str — its sentence
    state : {"passed", "failed", "skipped", "told"}
        "told" is a floor that was missed where floors are not asked for.
    reason : str — why it is not passed; empty where it is
    """

    rule: str
    says: str
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A plugin held to the rules of its kind.

    Parameters
    ----------
    kind : str — of `KINDS`
    plugin : str — its name
    outcomes : tuple of Outcome
    """

    kind: str
    plugin: str
    outcomes: tuple[Outcome, ...]

    @property
    def conforms(self) -> bool:
        """Whether no rule is broken."""
        return not self.broken

    @property
    def broken(self) -> tuple[str, ...]:
        """Ids of broken rules."""
        return tuple(one.rule for one in self.outcomes if one.state == "failed")

    def require(self) -> Report:
        """Itself, where no rule is broken.

        Raises
        ------
        ConformanceError
            Lists every broken rule: what was wrong, where, and what to do.
        """
        failed = [one for one in self.outcomes if one.state == "failed"]
        if failed:
            lines = "\n".join(f"  {one.rule}: {one.reason}\n      the rule: {one.says}" for one in failed)
            raise ConformanceError(f"{self.kind} {self.plugin!r} breaks {len(failed)} rules of its contract:\n{lines}")
        return self

    def as_json(self) -> dict[str, Any]:
        """The report in JSON's own types."""
        return {
            "kind": self.kind,
            "plugin": self.plugin,
            "conforms": self.conforms,
            "rules": [asdict(one) for one in self.outcomes],
        }


@dataclass(slots=True)
class Rules(Generic[Case]):
    """The rules of one kind, in the order in which they are looked at.

    Parameters
    ----------
    kind : str — of `KINDS`
    """

    kind: str
    _rules: list[Rule[Case]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Rule[Case]]:
        return iter(self._rules)

    def rule(
        self, name: str, says: str, *, essential: bool = False, floor: bool = False
    ) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
        """Enter a function that looks for violations, under an id and a sentence."""

        def enter(look: Callable[[Case], None]) -> Callable[[Case], None]:
            self._rules.append(Rule(name, says, look, essential, floor))
            return look

        return enter

    def run(self, case: Case, plugin: str, *, floors: bool = False) -> Report:
        """Hold a plugin to every rule.

        Parameters
        ----------
        case : Case — the plugin, and what it is tried on
        plugin : str — its name
        floors : bool — whether to fail where a floor of speed or memory is missed
        """
        outcomes: list[Outcome] = []
        missing = ""
        for rule in self._rules:
            if missing:
                outcomes.append(Outcome(rule.id, rule.says, "skipped", f"rests on {missing}, which is broken"))
                continue
            state, reason = self._looked(rule, case)
            if state == "failed" and rule.floor and not floors:
                state = "told"
            if state == "failed" and rule.essential:
                missing = rule.id
            outcomes.append(Outcome(rule.id, rule.says, state, reason))
        return Report(self.kind, plugin, tuple(outcomes))

    @staticmethod
    def _looked(rule: Rule[Case], case: Case) -> tuple[State, str]:
        try:
            rule.look(case)
        except Violation as fault:
            return "failed", _one_line(str(fault))
        except Skipped as fault:
            return "skipped", _one_line(str(fault))
        except Exception as fault:  # the plugin is foreign code: whatever it raises breaks the rule that asked it
            return "failed", _one_line(f"raised {type(fault).__name__}: {fault}")
        return "passed", ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
