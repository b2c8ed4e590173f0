"""An interactive embedding for notebooks: `Explorer`, with selections, light curves, E–t maps and analogues.

A click or a lasso on the embedding selects sources and shows their light curves and E–t maps; points are coloured by
any column or property; the analogues of a bona-fide transient are marked and listed; a selection is saved as CSV.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.photons.errors import ConfigError, FileError

if TYPE_CHECKING:
    from astropy.table import QTable, Table
    from numpy.typing import NDArray

    from xherald.reference_catalogues import Member, Reference

__all__ = ["Explorer"]

MAX_LIGHT_CURVES: Final = 8
"""Light curves drawn of a selection; more cannot be told apart."""

NEEDED: Final = "the explorer needs plotly, anywidget and ipywidgets: pip install 'xherald[notebook]'"


class Explorer:
    """An interactive embedding of a reference catalogue.

    Parameters
    ----------
    reference : Reference
    case : str, optional
        By default the first.
    properties : str, Path or Table, optional
        Table with a column obsreg_id, whose other columns points can be coloured by, such as the published
        ``properties_table.csv``. Members that it lacks have no value.

    Raises
    ------
    ConfigError
        plotly, anywidget or ipywidgets is missing, or the table has no column obsreg_id.
    FileError
        The table cannot be read.

    Examples
    --------
    >>> Explorer(xh.Reference("chandra-acis-i"))  # doctest: +SKIP
    """

    def __init__(
        self, reference: Reference, case: str | None = None, properties: str | Path | Table | None = None
    ) -> None:
        try:
            import anywidget  # noqa: F401 - plotly's FigureWidget is built on it
            import ipywidgets as widgets
            import plotly.graph_objects as go
        except ImportError as fault:
            raise ConfigError(f"{fault.name} is not installed; {NEEDED}") from fault

        self.reference = reference
        self.case = reference.case(case).name
        self.table: QTable = reference.embedding_of(self.case)
        _join(self.table, properties)
        self.selected: tuple[int, ...] = ()
        self.analogues: list[tuple[Member, float]] = []

        self.figure = go.FigureWidget(layout=_layout(f"{reference.name}@{reference.version}, case {self.case}"))
        names = [str(name) for name in self.table["obsreg_id"]]
        self.figure.add_scattergl(
            x=np.asarray(self.table["x"]), y=np.asarray(self.table["y"]), mode="markers", text=names,
            hovertemplate="%{text}<extra></extra>", marker={"size": 5}, name="sources",
        )  # fmt: skip
        self.figure.add_scatter(
            x=[], y=[], mode="markers+text", marker={"size": 13, "symbol": "circle-open", "color": "black"},
            textposition="top center", name="analogues", hoverinfo="skip",
        )  # fmt: skip
        self.curves = go.FigureWidget(layout=_layout("light curves", "time since the start (s)", "ct/s", height=260))
        self.map = go.FigureWidget(layout=_layout("E–t map", "time bin", "energy bin", height=260))
        self.map.add_heatmap(z=np.zeros((16, 24)), colorscale="Magma", showscale=False)
        self._points = self.figure.data[0]
        self._points.on_click(lambda _, points, state: self.select(points.point_inds))
        self._points.on_selection(lambda _, points, state: self.select(points.point_inds))

        columns = [name for name in self.table.colnames if name not in ("obsreg_id", "x", "y")]
        self.colour_choice = widgets.Dropdown(options=columns, value="cluster", description="colour")
        self.colour_choice.observe(lambda change: self.colour_by(change["new"]), names="value")
        known = [member.name for member in reference.transients]
        self.analogue_choice = widgets.Dropdown(options=["", *known], description="analogues")
        self.analogue_choice.observe(lambda change: self.show_analogues(change["new"]), names="value")
        self.file_name = widgets.Text(value="selection.csv", description="file")
        self.save_button = widgets.Button(description="save selection")
        self.save_button.on_click(lambda _: self._save_clicked())
        self.message = widgets.HTML()
        self.colour_by("cluster")
        self.widget = widgets.VBox(
            [
                widgets.HBox([self.colour_choice, self.analogue_choice, self.file_name, self.save_button]),
                widgets.HBox([self.figure, widgets.VBox([self.curves, self.map])]),
                self.message,
            ]
        )

    @property
    def selection(self) -> list[Member]:
        """The selected members."""
        return [self.reference[row] for row in self.selected]

    def select(self, rows: Iterable[int]) -> list[Member]:
        """Select members by row, as a click or a lasso does, and show their light curves and E–t maps.

        Parameters
        ----------
        rows : iterable of int

        Returns
        -------
        list of Member
        """
        import plotly.graph_objects as go

        self.selected = tuple(int(row) for row in rows)
        members = self.selection
        self._say(f"{len(members)} sources selected")
        shown = members[:MAX_LIGHT_CURVES]
        traces = []
        for member in shown:
            curve = member.light_curve
            start, rate = np.asarray(curve["start_s"].value), np.asarray(curve["rate"].value)
            traces.append(go.Scatter(x=start, y=rate, line={"shape": "hv"}, name=f"{member.name} {member.kind}"))
        with self.curves.batch_update():
            self.curves.data = ()
            self.curves.add_traces(traces)
        if members:
            mean = np.mean([np.asarray(member.et_map, dtype=np.float64) for member in members], axis=0)
            with self.map.batch_update():
                self.map.data[0].z = mean.T
                self.map.layout.title.text = f"E–t map, mean of {len(members)}" if len(members) > 1 else members[0].name
        return members

    def colour_by(self, column: str) -> None:
        """Colour the points by a column of the reference or of the properties.

        Raises
        ------
        ConfigError
            The column does not exist.
        """
        if column not in self.table.colnames:
            raise ConfigError(f"no column {column!r} to colour by; there are {', '.join(self.table.colnames)}")
        values, labels = _colours(self.table[column])
        scale = "Viridis" if labels is None else "Turbo"
        bar: dict[str, Any] = {"title": column.replace("_", " ")}
        if labels is not None:
            bar |= {"tickvals": list(range(len(labels))), "ticktext": [label or "unknown" for label in labels]}
        with self.figure.batch_update():
            self._points.marker = {"size": 5, "color": values, "colorscale": scale, "showscale": True, "colorbar": bar}

    def show_analogues(self, name: str, k: int = 10) -> list[tuple[Member, float]]:
        """Mark and list the members nearest to a transient in feature space.

        Parameters
        ----------
        name : str
            Name of a member; empty for none.
        k : int

        Returns
        -------
        list of (Member, float)
            Nearest first, with the distance.
        """
        self.analogues = self.reference[name].similar(k, self.case) if name else []
        rows = ([self.reference[name].index] if name else []) + [member.index for member, _ in self.analogues]
        with self.figure.batch_update():
            marks = self.figure.data[1]
            marks.x, marks.y = np.asarray(self.table["x"])[rows], np.asarray(self.table["y"])[rows]
            marks.text = [str(number or name) for number in range(len(rows))]
        if name:
            self.select(rows)
            listed = ", ".join(f"{member.name} ({distance:.2g})" for member, distance in self.analogues)
            self._say(f"nearest to {name}: {listed}")
        return self.analogues

    def save(self, path: str | Path) -> Path:
        """Write the selected members as CSV, every column of the table.

        Raises
        ------
        ConfigError
            Nothing is selected.
        FileError
            The file cannot be written.
        """
        target = Path(path)
        if not self.selected:
            raise ConfigError("nothing is selected: click a point, or draw a lasso around some")
        try:
            self.table[list(self.selected)].write(target, format="ascii.csv", overwrite=True)
        except OSError as fault:
            raise FileError(target, f"cannot be written: {fault.strerror or fault}") from fault
        return target

    def _save_clicked(self) -> None:
        try:
            self._say(f"wrote {self.save(self.file_name.value)}")
        except (ConfigError, FileError) as fault:
            self._say(str(fault))

    def _say(self, text: str) -> None:
        from html import escape

        self.message.value = escape(text)

    def _repr_mimebundle_(self, **keywords: Any) -> Any:
        return self.widget._repr_mimebundle_(**keywords)

    def __repr__(self) -> str:
        return (
            f"<Explorer of {self.reference.name}, case {self.case}: {len(self.selected)} of {len(self.table)} selected>"
        )


def _layout(title: str, x: str = "", y: str = "", height: int = 560) -> dict[str, Any]:
    return {
        "title": {"text": title, "font": {"size": 13}},
        "xaxis": {"title": x, "showticklabels": bool(x)},
        "yaxis": {"title": y, "showticklabels": bool(y)},
        "height": height,
        "width": 620 if height > 400 else 460,
        "margin": {"l": 40, "r": 10, "t": 40, "b": 40},
        "showlegend": False,
        "dragmode": "lasso" if height > 400 else "zoom",
        "template": "plotly_white",
    }


def _colours(column: Any) -> tuple[NDArray[np.float64], Sequence[str] | None]:
    """Numbers to colour by, and for texts the labels of the numbers."""
    values = np.asarray(getattr(column, "filled", lambda *_: column)())
    if values.dtype.kind in "fiub":
        return values.astype(np.float64), None
    labels, numbers = np.unique(values.astype(str), return_inverse=True)
    return numbers.astype(np.float64), [str(label) for label in labels]


def _join(table: QTable, properties: str | Path | Table | None) -> None:
    """Add the columns of a table of properties, matched by obsreg_id."""
    if properties is None:
        return
    given: Any = _read_csv(Path(properties)) if isinstance(properties, str | Path) else properties
    if "obsreg_id" not in given.colnames:
        raise ConfigError(f"properties: no column obsreg_id; there are {', '.join(given.colnames)}")
    row_of = {str(name): row for row, name in enumerate(given["obsreg_id"])}
    rows = np.array([row_of.get(str(name), -1) for name in table["obsreg_id"]])
    for name in given.colnames:
        if name in table.colnames:
            continue
        values: Any = np.ma.asarray(given[name])
        if values.dtype.kind in "fiu":
            numbers = np.ma.filled(values.astype(np.float64), np.nan)
            table[name] = np.where(rows >= 0, numbers[rows], np.nan)
        else:
            texts = np.ma.filled(values.astype(str), "")
            table[name] = np.where(rows >= 0, texts[rows], "")


def _read_csv(path: Path) -> Table:
    from astropy.table import Table

    try:
        return Table.read(path, format="ascii.csv")
    except (OSError, ValueError) as fault:
        raise FileError(path, f"cannot be read as CSV: {fault}") from fault
