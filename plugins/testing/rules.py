"""Conformance rules and the reports of checking a plugin against them: `Rule`, `Rules`, `Report`.

Each kind of plugin has a table of rules: an id, a description, and a function that checks for a violation. Rules are
checked in order; when an essential rule is broken, those after it are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Literal, TypeVar

from xherald.photons.errors import ConformanceError

__all__ = ["Outcome", "Report", "Rule", "Rules", "Skipped", "Violation", "require"]

Case = TypeVar("Case")
State = Literal["passed", "failed", "skipped", "warning"]


class Violation(Exception):  # noqa: N818 - never raised to the user; reported as an `Outcome`
    """A rule is broken: what is wrong, where, and what to do."""


class Skipped(Exception):  # noqa: N818
    """A rule could not be checked: why."""


def require(condition: object, message: str) -> None:
    """Raise a `Violation` unless a condition is true."""
    if not condition:
        raise Violation(message)


@dataclass(frozen=True, slots=True)
class Rule(Generic[Case]):
    """One rule.

    Parameters
    ----------
    id : str — short, unique in its kind
    description : str — one sentence
    check : callable — raises `Violation` or `Skipped`
    essential : bool — whether later rules are skipped if it is broken
    is_performance : bool
        Whether it limits run time or memory, which depends on the machine; breaking it is a warning unless performance
        rules are enforced.
    """

    id: str
    description: str
    check: Callable[[Case], None]
    essential: bool = False
    is_performance: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one rule.

    Parameters
    ----------
    rule : str — its id
    description : str
    state : {"passed", "failed", "skipped", "warning"}
        A warning is a broken performance rule that was not enforced.
    reason : str — why it did not pass; empty if it did
    """

    rule: str
    description: str
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Results of checking a plugin against the rules of its kind.

    Parameters
    ----------
    kind : str — of `KINDS`
    plugin : str — name of the plugin
    outcomes : tuple of Outcome — one per rule
    """

    kind: str
    plugin: str
    outcomes: tuple[Outcome, ...]

    @property
    def conforms(self) -> bool:
        """Whether the plugin breaks no rule."""
        return not self.broken_rules

    @property
    def broken_rules(self) -> tuple[str, ...]:
        """Ids of broken rules."""
        return tuple(one.rule for one in self.outcomes if one.state == "failed")

    def require(self) -> Report:
        """Return the report if the plugin conforms.

        Raises
        ------
        ConformanceError
            Lists the broken rules: what is wrong, where, and what to do.
        """
        failed = [one for one in self.outcomes if one.state == "failed"]
        if failed:
            lines = "\n".join(f"  {one.rule}: {one.reason}\n      rule: {one.description}" for one in failed)
            raise ConformanceError(
                f"{self.kind} {self.plugin!r} breaks {len(failed)} of the contract's rules:\n{lines}"
            )
        return self

    def as_json(self) -> dict[str, Any]:
        """The report as JSON-compatible types."""
        return {
            "kind": self.kind,
            "plugin": self.plugin,
            "conforms": self.conforms,
            "rules": [asdict(one) for one in self.outcomes],
        }


@dataclass(slots=True)
class Rules(Generic[Case]):
    """Rules of one plugin kind, in the order in which they are checked.

    Parameters
    ----------
    kind : str — of `KINDS`
    """

    kind: str
    _rules: list[Rule[Case]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Rule[Case]]:
        return iter(self._rules)

    def rule(
        self, rule_id: str, description: str, *, essential: bool = False, is_performance: bool = False
    ) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
        """Add the decorated function as a rule."""

        def add(check: Callable[[Case], None]) -> Callable[[Case], None]:
            self._rules.append(Rule(rule_id, description, check, essential, is_performance))
            return check

        return add

    def run(self, case: Case, plugin: str, *, enforce_performance: bool = False) -> Report:
        """Check a plugin against every rule.

        Parameters
        ----------
        case : Case — the plugin and the data it is tested with
        plugin : str — name of the plugin
        enforce_performance : bool — whether a broken performance rule is a failure, not a warning
        """
        outcomes: list[Outcome] = []
        broken_essential = ""
        for rule in self._rules:
            if broken_essential:
                reason = f"requires rule {broken_essential}, which is broken"
                outcomes.append(Outcome(rule.id, rule.description, "skipped", reason))
                continue
            state, reason = self._check(rule, case)
            if state == "failed" and rule.is_performance and not enforce_performance:
                state = "warning"
            if state == "failed" and rule.essential:
                broken_essential = rule.id
            outcomes.append(Outcome(rule.id, rule.description, state, reason))
        return Report(self.kind, plugin, tuple(outcomes))

    @staticmethod
    def _check(rule: Rule[Case], case: Case) -> tuple[State, str]:
        try:
            rule.check(case)
        except Violation as fault:
            return "failed", _one_line(str(fault))
        except Skipped as fault:
            return "skipped", _one_line(str(fault))
        except Exception as fault:  # any error of a plugin breaks the rule
            return "failed", _one_line(f"raised {type(fault).__name__}: {fault}")
        return "passed", ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
